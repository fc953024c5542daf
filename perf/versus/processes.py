"""Starts programs and ends them: each in a process group of its own, which goes whole, however the run ends."""
import contextlib
import ctypes
import dataclasses
import os
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """A program that does not do what it was started for; says what it said last."""


@dataclasses.dataclass(frozen=True)
class Scheduling:
    """CPUs to stay on, where any are named, and a real-time priority, where it is not 0 and we may."""
    cpus: tuple = ()
    priority: int = 0

    def apply(self):
        if self.cpus:
            os.sched_setaffinity(0, self.cpus)
        if self.priority:
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(self.priority))


ANYHOW = Scheduling()


class Program:
    def __init__(self, argv, environment, scheduling):
        def begin():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            scheduling.apply()

        self.said = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environment or {})}, preexec_fn=begin)
        self.name = os.path.basename(argv[0])
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.returncode is None and not self._ended()

    def last_words(self):
        self.said.seek(max(0, self.said.seek(0, os.SEEK_END) - 4000))
        lines = [line for line in self.said.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"

    def wait(self, seconds):
        """Its exit status; a program that takes longer is ended."""
        deadline = time.monotonic() + seconds
        while not self._ended():
            if time.monotonic() > deadline:
                self.end()
                raise Failed(f"{self.name} took longer than {seconds:.0f} s")
            time.sleep(0.005)
        self._sweep()
        return self.popen.returncode

    def end(self):
        if self.popen.returncode is None:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + 2
            while not self._ended() and time.monotonic() < deadline:
                time.sleep(0.01)
            self._sweep()
        self.said.close()

    def _ended(self):
        """It stays a zombie, so that its group's number stays its own until _sweep."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _sweep(self):
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Programs:
    """All that run now; a context that leaves none."""

    def __init__(self):
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.running[:]):
            self.end(program)

    def start(self, argv, environment=None, scheduling=ANYHOW):
        program = Program([str(word) for word in argv], environment, scheduling)
        self.running.append(program)
        return program

    def end(self, program):
        program.end()
        self.running.remove(program)


class Endpoints:
    """Makes listening addresses that are free, as vsluice writes them."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def new(self, kind):
        self.count += 1
        if kind == "unix":
            return f"unix:{self.folder}/{self.count}.sock"
        if kind == "vsock":
            if os.environ.get("VSLUICE_LAB") != "uml":
                raise Failed("AF_VSOCK only inside tests/lab/uml")
            return f"vsock:1:{7000 + self.count}"
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return f"tcp:127.0.0.1:{sock.getsockname()[1]}"


def split(endpoint):
    """(kind, the rest, its port as text) of an endpoint that Endpoints made."""
    kind, _, rest = endpoint.partition(":")
    return kind, rest, rest.rpartition(":")[2]


def _try_connect(endpoint):
    kind, rest, port = split(endpoint)
    family, address = {
        "tcp": (socket.AF_INET, ("127.0.0.1", port)), "unix": (socket.AF_UNIX, rest),
        "vsock": (socket.AF_VSOCK, (1, port))}[kind]
    if kind != "unix":
        address = (address[0], int(port))
    with socket.socket(family) as sock:
        sock.settimeout(2)
        sock.connect(address)


def wait_listening(program, endpoint, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _try_connect(endpoint)
        except OSError as error:
            if not program.alive():
                raise Failed(f"{program.name} ended: {program.last_words()}") from None
            if time.monotonic() > deadline:
                raise Failed(f"{program.name} does not listen on {endpoint}: {error}") from None
            time.sleep(0.02)
