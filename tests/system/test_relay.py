"""Every byte arrives, whole and in order, whatever the kinds of the two sides (VSLUICE_TEST_KINDS)."""

import itertools
import os

import harness
from harness import KINDS

EXCHANGE = os.environ.get('VSLUICE_TEST_EXCHANGE', '1G')
SESSIONS = int(os.environ.get('VSLUICE_TEST_SESSIONS', '200'))
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


if __name__ == '__main__':
    harness.main()
