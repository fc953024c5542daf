"""libvsock and Go's mdlayher/vsock with each other, over AF_VSOCK in user-mode-linux (tests/lab/uml).

usage: interop.py LAB C-END [KERNEL]          builds the end in Go, and runs all tests in the lab
       interop.py --inside C-END GO-END       the tests; there only

Exit status: 0, 1, or 77 when Go, the package or the lab is missing.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
GOPATH = "/usr/share/gocode"
SOURCES = ("end.go", "stream.go", "visits.go")

LOCAL = 1  # VMADDR_CID_LOCAL, the loopback
ANY = 4294967295
NOBODY = 77  # a CID that is no machine's
FREE_PORT = 9999
MIB = 1 << 20
BULK = 64 * MIB
BEYOND_WINDOW = 4 * MIB  # the kernel takes 256 KiB that are not read
SHORT_MS = 300
VISITS = ((3000, 1), (7000, 16))  # connections, at once
ANSWER_SECONDS = 120


# ---- Outside: the build, and the lab ----

def missing():
    """The packages that are not installed."""
    here = {"golang-go": shutil.which("go"),
            "golang-github-mdlayher-vsock-dev": os.path.isdir(f"{GOPATH}/src/github.com/mdlayher/vsock")}
    return [package for package, found in here.items() if not found]


def build(folder):
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": GOPATH, "CGO_ENABLED": "0", "GOFLAGS": "-p=2",
                   "GOCACHE": os.path.join(folder, "cache")}
    binary = os.path.join(folder, "end-go")
    subprocess.run(["go", "build", "-o", binary, *SOURCES], cwd=HERE, env=environment, stdin=subprocess.DEVNULL,
                   check=True, timeout=300)
    return binary


def in_lab(argv):
    """Its exit status. Stopped, it lets the lab end what it started."""
    lab = subprocess.Popen(argv)
    try:
        return lab.wait()
    finally:
        lab.terminate()
        lab.wait()


def outside(lab, c_end, kernel="bookworm"):
    if absent := missing():
        print(f"SKIP: interop: needs the Debian packages {' and '.join(absent)}")
        return 77
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="vsluice-interop-") as folder:
        return in_lab([lab, "--kernel", kernel, "--deadline", "270", "--", sys.executable, __file__, "--inside", c_end,
                       build(folder)])


# ---- Inside ----

class Failed(Exception):
    """What an end answered to a command that it could not do; ends in words for people."""

    def __init__(self, line):
        _, self.errno, self.text = line.split(" ", 2)
        super().__init__(line)


class End:
    """A program that plays one end: commands to it, answers from it (end.c)."""

    binaries = {}

    def __init__(self, language, descriptors=()):
        self.language = language
        self.process = subprocess.Popen([self.binaries[language]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, pass_fds=descriptors)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")

    def answer(self):
        """Its words, ["eof"], or Failed."""
        guard = threading.Timer(ANSWER_SECONDS, self.process.kill)
        guard.start()
        line = self.process.stdout.readline().rstrip("\n")
        guard.cancel()
        if line.startswith("failed "):
            raise Failed(line)
        word, *words = line.split(" ") if line else [f"no answer of {self.language}"]
        if word == "ok":
            return words
        if word == "eof":
            return ["eof"]
        raise AssertionError(line or word)

    def __call__(self, *words):
        self.ask(*words)
        return self.answer()

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()


def number_of_port(address):
    return int(address.rpartition(":")[2])


class Case(unittest.TestCase):
    """One end of each language, for each test."""

    def setUp(self):
        self.ends = {}
        for language in End.binaries:
            self.start(language)

    def start(self, language, descriptors=()):
        end = self.ends[language] = End(language, descriptors)
        self.addCleanup(self.ended, end)
        return end

    def ended(self, end):
        self.assertEqual(end.end(), 0, f"how the end in {end.language} ended")

    def parsed(self, *addresses):
        """As libvsock prints them."""
        return [self.ends["c"]("parse", address)[0] for address in addresses]

    def failure(self, end, *words):
        with self.assertRaises(Failed) as context:
            end(*words)
        return context.exception

    def expect_failure(self, errno, end, *words):
        self.assertEqual(self.failure(end, *words).errno, errno, f"{end.language}: {' '.join(map(str, words))}")

    def wait_until(self, condition):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline)

    def connect(self, dialler, acceptor, cid=LOCAL):
        """The answers of both: (local, remote) of each."""
        address, = acceptor("listen", cid, 0)
        dialled = dialler("dial", LOCAL, number_of_port(address))
        return dialled, acceptor("accept")

    def expect_all_arrived(self, one, other):
        """Every byte that went into one end came out of the other, in order."""
        sent, received = {}, {}
        for end in one, other:
            words = end("totals")
            sent[end], received[end] = words[:2], words[2:]
        self.assertEqual(received[other], sent[one], f"{one.language} to {other.language}")
        self.assertEqual(received[one], sent[other], f"{other.language} to {one.language}")


class Connections:
    """Tests of a connection, for the two ways to dial."""

    dials = accepts = None

    def setUp(self):
        super().setUp()
        self.dialler, self.acceptor = self.ends[self.dials], self.ends[self.accepts]
        self.dialled, self.accepted = self.connect(self.dialler, self.acceptor)
        self.turns = ((self.dialler, self.acceptor), (self.acceptor, self.dialler))

    def transfer(self, sender, receiver, count):
        receiver.ask("receive", count)
        sender("send", count)
        self.assertNotEqual(receiver.answer(), ["eof"])

    def test_bytes_both_ways_at_once(self):
        self.dialler.ask("exchange", BULK)
        self.acceptor("exchange", BULK)
        self.dialler.answer()
        self.assertEqual(self.dialler("totals")[::2], [str(BULK)] * 2)
        self.expect_all_arrived(self.dialler, self.acceptor)

    def half_close(self, first, second):
        second.ask("receive", 2 * MIB)
        first("send", MIB)
        first("close-write")
        self.assertEqual(second.answer(), ["eof"])
        self.expect_failure("EPIPE", first, "send", 1)
        self.transfer(second, first, MIB)
        second("close-write")
        self.assertEqual(first("receive", 1), ["eof"])
        self.expect_all_arrived(first, second)
        self.assertEqual(first("totals")[::2], [str(MIB)] * 2)

    def test_half_close_by_the_one_who_dialled(self):
        self.half_close(self.dialler, self.acceptor)

    def test_half_close_by_the_one_who_accepted(self):
        self.half_close(self.acceptor, self.dialler)

    def close_read(self, first, second):
        first("close-read")
        self.assertEqual(first("receive", 1), ["eof"])

        def refused():
            try:
                second("send", 1)
            except Failed as error:
                self.assertEqual(error.errno, "EPIPE")
                return True
            return False
        self.wait_until(refused)
        self.transfer(first, second, MIB)
        self.assertEqual(first("totals")[:2], second("totals")[2:])

    def test_close_read_by_the_one_who_dialled(self):
        self.close_read(self.dialler, self.acceptor)

    def test_close_read_by_the_one_who_accepted(self):
        self.close_read(self.acceptor, self.dialler)

    def expect_timeout(self, end, *words):
        start = time.monotonic()
        self.expect_failure("ETIMEDOUT", end, *words)
        return (time.monotonic() - start) * 1000

    def test_read_deadlines_pass_and_are_set_anew(self):
        for reader, writer in self.turns:
            for anew in 0, 1000 * ANSWER_SECONDS:
                reader("read-deadline", SHORT_MS)
                self.assertGreater(self.expect_timeout(reader, "receive", 1), 0.8 * SHORT_MS)
                writer("send", 1000)
                self.expect_timeout(reader, "receive", 1000)
                reader("send", 1)
                writer("receive", 1)
                reader("read-deadline", anew)
                reader("receive", 1000)
        self.expect_all_arrived(*self.turns[0])

    def test_write_deadlines_pass_and_every_byte_arrives_afterwards(self):
        for writer, reader in self.turns:
            before = int(writer("totals")[0])
            writer("write-deadline", SHORT_MS)
            self.assertGreater(self.expect_timeout(writer, "send", BEYOND_WINDOW), 0.8 * SHORT_MS)
            sent = int(writer("totals")[0]) - before
            self.assertTrue(0 < sent < BEYOND_WINDOW, sent)
            writer("write-deadline", 0)
            reader.ask("receive", BEYOND_WINDOW)
            writer("send", BEYOND_WINDOW - sent)
            self.assertNotEqual(reader.answer(), ["eof"])
            self.expect_all_arrived(writer, reader)

    def test_one_deadline_for_both(self):
        for one, other in self.turns:
            one("deadline", 1)
            self.expect_timeout(one, "receive", 1)
            self.expect_timeout(one, "send", 1)
            one("deadline", 0)
            self.transfer(other, one, 1000)
            self.transfer(one, other, 1000)
        self.expect_all_arrived(*self.turns[0])

    def test_what_waits_is_woken_by_a_deadline_and_by_close(self):
        for one, other in self.turns:
            self.expect_failure("ETIMEDOUT", one, "receive-and-deadline")
            one("read-deadline", 0)
            self.transfer(other, one, 1000)
        self.expect_failure("EBADF", self.dialler, "receive-and-close")
        self.assertEqual(self.acceptor("receive", 1), ["eof"])

    def test_each_end_names_the_other_as_that_names_itself(self):
        dialled, accepted = self.parsed(*self.dialled), self.parsed(*self.accepted)
        self.assertEqual(accepted[0], dialled[1])
        self.assertEqual(accepted[0].rpartition(":")[0], "vsock:local")
        # A socket that was not bound has no CID of its own.
        self.assertEqual(number_of_port(accepted[1]), number_of_port(dialled[0]))
        self.assertEqual(accepted[1].rpartition(":")[0], "vsock:local")

    def test_many_connections(self):
        port = number_of_port(self.acceptor("listen", LOCAL, 0)[0])
        for count, at_once in VISITS:
            start = time.monotonic()
            self.acceptor.ask("serve", count)
            self.dialler("visit", LOCAL, port, count, at_once)
            self.acceptor.answer()
            print(f"{count} connections from {self.dials} to {self.accepts}, {at_once} at a time: "
                  f"{time.monotonic() - start:.1f} s", flush=True)


class GoDials(Connections, Case):
    dials, accepts = "go", "c"


class CDials(Connections, Case):
    dials, accepts = "c", "go"


class Addresses(Case):
    def both(self, *words):
        """As each says it, in the words of libvsock."""
        return [self.parsed(*self.ends[language](*words)) for language in ("c", "go")]

    def test_context_id(self):
        self.assertEqual(self.ends["c"]("context-id"), self.ends["go"]("context-id"))

    def test_both_parse_to_what_they_are(self):
        self.assertEqual(self.parsed("vm(3):1024", "hypervisor(0):0", "local(1):1024", "host(2):4294967295"),
                         ["vsock:3:1024", "vsock:hypervisor:0", "vsock:local:1024", "vsock:host:4294967295"])

    def test_listeners(self):
        for port, cid in enumerate((LOCAL, ANY, "own"), FREE_PORT):
            first = self.parsed(*self.ends["c"]("listen", cid, port))
            self.ends["c"]("close-listener")
            self.assertEqual(self.parsed(*self.ends["go"]("listen", cid, port)), first)

    def test_dialled(self):
        """Two that dial the same listener see themselves alike."""
        port = number_of_port(self.ends["c"]("listen", LOCAL, 0)[0])
        (c_local, c_remote), (go_local, go_remote) = self.both("dial", LOCAL, port)
        self.assertEqual(c_remote, go_remote)
        self.assertEqual(c_local.rpartition(":")[0], go_local.rpartition(":")[0])

    def test_a_listener_on_any_cid(self):
        for dialler, acceptor in ("c", "go"), ("go", "c"):
            _, accepted = self.connect(self.ends[dialler], self.ends[acceptor], ANY)
            self.assertEqual(self.parsed(accepted[1])[0].rpartition(":")[0], "vsock:local")


class Errors(Case):
    def expect_alike(self, pattern, reason, failures):
        """The same errno, operation, network, addresses and reason; the words need not be the same."""
        errnos, addresses = [], []
        for failure in failures:
            self.assertRegex(failure.text, pattern)
            match = re.match(pattern, failure.text)
            errnos.append(failure.errno)
            addresses.append(self.parsed(*match.groups()))
            self.assertIn(reason, failure.text[match.end():].lower())
        self.assertEqual(errnos[0], errnos[1])
        self.assertEqual(addresses[0], addresses[1])

    def of_both(self, *words):
        return [self.failure(self.ends[language], *words) for language in ("c", "go")]

    def test_dial(self):
        pattern = r"^dial vsock (\S+): "
        self.expect_alike(pattern, "connection reset by peer", self.of_both("dial", LOCAL, FREE_PORT))
        # mdlayher/socket 0.4.0 takes what connect(2) refuses at once for success: libvsock does not.
        failure = self.failure(self.ends["c"], "dial", NOBODY, FREE_PORT)
        self.assertEqual(failure.errno, "ENODEV")
        self.assertRegex(failure.text, rf"^dial vsock vsock:{NOBODY}:{FREE_PORT}: .*No such device")

    def test_listen(self):
        pattern = r"^listen vsock (\S+): "
        with socket.socket(socket.AF_VSOCK) as taken:
            taken.bind((LOCAL, FREE_PORT))
            taken.listen()
            self.expect_alike(pattern, "address already in use", self.of_both("listen", LOCAL, FREE_PORT))
        self.expect_alike(pattern, "cannot assign requested address", self.of_both("listen", NOBODY, FREE_PORT))

    def test_accept(self):
        failures = []
        for language in "c", "go":
            self.ends[language]("listen", LOCAL, FREE_PORT)
            failures.append(self.failure(self.ends[language], "accept-and-close"))
        self.expect_alike(r"^accept vsock (\S+): ", "closed", failures)

    def test_read_and_write(self):
        port = number_of_port(self.ends["c"]("listen", LOCAL, 0)[0])
        for language in "c", "go":
            dialled = self.parsed(*self.ends[language]("dial", LOCAL, port))
            self.ends[language]("close-write")
            self.ends[language]("deadline", 1)
            for operation, command in ("read", "receive"), ("write", "send"):
                text = self.failure(self.ends[language], command, 1).text
                self.assertRegex(text, rf"^{operation} vsock \S+->\S+: ")
                match = re.match(r"\w+ vsock (\S+)->(\S+): (.*)", text)
                self.assertEqual(self.parsed(*match.groups()[:2]), dialled)


class Listeners(Case):
    def test_deadlines_pass_and_are_set_anew(self):
        for dialler, acceptor in ("c", "go"), ("go", "c"):
            end = self.ends[acceptor]
            port = number_of_port(end("listen", LOCAL, 0)[0])
            end("accept-deadline", SHORT_MS)
            self.expect_failure("ETIMEDOUT", end, "accept")
            end("accept-deadline", 0)
            self.ends[dialler]("dial", LOCAL, port)
            end("accept")

    def test_close_wakes_what_accepts(self):
        for end in self.ends.values():
            port = number_of_port(end("listen", LOCAL, 0)[0])
            self.expect_failure("EBADF", end, "accept-and-close")
            self.expect_failure("EBADF", end, "accept")
            self.expect_failure("ECONNRESET", end, "dial", LOCAL, port)

    def test_an_inherited_descriptor_is_served_by_one_and_then_by_the_other(self):
        with socket.socket(socket.AF_VSOCK) as inherited:
            inherited.bind((LOCAL, socket.VMADDR_PORT_ANY))
            inherited.listen()
            _, port = inherited.getsockname()
            for language in self.ends:
                self.start(language, (inherited.fileno(),))
            for dialler, acceptor in (("go", "c"), ("c", "go")) * 2:
                end = self.ends[acceptor]
                self.assertEqual(self.parsed(*end("inherit", inherited.fileno())), [f"vsock:local:{port}"])
                self.ends[dialler]("dial", LOCAL, port)
                end("accept")
                self.ends[dialler]("send", 1000)
                end("receive", 1000)
                self.expect_all_arrived(self.ends[dialler], end)
                end("close-listener")  # a copy: the descriptor still listens


def prove_lab():
    """AF_VSOCK is used in a kernel of the lab only: VSLUICE_LAB says so, and CID 1 (loopback) can be bound."""
    if os.environ.get("VSLUICE_LAB") != "uml":
        return "VSLUICE_LAB is not uml"
    with socket.socket(socket.AF_VSOCK) as sock:
        try:
            sock.bind((LOCAL, socket.VMADDR_PORT_ANY))
        except OSError as error:
            return f"no AF_VSOCK loopback: {error}"
    return None


def inside(c_end, go_end, *names):
    if no := prove_lab():
        print(f"SKIP: interop: only in tests/lab/uml: {no}")
        return 77
    End.binaries = {"c": c_end, "go": go_end}
    done = unittest.main(argv=[__file__, *names], verbosity=2, exit=False)
    return 0 if done.result.wasSuccessful() and done.result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(inside(*sys.argv[2:]) if sys.argv[1] == "--inside" else outside(*sys.argv[1:]))
