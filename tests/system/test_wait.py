"""Sessions that wait for a guest: in their order, so long, so many, for what they are told to."""

import contextlib
import os
import socket
import time

import harness
from harness import SLOWNESS, read_all, wait_until


class Guest:
    """A scripted VMM: off, then up with the port refused or served."""

    def __init__(self, test, path):
        self.listener = socket.socket(socket.AF_UNIX)
        test.addCleanup(self.listener.close)
        self.listener.bind(path)
        self.listener.listen(100)
        self.listener.settimeout(10 * SLOWNESS)

    def next(self):
        connection, _ = self.listener.accept()
        connection.settimeout(10 * SLOWNESS)
        connection.recv(100)
        return connection

    def refuse(self):
        self.next().close()

    def serve(self):
        """What the session that is next says, answered."""
        with self.next() as connection:
            connection.sendall(b'OK 1\n')
            said = connection.recv(100)
            connection.sendall(said.upper())
            return said


class Wait(harness.TestCase):
    def routed(self, options, listen='tcp:127.0.0.1:0'):
        self.path = self.name('.sock')
        vsluice = self.proxy(config='[global]\nworkers = 1\n'
                                    f'[guest g]\naddress = vsock-mux:{self.path}\n'
                                    f'[route r]\nlisten = {listen}\ntarget = guest:g:80\n{options}\n')
        self.fds = vsluice.fds()
        return vsluice

    def say(self, vsluice, words):
        initiator = self.dial(vsluice.endpoint, timeout=30)
        initiator.sendall(words)
        return initiator

    def wait_sessions(self, vsluice, count):
        wait_until(lambda: vsluice.fds() >= self.fds + count, 10, f'there are not {count} sessions')

    def over(self, vsluice):
        vsluice.wait_fds(self.fds)
        vsluice.stop()

    def fails(self, initiator):
        started = time.monotonic()
        with self.assertRaises(ConnectionResetError):
            initiator.recv(1)
        return time.monotonic() - started

    def fails_at_once(self, vsluice):
        """It may be reset before connect(2) is back."""
        started = time.monotonic()
        with self.assertRaises(ConnectionResetError):
            self.dial(vsluice.endpoint).recv(1)
        self.assertLess(time.monotonic() - started, 2 * SLOWNESS)

    def test_through_all_phases(self):
        vsluice = self.routed('wait-for-guest = 60s')
        initiator = self.say(vsluice, b'hello')
        time.sleep(0.5 * SLOWNESS)
        guest = Guest(self, self.path)
        for _ in range(4):
            guest.refuse()
        self.assertEqual(guest.serve(), b'hello')
        self.assertEqual(read_all(initiator), b'HELLO')
        self.assertEqual(vsluice.ended(), [])
        initiator.close()
        self.over(vsluice)

    def test_in_order_and_asked_by_one(self):
        vsluice = self.routed('wait-for-guest = 60s')
        initiators = []
        for number in range(30):
            initiators.append(self.say(vsluice, b'%d' % number))
            self.wait_sessions(vsluice, len(initiators))
        guest = Guest(self, self.path)
        started = time.monotonic()
        for _ in range(3):
            guest.refuse()
        self.assertGreater(time.monotonic() - started, 0.2)
        self.assertEqual([guest.serve() for _ in initiators], [b'%d' % number for number in range(30)])
        self.assertEqual([read_all(initiator) for initiator in initiators], [b'%d' % number for number in range(30)])
        for initiator in initiators:
            initiator.close()
        self.over(vsluice)

    def test_no_longer_than_told(self):
        vsluice = self.routed('wait-for-guest = 1s')
        took = self.fails(self.say(vsluice, b'x'))
        self.assertGreater(took, 0.9)
        self.assertLess(took, 3 * SLOWNESS)
        vsluice.wait_lines('session 1: ended: target-missing: ')
        self.over(vsluice)

    def test_only_for_what_is_told(self):
        vsluice = self.routed('wait-for-guest = 60s\nwait-for = booting, service')
        self.fails_at_once(vsluice)
        guest = Guest(self, self.path)
        initiator = self.say(vsluice, b'y')
        guest.refuse()
        self.assertEqual(guest.serve(), b'y')
        self.assertEqual(read_all(initiator), b'Y')
        initiator.close()
        self.over(vsluice)

    def test_no_more_than_told(self):
        vsluice = self.routed('wait-for-guest = 60s\nwait-max = 2')
        waiting = [self.say(vsluice, b'%d' % number) for number in range(2)]
        self.wait_sessions(vsluice, 2)
        time.sleep(0.2 * SLOWNESS)
        self.fails_at_once(vsluice)
        guest = Guest(self, self.path)
        self.assertEqual({guest.serve(), guest.serve()}, {b'0', b'1'})
        for initiator in waiting:
            initiator.close()
        self.over(vsluice)

    def test_who_left_is_not_waited_for(self):
        path = self.name('.listen')
        vsluice = self.routed('wait-for-guest = 60s', listen=f'unix:{path}')
        left = self.dial(f'unix:{path}')
        self.wait_sessions(vsluice, 1)
        time.sleep(0.3 * SLOWNESS)
        left.close()
        vsluice.wait_lines('session 1: ended: initiator-left: ')
        self.over(vsluice)

    def test_stops_while_some_wait(self):
        vsluice = self.routed('wait-for-guest = 60s')
        initiators = [self.say(vsluice, b'x') for _ in range(5)]
        self.wait_sessions(vsluice, 5)
        vsluice.signal(15)
        vsluice.wait_lines('no longer listening')
        vsluice.signal(15)
        for initiator in initiators:
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(initiator.recv(1), b'')
        self.assertEqual(vsluice.wait(10 * SLOWNESS), 0)
        self.assertFalse(os.path.exists(self.path))


if __name__ == '__main__':
    harness.main()
