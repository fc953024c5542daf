"""Runs a fuzzer for a while: on the seeds that stand beside this file, and on what it makes of them.

usage: run.py FUZZER NAME    NAME: that of corpus-NAME and NAME.dict

VSLUICE_FUZZ_SECONDS: how long (default 10), or until 10 million runs. An input that fails is left beside the
fuzzer, as NAME-crash-HASH or so; FUZZER with that file as its argument replays it.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

RUNS = 10_000_000
BYTES_MAX = {"proxy-header": 600}  # of an input; else 128


def main():
    fuzzer, name = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    here = pathlib.Path(__file__).resolve().parent
    seconds = os.environ.get("VSLUICE_FUZZ_SECONDS", "10")
    with tempfile.TemporaryDirectory(prefix="vsluice-fuzz-") as folder:
        found = pathlib.Path(folder, "corpus")
        found.mkdir()
        command = [
            fuzzer, f"-runs={RUNS}", f"-max_total_time={seconds}", f"-max_len={BYTES_MAX.get(name, 128)}",
            "-timeout=120", f"-dict={here / name}.dict", f"-artifact_prefix={fuzzer.parent / name}-",
            "-print_final_stats=1", "-verbosity=1", found, here / f"corpus-{name}",
        ]
        environment = {**os.environ, "TMPDIR": folder, "ASAN_OPTIONS": "quarantine_size_mb=16"}
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
