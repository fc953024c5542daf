"""Every limit of how many sessions there are and how many begin, at one less, at it and at one more: over two
workers, refused or waiting."""

import contextlib
import re
import select
import socket
import threading
import time

import harness
import reloading
from harness import SLOWNESS, wait_until
from over_vsock import OverVsock


class Limited(harness.TestCase):
    def routed(self, in_route='', in_global='', more='', target_kind='unix', listen='tcp:127.0.0.1:0', target=None,
               workers=2):
        self.listener_, endpoint = self.listener(target_kind)
        target = target or endpoint
        more = more.format(target=endpoint)
        self.vsluice = self.proxy(config=f'[global]\nworkers = {workers}\n{in_global}\n[route r]\nlisten = {listen}\n'
                                         f'target = {target.format(target=endpoint)}\n{in_route}\n{more}\n')
        return self.vsluice

    def served(self, sock, seconds=0.1):
        """Is this one relayed? None: it waits."""
        sock.settimeout(0.05)
        deadline = time.monotonic() + seconds * SLOWNESS
        while True:
            self.take_all()
            with contextlib.suppress(TimeoutError):
                try:
                    return sock.recv(1) == b'!'
                except ConnectionError:
                    return False
            if time.monotonic() > deadline:
                return None

    def take_all(self):
        """What the target was connected to, and greets."""
        self.sides = getattr(self, 'sides', [])
        while select.select([self.listener_], [], [], 0)[0]:
            side = self.accept(self.listener_)
            self.greet(side)

    def greet(self, side, text=b'!'):
        """Says no more: the session ends when its initiator closes."""
        side.sendall(text)
        side.shutdown(socket.SHUT_WR)
        self.sides.append(side)

    def try_one(self, endpoint=None, dial=None):
        try:
            sock = (dial or self.dial)(endpoint or self.vsluice.endpoint)
        except ConnectionError:
            return None, False
        served = self.served(sock, 2 if self.expects else 0.3)
        return sock, served

    def expect(self, endpoint, expected, dial=None):
        """One more that is served (True), refused (False), or waits (None)."""
        self.expects = expected is not None
        sock, served = self.try_one(endpoint, dial)
        self.assertIs(served, expected, self.vsluice.text)
        return sock

    def sessions(self, refuses, endpoint=None, room=4, dial=None):
        """At the limit, and one more; again when one has ended."""
        self.take_all()
        before = len(self.sides)
        fds = self.vsluice.fds()
        open_ = [self.expect(endpoint, True, dial) for _ in range(room)]
        if refuses:
            for _ in range(3):
                self.expect(endpoint, False, dial)
        else:
            waiting = [self.expect(endpoint, None, dial) for _ in range(3)]
        for _ in range(2):
            open_.pop(0).close()
            if refuses:
                self.expects = True
                wait_until(lambda: self.again(open_, endpoint, dial), 5, 'no room again')
                self.expect(endpoint, False, dial)
            else:
                wait_until(lambda: self.moves_up(waiting, open_), 5, 'who waited was not served')
                self.assertEqual([self.served(sock) for sock in waiting], [None] * len(waiting))
        while open_:
            open_.pop().close()
            if not refuses and waiting:
                wait_until(lambda: self.moves_up(waiting, open_), 5, 'who waited was not served')
        for side in self.sides[before:]:
            side.close()
        self.vsluice.wait_fds(fds)

    def again(self, open_, endpoint, dial):
        sock, served = self.try_one(endpoint, dial)
        if served:
            open_.append(sock)
        return served

    def moves_up(self, waiting, open_):
        for sock in list(waiting):
            if self.served(sock, 0):
                waiting.remove(sock)
                open_.append(sock)
                return True
        return False

    def rate(self, refuses, endpoint=None, dial=None):
        """As many as a second allows at once, and those that are more: refused, or one each tenth of a second."""
        started = time.monotonic()
        socks = [self.knock_at(dial or self.dial, endpoint or self.vsluice.endpoint) for _ in range(14)]
        served = [sock and self.served(sock, 5) for sock in socks[:14 if refuses else 10]]
        if refuses:
            self.assertIn(served.count(True), range(10, 11 + int(10 * (time.monotonic() - started))), served)
            time.sleep(0.11)
            self.expects = True
            self.assertTrue(self.try_one(endpoint, dial)[1])
        else:
            self.assertEqual(served, [True] * 10)
            for number, sock in enumerate(socks[10:]):
                self.assertIs(self.served(sock, 5), True)
                took = time.monotonic() - started
                self.assertGreater(took, 0.1 * (number + 1) - 0.02)
                self.assertLess(took, (0.1 * (number + 1) + 0.4) * SLOWNESS)

    def knock_at(self, dial, endpoint):
        with contextlib.suppress(ConnectionResetError):
            return dial(endpoint)

    def backlog(self, *kinds):
        """As many wait as for any socket that listens so, and one more is not let in; also where that was changed."""
        for kind in kinds:
            self.routed('max-sessions = 1\nat-limit = wait\nbacklog = 2', listen=self.listen(kind), workers=1)
            self.expect(None, True)
            waiting = self.fill_backlog(self.vsluice.endpoint)
            self.assertEqual(waiting, self.backlog_of_a_socket(kind, 2))
            reloading.edit(self.vsluice, 'backlog = 2', 'backlog = 5')
            waiting += self.fill_backlog(self.vsluice.endpoint)
            self.assertEqual(waiting, self.backlog_of_a_socket(kind, 5))

    def backlog_of_a_socket(self, kind, backlog):
        sock, endpoint = self.listener(kind)
        sock.listen(backlog)
        return self.fill_backlog(endpoint)

    def fill_backlog(self, endpoint):
        """How many are let in, one after the other."""
        for count in range(100):
            try:
                self.dial(endpoint, 0.2)
            except (TimeoutError, BlockingIOError, ConnectionResetError):
                return count
        return None

    def mux(self, path=None):
        """A VMM that connects whoever asks."""
        path = path or self.name('.vmm')
        vmm = socket.socket(socket.AF_UNIX)
        self.addCleanup(vmm.close)
        vmm.bind(path)
        vmm.listen(100)
        vmm.settimeout(10 * SLOWNESS)
        return vmm, path

    def take_mux(self):
        self.sides = getattr(self, 'sides', [])
        while select.select([self.listener_], [], [], 0)[0]:
            side = self.accept(self.listener_)
            while not side.recv(100).endswith(b'\n'):
                pass
            self.greet(side, b'OK 1\n!')


