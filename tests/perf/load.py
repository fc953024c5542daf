"""vsluice-load from outside: what its tests share, on top of tests/system/harness.py.

VSLUICE_LOAD: the program; what else is read from the environment, harness.py says.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'system'))
import harness  # noqa: E402
from harness import SLOWNESS  # noqa: E402

LOAD = os.environ.get('VSLUICE_LOAD', 'vsluice-load')

OK, USAGE, DATAERR, UNAVAILABLE, OSERR, CANTCREAT, IOERR, TEMPFAIL = 0, 64, 65, 69, 71, 73, 74, 75

# A generator may have been the bottleneck on a machine with two busy CPUs; it says so, and the bytes are as right.
DONE = (OK, TEMPFAIL)

HEADER = struct.Struct('<4sHBBQQII')
ANSWER = struct.Struct('<4sHH')
WELCOME = ANSWER.pack(b'VSLL', 1, 0)
WRONG_VERSION = ANSWER.pack(b'VSLL', 2, 1)


class Run(harness.Process):
    """`vsluice-load run`, with the result that it writes."""

    def __init__(self, argv, path, **options):
        super().__init__(argv, ' '.join(argv[argv.index('run'):][:4]), **options)
        self.path = path

    @property
    def result(self):
        with open(self.path) as file:
            return json.load(file)

    @property
    def problems(self):
        """Its lines on standard error that tell a problem."""
        return [match.string for match in self.matches('^vsluice-load')]


def favoured():
    """What a command begins with to come before what else a busy machine does, where that may be."""
    argv = ['nice', '-n', '-20']
    done = subprocess.run([*argv, 'nice'], capture_output=True, text=True)
    return argv if done.stdout.strip() == '-20' else []


class LoadCase(harness.TestCase):
    def load_serve(self, kind, *options, **more):
        """`vsluice-load serve`; its endpoint."""
        return self.load_server(self.listen(kind), *options, **more)[1]

    def load_server(self, listen, *options, before=(), **more):
        """The server as a process too."""
        argv = [*before, LOAD, 'serve', listen, *map(str, options)]
        server = self.start(harness.Process(argv, f'serve {listen}', **more))
        return server, harness.connectable(server.wait_lines(r'^serving on (\S+)$')[0][1])

    def begin_load(self, endpoint, mode, *options, before=(), **more):
        """A run that goes on beside the test."""
        path = self.name('.json')
        argv = [*before, LOAD, 'run', endpoint, '--mode', mode, '--json', path, *map(str, options)]
        return self.start(Run(argv, path, **more))

    def load(self, endpoint, mode, *options, status=DONE, seconds=30, **more):
        """A run to its end, with an exit status of those, and a result that fits it."""
        run = self.begin_load(endpoint, mode, *options, **more)
        allowed = status if isinstance(status, tuple) else (status,)
        ended = run.wait(seconds)
        self.assertIn(ended, allowed, run.text[-2000:])
        if ended in DONE:
            self.assertEqual(run.result['valid'], ended == OK, run.text[-2000:])
        return run

    def one_problem(self, run, *patterns):
        """One line on standard error tells the problem: each pattern is in it."""
        self.assertEqual(len(run.problems), 1, run.text)
        for pattern in patterns:
            self.assertRegex(run.problems[0], pattern)


class FakeServer:
    """A listening socket of this process; `session(sock)` is called in a thread for each connection."""

    def __init__(self, case, session, path=None):
        self.session = session
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ('127.0.0.1', 0))
        self.listener.listen(256)
        self.endpoint = f'unix:{path}' if path else 'tcp:{}:{}'.format(*self.listener.getsockname())
        self.sockets = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()
        case.addCleanup(self.close)

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, sock):
        try:
            self.session(sock)
        except OSError:
            pass

    def close(self):
        """shutdown(2) is what wakes a thread that waits; close(2) is not."""
        for sock in [self.listener, *self.sockets]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5 * SLOWNESS)
        for sock in [self.listener, *self.sockets]:
            sock.close()


def receive_exactly(sock, count):
    parts = b''
    while len(parts) < count:
        part = sock.recv(count - len(parts))
        if not part:
            raise ConnectionResetError('end-of-file')
        parts += part
    return parts


def read_header(sock):
    names = ('magic', 'version', 'mode', 'flags', 'seed', 'stream', 'request', 'response')
    return dict(zip(names, HEADER.unpack(receive_exactly(sock, HEADER.size))))


class Relay(FakeServer):
    """Passes bytes on, both ways, through `change(direction, offset, bytes)`; None from it ends both with a reset."""

    def __init__(self, case, target, change=lambda direction, offset, data: data, **where):
        self.target = harness.address(target)
        self.change = change
        super().__init__(case, self.relay, **where)

    def relay(self, near):
        far = socket.socket(self.target[0])
        self.sockets.append(far)
        far.connect(self.target[1])
        back = threading.Thread(target=self.pump, args=('down', far, near), daemon=True)
        back.start()
        self.pump('up', near, far)
        back.join()

    def pump(self, direction, source, target):
        offset = 0
        try:
            while data := source.recv(1 << 16):
                changed = self.change(direction, offset, data)
                if changed is None:
                    self.reset(source, target)
                    return
                target.sendall(changed)
                offset += len(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            self.reset(source, target)

    @staticmethod
    def reset(*sockets):
        """A descriptor that another thread waits on is not closed here: SO_LINGER 0 makes the close at the end a reset."""
        for sock in sockets:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
                # Disconnects a TCP socket with a reset, and keeps the descriptor (connect(2), AF_UNSPEC).
                disconnect(sock)
            except OSError:
                pass


def disconnect(sock):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.connect(sock.fileno(), struct.pack('H14x', socket.AF_UNSPEC), 16)


class Mux(Relay):
    """What a VMM puts before its guest: `CONNECT PORT`, answered by `OK N`, then the bytes of the target."""

    def __init__(self, case, target, port):
        self.port = port
        path = case.name('.mux')
        super().__init__(case, target, path=path)
        self.endpoint = f'vsock-mux:{path}:{port}'

    def relay(self, near):
        line = b''
        while not line.endswith(b'\n'):
            line += receive_exactly(near, 1)
        if line != b'CONNECT %d\n' % self.port:
            near.shutdown(socket.SHUT_RDWR)
            return
        near.sendall(b'OK 1073741824\n')
        super().relay(near)
