"""How many sessions there may be, and how long one may say nothing."""

import contextlib
import select
import socket
import struct
import threading
import time

import harness
from harness import SLOWNESS, read_all, wait_until


class Limits(harness.TestCase):
    def config(self, listen, target, in_global='', in_route='', more=''):
        return self.proxy(config=f'[global]\n{in_global}\n{more}\n'
                                 f'[route r]\nlisten = {listen}\ntarget = {target}\n{in_route}\n')

    def test_never_more_than_max_sessions(self):
        """However many come at once; who is too much waits, and is served when one has ended."""
        for attempt in range(5):
            with self.subTest(attempt):
                self.never_more(attempt)

    def never_more(self, attempt):
        listener, endpoint = self.listener('unix')
        vsluice = self.config('tcp:127.0.0.1:0', endpoint, in_global='max-sessions = 20\nworkers = 2')
        initiators = []
        threads = [threading.Thread(target=lambda: initiators.append(self.dial(vsluice.endpoint))) for _ in range(60)]
        for thread in threads:
            thread.start()
        sides = [self.accept(listener) for _ in range(20)]
        for thread in threads:
            thread.join()
        listener.settimeout(0.3 * SLOWNESS)
        with self.assertRaises(TimeoutError):
            sides.append(listener.accept()[0])
        listener.settimeout(10 * SLOWNESS)
        while initiators:
            side = sides.pop(0)
            side.sendall(b'x')
            side.close()
            served, _, _ = select.select(initiators, [], [], 10 * SLOWNESS)
            self.assertEqual(read_all(served[0]), b'x')
            served[0].close()
            initiators.remove(served[0])
            if len(initiators) >= 20:
                sides.append(self.accept(listener))
        self.end_well(vsluice)

    def refused(self, endpoint, count):
        """Of so many that come at once, how many are reset."""
        sockets = [sock for _ in range(count) for sock in self.knock(endpoint)]
        refused = count - len(sockets)
        self.sockets = []
        for sock in sockets:
            sock.settimeout(0.3 * SLOWNESS)
            try:
                sock.recv(1)
                refused += 1
            except TimeoutError:
                self.sockets.append(sock)
            except ConnectionResetError:
                refused += 1
        return refused

    def test_max_sessions_of_a_route(self):
        listener, endpoint = self.listener('unix')
        vsluice = self.config('tcp:127.0.0.1:0', endpoint, in_route='max-sessions = 5',
                              more=f'[route s]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\n')
        self.assertEqual(self.refused(vsluice.routes['r'], 8), 3)
        vsluice.wait_lines('route r session [0-9]*: ended: route-full: ', 3)
        self.assertEqual(self.refused(vsluice.routes['s'], 1), 0)
        sides = [self.accept(listener) for _ in range(6)]
        sides[0].close()
        harness.reset(sides[1])
        wait_until(lambda: self.refused(vsluice.routes['r'], 1) == 0, 10, 'no room again')

    def test_max_rate_of_a_route(self):
        """As many as a second allows at once, then at that pace."""
        listener, endpoint = self.listener('unix')
        vsluice = self.config('unix:' + self.name('.sock'), endpoint, in_route='max-rate = 10')
        started = time.monotonic()
        for _ in range(30):
            self.dial(vsluice.endpoint).close()
        time.sleep(1)
        for _ in range(30):
            self.dial(vsluice.endpoint).close()
        took = time.monotonic() - started
        wait_until(lambda: self.served(listener) > 10, 5, 'none was served behind the first')
        wait_until(lambda: len(vsluice.ended('rate-exceeded')) >= 60 - 10 * (took + 1) - 1, 10,
                   lambda: f'{len(vsluice.ended("rate-exceeded"))} of 60 were refused in {took:.1f} s')
        self.assertLess(len(vsluice.ended('rate-exceeded')), 45)

    def served(self, listener):
        listener.setblocking(False)
        self.count = getattr(self, 'count', 0)
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()
                self.count += 1
        return self.count

    def test_a_guest_never_waits_to_be_accepted(self):
        """Its VMM would: all are accepted at once, and those that are too many refused."""
        listener, endpoint = self.listener('unix')
        path = self.name('.sock')
        vsluice = self.config('guest:g:1', endpoint, 'max-sessions = 10', 'backlog = 1',
                              f'[guest g]\naddress = vsock-mux:{path}\n')
        guests = [self.guest(f'{path}_1') for _ in range(100)]
        sides = [self.accept(listener) for _ in range(10)]
        wait_until(lambda: len(select.select(guests, [], [], 0)[0]) == 90, 10, 'not as many were refused')
        refused = select.select(guests, [], [], 0)[0]
        self.assertEqual({guest.recv(1) for guest in refused}, {b''})
        served = [guest for guest in guests if guest not in refused]
        self.assertIn(len(vsluice.matches('route r: a connection was refused')), (1, 2))
        for side in sides:
            side.sendall(b'x')
            side.close()
        for guest in served:
            self.assertEqual(read_all(guest), b'x')
            guest.close()
        wait_until(lambda: self.reaches(listener, f'{path}_1'), 10, 'no room again')
        told = len(vsluice.matches('route r: a connection was refused'))
        again = [self.guest(f'{path}_1') for _ in range(20)]
        vsluice.wait_lines('route r: a connection was refused', told + 1)
        for sock in again + [self.accept(listener) for _ in range(10)]:
            sock.close()
        self.end_well(vsluice)

    def guest(self, path):
        """One that waits a little where the backlog is full."""
        guest = socket.socket(socket.AF_UNIX)
        self.addCleanup(guest.close)
        guest.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', int(2 * SLOWNESS), 0))
        guest.connect(path)
        guest.settimeout(10 * SLOWNESS)
        return guest

    def reaches(self, listener, path):
        """Is there room for a guest's connection?"""
        with socket.socket(socket.AF_UNIX) as guest:
            guest.connect(path)
            guest.settimeout(0.1 * SLOWNESS)
            try:
                if guest.recv(1) == b'':
                    return False
            except TimeoutError:
                pass
            self.accept(listener).close()
            return True


