#!/usr/bin/env python3
"""The system suite in the sandbox of vsluice.service: that very unit runs the tests, and they start vsluice there.

usage: test_host_suite.py [--whole [FILE...]] [OPTION...]

--whole: all of it that can run there (20 minutes), or of these files, such as `relay many`; otherwise of each file what
is quick. OPTION: of tests/lab/uml-systemd, such as --debian trixie.
"""
import json
import os
import shutil
import sys

from units import HERE, UNITS, boot, write

TESTS = HERE.parent
ROOT = TESTS.parent
PROGRAMS = "VSLUICE", "VSLUICE_PEER", "VSLUICE_REFUSE"

ROOT_ONLY = "only root can become somebody else: User=, NoNewPrivileges="
PROMETHEUS = "Prometheus is in the lab's cache, below a home: ProtectHome="

# What cannot run there, and why.
LEFT_OUT = {
    "guest": "it has a guest beside it, under QEMU: tests/lab/guest",
    "guest_ssh": "it has a guest beside it, under QEMU: tests/lab/guest",
    "access.Access.test_unix": ROOT_ONLY,
    "access.Access.test_mux": ROOT_ONLY,
    "freeze.Freeze.test_what_the_command_says": ROOT_ONLY,
    "metrics.DashboardQueries": PROMETHEUS,
    "metrics.Promtool": PROMETHEUS,
    "privilege.Privilege": ROOT_ONLY,
    "program.Run.test_tcp_options": "ss asks netlink: RestrictAddressFamilies=",
    "program.Refused.test_little_locked_memory": ROOT_ONLY,
    "program.Targets.test_denied": ROOT_ONLY,
    "restart.Taken.test_no_permission": ROOT_ONLY,
}

# Of each file what is quick enough for this machine; of hostile nothing is.
QUICK = [
    ("privilege", "Sandbox"),
    ("relay", "Sessions"),
    ("connect", "Connect.test_half_close", "Connect.test_request_answer", "Connect.test_target_resets"),
    ("limits", "Limits.test_max_rate_of_a_route", "Limits.test_a_guest_never_waits_to_be_accepted"),
    ("bounds", "Rates.test_rate_of_a_guest", "Sources.test_sessions_of_a_user"),
    ("access", "Access.test_tcp", "Access.test_reload", "Vsock"),
    ("reload", "Reload.test_routes_come_and_go", "Reload.test_mistakes_change_nothing",
     "Reload.test_guests_that_come_and_go"),
    ("reload_moves", "Moves.test_routes_swap", "Moves.test_a_mux_takes_the_place_of_a_plain_one"),
    ("freeze", "Freeze.test_new_sessions_wait_and_old_ones_go_on", "Freeze.test_http"),
    ("targets", "Balance", "Vsock", "Checked.test_of_all_kinds"),
    ("operate", "RunTime.test_a_route_comes_and_goes", "RunTime.test_a_template_makes_routes_of_its_guests",
     "Draining.test_hashed_sessions_survive_it"),
    ("top", "Top.test_plain_frames_where_there_is_no_terminal"),
    ("metrics", "MetricsTcp", "Metrics.test_process", "Metrics.test_guests"),
    ("log", "Log"),
    ("sight", "Sight"),
    ("many", "Descriptors.test_no_room_at_all"),
    ("pressure", "Pressure.test_bulk_needs_little_memory"),
    ("program", "Commands.test_doctor", "Activation", "Refused.test_run", "Run", "Targets"),
    ("proxy_protocol", "ProxyAccepted", "ProxySent", "ProxyVsock"),
    ("mux", "Mux.test_early_half_close_waits_for_ok", "Mux.test_guest_speaks_much_behind_ok", "Mux.test_many_at_once"),
    ("mux_listener", "MuxListener"),
    ("resets", "Kill.test_target_idle"),
    ("restart", "UnixFile.test_stale_socket_is_replaced", "UnixFile.test_mode_and_owner"),
    ("templates", "Ranges", "Guests.test_come_and_go", "Guests.test_what_guests_dial"),
    ("vmm", "Firecracker.test_guest_dials", "Firecracker.test_host_half_close_is_held_back",
     "Firecracker.test_recognised_by_the_name_of_its_process", "Libkrun.test_a_socket_for_each_port"),
    ("wait", "Wait.test_no_more_than_told"),
    ("timeouts", "Timeouts.test_all_beside_each_other"),
    ("reload_model", "Model"),
    ("soak", "Soak"),
    ("bandwidth", "Bandwidth.test_each_direction_by_itself", "Paced.test_a_sink_that_closes"),
]

