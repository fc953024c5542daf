"""Runs the built program and its ends from outside, and leaves nothing behind, whatever a test does.

VSLUICE, VSLUICE_PEER, VSLUICE_REFUSE: the programs. VSLUICE_SANITIZED=1: an ASan build, whose memory is not measured.
VSLUICE_TEST_SLOWNESS: how many times slower than native this place is (UML, TCG); every deadline is multiplied by it.
VSLUICE_TEST_KINDS: of the endpoints to pair, tcp,unix,abstract by default; vsock only in tests/lab/uml.
VSLUICE_TEST_EXCHANGE, _ANSWER, _CONNECT, _SESSIONS, _CHURN, _IDLE, _LOAD: bytes and counts, by default those that must
hold.
Exit status: 0, 1, or 77 when every test was skipped.
"""

import collections
import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

MESON_BUILD = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), 'meson.build')
VSLUICE = os.environ.get('VSLUICE', 'vsluice')
PEER = os.environ.get('VSLUICE_PEER', 'peer')
REFUSE = os.environ.get('VSLUICE_REFUSE', 'refuse-io-uring')
SANITIZED = os.environ.get('VSLUICE_SANITIZED') == '1'
SLOWNESS = float(os.environ.get('VSLUICE_TEST_SLOWNESS', '1'))
KINDS = os.environ.get('VSLUICE_TEST_KINDS', 'tcp,unix,abstract').split(',')

# Abstract names are Unix sockets too: where every pair costs, paths stand for both.
PAIRS = list(itertools.product([kind for kind in KINDS if kind != 'abstract'], repeat=2))

USAGE, UNAVAILABLE, OSERR, IOERR, NOPERM, CONFIG = 64, 69, 71, 74, 77, 78

SANITIZER = re.compile(r'ERROR: AddressSanitizer|LeakSanitizer|runtime error:|ThreadSanitizer')



class Deadline(Exception):
    pass


def prove_lab():
    """AF_VSOCK is used in a kernel of the lab only: VSLUICE_LAB says so, and CID 1 (loopback) can be bound."""
    if os.environ.get('VSLUICE_LAB') != 'uml':
        sys.exit('vsock only inside the lab (tests/lab/uml): VSLUICE_LAB is not uml')
    with socket.socket(socket.AF_VSOCK) as sock:
        try:
            sock.bind((1, socket.VMADDR_PORT_ANY))
        except OSError as error:
            sys.exit(f'vsock only inside the lab: no loopback transport here: {error}')


if 'vsock' in KINDS:
    prove_lab()


class Process:
    """A program with its output collected, line by line and with the time at which each came."""

    def __init__(self, argv, name, stdin=subprocess.DEVNULL, **options):
        self.name = name
        self.lines = []
        self.news = threading.Condition()
        self.popen = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.readers = [threading.Thread(target=self._read, args=(stream,), daemon=True)
                        for stream in (self.popen.stdout, self.popen.stderr)]
        for reader in self.readers:
            reader.start()

    def _read(self, stream):
        for line in stream:
            with self.news:
                self.lines.append((time.monotonic(), line.decode(errors='replace').rstrip('\n')))
                self.news.notify_all()
        with self.news:
            self.news.notify_all()
        stream.close()

    @property
    def pid(self):
        return self.popen.pid

    def matches(self, pattern):
        """Every line that has the pattern, as match objects."""
        with self.news:
            found = [re.search(pattern, line) for _, line in self.lines]
        return [match for match in found if match]

    def wait_lines(self, pattern, count=1, seconds=20):
        deadline = time.monotonic() + seconds * SLOWNESS
        while len(found := self.matches(pattern)) < count:
            with self.news:
                self.news.wait(0.05)
            ended = self.popen.poll() is not None and not any(reader.is_alive() for reader in self.readers)
            if ended and len(self.matches(pattern)) < count:
                raise AssertionError(f'{self.name} ended with {self.popen.returncode} before {count} x "{pattern}"')
            if time.monotonic() > deadline:
                raise AssertionError(f'{self.name}: {len(found)} of {count} x "{pattern}" after {seconds} s')
        return found

    def wait(self, seconds=60):
        """Its exit status."""
        try:
            status = self.popen.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.name} still runs after {seconds} s') from None
        for reader in self.readers:
            reader.join()
        return status

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()

    @property
    def text(self):
        with self.news:
            return '\n'.join(line for _, line in self.lines)


