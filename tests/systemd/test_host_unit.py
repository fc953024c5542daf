#!/usr/bin/env python3
"""The host's units and the example configuration as `meson install` leaves them, in a machine that boots.

The machine is guest and host in one: CID 1 stands for the guest's.
usage: test_host_unit.py [OPTION...]    options of tests/lab/uml-systemd, such as --debian trixie
"""
import ctypes.util
import re
import subprocess
import sys

from units import MISTAKE, UNITS, blocks, boot, write

# Shorter than the test, so that it is also seen to be fed; shorter than drain-timeout.
TIMES = "[Service]\nWatchdogSec=3s\nTimeoutStopSec=1s\n"
MORE = """[route more]
listen = unix:/run/vsluice/more.sock
mode = 0666
deny = uid:bin
access-log = yes
target = vsock:local:80
"""
ACTIVATED = "[route {0}]\nlisten = fd:{0}\ntarget = unix:/run/target.sock\n"
TCP = "[Socket]\nListenStream=\nListenStream=127.0.0.1:81\n"


def prepare(root):
    [example] = root.rglob("examples/vsluice.conf")
    example.write_text(example.read_text().replace("vsock:3", "vsock:local"))
    write(root / "root/more.conf", MORE)
    write(root / "root/mistake.conf", MISTAKE)
    write(root / "etc/vsluice/broken.conf", MISTAKE)
    for name in "files", "ports":
        write(root / f"etc/vsluice/{name}.conf", ACTIVATED.format(name))
    write(root / UNITS / "vsluice.service.d/times.conf", TIMES)
    write(root / UNITS / "vsluice-activated@ports.socket.d/tcp.conf", TCP)
    write(root / "usr/local/bin/readme-host-unit", blocks()["host-unit"])


def library(name):
    """An option that brings a library which vsluice opens late, and what that needs."""
    listed = subprocess.run(["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True).stdout
    [path] = re.findall(rf"=> (/\S+/{re.escape(ctypes.util.find_library(name))})$", listed, re.M)[:1]
    return ["--install", f"{path}:/usr/lib/{path.rsplit('/', 1)[1]}"]


if __name__ == "__main__":
    sys.exit(boot("host-unit", prepare, *library("microhttpd"), *sys.argv[1:]))
