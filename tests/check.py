#!/usr/bin/env python3
"""What ./check does once Python is there: builds vsluice and runs every test that this machine can run.

usage: ./check [MESON-TEST-ARGUMENT...]    e.g. ./check --suite unit, or the name of a test

Three builds: one with AddressSanitizer and UndefinedBehaviorSanitizer for the suites unit, kernel, system, epoll
and minimal; a release build of what the other suites need, for what a sanitizer would distort (memory figures) and for
the kernels of the lab (uml, systemd, guest, nested); one by clang, for its warnings. The last line counts: N passed,
N failed, N skipped.
"""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZED = ROOT / "build-sanitized"
RELEASE = ROOT / "build-release"
CLANG = ROOT / "build-clang"
BUILDS = {
    # -O2 takes a third longer to build, which is more than its programs are faster by.
    SANITIZED: (["-Dbuildtype=debugoptimized", "-Doptimization=1", "-Db_sanitize=address,undefined"], {}),
    RELEASE: (["-Dbuildtype=release"], {}),
    CLANG: (["-Dbuildtype=debug"], {"CC": "clang"}),
}
# Many tests wait, for a deadline or for a guest that boots.
AT_ONCE = len(os.sched_getaffinity(0)) + 1
RUNS = [
    (SANITIZED, ["unit", "kernel", "system", "epoll", "minimal"]),
    (RELEASE, ["release", "uml", "systemd", "guest", "nested"]),
]


def run(*command, environment=None):
    """Runs a command; without success there is nothing to test."""
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        sys.exit(f"check: {' '.join(map(str, command))}: exit status {done.returncode}")


def build(directory):
    options, environment = BUILDS[directory]
    again = ["--reconfigure"] if (directory / "build.ninja").exists() else []
    run("meson", "setup", *again, "-Dwerror=true", *options, directory, ROOT, environment=environment)
    # `meson test` builds what its tests depend on: of the release build that is half.
    if directory != RELEASE:
        run("meson", "compile", "-C", directory)


def results(directory):
    log = directory / "meson-logs" / "testlog.json"
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text().splitlines() if line.strip()]


def reason(result):
    """What a skipped test said last."""
    lines = [line for line in (result.get("stdout") or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def main():
    arguments = sys.argv[1:]
    for directory in BUILDS:
        build(directory)
    if not arguments:
        subprocess.run([ROOT / "tests" / "lab" / "prefetch"], cwd=ROOT)

    passed, failed, skipped = [], [], []
    for directory, suites in RUNS:
        (directory / "meson-logs" / "testlog.json").unlink(missing_ok=True)
        chosen = arguments or [word for suite in suites for word in ("--suite", suite)]
        command = ["meson", "test", "-C", directory, "--num-processes", str(AT_ONCE), "--print-errorlogs", *chosen]
        status = subprocess.run(command, cwd=ROOT).returncode
        done = results(directory)
        for result in done:
            kind = {"OK": passed, "SKIP": skipped}.get(result["result"], failed)
            kind.append(result)
        if status != 0 and not any(result in failed for result in done):
            sys.exit(f"check: {' '.join(map(str, command))}: exit status {status}")

    print()
    for result in skipped:
        print(f"skipped: {result['name']}: {reason(result)}")
    for result in failed:
        print(f"failed: {result['name']}: {result['result']}")
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