# What has sockets of its own in all pairs is not for vsock.
SOCKETS_OF_PYTHON = {"relay": ["Ways", "Pipes", "Urgent"]}
NO_VSOCK = {"VSLUICE_TEST_KINDS": "tcp,unix,abstract"}

ENVIRONMENT = {
    "VSLUICE_LAB": "uml",
    "VSLUICE_TEST_SLOWNESS": "5",
    "PYTHONDONTWRITEBYTECODE": "1",
}
QUICK_ENVIRONMENT = {
    "VSLUICE_TEST_KINDS": "tcp,unix,vsock",
    "VSLUICE_TEST_ANSWER": "1M",
    "VSLUICE_TEST_SESSIONS": "20",
    "VSLUICE_TEST_ROUNDS": "40",
    "VSLUICE_TEST_IDLE": "300",
    "VSLUICE_TEST_RELOADS": "20",
    "VSLUICE_TEST_SOAK": "4",
}
WHOLE_ENVIRONMENT = {
    "VSLUICE_TEST_KINDS": "tcp,unix,abstract,vsock",
    "VSLUICE_TEST_EXCHANGE": "50M",
    "VSLUICE_TEST_ANSWER": "20M",
    "VSLUICE_TEST_CONNECT": "20M",
    "VSLUICE_TEST_CHURN": "3000",
    "VSLUICE_TEST_IDLE": "1000",
    "VSLUICE_TEST_RELOADS": "200",
}
WHOLE_DEADLINE_S = 7200

# All that differs from the unit: the tests in the place of vsluice, and where they and Python are.
DROP_IN = """[Service]
Type=oneshot
TimeoutStartSec=infinity
WatchdogSec=0
Restart=no
ExecStart=
ExecStart=/usr/bin/python3 /run/suite/suite_run.py /run/suite/tests/system /run/suite/parts /run/suite/left-out
RootDirectory=/host
TemporaryFileSystem=/run
BindReadOnlyPaths=/usr/local/suite:/run/suite
WorkingDirectory=/run/suite/tests/system
Environment={environment}
"""


def part(file, *tests, **environment):
    return {"file": file, "tests": tests, "environment": environment}


def whole(files):
    """Parts: each file, and again what of it is not for vsock."""
    parts = []
    for file in files or sorted(path.stem.removeprefix("test_") for path in (TESTS / "system").glob("test_*.py")):
        parts.append(part(file))
        if file in SOCKETS_OF_PYTHON:
            parts.append(part(file, *SOCKETS_OF_PYTHON[file], **NO_VSOCK))
    return parts


def prepare(root, parts, more):
    suite = root / "usr/local/suite"
    for folder in "tests/system", "tests/lab", "docs":
        shutil.copytree(ROOT / folder, suite / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "suite_run.py", suite)
    write(suite / "parts", json.dumps(parts))
    write(suite / "left-out", json.dumps(LEFT_OUT))
    environment = {**ENVIRONMENT, **more}
    for name in PROGRAMS:
        shutil.copy(os.environ[name], suite)
        environment[name] = f"/run/suite/{os.path.basename(os.environ[name])}"
    write(root / UNITS / "vsluice.service.d/suite.conf", DROP_IN.format(
        environment=" ".join(f"{name}={value}" for name, value in environment.items())))


def main(arguments):
    if arguments[:1] != ["--whole"]:
        return boot("host-suite", lambda root: prepare(root, [part(*test) for test in QUICK], QUICK_ENVIRONMENT),
                    *arguments)
    files = []
    for argument in arguments[1:]:
        if argument.startswith("--"):
            break
        files.append(argument)
    return boot("host-suite", lambda root: prepare(root, whole(files), WHOLE_ENVIRONMENT),
                "--deadline", str(WHOLE_DEADLINE_S), *arguments[1 + len(files):])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
