"""Ends that vanish: the other end learns of it within a second, and nothing is left of the session."""

import itertools
import os
import select
import signal
import threading
import time

import harness
from harness import KINDS, PAIRS, SLOWNESS, fill, read_all, reset

CHURN = int(os.environ.get('VSLUICE_TEST_CHURN', '10000'))
SOON = 1.0


class Session:
    """One session of sockets of ours, with the proxy in the middle."""

    def __init__(self, test, initiator='tcp', target='tcp'):
        self.listener, endpoint = test.listener(target)
        self.proxy = test.proxy((initiator, endpoint))
        self.fds = self.proxy.fds()
        self.initiator = test.dial(self.proxy.endpoint)
        self.target = test.accept(self.listener)
        for one, other in ((self.initiator, self.target), (self.target, self.initiator)):
            one.sendall(b'here')
            test.assertEqual(other.recv(100), b'here')

    def sides(self, victim):
        """The one that vanishes, and the one that is left."""
        return (self.initiator, self.target) if victim == 'initiator' else (self.target, self.initiator)


class Reset(harness.TestCase):
    """A TCP reset of either end, while idle, in the middle of bulk, and while back-pressured."""

    def learns(self, sock):
        """It hears within a second that the connection is gone, without sending anything. The error, or None."""
        started = time.monotonic()
        poll = select.poll()
        poll.register(sock, select.POLLRDHUP)
        self.assertTrue(poll.poll(SOON * 1000), 'it did not hear of it within 1 s')
        try:
            while sock.recv(1 << 20):
                pass
            error = None
        except ConnectionError as caught:
            error = caught
        self.assertLess(time.monotonic() - started, SOON)
        return error

    def ended(self, session, token):
        session.proxy.wait_fds(session.fds)
        session.proxy.wait_lines('session 1: ended')
        self.assertEqual([match[1] for match in session.proxy.ended()], [token])
        session.proxy.stop()

    def reset_idle(self, victim, other):
        for kind in ('tcp', 'unix'):
            kinds = ('tcp', kind) if victim == 'initiator' else (kind, 'tcp')
            with self.subTest(kinds=kinds):
                session = Session(self, *kinds)
                vanishing, left = session.sides(victim)
                reset(vanishing)
                error = self.learns(left)
                if kind == 'tcp':
                    self.assertIsInstance(error, ConnectionResetError)
                self.ended(session, f'{victim}-reset')

    def test_initiator_idle(self):
        self.reset_idle('initiator', 'target')

    def test_target_idle(self):
        self.reset_idle('target', 'initiator')

    def reset_bulk(self, victim):
        session = Session(self)
        vanishing, left = session.sides(victim)
        errors = []

        def pump():
            try:
                while True:
                    left.sendall(bytes(1 << 20))
            except OSError as error:
                errors.append((time.monotonic(), error))

        thread = threading.Thread(target=pump)
        thread.start()
        for _ in range(200):
            vanishing.recv(1 << 20)
        reset(vanishing)
        gone = time.monotonic()
        thread.join(10)
        when, error = errors[0]
        self.assertLess(when - gone, SOON)
        self.assertIsInstance(error, ConnectionError)
        self.ended(session, f'{victim}-reset')

    def test_initiator_bulk(self):
        self.reset_bulk('initiator')

    def test_target_bulk(self):
        self.reset_bulk('target')

    def reset_pressured(self, victim, sender):
        session = Session(self)
        vanishing, left = session.sides(victim)
        fill(getattr(session, sender))
        reset(vanishing)
        self.assertIsInstance(self.learns(left), ConnectionResetError)
        self.ended(session, f'{victim}-reset')

    def test_initiator_resets_while_its_bytes_wait(self):
        self.reset_pressured('initiator', 'initiator')

    def test_initiator_resets_while_bytes_wait_for_it(self):
        self.reset_pressured('initiator', 'target')

    def test_target_resets_while_its_bytes_wait(self):
        self.reset_pressured('target', 'target')

    def test_target_resets_while_bytes_wait_for_it(self):
        self.reset_pressured('target', 'initiator')

    def test_half_closed(self):
        """The direction that lives on is reset."""
        for victim in ('initiator', 'target'):
            for half_closed in ('initiator', 'target'):
                with self.subTest(victim=victim, half_closed=half_closed):
                    session = Session(self)
                    vanishing, left = session.sides(victim)
                    one, other = session.sides(half_closed)
                    one.shutdown(harness.socket.SHUT_WR)
                    self.assertEqual(other.recv(100), b'')
                    reset(vanishing)
                    if vanishing is one:
                        left.settimeout(SOON)
                        with self.assertRaises(ConnectionError):
                            while True:
                                left.sendall(b'more')
                    else:
                        self.assertIsInstance(self.learns(left), ConnectionResetError)
                    self.ended(session, f'{victim}-reset')

    def test_proxy_killed(self):
        """kill -9 of vsluice itself: what was under way must not look whole, at neither end."""
        session = Session(self)
        session.initiator.sendall(b'more to come')
        self.assertEqual(session.target.recv(100), b'more to come')
        session.proxy.signal(signal.SIGKILL)
        for left in (session.initiator, session.target):
            self.assertIsInstance(self.learns(left), ConnectionResetError)

    def test_bytes_unread_by_a_unix_end_are_a_reset(self):
        """A Unix end that closes over unread bytes has lost them: the TCP end must not see a clean end-of-file."""
        session = Session(self, 'tcp', 'unix')
        session.initiator.sendall(b'lost')
        time.sleep(0.2 * SLOWNESS)
        session.target.close()
        self.assertIsInstance(self.learns(session.initiator), ConnectionResetError)
        self.ended(session, 'target-reset')


