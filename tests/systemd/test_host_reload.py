#!/usr/bin/env python3
"""The host's unit under 1,000 reloads, with 200 sessions that live through them and new ones without a pause; then with
a worker that hangs; then stopped under sessions. In a machine that boots, which is guest and host in one.

usage: test_host_reload.py [OPTION...]    options of tests/lab/uml-systemd, such as --debian trixie
"""
import os
import sys

from test_host_unit import library
from units import MISTAKE, UNITS, boot, write

CONFIG = """[global]
admin-socket = /run/vsluice/admin.sock

[route web]
listen = tcp:127.0.0.1:8080
target = vsock:local:80
"""
MORE = """[route more]
listen = unix:/run/vsluice/more.sock
target = vsock:local:80
"""


def prepare(root):
    write(root / "etc/vsluice/vsluice.conf", CONFIG)
    write(root / "root/more.conf", MORE)
    write(root / "root/mistake.conf", MISTAKE)
    write(root / UNITS / "vsluice.service.d/times.conf", "[Service]\nWatchdogSec=3s\n")


if __name__ == "__main__":
    sys.exit(boot("host-reload", prepare, "--install", f"{os.environ['VSLUICE_HOLD_THREAD']}:/usr/local/bin/hold-thread",
                  *library("microhttpd"), *library("curl"), *sys.argv[1:]))
