"""How many sessions there may be, and how long one may say nothing."""

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

    def test_a_guest_never_waits_to_be_accepted(self):
        """Its VMM would: all are accepted at once, and those that are too many refused."""
        listener, endpoint = self.listener('unix')
        path = self.name('.sock')
        vsluice = self.config('guest:g:1', endpoint, 'max-sessions = 10', 'backlog = 1',
                              f'[guest g]\naddress = vsock-mux:{path}\n')
        guests = []
        for _ in range(100):
            guest = socket.socket(socket.AF_UNIX)
            self.addCleanup(guest.close)
            guest.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', int(2 * SLOWNESS), 0))
            guest.connect(f'{path}_1')
            guest.settimeout(10 * SLOWNESS)
            guests.append(guest)
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
        self.end_well(vsluice)

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
    def routed(self, timeout, kind='unix'):
        self.server, endpoint = self.listener(kind)
        return self.proxy(config='[route r]\nlisten = tcp:127.0.0.1:0\n'
                                 f'target = {endpoint}\nidle-timeout = {timeout}\n')

    def session(self, vsluice):
        return self.dial(vsluice.endpoint), self.accept(self.server)

    def test_ends_where_nothing_is_said(self):
        for kind in 'unix', 'tcp':
            vsluice = self.routed('1s', kind)
            fds = vsluice.fds()
            initiator, side = self.session(vsluice)
            started = time.monotonic()
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

    def test_one_that_is_blocked_is_idle_too(self):
        """A reader that takes nothing for so long."""
        vsluice = self.routed('1s')
        initiator, side = self.session(vsluice)
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
