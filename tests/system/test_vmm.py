"""What VMMs do with vsock (docs/vmm.md): a class for each VMM, and a test in it for each quirk that it has.

The quirks are classes of tests; those of the VMMs, at the end, are put together from them. vmm.py plays the VMMs.
"""

import contextlib
import os
import resource
import select
import socket
import stat
import time

import harness
import vmm
from harness import SLOWNESS, read_all, wait_until

PORT_MAX = 4294967294
SEGMENT = b'SSH-2.0-guest\r\n' + bytes(20_000)
QUIET = 0.1 * SLOWNESS
AT_ONCE = 2  # seconds
LIMIT = 1020  # of the 1023 connections that some VMMs can have
MANY = min(2000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200) // 4)  # a session has four descriptors here


def quiet(*socks):
    """Nothing comes from any of them."""
    poll = select.poll()
    for sock in socks:
        poll.register(sock, select.POLLIN)
    return poll.poll(QUIET * 1000) == []


@contextlib.contextmanager
def user(uid, gid):
    """Become somebody else for a while."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def may_connect(path):
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(path)
        except PermissionError:
            return False
        return True


class Case(harness.TestCase):
    kind = None
    half_close = 'auto'
    guest_dials = 200  # at once

    def vmm(self, **options):
        """One of the kind of the class, running."""
        one = vmm.Vmm(self.kind, self.name('.sock'), **options)
        self.addCleanup(self.end_vmm, one)
        return one

    def end_vmm(self, one):
        one.stop()
        self.assertEqual(one.faults, [])

    def guest(self, one, *options, name='g', word=None):
        return '\n'.join([f'[guest {name}]', f'address = vsock-mux:{one.path}', f'vmm = {word or one.kind.word}',
                          *(options or [f'half-close = {self.half_close}']), ''])

    def to_guest(self, one, *options, port=80, word=None):
        """vsluice with a route from TCP to a port of the guest."""
        vsluice = self.proxy(config=self.guest(one, *options, word=word) +
                             f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:{port}\n')
        self.fds = vsluice.fds()
        return vsluice

    def from_guest(self, one, target, *options):
        """vsluice with a route from what the guest dials at port 5000, and one to its port 80."""
        vsluice = self.proxy(config='[global]\nlog-rate = 0\n' + self.guest(one) +
                             '[route to]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:80\n' +
                             '\n'.join(['[route r]', 'listen = guest:g:5000', f'target = {target}', *options]))
        self.fds = vsluice.fds()
        return vsluice

    def accept_in(self, one, port=80):
        service = one.accept(port)
        self.addCleanup(service.close)
        return service

    def session(self, vsluice, one, port=80):
        """The initiator, and the service in the guest."""
        return self.dial(vsluice.endpoint), self.accept_in(one, port)

    def dial_in(self, one, port=5000, **options):
        program = one.dial(port, **options)
        self.addCleanup(program.close)
        return program

    def receives(self, sock, data):
        got = b''
        while len(got) < len(data):
            part = sock.recv(1 << 20)
            self.assertNotEqual(part, b'', f'ended after {len(got)} of {len(data)} bytes')
            got += part
        self.assertEqual(got, data)

    def relays(self, *socks):
        for one, other in socks, reversed(socks):
            one.sendall(b'there and back')
            self.receives(other, b'there and back')

    def over(self, vsluice, *socks):
        """Both ends close; nothing is left, and no session ended in error."""
        for sock in socks:
            sock.close()
        vsluice.wait_fds(self.fds)
        vsluice.stop()
        self.assertEqual([match.string for match in vsluice.ended()], [])

    def fails(self, vsluice, token, says):
        """A session is reset at once, and the log has one line that says why."""
        started = time.monotonic()
        with self.assertRaises(ConnectionResetError):
            self.dial(vsluice.endpoint).recv(1)
        self.assertLess(time.monotonic() - started, AT_ONCE * SLOWNESS)
        vsluice.wait_lines('session 1: ended')
        line, = vsluice.matches('^route r session 1: ended: .*')
        self.assertRegex(line[0], f'ended: {token}: .*{says}')
        vsluice.wait_fds(self.fds)
        vsluice.stop()


class Handshake:
    """CONNECT PORT, at most 32 bytes and in one piece; OK NUMBER; and the bytes around them."""

    def connects(self, port):
        one = self.vmm(ports=[port])
        vsluice = self.to_guest(one, port=port)
        sessions = [self.session(vsluice, one, port) for _ in range(50)]
        for session in sessions:
            self.relays(*session)
        self.assertEqual(one.requests, [b'CONNECT %d\n' % port] * len(sessions))
        self.over(vsluice, *(sock for session in sessions for sock in session))

    def test_connect_in_one_piece(self):
        self.connects(80)

    def test_connect_in_one_piece_to_the_last_port(self):
        self.connects(PORT_MAX)

    def speaks(self, *said, ports=(80, PORT_MAX), **options):
        """The service, right behind OK, in sessions one after the other."""
        for port in ports:
            one = self.vmm(ports=[port], **options)
            vsluice = self.to_guest(one, port=port)
            for one.behind_ok in said:
                initiator = self.dial(vsluice.endpoint)
                initiator.sendall(b'early')
                service = self.accept_in(one, port)
                self.receives(service, b'early')
                self.receives(initiator, one.behind_ok)
                self.relays(initiator, service)
                initiator.close()
                service.close()
            self.over(vsluice)

    def test_ok_with_ten_digits_byte_by_byte(self):
        self.speaks(b'', ports=[PORT_MAX], ok_trickles=True)

    def test_bytes_behind_ok_are_the_guests(self):
        self.speaks(SEGMENT, b'\nOK 2\n\n', b'1')

    def test_bytes_behind_the_last_byte_of_ok_are_the_guests(self):
        self.speaks(SEGMENT, b'\nOK 2\n\n', ok_trickles=True)

    def test_early_data_is_not_lost(self):
        """What the initiator sends at once waits for OK: vhost-device would throw it away."""
        one = self.vmm(ok_pause=QUIET)
        vsluice = self.to_guest(one)
        initiator = self.dial(vsluice.endpoint)
        initiator.sendall(SEGMENT)
        service = self.accept_in(one)
        self.receives(service, SEGMENT)
        self.assertEqual(one.early, 0)
        self.relays(initiator, service)
        self.over(vsluice, initiator, service)

    def test_refusal_is_end_of_file(self):
        one = self.vmm(ports=[])
        self.fails(self.to_guest(one), 'mux-refused',
                   f'nothing listens on it in the guest.* to vsock-mux:{one.path}:80')
        self.assertEqual(one.requests, [b'CONNECT 80\n'])


class SocketForEachPort:
    """No handshake: PATH_PORT is the service."""

    def test_nothing_but_the_initiators_bytes(self):
        one = self.vmm()
        vsluice = self.to_guest(one)
        initiator, service = self.session(vsluice, one)
        self.assertTrue(quiet(initiator, service))
        service.sendall(b'the service speaks first')
        self.receives(initiator, b'the service speaks first')
        initiator.sendall(SEGMENT)
        initiator.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(service), SEGMENT)
        self.over(vsluice, initiator, service)

    def test_a_socket_for_each_port(self):
        one = self.vmm(ports=[80, 81, PORT_MAX])
        for port in 81, PORT_MAX, 80:
            with self.subTest(port=port):
                vsluice = self.to_guest(one, port=port)
                initiator, service = self.session(vsluice, one, port)
                self.relays(initiator, service)
                self.over(vsluice, initiator, service)

    def test_port_without_a_socket(self):
        one = self.vmm(ports=[])
        self.fails(self.to_guest(one), 'target-missing', f' to .*{one.path}')


class HostHalfClose:
    def request(self, vsluice, one):
        """The initiator half-closes behind its request."""
        initiator, service = self.session(vsluice, one)
        initiator.sendall(b'GET')
        initiator.shutdown(socket.SHUT_WR)
        self.receives(service, b'GET')
        return initiator, service

    def answers(self, vsluice, one, initiator, service, half_closes):
        """In two pieces, and closes."""
        self.assertEqual(one.half_closes, half_closes)
        service.sendall(SEGMENT)
        self.receives(initiator, SEGMENT)
        service.sendall(SEGMENT)
        service.close()
        self.assertEqual(read_all(initiator), SEGMENT)
        self.over(vsluice, initiator)

    def is_held_back(self, *options, **more):
        one = self.vmm()
        vsluice = self.to_guest(one, *options, **more)
        initiator, service = self.request(vsluice, one)
        self.assertTrue(quiet(service))
        self.answers(vsluice, one, initiator, service, 0)

    def is_passed_to_the_guest(self, *options, **more):
        one = self.vmm()
        vsluice = self.to_guest(one, *options, **more)
        initiator, service = self.request(vsluice, one)
        self.assertEqual(read_all(service), b'')
        self.answers(vsluice, one, initiator, service, 1)

    def cuts(self, *options, **more):
        """A half-close that is passed on: the VMM closes the whole connection."""
        one = self.vmm()
        vsluice = self.to_guest(one, *options, **more)
        initiator, service = self.request(vsluice, one)
        self.assertEqual(read_all(service), b'')
        self.assertEqual(read_all(initiator), b'')
        self.over(vsluice, initiator, service)


class HostHalfCloseCuts(HostHalfClose):
    """It closes the whole connection."""

    def test_host_half_close_is_held_back(self):
        self.is_held_back()

    def test_host_half_close_passed_by_wish_cuts(self):
        self.cuts('half-close = pass')

    def test_host_half_close_behind_what_the_guest_dials_is_held_back(self):
        """The target ends; the guest, which still sends, is told when it has ended too."""
        one = self.vmm()
        server, target = self.listener('tcp')
        vsluice = self.from_guest(one, target)
        program, service = self.dial_in(one), self.accept(server)
        service.sendall(b'hello')
        service.shutdown(socket.SHUT_WR)
        self.receives(program, b'hello')
        self.assertTrue(quiet(program))
        program.sendall(b'the rest')
        program.close()
        self.assertEqual(read_all(service), b'the rest')
        self.assertEqual(one.half_closes, 0)
        self.over(vsluice, service)


class HostHalfClosePasses(HostHalfClose):
    def test_host_half_close_is_passed_on(self):
        self.is_passed_to_the_guest()

    def test_host_half_close_is_held_back_by_wish(self):
        self.is_held_back('half-close = hold')

    def test_host_half_close_behind_what_the_guest_dials_is_passed_on(self):
        one = self.vmm()
        server, target = self.listener('tcp')
        vsluice = self.from_guest(one, target)
        program, service = self.dial_in(one), self.accept(server)
        service.sendall(b'hello')
        service.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(program), b'hello')
        program.sendall(b'the rest')
        program.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(service), b'the rest')
        self.over(vsluice, program, service)


class HostHalfCloseDrops(HostHalfClose):
    """The VMM is told, the guest is not."""

    def test_host_half_close_is_not_passed_on_by_the_vmm(self):
        one = self.vmm()
        vsluice = self.to_guest(one)
        initiator, service = self.request(vsluice, one)
        wait_until(lambda: one.half_closes == 1, 10, 'the VMM was not told')
        self.assertTrue(quiet(service))
        self.answers(vsluice, one, initiator, service, 1)


class GuestHalfClosePasses:
    def test_guest_half_close_is_passed_on(self):
        one = self.vmm()
        vsluice = self.to_guest(one)
        initiator, service = self.session(vsluice, one)
        service.sendall(b'all of it')
        service.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(initiator), b'all of it')
        initiator.sendall(b'thanks')
        initiator.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(service), b'thanks')
        self.over(vsluice, initiator, service)


class GuestHalfCloseDrops:
    def test_guest_half_close_is_not_passed_on_by_the_vmm(self):
        """The initiator has all bytes and goes on sending; that the guest ended it learns when the guest closes."""
        one = self.vmm()
        vsluice = self.to_guest(one)
        initiator, service = self.session(vsluice, one)
        service.sendall(b'all of it')
        service.shutdown(socket.SHUT_WR)
        self.receives(initiator, b'all of it')
        self.assertTrue(quiet(initiator))
        initiator.sendall(b'thanks')
        self.receives(service, b'thanks')
        service.close()
        self.assertEqual(read_all(initiator), b'')
        self.over(vsluice, initiator)


class GuestDials:
    """The VMM connects to PATH_PORT, and its VM stands still meanwhile: it is accepted at once, whatever is behind."""

    def test_guest_dials(self):
        one = self.vmm()
        server, target = self.listener('tcp')
        vsluice = self.from_guest(one, target)
        program, service = self.dial_in(one), self.accept(server)
        self.relays(program, service)
        self.over(vsluice, program, service)

    def accepted_at_once(self, one, vsluice):
        """All that the guest dials, with a backlog of 1; and sessions the other way still go through."""
        programs = []
        for number in range(self.guest_dials):
            started = time.monotonic()
            programs.append(self.dial_in(one, patience=AT_ONCE * SLOWNESS))
            self.assertLess(time.monotonic() - started, AT_ONCE * SLOWNESS, f'connection {number}')
        session = self.session(vsluice, one)
        self.relays(*session)
        return programs

    def test_accepted_at_once_while_the_target_hangs(self):
        server, target = self.listener('tcp')
        server.listen(0)
        self.dial(target)
        one = self.vmm()
        vsluice = self.from_guest(one, target, 'backlog = 1', 'connect-timeout = 60s')
        programs = self.accepted_at_once(one, vsluice)
        self.assertEqual(vsluice.ended(), [])
        self.assertTrue(quiet(*programs))
        for program in programs:
            program.close()

    def test_accepted_at_once_while_the_target_refuses(self):
        server, target = self.listener('tcp')
        server.close()
        one = self.vmm()
        vsluice = self.from_guest(one, target, 'backlog = 1')
        for program in self.accepted_at_once(one, vsluice):
            self.assertEqual(read_all(program), b'')
        vsluice.wait_lines('^route r session .* ended: target-refused: ', self.guest_dials)

    def test_socket_has_its_mode_and_owner(self):
        """A VMM that runs as a user of its own reaches it, nobody else does."""
        one = self.vmm()
        path = f'{one.path}_5000'
        os.chmod(self.dir, 0o755)
        if os.getuid() != 0:
            self.from_guest(one, 'tcp:127.0.0.1:1', 'mode = 0620')
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o620)
            return
        for mode, group_may in (0o600, False), (0o660, True):
            vsluice = self.from_guest(one, 'tcp:127.0.0.1:1', f'mode = {mode:04o}', 'owner = 1234:1235')
            status = os.stat(path)
            self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid), (mode, 1234, 1235))
            for uid, gid, may in (1234, 1235, True), (4321, 1235, group_may), (4321, 4321, False):
                with self.subTest(mode=oct(mode), uid=uid, gid=gid), user(uid, gid):
                    self.assertEqual(may_connect(path), may)
            vsluice.stop()


class Limit:
    """Connections of a guest, of both directions together: its max-sessions."""

    def both_ways(self, one, *options, word=None):
        """vsluice with routes to the guest and from it, and a session to another guest."""
        other = self.vmm()
        self.server, target = self.listener('unix')
        vsluice = self.proxy(config=self.guest(one, *options, word=word) + self.guest(other, name='other') +
                             '[route r]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:80\n'
                             f'[route from]\nlisten = guest:g:5000\ntarget = {target}\n'
                             '[route other]\nlisten = tcp:127.0.0.1:0\ntarget = guest:other:80\n')
        self.fds = vsluice.fds()
        self.elsewhere = self.dial(vsluice.routes['other']), self.accept_in(other)
        return vsluice

    def one_more_each_way(self, vsluice, one):
        return [self.session(vsluice, one), (self.dial_in(one), self.accept(self.server))]

    def is_full(self, vsluice, one):
        """For both ways, and the log says so; others are not touched."""
        refused = len(vsluice.ended('guest-full'))
        with self.assertRaises(ConnectionResetError):
            self.dial(vsluice.endpoint).recv(1)
        self.assertEqual(read_all(self.dial_in(one)), b'')
        vsluice.wait_lines('ended: guest-full: ', refused + 2)
        self.relays(*self.elsewhere)

    def one_leaves(self, vsluice, session):
        left = vsluice.fds() - 2
        for sock in session:
            sock.close()
        vsluice.wait_fds(left)

    def fills(self, limit, *options, word=None):
        """There is room for so many; and again when one ends, of either direction, for one of either."""
        one = self.vmm()
        vsluice = self.both_ways(one, *options, word=word)
        sessions = []
        while len(sessions) < limit:
            sessions += self.one_more_each_way(vsluice, one)
        self.assertEqual(one.most, limit)
        for _ in range(2):
            self.is_full(vsluice, one)
            self.one_leaves(vsluice, sessions.pop(0))
            self.one_leaves(vsluice, sessions.pop(0))
            sessions += reversed(self.one_more_each_way(vsluice, one))
            for session in sessions[:2] + sessions[-2:]:
                self.relays(*session)
        self.empty(vsluice, sessions)

    def empty(self, vsluice, sessions):
        for session in [self.elsewhere, *sessions]:
            for sock in session:
                sock.close()
        vsluice.wait_fds(self.fds)
        vsluice.stop()
        self.assertEqual({match[1] for match in vsluice.ended()} - {'guest-full'}, set())

    def test_limit_by_wish(self):
        self.fills(4, 'max-sessions = 4')


class LimitOfVmm(Limit):
    """It closes what comes when it has 1023 connections: vsluice stops at 1020 of its own accord."""

    def test_limit_by_default(self):
        self.fills(LIMIT)

    def test_limit_when_many_come_at_once(self):
        """The VMM is never asked for more; the others are reset."""
        one = self.vmm()
        vsluice = self.both_ways(one)
        initiators = [initiator for _ in range(LIMIT + 80) for initiator in self.knock(vsluice.endpoint)]
        services = [self.accept_in(one) for _ in range(LIMIT)]
        vsluice.wait_lines('ended: guest-full: ', 80)
        self.assertEqual((one.most, len(one.requests)), (LIMIT, LIMIT))
        self.empty(vsluice, [initiators, services])

    def test_no_limit_by_wish(self):
        """The VMM's own remains."""
        one = self.vmm()
        vsluice = self.both_ways(one, 'max-sessions = 0')
        sessions = [self.session(vsluice, one) for _ in range(self.kind.connections_max)]
        with self.assertRaises(ConnectionResetError):
            self.dial(vsluice.endpoint).recv(1)
        vsluice.wait_lines('ended: mux-refused: ')
        self.relays(*sessions[-1])


