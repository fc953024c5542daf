#!/usr/bin/env python3
"""The README's routes to and from a guest under kernel vhost-vsock, and the load test over it, as printed, on a VM host
that is a guest itself."""
import os
import pathlib
import subprocess
import sys
import tempfile

from blocks import blocks

HERE = pathlib.Path(__file__).resolve().parent
VSLUICE = pathlib.Path(os.environ["VSLUICE"]).resolve()
LOAD = pathlib.Path(os.environ["VSLUICE_LOAD"]).resolve()


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, text in blocks().items():
            (pathlib.Path(folder) / name).write_text(text)
        return subprocess.run([
            HERE.parent / "lab" / "nested", "--deadline", "420",
            "--install", f"{VSLUICE}:/usr/bin/vsluice",
            "--install", f"{LOAD}:/usr/bin/vsluice-load",
            "--install", f"{folder}:/etc/readme",
            "--install", f"{HERE / 'outer'}:/usr/bin/readme-outer",
            "--inner-install", f"{VSLUICE}:/usr/bin/vsluice",
            "--inner-install", f"{LOAD}:/usr/bin/vsluice-load",
            "--inner-install", f"{folder}/guest-side:/etc/guest-side",
            "--inner-install", f"{folder}/load-guest:/etc/load-guest",
            "--inner-init", HERE / "inner",
            "--", "/usr/bin/readme-outer",
        ]).returncode


if __name__ == "__main__":
    sys.exit(main())
