"""Bandwidths of sessions and of routes: bytes arrive whole, at the rate and never above it, and ends are heard of."""

import hashlib
import os
import select
import socket
import threading
import time

import harness
import reloading
from harness import SLOWNESS, Stood, read_all, wait_until
from over_vsock import OverVsock

M = 1 << 20
PIECE = 1 << 16
DATA = memoryview(os.urandom(4 * M) * 8)


def burst(rate):
    return max(rate / 10, 1 << 16)


class Flow(threading.Thread):
    """Sends bytes by one socket and receives them by the other; when how many had come. Both have a timeout."""

    def __init__(self, sender, receiver, count):
        super().__init__()
        self.sender, self.receiver, self.count = sender, receiver, count
        self.came = [(time.monotonic(), 0)]
        self.whole = False
        self.over = threading.Event()
        self.start()

    def run(self):
        data = DATA[:self.count]
        hashed, sent, received = hashlib.sha256(), 0, 0
        while not self.over.is_set():
            readable, writable, _ = select.select([self.receiver], [self.sender] if sent < self.count else [], [], 0.1)
            if writable:
                sent += self.sender.send(data[sent:sent + PIECE])
                if sent == self.count:
                    self.sender.shutdown(socket.SHUT_WR)
            if readable:
                part = self.receiver.recv(PIECE)
                if not part:
                    break
                received += len(part)
                hashed.update(part)
                self.came.append((time.monotonic(), received))
        self.whole = hashed.digest() == hashlib.sha256(data).digest()

    def end(self):
        self.over.set()
        self.join()

    @property
    def bytes(self):
        return self.came[-1][1]

    @property
    def seconds(self):
        return self.came[-1][0] - self.came[0][0]


def merged(flows):
    """What came of all of them, in the order of time."""
    total, parts = 0, []
    for flow in flows:
        parts += [(came[0], came[1] - before[1]) for before, came in zip(flow.came, flow.came[1:])]
    came = [(min(flow.came[0][0] for flow in flows), 0)]
    for when, count in sorted(parts):
        total += count
        came.append((when, total))
    return came


class Routed(harness.TestCase):
    kinds = 'tcp', 'unix'

    def routed(self, options, kind=None, target=None, workers=1):
        self.server, endpoint = self.listener(target or self.kinds[1])
        listen = self.listen(kind or self.kinds[0])
        return self.proxy(config=f'[global]\nworkers = {workers}\n[route r]\nlisten = {listen}\ntarget = {endpoint}\n'
                                 f'{options}\n')

    def session(self, vsluice):
        return self.dial(vsluice.endpoint), self.accept(self.server)

    def expect_rate(self, came, rate, stood=0):
        """All of it took its time, and no second of it saw more; read in pieces, and from sockets that hold some."""
        total = came[-1][1]
        due = (total - burst(rate)) / rate
        took = came[-1][0] - came[0][0]
        self.assertGreaterEqual(took, due * 0.97, 'above the rate')
        self.assertLessEqual(took, due * 1.05 + 0.05 * SLOWNESS + stood, 'below the rate')
        first = 0
        for when, count in came:
            while when - came[first][0] > 1:
                first += 1
            window = when - came[first][0]
            self.assertLessEqual(count - came[first][1], rate * (window + stood) * 1.03 + burst(rate) + 2 * PIECE,
                                 f'above the rate for {window:.2f} s')


