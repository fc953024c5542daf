#!/usr/bin/env python3
"""In the sandbox of vsluice.service, which starts it: runs parts of the system suite, each in a process of its own.

usage: suite_run.py FOLDER PARTS LEFT_OUT    the suite; a list of {file, tests, environment}, and {name: why}, in files

A name is FILE, FILE.CLASS or FILE.CLASS.TEST, FILE without test_ and .py. At the end it tells what was left out, what was
skipped and what failed, by name. Exit status: 0, or 1 when something failed, or there is nothing of a name to leave out.
"""
import json
import os
import pathlib
import socket
import sys
import time
import traceback
import unittest

KINDS = "ran", "left out", "skipped", "failed"


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def run(part, left_out):
    """What became of each test: {kind: {name: why}}."""
    file, wanted = part["file"], part["tests"]
    told = {kind: {} for kind in KINDS}
    if file in left_out:
        told["left out"][file] = left_out[file]
        return told
    os.environ.update(part["environment"])
    module = __import__(f"test_{file}")
    import harness
    loader = unittest.defaultTestLoader
    chosen = unittest.TestSuite()
    for test in flat(loader.loadTestsFromNames(wanted, module) if wanted else loader.loadTestsFromModule(module)):
        name = test.id().removeprefix("test_")
        out = {name, name.rpartition(".")[0]} & left_out.keys()
        told["left out"].update((name, left_out[name]) for name in out)
        if not out:
            told["ran"][name] = ""
            chosen.addTest(test)
    result = unittest.TextTestRunner(verbosity=2, resultclass=harness.Result).run(chosen)
    for kind, found in ("skipped", result.skipped), ("failed", result.failures + result.errors):
        for test, why in found:
            told[kind][test.id().removeprefix("test_")] = why.strip().rpartition("\n")[2]
    told["ran"] = {name: "" for name in told["ran"] if name not in told["skipped"]}
    return told


def apart(part, left_out):
    """In a process of its own: the harness reads its environment when it is imported."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = json.dumps(run(part, left_out))
            with open(write, "w") as file:
                file.write(text)
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(0)
    os.close(write)
    with open(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    return json.loads(text or json.dumps({"failed": {part["file"]: "it was not run to its end"}}))


def netlink():
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def prove_sandbox():
    """That of the unit is around this process: a user without capabilities, a filter, and no families but those it names."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    here = {key: status[key] for key in ("CapBnd", "NoNewPrivs", "Seccomp")}
    if os.getuid() == 0 or netlink() or here != {"CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}:
        sys.exit(f"not in the sandbox of the unit: user {os.getuid()}, netlink {netlink()}, {here}")


def main(folder, parts, left_out):
    prove_sandbox()
    os.chdir(folder)
    sys.path.insert(0, folder)
    parts, left_out = (json.loads(pathlib.Path(path).read_text()) for path in (parts, left_out))
    total = {kind: {} for kind in KINDS}
    for part in parts:
        print("===", part["file"], *part["tests"], file=sys.stderr, flush=True)
        started = time.monotonic()
        for kind, names in apart(part, left_out).items():
            total[kind].update(names)
        print(f"=== {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    whole = {part["file"] for part in parts if not part["tests"]}
    total["failed"].update((name, "to be left out, but there is no such test") for name in left_out
                           if name.partition(".")[0] in whole and name not in total["left out"])
    for name in total["ran"]:  # of another kind of pairs
        total["skipped"].pop(name, None)
    for kind in KINDS[1:]:
        for name, why in total[kind].items():
            print(f"{kind}: {name}: {why}")
    print(", ".join(f"{len(total[kind])} {kind}" for kind in KINDS))
    sys.exit(1 if total["failed"] else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