class SenderGone(harness.TestCase):
    """An end that has sent and closed has said all: a slow reader still gets it whole."""

    def left_behind(self, initiator, target, sender):
        session = Session(self, initiator, target)
        vanishing, left = session.sides(sender)
        sent = fill(vanishing)
        vanishing.close()
        time.sleep(0.3 * SLOWNESS)
        self.assertEqual(len(read_all(left)), sent)
        left.close()
        session.proxy.wait_fds(session.fds)
        session.proxy.stop()

    def test_all_pairs(self):
        for pair in itertools.product(('tcp', 'unix'), ('tcp', 'unix')):
            for sender in ('initiator', 'target'):
                with self.subTest(pair=pair, sender=sender):
                    self.left_behind(*pair, sender)


class Kill(harness.TestCase):
    """kill -9 of either end."""

    limit = 120
    SESSIONS = 5
    # state: mode of the initiator, its options, and whose death is heard of through it
    STATES = {
        'idle': ('idle', ['--hold'], ('initiator', 'target')),
        'bulk': ('exchange', ['--bytes', '1000G'], ('initiator', 'target')),
        # Who has sent and dies leaves bytes that wait to be delivered: no news yet for who does not read.
        'target_pressured': ('flood', ['--hold', '--seconds', '0.5', '--bytes', '10G'], ('target',)),
        'initiator_pressured': ('flood', ['--hold', '--seconds', '0.5', '--bytes', '10G', '--down'], ('initiator',)),
    }

    def kill(self, state, victim, initiator, target):
        mode, options, _ = self.STATES[state]
        server = self.serve(target, '--verbose')
        proxy = self.proxy((initiator, server.endpoint))
        fds = proxy.fds()
        peer = self.begin(mode, proxy.endpoint, '--sessions', self.SESSIONS, '--verbose', *options,
                          stdin=harness.subprocess.PIPE)
        if mode != 'exchange':
            peer.wait_lines('^(holding|flooded)')
        harness.wait_until(lambda: proxy.fds() == fds + 2 * self.SESSIONS, 10, lambda: f'{proxy.fds()} descriptors')
        if mode == 'exchange':
            time.sleep(0.3)
        victim, left = (peer, server) if victim == 'initiator' else (server, peer)
        with harness.Stood() as stood:
            gone = time.monotonic()
            victim.signal(signal.SIGKILL)
            left.wait_lines(r'^session \d+', self.SESSIONS, seconds=10)
        latest = max(when for _, _, _, when in left.sessions().values())
        self.assertLess(latest - gone - stood.seconds, SOON, f'beside {stood.seconds:.3f} s of stand-still')
        proxy.wait_fds(fds)
        proxy.stop()


for state, (_, _, victims) in Kill.STATES.items():
    for victim in victims:
        def kill_all(self, state=state, victim=victim):
            for pair in PAIRS:
                with self.subTest(pair=pair):
                    self.kill(state, victim, *pair)
        setattr(Kill, f'test_{victim}_{state}', kill_all)


class Churn(harness.TestCase):
    """10,000 sessions that end in every way: no descriptor and no session is left."""

    limit = 120

    def churn(self, initiator, target, sessions):
        server = self.serve(target, '--headless-ok')
        proxy = self.proxy((initiator, server.endpoint))
        fds = proxy.fds()
        options = ['--all-tcp'] if initiator == target == 'tcp' else []
        peer = self.peer('churn', proxy.endpoint, '--sessions', sessions, '--concurrency', 64, '--seed', os.getpid(),
                         *options)
        proxy.wait_fds(fds)
        said = peer.word('ok')
        self.assertEqual(said['ok'] + said['broken'], sessions)
        numbers = [match[1] for match in proxy.matches(r'session (\d+): ended')]
        self.assertEqual(len(numbers), len(set(numbers)), 'a session is logged more than once')
        self.assertLessEqual(len(numbers), said['broken'])
        self.assertEqual(server.stop(), 0, server.text[-2000:])
        self.assertGreaterEqual(server.word('served')['ok'], said['ok'])
        started = time.monotonic()
        proxy.stop()
        self.assertLess(time.monotonic() - started, 5 * SLOWNESS, 'it drained: a session was left')
        return proxy

    def test_tcp(self):
        proxy = self.churn('tcp', 'tcp', CHURN)
        self.assertTrue(proxy.ended('initiator-reset'))
        self.assertTrue(proxy.ended('target-reset'))

    def test_all_pairs(self):
        for pair in itertools.product(KINDS, KINDS):
            with self.subTest(pair=pair):
                self.churn(*pair, CHURN // 10)


if __name__ == '__main__':
    harness.main()