class IdleTimeout(harness.TestCase):
    def routed(self, timeout, kind='unix', key='idle-timeout'):
        self.server, endpoint = self.listener(kind)
        return self.proxy(config='[route r]\nlisten = tcp:127.0.0.1:0\n'
                                 f'target = {endpoint}\n{key} = {timeout}\n')

    def session(self, vsluice):
        return self.dial(vsluice.endpoint), self.accept(self.server)

    def test_ends_where_nothing_is_said(self):
        for kind in 'unix', 'tcp':
            vsluice = self.routed('1s', kind)
            fds = vsluice.fds()
            started = time.monotonic()
            initiator, side = self.session(vsluice)
            with self.assertRaises(ConnectionResetError):
                initiator.recv(1)
            self.assertGreater(time.monotonic() - started, 1)
            self.assertLess(time.monotonic() - started, 2 * SLOWNESS)
            if kind == 'tcp':
                with self.assertRaises(ConnectionResetError):
                    side.recv(1)
            else:
                self.assertEqual(side.recv(1), b'')
            vsluice.wait_lines('ended: idle-timeout: ')
            vsluice.wait_fds(fds)
            vsluice.stop()

    def test_every_byte_puts_it_off(self):
        """Of either direction."""
        vsluice = self.routed('1s')
        for there in True, False:
            sender, receiver = self.session(vsluice) if there else reversed(self.session(vsluice))
            for _ in range(5):
                time.sleep(0.5)
                sender.sendall(b'x')
                self.assertEqual(receiver.recv(1), b'x')
            sender.shutdown(socket.SHUT_WR)
            receiver.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(receiver) + read_all(sender), b'')
        self.end_well(vsluice)

    def test_half_closed_ones_do_not_stay(self):
        vsluice = self.routed('1s')
        fds = vsluice.fds()
        initiator, side = self.session(vsluice)
        initiator.shutdown(socket.SHUT_WR)
        self.assertEqual(side.recv(1), b'')
        with self.assertRaises(ConnectionResetError):
            initiator.recv(1)
        vsluice.wait_lines('ended: idle-timeout: ')
        vsluice.wait_fds(fds)
        vsluice.stop()

    def test_half_closed_ones_have_a_time_of_their_own(self):
        vsluice = self.routed('1s', key='half-close-timeout')
        whole, half = self.session(vsluice), self.session(vsluice)
        half[1].shutdown(socket.SHUT_WR)
        self.assertEqual(half[0].recv(1), b'')
        self.assertEqual(half[1].recv(1), b'')
        vsluice.wait_lines('ended: half-close-timeout: ')
        whole[0].sendall(b'x')
        self.assertEqual(whole[1].recv(1), b'x')
        self.assertEqual(len(vsluice.ended()), 1)

    def test_the_longest_time(self):
        """However much is said."""
        vsluice = self.routed('1s', key='max-session-time')
        initiator, side = self.session(vsluice)
        started = time.monotonic()
        with self.assertRaises(ConnectionError):
            while time.monotonic() < started + 5 * SLOWNESS:
                initiator.sendall(b'x')
                side.recv(1)
                time.sleep(0.01)
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertLess(time.monotonic() - started, 2 * SLOWNESS)
        vsluice.wait_lines('ended: session-time: ')

    def test_one_that_is_blocked_is_idle_too(self):
        """A reader that takes nothing for so long."""
        vsluice = self.routed(f'{int(1000 * SLOWNESS)}ms')
        initiator, side = self.session(vsluice)
        with contextlib.suppress(ConnectionResetError):
            harness.fill(initiator, 0.2)
        vsluice.wait_lines('ended: idle-timeout: ')
        side.close()
        vsluice.stop()

    def test_routes_have_their_own(self):
        server, endpoint = self.listener('unix')
        vsluice = self.proxy(config=f'[route a]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\nidle-timeout = 1s\n'
                                    f'[route b]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\nidle-timeout = 24h\n'
                                    f'[route c]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\n')
        long = [self.dial(vsluice.routes[name]) for name in 'bc']
        for _ in long:
            self.accept(server)
        short = self.dial(vsluice.routes['a'])
        with self.assertRaises(ConnectionResetError):
            short.recv(1)
        for sock in long:
            sock.sendall(b'x')
        vsluice.wait_lines('route a session 3: ended: idle-timeout: ')
        self.assertEqual(len(vsluice.ended()), 1)
        for sock in long:
            sock.close()


if __name__ == '__main__':
    harness.main()