class Bounds(Limited):
    def test_sessions_of_a_route_refused(self):
        for listen in 'tcp:127.0.0.1:0', 'unix:' + self.name('.sock'):
            self.routed('max-sessions = 4', listen=listen)
            self.sessions(True)
            self.vsluice.wait_lines('ended: route-full: ')
            self.vsluice.stop()

    def test_sessions_of_a_route_waiting(self):
        for listen in 'tcp:127.0.0.1:0', 'unix:' + self.name('.sock'):
            self.routed('max-sessions = 4\nat-limit = wait', listen=listen)
            self.sessions(False)
            self.end_well(self.vsluice)

    def test_sessions_over_all(self):
        self.routed(in_global='max-sessions = 4')
        self.sessions(False)
        self.end_well(self.vsluice)

    def test_sessions_of_a_guest(self):
        """That two routes share."""
        for at_limit in 'refuse', 'wait':
            vmm, path = self.mux()
            self.routed(f'at-limit = {at_limit}', target='guest:g:1',
                        more=f'[guest g]\naddress = vsock-mux:{path}\nmax-sessions = 4\n'
                             f'[route s]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:2\nat-limit = {at_limit}\n')
            self.listener_ = vmm
            self.take_all = self.take_mux
            first = self.expect(self.vsluice.routes['s'], True)
            self.sessions(at_limit == 'refuse', self.vsluice.routes['r'], room=3)
            first.close()
            self.vsluice.stop()

    def test_a_guest_waits_for_another_route(self):
        """What ends on one route makes room on another, of any worker."""
        vmm, path = self.mux()
        self.routed('at-limit = wait', target='guest:g:1',
                    more=f'[guest g]\naddress = vsock-mux:{path}\nmax-sessions = 1\n'
                         '[route s]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:2\nat-limit = wait\n')
        self.take_all = self.take_mux
        self.listener_ = vmm
        now = self.expect(self.vsluice.routes['s'], True)
        for number in range(20):
            waiting = self.expect_waiting(self.vsluice.routes['rs'[number % 2]])
            started = time.monotonic()
            now.close()
            self.assertTrue(self.served(waiting, 5))
            self.assertLess(time.monotonic() - started, 0.5 * SLOWNESS)
            now = waiting

    def expect_waiting(self, endpoint):
        sock = self.dial(endpoint)
        self.assertIsNone(self.served(sock, 0.05))
        return sock

    def test_waiting_takes_no_time(self):
        self.routed('max-sessions = 1\nat-limit = wait')
        socks = [self.dial(self.vsluice.endpoint) for _ in range(50)]
        self.assertIs(self.served(socks[0], 2), True)
        used = self.vsluice.cpu()
        time.sleep(1)
        self.assertLess(self.vsluice.cpu() - used, 0.05 * SLOWNESS, 'it spins')
        self.assertEqual(len(self.sides), 1)
        self.assertLess(self.vsluice.fds(), 60)

    def test_never_more_than_the_limit(self):
        """However they come and go, over two workers; and all are served in the end."""
        self.routed('max-sessions = 5\nat-limit = wait')
        inside, most, served = 0, 0, 0
        lock, full = threading.Lock(), threading.Event()

        def visit():
            nonlocal inside, most, served
            for _ in range(15):
                with self.dial_free() as sock:
                    self.assertEqual(sock.recv(1), b'!')
                    served += 1

        def attend():
            nonlocal inside, most
            while True:
                try:
                    side, _ = self.listener_.accept()
                except OSError:
                    return
                with lock:
                    inside += 1
                    most = max(most, inside)
                    if most == 5:
                        full.set()

                def serve(side=side):
                    nonlocal inside
                    full.wait(20 * SLOWNESS)
                    side.sendall(b'!')
                    side.settimeout(10 * SLOWNESS)
                    with contextlib.suppress(OSError):
                        side.recv(1)
                    with lock:
                        inside -= 1
                    side.close()
                threading.Thread(target=serve, daemon=True).start()

        self.listener_.settimeout(None)
        threading.Thread(target=attend, daemon=True).start()
        threads = [threading.Thread(target=visit) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.listener_.shutdown(socket.SHUT_RDWR)
        self.assertEqual(served, 300)
        self.assertEqual(most, 5)
        self.end_well(self.vsluice)

    def dial_free(self):
        sock = socket.socket(*harness.address(self.vsluice.endpoint)[:1])
        sock.settimeout(20 * SLOWNESS)
        sock.connect(harness.address(self.vsluice.endpoint)[1])
        return sock

    def test_a_reload_changes_limits(self):
        self.routed('max-sessions = 1\nat-limit = wait', listen='unix:' + self.name('.sock'))
        first = self.expect(None, True)
        waiting = [self.expect(None, None) for _ in range(4)]
        self.edit('max-sessions = 1', 'max-sessions = 3')
        moved = []
        wait_until(lambda: (self.moves_up(waiting, moved), len(moved) == 2)[1], 5, 'two more were not served')
        self.assertEqual([self.served(sock) for sock in waiting], [None, None])
        self.edit('at-limit = wait', 'at-limit = refuse')
        wait_until(lambda: False in {self.served(sock, 0) for sock in waiting}, 5, 'who waited is not refused')
        self.edit('max-sessions = 3', 'max-sessions = 0')
        self.expect(None, True)
        first.close()

    def test_a_reload_makes_room_for_all_that_wait(self):
        """What had been accepted already, and was kept, too."""
        for _ in range(4):
            admin = self.name('.admin')
            self.routed('max-sessions = 1\nat-limit = wait', f'admin-socket = {admin}', listen=self.listen('unix'))
            self.expect(None, True)
            waiting = [self.expect_waiting(self.vsluice.endpoint) for _ in range(3)]
            self.edit('max-sessions = 1', 'max-sessions = 4')
            for sock in waiting:
                self.assertIs(self.served(sock, 5), True)
            wait_until(lambda: self.kept(admin) == 0, 5, 'some are counted that are not kept any more')

    def kept(self, admin):
        with self.dial(f'unix:{admin}') as sock:
            sock.sendall(b'GET /metrics HTTP/1.1\r\nHost: vsluice\r\nConnection: close\r\n\r\n')
            text = harness.read_all(sock).decode()
        counts = re.findall(r'(?m)^vsluice_connections_kept\S* (\S+)', text)
        self.assertTrue(counts, text)
        return sum(map(float, counts))

    def test_a_reload_ends_none(self):
        """Those of before stay where there are too many now, and count."""
        self.routed('max-sessions = 4', listen='unix:' + self.name('.sock'))
        living = [self.expect(None, True) for _ in range(4)]
        self.edit('max-sessions = 4', 'max-sessions = 2')
        for _ in range(2):
            self.expect(None, False)
            self.gone(living.pop())
        self.expect(None, False)
        self.gone(living.pop())
        self.expect(None, True)
        self.expect(None, False)
        self.assertEqual(len(self.vsluice.ended()), len(self.vsluice.ended('route-full')))

    def test_a_reload_changes_a_guest(self):
        vmm, path = self.mux()
        self.routed(target='guest:g:1', more=f'[guest g]\naddress = vsock-mux:{path}\nmax-sessions = 2\n')
        self.take_all = self.take_mux
        self.listener_ = vmm
        living = [self.expect(None, True) for _ in range(2)]
        self.edit('max-sessions = 2', 'max-sessions = 1')
        self.expect(None, False)
        self.gone(living.pop())
        self.expect(None, False)
        self.gone(living.pop())
        self.expect(None, True)
        self.edit('max-sessions = 1', 'max-sessions = 3')
        for served in True, True, False:
            self.expect(None, served)

    def gone(self, sock):
        fds = self.vsluice.fds()
        sock.close()
        self.vsluice.wait_fds(fds - 2)

    def edit(self, old, new):
        reloading.edit(self.vsluice, old, new)

    def test_waiting_for_a_guest(self):
        """One less than wait-max, as many, one more: over all workers, also where another configuration was read."""
        path = self.name('.vmm')
        self.routed('wait-for-guest = 60s\nwait-max = 3', target='guest:g:1',
                    more=f'[guest g]\naddress = vsock-mux:{path}\n')
        waiting = [self.expect_waiting(self.vsluice.endpoint) for _ in range(3)]
        self.assertEqual(self.vsluice.ended(), [])
        self.expect(None, False)
        self.edit('wait-max = 3', 'wait-max = 4')
        waiting.append(self.expect_waiting(self.vsluice.endpoint))
        self.expect(None, False)
        harness.reset(waiting.pop(0))
        self.vsluice.wait_lines('ended: initiator-left: ')
        waiting.append(self.expect_waiting(self.vsluice.endpoint))
        self.expect(None, False)
        self.listener_, _ = self.mux(path)
        self.take_all = self.take_mux
        for sock in waiting:
            self.assertIs(self.served(sock, 5), True)

    def test_backlog(self):
        self.backlog('tcp', 'unix')


class Rates(Limited):
    def test_a_reload_changes_rates(self):
        self.routed('max-rate = 1')
        for served in True, False:
            self.expect(None, served)
        reloading.edit(self.vsluice, 'max-rate = 1', 'max-rate = 100')
        time.sleep(0.2)
        for _ in range(10):
            self.expect(None, True)

    def test_rate_of_a_route(self):
        self.routed('max-rate = 10')
        self.rate(True)
        self.vsluice.wait_lines('ended: rate-exceeded: ')
        for listen in 'tcp:127.0.0.1:0', 'unix:' + self.name('.sock'):
            self.routed('max-rate = 10\nat-limit = wait', listen=listen)
            self.rate(False)

    def test_rate_over_all(self):
        self.routed(in_global='max-rate = 10')
        self.rate(False)

    def test_rate_of_a_guest(self):
        for at_limit in 'refuse', 'wait':
            vmm, path = self.mux()
            self.routed(f'at-limit = {at_limit}', target='guest:g:1',
                        more=f'[guest g]\naddress = vsock-mux:{path}\nmax-rate = 10\n')
            self.take_all = self.take_mux
            self.listener_ = vmm
            self.rate(at_limit == 'refuse')


class Sources(Limited):
    """What one source may have, beside others."""

    def dial_from(self, address):
        def dial(endpoint):
            sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
            self.addCleanup(sock.close)
            sock.settimeout(10 * SLOWNESS)
            sock.bind((address, 0))
            sock.connect(('::1' if ':' in address else '127.0.0.1', int(endpoint.rpartition(':')[2])))
            return sock
        return dial

    def test_sessions_of_an_address(self):
        self.routed('max-sessions-per-source = 4\nmax-sessions = 9')
        others = [self.expect(None, True, self.dial_from('127.0.0.3')) for _ in range(4)]
        self.sessions(True, dial=self.dial_from('127.0.0.2'))
        self.vsluice.wait_lines('ended: source-full: ')
        self.assertEqual(len(self.vsluice.ended()), len(self.vsluice.ended('source-full')))

    def test_ip4_in_ip6_is_ip4(self):
        self.routed('max-sessions-per-source = 2', listen='tcp:*:0')
        self.expect(None, True, self.dial_from('127.0.0.1'))
        self.expect(None, True, self.dial_from('127.0.0.1'))
        self.expect(None, False, self.dial_from('127.0.0.1'))
        self.expect(None, True, self.dial_from('127.0.0.2'))
        self.expect(None, True, self.dial_from('::1'))

    def test_rate_of_an_address(self):
        self.routed('max-rate-per-source = 10')
        self.rate(True, dial=self.dial_from('127.0.0.2'))
        self.expect(None, True, self.dial_from('127.0.0.3'))
        self.vsluice.wait_lines('ended: source-rate: ')

    def test_a_flood_of_one_source_takes_no_rate_of_others(self):
        """Nor where those who are refused would have waited."""
        ways = ('max-rate = 10', ''), ('max-rate = 10\nat-limit = wait', ''), ('', 'max-rate = 10')
        for in_route, in_global in ways:
            self.routed(f'max-sessions-per-source = 1\n{in_route}', in_global)
            started = time.monotonic()
            self.expect(None, True, self.dial_from('127.0.0.2'))
            for _ in range(20):
                self.expect(None, False, self.dial_from('127.0.0.2'))
            for number in range(3, 11):
                self.expect(None, True, self.dial_from(f'127.0.0.{number}'))
            self.assertLess(time.monotonic() - started, 1.5 * SLOWNESS)

    def test_a_reload_changes_limits_of_sources(self):
        """Those of before count, but for those that began where no limit of sources was."""
        dial, other = self.dial_from('127.0.0.2'), self.dial_from('127.0.0.3')
        self.routed('max-sessions = 9')
        for _ in range(3):
            self.expect(None, True, dial)
        reloading.edit(self.vsluice, 'max-sessions = 9', 'max-sessions = 0\nmax-sessions-per-source = 3')
        for served in True, True, True, False:
            self.expect(None, served, dial)
        self.expect(None, True, other)
        reloading.edit(self.vsluice, 'per-source = 3', 'per-source = 2')
        for served in True, False:
            self.expect(None, served, other)
        self.expect(None, False, dial)
        self.assertEqual(len(self.vsluice.ended()), len(self.vsluice.ended('source-full')))

    def test_sessions_of_a_user(self):
        self.routed('max-sessions-per-source = 4', listen='unix:' + self.name('.sock'))
        self.sessions(True)

    def test_the_source_that_a_proxy_header_tells(self):
        """Until it is told, none is counted; where it tells none, it is who connected."""
        self.routed('max-sessions-per-source = 4\naccept-proxy = yes\nconnect-timeout = 60s')

        def dial(line):
            def dial(endpoint):
                sock = self.dial(endpoint)
                sock.sendall(line)
                return sock
            return dial

        fds = self.vsluice.fds()
        silent = [self.dial(self.vsluice.endpoint) for _ in range(6)]
        self.vsluice.wait_fds(fds + len(silent))
        self.sessions(True, dial=dial(b'PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n'))
        self.expect(None, True, dial(b'PROXY TCP4 192.0.2.2 192.0.2.9 1 2\r\n'))
        prefix = [dial(b'PROXY TCP6 2001:db8::%d 2001:db8::99 1 2\r\n' % number) for number in range(6)]
        for one in prefix[:4]:
            self.expect(None, True, one)
        self.expect(None, False, prefix[5])
        self.expect(None, True, dial(b'PROXY TCP6 2001:db8:0:1::1 2001:db8::99 1 2\r\n'))
        for sock in silent[:4]:
            sock.sendall(b'PROXY UNKNOWN\r\n')
            self.expects = True
            self.assertIs(self.served(sock, 2), True)
        silent[4].sendall(b'PROXY UNKNOWN\r\n')
        self.assertIs(self.served(silent[4], 2), False)


class Vsock(OverVsock, Limited):
    """In the lab; all that connects there is of one CID."""

    def endpoints(self):
        return [harness.connectable(match[1]) for match in self.vsluice.matches(r'^listening on (\S+)')]

    def test_sessions_of_a_cid(self):
        """Beside a source of another kind."""
        self.routed('max-sessions-per-source = 3', listen='vsock:any:0 tcp:127.0.0.1:0')
        vsock, tcp = self.endpoints()
        self.expect(tcp, True)
        self.sessions(True, vsock, room=3)
        self.vsluice.wait_lines('ended: source-full: ')
        for served in True, True, False:
            self.expect(tcp, served)

    def test_rate_of_a_cid(self):
        self.routed('max-rate-per-source = 1', listen='vsock:any:0 tcp:127.0.0.1:0')
        vsock, tcp = self.endpoints()
        for served in True, False:
            self.expect(vsock, served)
        self.expect(tcp, True)
        self.vsluice.wait_lines('ended: source-rate: ')
        wait_until(lambda: self.try_one(vsock)[1], 2, 'no room again')

    def test_waiting(self):
        self.routed('max-sessions = 1\nat-limit = wait', listen='vsock:any:0')
        first = self.expect(None, True)
        waiting = self.dial(self.vsluice.endpoint)
        self.assertIsNone(self.served(waiting))
        first.close()
        self.assertTrue(self.served(waiting, 5))

    def test_backlog(self):
        self.backlog('vsock')


if __name__ == '__main__':
    harness.main()
