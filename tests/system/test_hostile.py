"""One hostile set at once, and an honest client beside it that must not notice."""

import contextlib
import socket
import statistics
import struct
import threading
import time

import harness
from harness import SANITIZED, SLOWNESS, wait_until

HALF_OPEN = 2000
TRICKLING = 500
NEVER_READING = 500
SESSIONS = HALF_OPEN + TRICKLING + NEVER_READING
TRICKLE_S = 10
ROUNDS = 1 if SANITIZED else 5
ROUND_S = 1.5
SLOWER = 1.5
# This machine has other things to do too: the more rounds, the less they count. Who is held up by the hostile is so each time.
TRIES = 1 if SANITIZED else 3
# Of the configuration: a worker's receive buffers, pipes and copy buffers are bounded, and so are its sessions.
MEMORY = (64 << 20) + SESSIONS * 4096

CONFIG = """[global]
max-sessions = 4000

[route honest]
listen = tcp:127.0.0.1:0
target = {honest}

[route sink]
listen = tcp:127.0.0.1:0
target = {sink}

[route source]
listen = tcp:127.0.0.1:0
target = {source}

[route told]
listen = tcp:127.0.0.1:0
target = {sink}
accept-proxy = yes

[route mux]
listen = mux:{mux}
target = tcp:127.0.0.1:*
"""


class Crowd:
    """Accepts all who come, and holds them: those of a source are sent as much as they take, which they never read."""

    def __init__(self, test, sends):
        self.listener, self.endpoint = test.listener('tcp')
        self.sends = sends
        self.held = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                if self.sends:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
                    sock.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            sock.send(bytes(1 << 16))
                self.held.append(sock)


class Nuisance:
    """A thread that does something again and again, at a pace."""

    def __init__(self, every, act):
        self.every = every
        self.act = act
        self.count = 0
        self.paused = False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over.wait(self.every):
            if self.paused:
                continue
            with contextlib.suppress(OSError):
                self.act(self.count)
            self.count += 1

    def end(self):
        self.over.set()
        self.thread.join()


class Hostile(harness.TestCase):
    limit = 120

    def connect(self, route, size=None):
        """Not by dial(), whose clean-ups of thousands come one by one."""
        family, where = self.addresses[route]
        sock = socket.socket(family)
        if size:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        sock.settimeout(10 * SLOWNESS)
        sock.connect(where)
        return sock

    def garbage(self, count):
        with self.connect('mux') as sock:
            sock.sendall((b'CONNECT ' + b'9' * 500, b'\0' * 3000, b'GET / HTTP/1.1\r\n\r\n', b'CONNECT -1\n')[count % 4])
            sock.recv(100)

    def oversized(self, count):
        """A header of version 2 that announces 64 KiB, and one of version 1 that never ends."""
        with self.connect('told') as sock:
            if count % 2:
                sock.sendall(b'\r\n\r\n\0\r\nQUIT\n\x21\x11' + struct.pack('!H', 65535) + b'x' * 65535)
            else:
                sock.sendall(b'PROXY TCP4 ' + b'1' * 65536)
            sock.recv(100)

    def latency(self, proxy):
        """p99 of an honest client's round trips, in microseconds: not so many that they wait for each other."""
        return self.peer('echo', proxy.routes['honest'], '--concurrency', 8, '--every', 0.004,
                         '--seconds', ROUND_S).word('echo')['p99_us']

    def compare(self, without, beside):
        """Both medians so far: p99 without the hostile set, through a proxy that has none of it, and beside it; in turn, as others
        use this machine too."""
        for _ in range(ROUNDS):
            beside.append(self.latency(self.proxy_))
            for nuisance in self.nuisances:
                nuisance.paused = True
            without.append(self.latency(self.alone))
            for nuisance in self.nuisances:
                nuisance.paused = False
        return statistics.median(without), statistics.median(beside)

    def config(self):
        return CONFIG.format(honest=self.honest, sink=self.sink.endpoint, source=self.source.endpoint,
                             mux=self.name('.sock'))

    def begin_hostile(self):
        half_open = [self.connect('sink') for _ in range(HALF_OPEN // 2)]
        for sock in half_open:
            sock.shutdown(socket.SHUT_WR)
        half_open += [self.connect('told') for _ in range(HALF_OPEN // 2)]
        trickling = [self.connect('sink') for _ in range(TRICKLING)]
        never_reading = [self.connect('source', 1 << 14) for _ in range(NEVER_READING)]
        self.nuisances = [
            Nuisance(TRICKLE_S / TRICKLING, lambda count: trickling[count % TRICKLING].send(b'.')),
            Nuisance(0.02, self.garbage),
            Nuisance(0.02, self.oversized),
        ]
        for nuisance in self.nuisances:
            self.addCleanup(nuisance.end)
        return half_open + trickling + never_reading

    def test_honest_client(self):
        self.honest = self.serve('tcp').endpoint
        self.sink, self.source = Crowd(self, False), Crowd(self, True)
        self.proxy_ = self.proxy(config=self.config())
        self.alone = self.proxy(config=self.config())
        # Once: to look through the log of thousands at each connection takes the machine from the honest.
        self.addresses = {route: harness.address(endpoint.replace('mux:', 'unix:'))
                          for route, endpoint in self.proxy_.routes.items()}
        fds = self.proxy_.fds()
        hostile = self.begin_hostile()
        held = len(hostile) - HALF_OPEN // 2
        wait_until(lambda: len(self.sink.held) + len(self.source.held) >= held, 20,
                   lambda: f'{len(self.sink.held)}, {len(self.source.held)}')
        rounds = [], []
        for _ in range(TRIES):
            without, beside = self.compare(*rounds)
            if beside <= SLOWER * without:
                break
        memory = self.proxy_.memory()
        print(f'[p99 {without:.0f} -> {beside:.0f} us: {beside / without:.2f}; {memory >> 20} MiB]', end=' ',
              file=harness.sys.stderr)
        for nuisance in self.nuisances:
            nuisance.end()
            self.assertGreater(nuisance.count, ROUNDS * ROUND_S / nuisance.every / 4)
        for end in *hostile, *self.sink.held, *self.source.held:
            end.close()
        self.proxy_.wait_fds(fds, 20)
        self.assertTrue(self.proxy_.ended('connect-garbage'))
        self.assertTrue(self.proxy_.ended('proxy-garbage'))
        if not SANITIZED:
            self.assertLess(memory, MEMORY)
            self.assertLessEqual(beside, SLOWER * without)
        self.proxy_.stop()


if __name__ == '__main__':
    harness.main()