class LimitOfVmmByName(LimitOfVmm):
    def test_limit_when_recognised_by_the_name_of_its_process(self):
        with vmm.process_name(self.kind.process):
            self.fills(LIMIT, word='auto')


class NoLimit(Limit):
    def test_no_limit_by_default(self):
        one = self.vmm()
        vsluice = self.both_ways(one)
        sessions = [session for _ in range(600) for session in self.one_more_each_way(vsluice, one)]
        self.relays(*sessions[-1])
        self.empty(vsluice, sessions)


class Firecracker(Handshake, HostHalfCloseCuts, GuestHalfCloseDrops, GuestDials, LimitOfVmmByName, Case):
    kind = vmm.FIRECRACKER
    guest_dials = 1000  # below LIMIT

    def test_recognised_by_the_name_of_its_process(self):
        with vmm.process_name('firecracker'):
            self.is_held_back(word='auto')
        with vmm.process_name('another'):
            self.cuts(word='auto')


class CloudHypervisor46(Handshake, HostHalfCloseCuts, GuestHalfCloseDrops, GuestDials, LimitOfVmm, Case):
    """Before v47."""
    kind = vmm.CLOUD_HYPERVISOR_46
    half_close = 'hold'


class CloudHypervisor47(Handshake, HostHalfCloseCuts, GuestHalfCloseDrops, GuestDials, LimitOfVmm, Case):
    """From v47 up to v52."""
    kind = vmm.CLOUD_HYPERVISOR_47
    half_close = 'hold'


class CloudHypervisor53(Handshake, HostHalfClosePasses, GuestHalfClosePasses, GuestDials, LimitOfVmmByName, Case):
    """From v53."""
    kind = vmm.CLOUD_HYPERVISOR_53


class VhostDevice(Handshake, HostHalfCloseDrops, GuestHalfCloseDrops, GuestDials, NoLimit, Case):
    kind = vmm.VHOST_DEVICE
    guest_dials = MANY


class Libkrun(SocketForEachPort, HostHalfClosePasses, GuestHalfClosePasses, GuestDials, NoLimit, Case):
    kind = vmm.LIBKRUN
    guest_dials = MANY


if __name__ == '__main__':
    harness.main()
