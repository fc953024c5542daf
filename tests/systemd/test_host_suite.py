#!/usr/bin/env python3
"""The system suite in the sandbox of vsluice.service: that very unit runs the tests, and they start vsluice there.

usage: test_host_suite.py [OPTION...]    options of tests/lab/uml-systemd, such as --debian trixie
"""
import os
import shutil
import sys

from units import HERE, UNITS, boot, write

SUITE = HERE.parent / "system"
PROGRAMS = "VSLUICE", "VSLUICE_PEER", "VSLUICE_REFUSE"

# Of each part what is quick enough for this machine. What lowers limits (prlimit), asks netlink (ss) or starts as root
# the unit forbids.
TESTS = [
    ("privilege", "Sandbox"),
    ("relay", "Sessions", "RequestAnswer"),
    ("connect", "Connect.test_half_close", "Connect.test_request_answer", "Connect.test_target_resets"),
    ("limits", "Limits.test_max_rate_of_a_route", "Limits.test_a_guest_never_waits_to_be_accepted"),
    ("access", "Access.test_reload"),
    ("reload", "Reload.test_routes_come_and_go", "Reload.test_mistakes_change_nothing",
     "Reload.test_guests_that_come_and_go"),
    ("freeze", "Freeze.test_new_sessions_wait_and_old_ones_go_on", "Freeze.test_http"),
    ("targets", "Balance"),
    ("operate", "RunTime.test_a_route_comes_and_goes"),
    ("proxy_protocol", "ProxyAccepted"),
    ("mux_listener", "MuxListener"),
]

ENVIRONMENT = {
    "VSLUICE_LAB": "uml",
    "VSLUICE_TEST_SLOWNESS": "5",
    "VSLUICE_TEST_ANSWER": "1M",
    "VSLUICE_TEST_SESSIONS": "20",
    "VSLUICE_TEST_ROUNDS": "40",
    "VSLUICE_TEST_KINDS": "tcp,unix",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# All that differs from the unit: the tests in the place of vsluice, and where they and Python are.
DROP_IN = """[Service]
Type=oneshot
TimeoutStartSec=220s
WatchdogSec=0
Restart=no
ExecStart=
{commands}
RootDirectory=/host
TemporaryFileSystem=/run
BindReadOnlyPaths=/usr/local/suite:/run/suite
WorkingDirectory=/run/suite/system
Environment={environment}
"""


def prepare(root):
    suite = root / "usr/local/suite"
    shutil.copytree(SUITE, suite / "system", ignore=shutil.ignore_patterns("__pycache__"))
    environment = dict(ENVIRONMENT)
    commands = [f"ExecStart=/usr/bin/python3 test_{name}.py {' '.join(classes)}" for name, *classes in TESTS]
    for name in PROGRAMS:
        shutil.copy(os.environ[name], suite)
        environment[name] = f"/run/suite/{os.path.basename(os.environ[name])}"
    write(root / UNITS / "vsluice.service.d/suite.conf", DROP_IN.format(
        commands="\n".join(commands),
        environment=" ".join(f"{name}={value}" for name, value in environment.items())))


if __name__ == "__main__":
    sys.exit(boot("host-suite", prepare, *sys.argv[1:]))