class Bandwidth(Routed):
    def test_a_session(self):
        """Each way to move bytes."""
        vsluices = [(self.routed(f'session-bandwidth = 2M\nlane = {lane}'), self.server)
                    for lane in ('auto', 'small', 'splice', 'copy')]
        with Stood() as stood:
            flows = []
            for vsluice, self.server in vsluices:
                initiator, side = self.session(vsluice)
                flows.append((vsluice, Flow(initiator, side, 4 * M)))
            for vsluice, flow in flows:
                flow.join()
                self.assertTrue(flow.whole)
        for vsluice, flow in flows:
            self.expect_rate(flow.came, 2 * M, stood.seconds)
            self.assertLess(vsluice.cpu(), 0.3 * SLOWNESS)

    def test_each_direction_by_itself(self):
        vsluice = self.routed('session-bandwidth = 2M', target='tcp')
        initiator, side = self.session(vsluice)
        back = [sock.dup() for sock in (side, initiator)]
        with Stood() as stood:
            flows = [Flow(initiator, side, 3 * M), Flow(*back, 2 * M)]
            for flow in flows:
                flow.join()
                self.assertTrue(flow.whole)
        for flow in flows:
            self.expect_rate(flow.came, 2 * M, stood.seconds)
        for sock in [initiator, side, *back]:
            sock.close()
        self.end_well(vsluice)

    def test_a_route(self):
        """All its sessions together, over two workers, and each has its part."""
        vsluice = self.routed('bandwidth = 4M', workers=2)
        with Stood() as stood:
            flows = [Flow(*ends, 32 * M) for ends in [self.session(vsluice) for _ in range(10)]]
            started = time.monotonic()
            before = [flow.bytes for flow in flows]
            time.sleep(4)
            counts = [flow.bytes - count for flow, count in zip(flows, before)]
            took = time.monotonic() - started
            for flow in flows:
                flow.end()
        self.assertLessEqual(sum(counts), 4 * M * (took + stood.seconds) * 1.03 + burst(4 * M) + 1e5)
        self.assertGreaterEqual(sum(counts), 4 * M * (took - stood.seconds) * 0.95)
        for count in counts:
            self.assertAlmostEqual(count / sum(counts), 0.1, delta=0.03, msg=str(counts))

    def test_a_route_and_its_sessions(self):
        """Both hold; what the slow one leaves, the others have."""
        vsluice = self.routed('bandwidth = 4M\nsession-bandwidth = 3M', workers=2)
        with Stood() as stood:
            flows = [Flow(*self.session(vsluice), 4 * M) for _ in range(2)]
            for flow in flows:
                flow.join()
                self.assertTrue(flow.whole)
        self.expect_rate(merged(flows), 4 * M, stood.seconds)


