"""Each timeout, measured from outside: never before its time, and late by 100 ms or 5 % of it at most."""

import select
import signal
import socket
import time

import harness
from harness import SLOWNESS, Stood

PHASES = [0, 0.07, 0.19, 0.33, 0.52]


class Late(Stood):
    """A busy machine is late too."""
    LATE = 0.01


class Watched:
    """A session whose end is waited for: its time runs from between `before` and `after`."""

    def __init__(self, what, sock, time_s, before):
        self.what, self.sock, self.time_s, self.before = what, sock, time_s, before
        self.after = time.monotonic()


class Timed(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.watched = []
        self.kept = []

    def watch(self, what, sock, time_s, before):
        self.watched.append(Watched(what, sock, time_s, before))

    def phases(self, *begins):
        """Each of them at each phase."""
        started = time.monotonic()
        for phase in PHASES:
            time.sleep(max(0, started + phase - time.monotonic()))
            for begin in begins:
                begin()

    def expect_ends(self, stood):
        """`stood`: how long the machine stood still meanwhile."""
        left = {one.sock: one for one in self.watched}
        deadline = max(one.after + one.time_s for one in self.watched) + 5 * SLOWNESS
        while left:
            ready, _, _ = select.select(left, [], [], max(0, deadline - time.monotonic()))
            now = time.monotonic()
            self.assertTrue(ready, f'not ended: {[one.what for one in left.values()]}')
            for sock in ready:
                one = left.pop(sock)
                self.assertGreaterEqual(now - one.before, one.time_s, f'{one.what} ended too early')
                late = now - one.after - one.time_s
                allowed = max(0.1, one.time_s / 20) * SLOWNESS + stood.seconds
                self.assertLessEqual(late, allowed, f'{one.what} of {one.time_s} s ended {late:.3f} s late')


class Timeouts(Timed):
    """Of sessions that relay."""

    def routed(self, **options):
        self.server, endpoint = self.listener('unix')
        return self.proxy(config=''.join(f'[route {name}]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\n{text}\n'
                                         for name, text in options.items()))

    def session(self, vsluice, route):
        sides = self.dial(vsluice.routes[route]), self.accept(self.server)
        self.kept.append(sides)
        return sides

    def idle(self, vsluice, route, time_s):
        before = time.monotonic()
        self.watch(f'{route}, silent', self.session(vsluice, route)[0], time_s, before)
        initiator, side = self.session(vsluice, route)
        before = time.monotonic()
        side.sendall(b'x')
        self.assertEqual(initiator.recv(1), b'x')
        self.watch(f'{route}, said one byte', initiator, time_s, before)

    def half_closed(self, vsluice, route, time_s):
        initiator, side = self.session(vsluice, route)
        before = time.monotonic()
        initiator.shutdown(socket.SHUT_WR)
        self.assertEqual(side.recv(1), b'')
        self.watch(f'{route}, half-closed', initiator, time_s, before)

    def lasting(self, vsluice, route, time_s):
        before = time.monotonic()
        initiator, _ = self.session(vsluice, route)
        self.watch(f'{route}, lasting', initiator, time_s, before)

    def test_all_beside_each_other(self):
        vsluice = self.routed(idle1='idle-timeout = 1s', idle2='idle-timeout = 2s',
                              half1='half-close-timeout = 1s', half2='half-close-timeout = 2s\nidle-timeout = 1h',
                              whole1='max-session-time = 1s', whole3='max-session-time = 3s\nidle-timeout = 10s')
        with Late() as stood:
            self.phases(*[lambda make=make, route=route, time_s=time_s: make(vsluice, route, time_s)
                          for make, route, time_s in ((self.idle, 'idle1', 1), (self.idle, 'idle2', 2),
                                                      (self.half_closed, 'half1', 1), (self.half_closed, 'half2', 2),
                                                      (self.lasting, 'whole1', 1), (self.lasting, 'whole3', 3))])
            self.expect_ends(stood)
        for reason, count in (('idle-timeout', 4), ('half-close-timeout', 2), ('session-time', 2)):
            vsluice.wait_lines(f'ended: {reason}: ', count * len(PHASES))
        vsluice.stop()

    def test_half_closed_after_a_silence(self):
        """What was not said before does not count to it."""
        vsluice = self.routed(half='half-close-timeout = 1s')
        initiator, side = self.session(vsluice, 'half')
        with Late() as stood:
            time.sleep(1.3)
            before = time.monotonic()
            initiator.shutdown(socket.SHUT_WR)
            self.assertEqual(side.recv(1), b'')
            self.watch('half-closed', initiator, 1, before)
            self.expect_ends(stood)
        vsluice.stop()

    def test_who_speaks_just_often_enough(self):
        """Is never ended, unless this machine was too slow to speak."""
        vsluice = self.routed(idle='idle-timeout = 1s')
        talking = [self.session(vsluice, 'idle'), tuple(reversed(self.session(vsluice, 'idle')))]
        said = 0
        while said < 3:
            spoke = time.monotonic()
            for sender, receiver in talking:
                sender.sendall(b'x')
                self.assertEqual(receiver.recv(1), b'x')
            said += 1
            time.sleep(0.85)
            if time.monotonic() - spoke > 0.97:
                self.skipTest('this machine stands still too often')
        self.assertEqual(len(vsluice.ended()), 0)


class Beginnings(Timed):
    """Of sessions that do not relay yet, and of the program's end."""

    def full_target(self):
        """A TCP endpoint that answers no further connection attempt."""
        listener, endpoint = self.listener('tcp')
        listener.listen(0)
        self.kept.append(listener)
        for _ in range(8):
            sock = socket.socket()
            self.addCleanup(sock.close)
            sock.setblocking(False)
            sock.connect_ex(harness.address(endpoint)[1])
        return endpoint

    def silent_vmm(self):
        listener, endpoint = self.listener('unix')
        self.kept.append(listener)
        return endpoint.removeprefix('unix:')

    def test_all_beside_each_other(self):
        config, routes = '', {}
        server, endpoint = self.listener('unix')
        self.kept.append(server)
        vmm, full = self.silent_vmm(), self.full_target()

        def route(name, time_s, text, listen='tcp:127.0.0.1:0'):
            nonlocal config
            routes[name] = time_s
            config += f'[route {name}]\nlisten = {listen}\n{text}\n'

        for time_s in 1, 2:
            route(f'connect{time_s}', time_s, f'target = {full}\nconnect-timeout = {time_s}s')
            route(f'vmm{time_s}', time_s, f'target = vsock-mux:{vmm}:80\nconnect-timeout = {time_s}s')
            route(f'proxy{time_s}', time_s, f'target = {endpoint}\naccept-proxy = yes\nconnect-timeout = {time_s}s')
            route(f'mux{time_s}', time_s, f'target = vsock-mux:{vmm}:*\nconnect-timeout = {time_s}s',
                  f'mux:{self.name(".sock")}')
            route(f'wait{time_s}', time_s, f'target = vsock-mux:{self.name()}:80\nwait-for-guest = {time_s}s')
        vsluice = self.proxy(config=config)
        with Late() as stood:
            def begin(name):
                before = time.monotonic()
                self.watch(name, self.dial(vsluice.routes[name].replace('mux:', 'unix:')), routes[name], before)

            self.phases(*[lambda name=name: begin(name) for name in routes])
            self.expect_ends(stood)
        vsluice.stop()

    def test_drain(self):
        server, endpoint = self.listener('unix')
        for time_s in 1, 2:
            vsluice = self.proxy(config=f'[global]\ndrain-timeout = {time_s}s\n[route r]\nlisten = tcp:127.0.0.1:0\n'
                                        f'target = {endpoint}\n')
            initiator, side = self.dial(vsluice.endpoint), self.accept(server)
            self.watched = []
            with Late() as stood:
                before = time.monotonic()
                vsluice.signal(signal.SIGTERM)
                vsluice.wait_lines('stopping: no longer listening')
                self.watch('draining', initiator, time_s, before)
                self.expect_ends(stood)
            self.assertEqual(vsluice.wait(), 0)
            side.close()


if __name__ == '__main__':
    harness.main()
