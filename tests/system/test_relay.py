"""Every byte arrives, whole and in order, whatever the kinds of the two sides (VSLUICE_TEST_KINDS)."""

import hashlib
import itertools
import os
import re
import socket
import threading
import time
import unittest

import harness
from harness import KINDS, PAIRS

EXCHANGE = os.environ.get('VSLUICE_TEST_EXCHANGE', '1G')
SESSIONS = int(os.environ.get('VSLUICE_TEST_SESSIONS', '200'))
ROUNDS = int(os.environ.get('VSLUICE_TEST_ROUNDS', '600'))
ANSWER = os.environ.get('VSLUICE_TEST_ANSWER', '100M')


def for_each_pair(test):
    """A class decorator: a test method for each pair of kinds."""
    def decorate(cls):
        for initiator, target in itertools.product(KINDS, KINDS):
            def method(self, initiator=initiator, target=target):
                test(self, initiator, target)
            setattr(cls, f'test_{initiator}_to_{target}', method)
        return cls
    return decorate


def start(self, initiator, target, sessions=1):
    server = self.serve(target, '--verbose', '--sessions', sessions)
    proxy = self.proxy((initiator, server.endpoint))
    return server, proxy, proxy.fds()


def exchange(self, initiator, target):
    server, proxy, fds = start(self, initiator, target)
    peer = self.peer('exchange', proxy.endpoint, '--bytes', EXCHANGE)
    self.end_well(proxy, server, fds)
    (_, received, sent, _), = peer.sessions().values()
    (_, server_received, server_sent, _), = server.sessions().values()
    self.assertEqual((sent, received), (server_received, server_sent))


def random_sessions(self, initiator, target):
    server, proxy, fds = start(self, initiator, target, SESSIONS)
    peer = self.peer('sessions', proxy.endpoint, '--sessions', SESSIONS, '--seed', os.getpid())
    self.end_well(proxy, server, fds)
    self.assertEqual(peer.word('ok')['ok'], SESSIONS)
    self.assertEqual(server.word('served')['ok'], SESSIONS)
    ends = {number: (sent, received) for number, (_, received, sent, _) in server.sessions().items()}
    self.assertEqual(len(ends), SESSIONS)


def request_answer(self, initiator, target):
    server, proxy, fds = start(self, initiator, target)
    self.peer('request-answer', proxy.endpoint, '--bytes', ANSWER)
    self.end_well(proxy, server, fds)
    self.assertEqual(server.word('served')['ok'], 1)


@for_each_pair(exchange)
class Exchange(harness.TestCase):
    """1 GiB each way at once."""


@for_each_pair(random_sessions)
class Sessions(harness.TestCase):
    """200 sessions of random sizes, ended first by a random side."""


@for_each_pair(request_answer)
class RequestAnswer(harness.TestCase):
    """A request that ends in a half-close gets its whole answer."""


@unittest.skipIf('vsock' in KINDS, 'its ends are sockets of Python, which may not open vsock')
class Ways(harness.TestCase):
    """Lanes that change their way thousands of times, between small messages and bursts, both ways at once."""

    SMALL, SMALL_COUNT, BURST = 64, 8, 200_000

    def echo(self, sock, digest):
        while part := sock.recv(1 << 20):
            digest.update(part)
            sock.sendall(part)

    def expect(self, sock, count, digest):
        while count:
            part = sock.recv(count)
            self.assertTrue(part, 'it ended early')
            digest.update(part)
            count -= len(part)

    def rounds(self, sock, sent, received):
        for number in range(ROUNDS):
            for size in [self.SMALL] * self.SMALL_COUNT + [self.BURST]:
                message = number.to_bytes(8, 'big') * (size // 8)
                sent.update(message)
                if size == self.SMALL:
                    sock.sendall(message)
                    self.expect(sock, size, received)
                    continue
                sender = threading.Thread(target=sock.sendall, args=(message,))
                sender.start()
                self.expect(sock, size, received)
                sender.join()

    def test_all_pairs(self):
        for initiator, target in PAIRS:
            with self.subTest(initiator=initiator, target=target):
                listener, endpoint = self.listener(target)
                proxy = self.proxy((initiator, endpoint))
                digests = {name: hashlib.sha256() for name in ('sent', 'echoed', 'received')}
                with self.dial(proxy.endpoint) as sock:
                    far = self.accept(listener)
                    echo = threading.Thread(target=self.echo, args=(far, digests['echoed']), daemon=True)
                    echo.start()
                    self.rounds(sock, digests['sent'], digests['received'])
                echo.join()
                far.close()
                self.assertEqual(len({digest.digest() for digest in digests.values()}), 1)
                proxy.stop()
                changes = int(re.search(r'lanes changed their way (\d+) times', proxy.text)[1])
                self.assertGreater(changes, 2 * ROUNDS)


@unittest.skipIf('vsock' in KINDS, 'of TCP and Unix')
class Pipes(harness.TestCase):
    """What bytes went through is kept for the next session, and not for ever."""

    def test_freed(self):
        listener, endpoint = self.listener('unix')
        proxy = self.proxy(config=f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\nlane = splice\n')
        fds = proxy.fds()
        self.assertEqual(proxy.pipes(), 0)
        with self.dial(proxy.endpoint) as initiator, self.accept(listener) as target:
            initiator.sendall(b'here')
            self.assertEqual(target.recv(100), b'here')
            self.assertGreater(proxy.pipes(), 0)
        proxy.wait_fds(fds)
        harness.wait_until(lambda: proxy.pipes() == 0, 10, lambda: f'{proxy.pipes()} descriptors of pipes are kept')
        proxy.stop()


@unittest.skipIf('vsock' in KINDS, 'TCP alone has urgent bytes')
class Urgent(harness.TestCase):
    """A TCP stream with an urgent byte in it loses that at most, as with any proxy: splice(2) stops at its mark."""

    BEFORE, AFTER = 8 << 20, 1 << 20

    def relay(self, lane, ends):
        listener, endpoint = self.listener('tcp')
        proxy = self.proxy(config=f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\nlane = {lane}\n')
        initiator = self.dial(proxy.endpoint)
        target = self.accept(listener)

        def send():
            initiator.sendall(bytes(self.BEFORE))
            initiator.send(b'!', socket.MSG_OOB)
            initiator.sendall(bytes(self.AFTER))
            if ends:
                initiator.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        received = 0
        while received < self.BEFORE + self.AFTER:
            part = target.recv(1 << 16)
            self.assertTrue(part, f'the stream ended after {received} bytes')
            received += len(part)
        sender.join()
        if ends:
            self.assertEqual(target.recv(1), b'')
        else:
            used = proxy.cpu()
            time.sleep(0.5 * harness.SLOWNESS)
            self.assertLess(proxy.cpu() - used, 0.1 * harness.SLOWNESS, 'it spins')
        initiator.close()
        target.close()
        proxy.stop()

    def test_all_ways(self):
        for lane, ends in itertools.product(('auto', 'small', 'splice', 'copy'), (True, False)):
            with self.subTest(lane=lane, ends=ends):
                self.relay(lane, ends)


if __name__ == '__main__':
    harness.main()
