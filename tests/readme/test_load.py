#!/usr/bin/env python3
"""The README's load tests over TCP, Unix and a guest's vsock-mux socket, as printed but for how long each measures;
test_nested.py has the one over vsock, for as long as printed.

Run with no arguments it boots the guest and runs itself inside tests/lab/guest, in a mount namespace of its own:
the paths of the README are made there.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from blocks import blocks

HERE = pathlib.Path(__file__).resolve().parent
LOAD = pathlib.Path(os.environ["VSLUICE_LOAD"]).resolve()
PATIENCE_S = 60
UNAVAILABLE, INVALID = 69, 75
ATTEMPTS = 3
# In place of vsluice-load: of an option that is given twice the last counts.
BRIEF = f"""#!/bin/sh
[ "$1" != run ] || exec {LOAD} "$@" --warmup 100ms --duration 500ms
exec {LOAD} "$@"
"""


def shell(command):
    done = subprocess.run(["sh", "-c", command], text=True, stdout=subprocess.PIPE, timeout=150)
    print(done.stdout, flush=True)
    return done


def label(line):
    """What a line of output begins with, in front of its figures."""
    return line[:17].strip()


def check_output(name, text):
    """Whatever the README shows of an output is there, but for other figures; another machine's run may be valid."""
    real = {label(line) for line in text.splitlines()}
    for line in blocks("output")[name].splitlines():
        assert label(line) in real or line.startswith("INVALID"), f"{name}: nothing is printed like README's '{line}'"


def check_result(path, endpoint):
    result = json.loads(pathlib.Path(path).read_text())
    assert result["options"]["endpoint"] == endpoint, result["options"]
    assert result["throughput"]["completed"] > 0 and not any(result["errors"].values()), result["errors"]
    print(f"{path}: the test ran as printed", flush=True)


def there(results):
    """Whether the servers of all runs were there already."""
    return all(json.loads(pathlib.Path(path).read_text())["errors"]["connect"] == 0 for path in results)


def check_run(name, results):
    """Runs a block when its serving sides are there: a run that is invalid, on a busy machine, is one all the same."""
    end = time.monotonic() + PATIENCE_S
    done = shell(blocks()[name])
    while (done.returncode == UNAVAILABLE or not there(results)) and time.monotonic() < end:
        time.sleep(0.5)
        done = shell(blocks()[name])
    assert done.returncode in (0, INVALID), f"{name}: exit status {done.returncode}"
    for path, endpoint in results.items():
        check_result(path, endpoint)
    if name in blocks("output"):
        check_output(name, done.stdout)


def check_compare():
    """compare refuses invalid runs, and there may be one on a busy machine."""
    for _ in range(ATTEMPTS):
        done = shell(blocks()["load-compare"])
        if "latency p50" in done.stdout.partition("verdict\n")[2]:
            break
    check_output("load-compare", done.stdout)
    assert done.returncode == 0, f"load-compare: exit status {done.returncode}"
    assert "</html>" in pathlib.Path("load.html").read_text()
    print("load-compare: ran as printed")


def inside():
    """In the mount namespace, while the guest is up."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    os.mkdir("/run/fc7")
    os.symlink(os.environ["VSLUICE_LAB_MUX"], "/run/fc7/v.sock")
    os.mkdir("/run/results")
    os.chdir("/run/results")
    os.mkdir("/run/bin")
    brief = pathlib.Path("/run/bin/vsluice-load")
    brief.write_text(BRIEF)
    brief.chmod(0o755)
    os.environ["PATH"] = f"/run/bin:{os.environ['PATH']}"

    lines = blocks()["load-serve"].splitlines()
    servers = [subprocess.Popen(["sh", "-c", "exec " + line.removesuffix("&")]) for line in lines]
    try:
        check_run("load-run", {"tcp.json": "tcp:127.0.0.1:7000", "unix.json": "unix:/run/load.sock"})
        check_run("load-vsock-mux", {"vsock-mux.json": "vsock-mux:/run/fc7/v.sock:7000"})
        check_run("load-open", {"open.json": "vsock-mux:/run/fc7/v.sock:7000"})
        check_compare()
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def boot():
    with tempfile.TemporaryDirectory() as folder:
        serve = pathlib.Path(folder) / "load-guest"
        serve.write_text(blocks()["load-guest"])
        return subprocess.run([
            HERE.parent / "lab" / "guest", "--deadline", "400",
            "--install", f"{LOAD}:/usr/bin/vsluice-load",
            "--init", serve,
            "--", "unshare", "--mount", "--propagation", "private", sys.executable, __file__, "inside",
        ]).returncode


if __name__ == "__main__":
    sys.exit(inside() if len(sys.argv) > 1 else boot())