class Proxy(Process):
    """`vsluice run`."""

    def __init__(self, argv, **options):
        super().__init__(argv, 'vsluice', **options)

    def wait_ready(self):
        self.wait_lines('^ready$')
        return self

    @property
    def routes(self):
        """What it listens on, by the route's name."""
        return {match[2]: connectable(match[1])
                for match in self.matches(r'^listening on (\S+) -> .*\(route (.*)\)$')}

    @property
    def endpoint(self):
        """Of its first route."""
        return next(iter(self.routes.values()))

    def links(self):
        """What each open descriptor is."""
        links = []
        for fd in os.listdir(f'/proc/{self.pid}/fd'):
            with contextlib.suppress(OSError):
                links.append(os.readlink(f'/proc/{self.pid}/fd/{fd}'))
        return links

    def pipes(self):
        """Descriptors of pipes that it has both ends of: it keeps them a while for the next session."""
        pipes = collections.Counter(link for link in self.links() if link.startswith('pipe:'))
        return sum(count for count in pipes.values() if count == 2)

    def fds(self):
        """All others. That every session gives its pipes back, vsluice itself asserts when it ends."""
        links = collections.Counter(self.links())
        return sum(count for link, count in links.items() if not link.startswith('pipe:') or count != 2)

    def wait_fds(self, count, seconds=10):
        """Sessions end a moment after their ends have seen it."""
        wait_until(lambda: self.fds() == count, seconds,
                   lambda: f'{self.fds()} descriptors are open, {count} were at the start: {self.open_files()}')

    def open_files(self):
        """How many descriptors of each kind."""
        return collections.Counter(link.split(':')[0] for link in self.links())

    def memory(self):
        """Resident bytes, the most there ever were: shared libraries, buffers and all."""
        with open(f'/proc/{self.pid}/status') as status:
            return int(re.search(r'VmHWM:\s+(\d+) kB', status.read())[1]) * 1024

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f'/proc/{self.pid}/stat') as stat:
            fields = stat.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def ended(self, token='[a-z-]+'):
        """The log lines of sessions that ended so."""
        return self.matches(rf'session \d+: ended: ({token}): ')

    def stop(self, seconds=10):
        """As systemd does; it must end well."""
        self.signal(signal.SIGTERM)
        status = self.wait(seconds)
        if status != 0:
            raise AssertionError(f'vsluice ended with {status} at SIGTERM')


class Peer(Process):
    @property
    def endpoint(self):
        return self.wait_lines(r'^listening on (\S+)')[0][1]

    def word(self, first):
        """The values of the line that begins with this word."""
        lines = self.matches(rf'^{first}\b.*$')
        if not lines:
            raise AssertionError(f'{self.name} said no "{first}"')
        return {key: float(value) for key, value in re.findall(r'(\w+)=([0-9.]+)', lines[-1][0])}

    def sessions(self):
        """What it said of each session: number -> (end, received, sent, time)."""
        pattern = r'^session (\d+) (\w+): in=(\S+) out=(\S+) at=(\S+)'
        return {int(match[1]): (match[2], match[3], match[4], float(match[5])) for match in self.matches(pattern)}

    def stop(self, seconds=10):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)


def connectable(endpoint):
    """A listen endpoint as one connects to it."""
    return endpoint.replace('vsock:any:', 'vsock:local:').replace('tcp:*:', 'tcp:127.0.0.1:')


