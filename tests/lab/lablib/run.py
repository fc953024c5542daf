"""One run of a rung: its processes, its scratch folder, its deadline, the signals that stop it.

Owns: every process started for the run (and everything those start: the run is their subreaper, so that a
daemon that left its parent is still found), and one temporary folder. Both are gone when the `with Run(...)` block
is left, however it is left. `main` runs it in a child, which survives (and ends everything) when a caller kills the script
with SIGKILL; if the child itself is killed so, what it started directly dies by PR_SET_PDEATHSIG.

Invariant: nothing blocks but `Run.wait`; so a signal or the deadline is noticed at once, and always raised from
there, never in the middle of other code.

Refuses to know: kernels, packages, what a rung is.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

EXIT_SKIP = 77
EXIT_DEADLINE = 124
EXIT_BROKEN = 125
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
libc = ctypes.CDLL(None, use_errno=True)


class Skip(Exception):
    """The machine lacks something. The text says what, and how to get it."""


class Broken(Exception):
    """The lab itself failed: no verdict about the program. `console` is what the kernel said, if any did."""

    def __init__(self, why, console=b""):
        super().__init__(why)
        self.console = console


class DeadlinePassed(Exception):
    pass


class Stopped(Exception):
    """SIGINT, SIGTERM or SIGHUP came."""

    def __init__(self, signal_number):
        super().__init__(signal_number)
        self.signal_number = signal_number


def say(text):
    print(text, file=sys.stderr, flush=True)


def exit_status(returncode):
    """What a shell would show for subprocess' return code."""
    return 128 - returncode if returncode < 0 else returncode


def _prepare_child(cpus, group):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if group:
        os.setpgid(0, group)
    if cpus:
        os.sched_setaffinity(0, cpus)


def _descendants():
    """The process ids of everything below this process, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        children.setdefault(parent, []).append(int(entry))
    found = [os.getpid()]
    for pid in found:
        found.extend(children.get(pid, []))
    return found[1:]


class Run:
    def __init__(self, rung, deadline_s=None, verbose=False):
        self.rung = rung
        self.deadline_s = deadline_s
        self.verbose = verbose
        self.folder = None
        self._deadline = None
        self._signal = None

    def __enter__(self):
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in STOP_SIGNALS:
            signal.signal(number, self._note_signal)
        # Unix sockets live in here, and their paths have some 100 bytes at most.
        parent = tempfile.gettempdir()
        self.folder = tempfile.mkdtemp(prefix="vsluice-lab-", dir=parent if len(parent) < 50 else "/tmp")
        return self

    def __exit__(self, *_):
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._kill_everything()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _note_signal(self, number, _frame):
        self._signal = self._signal or number

    @staticmethod
    def _kill_everything():
        while True:
            for pid in _descendants():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.005)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start_deadline(self):
        """From here on `wait` raises DeadlinePassed when the run's deadline is over."""
        if self.deadline_s:
            self._deadline = time.monotonic() + self.deadline_s

    def start(self, argv, cpus=None, group=None, **options):
        """Start a process that cannot outlive this run, on these CPUs only, in that process group. Options as of Popen."""
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(argv, preexec_fn=lambda: _prepare_child(cpus, group), **options)

    def wait(self, done, streams=None, limit_s=None, stoppable=True):
        """Until done() is true; the one place that waits, and raises Stopped and DeadlinePassed (where stoppable).

        streams: {descriptor: function(bytes)}, fed as output comes; an entry is removed (and closed) at its
        end of file. Returns False when limit_s seconds passed first.
        """
        streams = {} if streams is None else streams
        limit = time.monotonic() + limit_s if limit_s is not None else None
        while True:
            now = time.monotonic()
            if stoppable and self._signal:
                raise Stopped(self._signal)
            if stoppable and self._deadline and now >= self._deadline:
                raise DeadlinePassed()
            if done():
                return True
            if limit and now >= limit:
                return False
            ready, _, _ = select.select([self._wake_read, *streams], [], [], 0.02)
            for descriptor in ready:
                if descriptor == self._wake_read:
                    os.read(descriptor, 4096)
                    continue
                data = os.read(descriptor, 65536)
                if data:
                    streams[descriptor](data)
                else:
                    del streams[descriptor]
                    os.close(descriptor)

    def command(self, argv, limit_s=600, stoppable=True, **options):
        """Run to its end; returns (exit status, what it wrote to standard output and error)."""
        read_end, write_end = os.pipe()
        text = bytearray()
        process = self.start(argv, stdout=write_end, stderr=write_end, **options)
        os.close(write_end)
        streams = {read_end: text.extend}
        try:
            ended = self.wait(lambda: process.poll() is not None, streams, limit_s, stoppable)
            if not ended:
                process.terminate()
                self.wait(lambda: process.poll() is not None, streams, 5)
                process.kill()
            self.wait(lambda: not streams, streams, 1)
        except BaseException:  # whoever catches this may remove what the command is working on
            self._kill_everything()
            raise
        for descriptor in streams:
            os.close(descriptor)
        return (exit_status(process.wait()) if ended else EXIT_DEADLINE), text.decode(errors="replace")


def forward(data, to=1):
    """All of it to our own standard output or error; to nowhere, once its reader is gone."""
    try:
        while data:
            data = data[os.write(to, data):]
    except BrokenPipeError:
        pass


def tail(console, lines=25):
    text = console.decode(errors="replace").replace("\r", "")
    kept = [line for line in text.splitlines() if not line.startswith(" [<")]  # no stack traces
    return "\n".join("  | " + line for line in kept[-lines:])


def main(rung, work, deadline_s=None, verbose=False):
    """work(run) -> exit status. Turns every outcome into this project's exit statuses, and exits.

    The run happens in a child with a process group of its own, so that it can end everything in good order even when
    we, or our process group, are killed by SIGKILL.
    """
    sys.stdout.flush()
    us = os.getpid()
    child = os.fork()
    if child:
        for number in STOP_SIGNALS:
            signal.signal(number, lambda number, _frame: os.kill(child, number))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(status if status >= 0 else EXIT_BROKEN)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != us:
        os._exit(EXIT_BROKEN)
    os.setpgid(0, 0)
    status = _verdict(rung, work, deadline_s, verbose)
    sys.stdout.flush()
    os._exit(status)


def _verdict(rung, work, deadline_s, verbose):
    try:
        with Run(rung, deadline_s, verbose) as run:
            return work(run)
    except Skip as reason:
        print(f"SKIP: {rung}: {reason}", flush=True)
        return EXIT_SKIP
    except DeadlinePassed:
        say(f"lab: {rung}: the deadline of {deadline_s:g} s passed; everything was ended")
        return EXIT_DEADLINE
    except Stopped as stop:
        say(f"lab: {rung}: stopped by {signal.Signals(stop.signal_number).name}; everything was ended")
        return 128 + stop.signal_number
    except Broken as failure:
        say(f"lab: {rung}: {failure}")
        if failure.console:
            say("lab: the end of the console:\n" + tail(failure.console))
        return EXIT_BROKEN
    except Exception:  # a mistake in the lab must not look like a verdict of the program
        traceback.print_exc()
        return EXIT_BROKEN