class Reread(Routed):
    def test_a_reload_leaves_sessions_their_own(self):
        vsluice = self.routed('session-bandwidth = 1M')
        pairs = [self.session(vsluice)]
        reloading.edit(vsluice, 'session-bandwidth = 1M', 'session-bandwidth = 4M')
        pairs.append(self.session(vsluice))
        reloading.edit(vsluice, 'session-bandwidth = 4M', 'session-bandwidth = off')
        pairs.append(self.session(vsluice))
        with Stood() as stood:
            flows = [Flow(*pair, count * M) for pair, count in zip(pairs, (1, 4, 16))]
            for flow in flows:
                flow.join()
                self.assertTrue(flow.whole)
        for flow, rate in zip(flows, (M, 4 * M)):
            self.expect_rate(flow.came, rate, stood.seconds)
        self.assertLess(flows[2].seconds, flows[0].seconds / 2 + stood.seconds)

    def test_a_reload_leaves_sessions_the_rate_of_their_route(self):
        """Alone each has the one that it began with; together they share the time."""
        vsluice = self.routed('\nbandwidth = 1M', workers=2)
        pairs = [self.session(vsluice)]
        reloading.edit(vsluice, '\nbandwidth = 1M', '\nbandwidth = 4M')
        pairs.append(self.session(vsluice))
        for pair, rate in zip(pairs, (M, 4 * M)):
            time.sleep(0.15)  # until a burst is there
            with Stood() as stood:
                flow = Flow(*(sock.dup() for sock in reversed(pair)), rate // 2)
                flow.join()
                self.assertTrue(flow.whole)
            self.expect_rate(flow.came, rate, stood.seconds)
        with Stood() as stood:
            flows = [Flow(*pair, 32 * M) for pair in pairs]
            time.sleep(1)
            slow, fast = (flow.bytes for flow in flows)
            for flow in flows:
                flow.end()
        time_of_both = slow / M + fast / (4 * M)
        self.assertAlmostEqual(time_of_both, 1.1, delta=0.15 + stood.seconds)
        self.assertAlmostEqual(slow / M / time_of_both, 0.5, delta=0.1 + stood.seconds)


class Paced(Routed):
    """What else holds while a lane is paced. Its rate is so low that all but the first 64 KiB wait for long."""

    def paced(self, options='session-bandwidth = 8K', **more):
        """A session that waits for tokens, with bytes that are still to come."""
        vsluice = self.routed(options, **more)
        initiator, side = self.session(vsluice)
        harness.fill(initiator, 0.1)
        wait_until(lambda: len(side.recv(M, socket.MSG_PEEK)) >= 1 << 16, 5, 'the first bytes did not come')
        return vsluice, initiator, side

    def test_a_reset_of_its_source(self):
        for kind in 'tcp', 'unix':
            vsluice, initiator, side = self.paced(target=kind)
            with Stood() as stood:
                started = time.monotonic()
                harness.reset(initiator)
                with self.assertRaises(ConnectionResetError) if kind == 'tcp' else self.subTest():
                    read_all(side)
                self.assertLess(time.monotonic() - started, 1 * SLOWNESS + stood.seconds)
            vsluice.wait_lines('ended: initiator-reset: ')

    def test_a_reset_of_its_sink(self):
        vsluice, initiator, side = self.paced(target='tcp')
        with Stood() as stood:
            started = time.monotonic()
            harness.reset(side)
            with self.subTest() if self.kinds[0] == 'vsock' else self.assertRaises(ConnectionResetError):
                read_all(initiator)
            self.assertLess(time.monotonic() - started, 1 * SLOWNESS + stood.seconds)

    def test_a_sink_that_closes(self):
        """What its source still sends is read, not kept waiting."""
        vsluice, initiator, side = self.paced(kind='unix')
        came = len(side.recv(M))
        self.assertLess(came, 1 << 17)
        side.close()
        self.assertEqual(initiator.recv(1), b'')
        with Stood() as stood:
            started = time.monotonic()
            vsluice.wait_lines('ended: target-gone: ')
            self.assertLess(time.monotonic() - started, 1 * SLOWNESS + stood.seconds)

    def test_a_half_close_behind_it(self):
        """Comes behind the last byte; the other direction goes on meanwhile."""
        vsluice = self.routed('session-bandwidth = 64K')
        fds = vsluice.fds()
        initiator, side = self.session(vsluice)
        flow = Flow(initiator.dup(), side.dup(), 128 * 1024)
        for _ in range(10):
            side.sendall(b'x')
            self.assertEqual(initiator.recv(1), b'x')
        flow.join()
        self.assertTrue(flow.whole)
        self.assertGreaterEqual(flow.seconds, 0.9)
        initiator.setblocking(True)
        side.sendall(b'end')
        side.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(initiator), b'end')
        for sock in (initiator, side, flow.sender, flow.receiver):
            sock.close()
        self.end_well(vsluice, fds=fds)

    def test_it_stops_at_once(self):
        vsluice, initiator, side = self.paced('bandwidth = 8K\nsession-bandwidth = 4K')
        vsluice.signal(15)
        vsluice.wait_lines('stopping: no longer listening')
        vsluice.signal(15)
        self.assertEqual(vsluice.wait(5), 0)

    def test_it_holds_nothing_and_others_go_on(self):
        """Small exchanges of an unbounded route on the same worker, beside many that wait."""
        server, endpoint = self.listener('unix')
        vsluice = self.proxy(config=f'[global]\nworkers = 1\n'
                                    f'[route slow]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\nbandwidth = 8K\n'
                                    f'[route fast]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\n')
        slow = []
        for _ in range(100):
            initiator = self.dial(vsluice.routes['slow'])
            slow.append((initiator, self.accept(server)))
            initiator.setblocking(False)
            initiator.send(bytes(1 << 16))
        initiator, side = self.dial(vsluice.routes['fast']), self.accept(server)
        used = vsluice.cpu()
        self.assertEqual(vsluice.pipes(), 0)
        with Stood() as stood:
            started = time.monotonic()
            for _ in range(200):
                initiator.sendall(b'x')
                self.assertEqual(side.recv(1), b'x')
            self.assertLess(time.monotonic() - started, 1 * SLOWNESS + stood.seconds)
            time.sleep(1)
        self.assertLess(vsluice.cpu() - used, 0.2 * SLOWNESS)

    def test_small_exchanges_are_not_held_up(self):
        """That come to less than the rate, though a burst was there before."""
        for options in 'bandwidth = 1M', 'session-bandwidth = 1K':
            self.exchange_little(options)

    def exchange_little(self, options):
        vsluice = self.routed(options, workers=1)
        pairs = [self.session(vsluice) for _ in range(20)]
        for initiator, side in pairs:
            initiator.sendall(bytes(1 << 15))
        for initiator, side in pairs:
            left = 1 << 15
            while left:
                left -= len(side.recv(left))
        time.sleep(0.1)
        with Stood() as stood:
            started = time.monotonic()
            for _ in range(10):
                for initiator, _ in pairs:
                    initiator.sendall(b'x' * 100)
                for _, side in pairs:
                    self.assertEqual(len(side.recv(100)), 100)
            self.assertLess(time.monotonic() - started, 0.5 * SLOWNESS + stood.seconds)


class Vsock(OverVsock, Bandwidth, Reread):
    kinds = 'vsock', 'vsock'


class VsockPaced(OverVsock, Paced):
    kinds = 'vsock', 'vsock'
    test_a_reset_of_its_source = None  # the kernel tells none there


if __name__ == '__main__':
    harness.main()