class Stood:
    """How long this machine ran nothing meanwhile, in seconds: a virtual one stands still while its host is busy."""
    STEP = 0.02
    LATE = 0.05

    def __enter__(self):
        self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        before = time.monotonic()
        while not self._over.wait(self.STEP):
            now = time.monotonic()
            if now - before > self.STEP + self.LATE:
                self.seconds += now - before - self.STEP
            before = now

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def wait_until(condition, seconds, message):
    deadline = time.monotonic() + seconds * SLOWNESS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(message() if callable(message) else message)
        time.sleep(0.02)


def address(endpoint):
    """Family and address of tcp:HOST:PORT and unix:PATH (no vsock: only peer may, and proves first where it is)."""
    kind, _, rest = endpoint.partition(':')
    if kind == 'unix':
        return socket.AF_UNIX, rest.replace('@', '\0', 1)
    host, _, port = rest.rpartition(':')
    if host.startswith('['):
        return socket.AF_INET6, (host.strip('[]'), int(port))
    return socket.AF_INET, (host, int(port))


def reset(sock):
    """Closes with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    sock.close()


def read_all(sock):
    """Everything up to end-of-file; ConnectionResetError after a reset."""
    parts = []
    while part := sock.recv(1 << 20):
        parts.append(part)
    return b''.join(parts)


def fill(sock, seconds=0.3):
    """Sends until nothing more has gone for a while; what has gone, as a count of zero bytes."""
    sock.setblocking(False)
    sent, last = 0, time.monotonic()
    while time.monotonic() < last + seconds * SLOWNESS:
        try:
            sent += sock.send(bytes(1 << 18))
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    sock.settimeout(10 * SLOWNESS)
    return sent


class Result(unittest.TextTestResult):
    """Says how long each test took."""

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.stream.write(f'{time.monotonic() - self.started:.1f} s ')
        super().addSuccess(test)


class TestCase(unittest.TestCase):
    limit = 60  # seconds, for each test

    def run(self, result=None):
        def bad():
            return len(result.failures) + len(result.errors)
        before = bad()
        self.processes = []
        super().run(result)
        if bad() > before:
            for process in self.processes:
                text = process.text.split('\n')
                cut = [f'[{len(text) - 40} more]'] if len(text) > 40 else []
                print(f'--- {process.name} ({process.popen.args}): {process.popen.returncode}',
                      *text[:20], *cut, *text[20:][-20:], sep='\n', file=sys.stderr)
        return result

    def setUp(self):
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._too_long)
        signal.setitimer(signal.ITIMER_REAL, self.limit * SLOWNESS)
        self.dir = tempfile.mkdtemp(prefix='vsl-')
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.names = 0
        self.addCleanup(self._end_all)

    def _too_long(self, *_):
        raise Deadline(f'not done after {self.limit * SLOWNESS:g} s')

    def _end_all(self):
        for process in self.processes:
            process.kill()
            for reader in process.readers:
                reader.join(5)
        for process in self.processes:
            found = SANITIZER.search(process.text)
            self.assertIsNone(found, f'{process.name}: {found and found[0]}:\n{process.text[-4000:]}')

    def name(self, ending=''):
        self.names += 1
        return f'{self.dir}/{self.names}{ending}'

    def listen(self, kind):
        """An endpoint that nobody uses."""
        if kind == 'abstract':
            return f'unix:@{self.name()}'
        return {'tcp': 'tcp:127.0.0.1:0', 'unix': f'unix:{self.name(".sock")}', 'vsock': 'vsock:any:0'}[kind]

    def start(self, process):
        self.processes.append(process)
        return process

    def proxy(self, *routes, config=None, nofile=None, ready=True, **options):
        """`vsluice run` with routes of the command line, or (kind, target) pairs, or the text of a file."""
        argv = ['prlimit', f'--nofile={nofile}'] if nofile else []
        argv += [VSLUICE, 'run']
        if config is not None:
            path = self.name('.conf')
            with open(path, 'w') as file:
                file.write(config)
            argv += ['-c', path]
        argv += [route if isinstance(route, str) else f'{self.listen(route[0])}={route[1]}' for route in routes]
        proxy = self.start(Proxy(argv, **options))
        return proxy.wait_ready() if ready else proxy

    def dial(self, endpoint, timeout=10):
        """A socket of this process, connected."""
        family, where = address(endpoint)
        sock = socket.socket(family)
        self.addCleanup(sock.close)
        sock.settimeout(timeout * SLOWNESS)
        sock.connect(where)
        return sock

    def knock(self, endpoint):
        """A socket, connected; none if it was reset before connect(2) was back."""
        with contextlib.suppress(ConnectionResetError):
            return [self.dial(endpoint)]
        return []

    def listener(self, kind, timeout=10):
        """A listening socket of this process, and its endpoint."""
        family, where = address(self.listen(kind))
        sock = socket.socket(family)
        self.addCleanup(sock.close)
        sock.settimeout(timeout * SLOWNESS)
        sock.bind(where)
        sock.listen(4096)
        if family != socket.AF_UNIX:
            return sock, 'tcp:{}:{}'.format(*sock.getsockname())
        return sock, 'unix:' + where.replace('\0', '@', 1)

    def accept(self, listener):
        sock, _ = listener.accept()
        self.addCleanup(sock.close)
        sock.settimeout(10 * SLOWNESS)
        return sock

    def serve(self, kind, *options):
        return self.start(Peer([PEER, 'serve', self.listen(kind), *map(str, options)], f'peer serve {kind}'))

    def begin(self, mode, endpoint, *options, **more):
        """A peer that goes on beside the test."""
        return self.start(Peer([PEER, mode, endpoint, *map(str, options)], f'peer {mode}', **more))

    def somebody_else(self):
        """What a command begins with to be run without privileges."""
        if os.getuid() != 0:
            self.skipTest('needs root, to be somebody else')
        argv = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all']
        if subprocess.run([*argv, VSLUICE, '--version'], capture_output=True).returncode != 0:
            self.skipTest('the program is where only root may read')
        return argv

    def peer(self, mode, endpoint, *options, status=0, seconds=None, **more):
        """A peer that runs to its end, within the deadline of the test."""
        seconds = seconds or self.limit
        process = self.begin(mode, endpoint, *options, '--timeout', seconds * SLOWNESS, **more)
        self.assertEqual(process.wait(seconds + 5), status, process.text[-2000:])
        return process

    def end_well(self, proxy, server=None, fds=None):
        """Nothing is left open, no session ended in error; a server started with --sessions has served them all."""
        if server is not None:
            self.assertEqual(server.wait(20), 0, server.text[-2000:])
        if fds is not None:
            proxy.wait_fds(fds)
        proxy.stop()
        self.assertEqual([match.string for match in proxy.ended()], [])


def unregistered(classes):
    """Every class of tests must have its own test in the meson.build beside it."""
    with open(MESON_BUILD) as file:
        text = file.read()
    return [name for name in classes if not re.search(rf'\b{name}\b', text)]


def main():
    module = sys.modules['__main__']
    classes = [name for name, value in vars(module).items()
               if isinstance(value, type) and issubclass(value, unittest.TestCase) and value.__module__ == '__main__'
               and unittest.defaultTestLoader.getTestCaseNames(value)]
    missing = unregistered(classes)
    if missing:
        sys.exit(f'not in {MESON_BUILD}: {" ".join(missing)}')
    started = time.monotonic()
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
    result = unittest.main(exit=False, testRunner=runner).result
    print(f'{time.monotonic() - started:.1f} s', file=sys.stderr)
    if not result.wasSuccessful():
        sys.exit(1)
    if result.skipped and len(result.skipped) == result.testsRun:
        print('skipped:', '; '.join(sorted({reason for _, reason in result.skipped})))
        sys.exit(77)
