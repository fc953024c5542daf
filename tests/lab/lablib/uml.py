"""Booting user-mode-linux: the command line, the three streams, and the way back out.

A UML kernel is one process of this machine (and one small process for each of its address spaces). Console 0 is the
kernel's log, consoles 1 and 2 carry the program's standard output and error, each through a pipe to us, raw, so that
they stay two streams. Whatever runs inside writes `status` into the run's folder at the end: that is its exit status.
"""

import os
import shlex

from . import cache, kernels
from .run import Broken, forward

BOOT_LIMIT_S = 60
LIMITS = "ulimit -c 0; ulimit -l unlimited; ulimit -Hn 65536; ulimit -Sn 65536"


def _own_cpu():
    """A CPU that no other UML of the lab is tied to, or None.

    The kernel and its processes take turns at every system call. Where both CPUs of a VM are idle, each turn across them wakes
    one up: 90 us a system call were seen; 5 to 20 us where they share one.
    """
    for cpu in sorted(os.sched_getaffinity(0)):
        lock = cache.try_lock(f"cpu-{cpu}")  # held until we exit
        if lock is not None:
            return {cpu}
    return None


class Uml:
    """One UML kernel of a run, started by being made; then finish()."""

    def __init__(self, run, suite, memory, root, init, more=()):
        self.run = run
        self.console = bytearray()
        self.streams = {}
        folder = kernels.uml(run, suite)
        pipes = {name: os.pipe() for name in ("console", "out", "err")}
        argv = [
            "./linux.uml", f"mem={memory}", f"umid={os.path.basename(run.folder)}", f"uml_dir={run.path('uml')}",
            "rootfstype=hostfs", f"rootflags={root}", "rw", f"init={init}", "quiet",
            "seccomp=auto",  # faster page faults from 6.16 on; before that not known, and ignored
            "con=null", f"con0=null,fd:{pipes['console'][1]}",
            f"con1=null,fd:{pipes['out'][1]}", f"con2=null,fd:{pipes['err'][1]}", *more,
        ]
        feed = {"console": self._take_console, "out": lambda data: forward(data, 1), "err": lambda data: forward(data, 2)}
        run.start_deadline()
        self.process = run.start(
            argv, cpus=_own_cpu(), cwd=folder,
            pass_fds=[write for _, write in pipes.values()],
            env={"LD_LIBRARY_PATH": folder, "TMPDIR": "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"},
            stdout=open(run.path("kernel"), "wb"), stderr=2 if run.verbose else open(run.path("kernel"), "ab"))
        for name, (read, write) in pipes.items():
            os.close(write)
            self.streams[read] = feed[name]

    def _take_console(self, data):
        self.console.extend(data)
        if self.run.verbose:
            forward(data, 2)

    def finish(self, booted_mark, status_file):
        """Until the kernel is gone. Returns the exit status that was written inside."""
        run = self.run
        if not run.wait(lambda: os.path.exists(booted_mark) or self.process.poll() is not None, self.streams, BOOT_LIMIT_S):
            raise Broken(f"the UML kernel did not come up within {BOOT_LIMIT_S} s", self.all_said())
        run.wait(lambda: self.process.poll() is not None, self.streams)
        run.wait(lambda: not self.streams, self.streams, 2)
        try:
            with open(status_file, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            raise Broken("the UML kernel ended, and no exit status was written", self.all_said()) from None

    def all_said(self):
        with open(self.run.path("kernel"), "rb") as file:
            return file.read() + bytes(self.console)


def assignments(env):
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in env.items())
