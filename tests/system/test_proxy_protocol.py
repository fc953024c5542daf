"""PROXY headers from initiators and to targets: exactly the bytes of the specification; and of the session's own none
is lost, told twice or taken for a header."""

import fcntl
import os
import shutil
import socket
import struct
import termios
import threading
import time

import harness
from harness import SLOWNESS, read_all

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'
TCP4, UDP4, TCP6, UNIX, UNSPEC = 0x11, 0x12, 0x21, 0x31, 0x00

HAPROXY = shutil.which('haproxy') or shutil.which('/usr/sbin/haproxy')


def v2(family, addresses=b'', tlvs=b'', command=0x21):
    return SIGNATURE + struct.pack('!BBH', command, family, len(addresses + tlvs)) + addresses + tlvs


def tlv(number, value):
    return struct.pack('!BH', number, len(value)) + value


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def with_crc(family, addresses=b'', tlvs=b'', crc=None):
    """A header that ends with its CRC32c, or with a wrong one."""
    zeroed = v2(family, addresses, tlvs + tlv(3, b'\0' * 4))
    return zeroed[:-4] + struct.pack('!I', crc32c(zeroed) if crc is None else crc)


def of_vsluice(family, addresses=b'', route=b'r'):
    return with_crc(family, addresses, tlv(0xe4, route))


def inet(family, source, destination):
    return (b''.join(socket.inet_pton(family, name[0]) for name in (source, destination))
            + struct.pack('!HH', source[1], destination[1]))


def unix(source, destination):
    return b''.join(name.encode().ljust(108, b'\0') for name in (source, destination))


FIRST = v2(TCP4, inet(socket.AF_INET, ('192.0.2.77', 56324), ('192.0.2.1', 443)))
LINE = b'PROXY TCP4 192.0.2.77 192.0.2.1 56324 443\r\n'

# All that tell the same, and all that tell nothing.
SAME = [LINE, FIRST, v2(TCP4, inet(socket.AF_INET, ('192.0.2.77', 56324), ('192.0.2.1', 443)),
                        tlv(4, b'\0' * 40) + tlv(2, b'example.org')),
        with_crc(TCP4, FIRST[16:], tlv(4, b'\0' * 5))]
NOTHING = [b'PROXY UNKNOWN\r\n', b'PROXY UNKNOWN ' + b'f' * 91 + b'\r\n', v2(UNSPEC), v2(UNSPEC, command=0x20),
           v2(UNSPEC, b'x' * 520, command=0x20), v2(UDP4, b'x' * 12)]


class Case(harness.TestCase):
    limit = 60

    def routed(self, options, listen=None, target=None):
        """One route to a listener of this test."""
        if target is None:
            self.listening, target = self.listener('tcp')
        return self.proxy(config=f'[route r]\nlisten = {listen or "tcp:127.0.0.1:0"}\ntarget = {target}\n{options}\n')

    def exchange(self, initiator, expected, sends=b''):
        """`sends` from the initiator, and its end: `expected` and its end at the target, whose answer comes back."""
        target = self.accept(self.listening)
        initiator.sendall(sends)
        initiator.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(target), expected)
        target.sendall(b'answer')
        target.close()
        self.assertEqual(read_all(initiator), b'answer')


class ProxyAccepted(Case):
    def sent_slowly(self, sock, words):
        """Byte by byte, each one taken before the next: a Unix socket tells."""
        deadline = time.monotonic() + 10 * SLOWNESS
        for byte in words:
            sock.sendall(bytes([byte]))
            while fcntl.ioctl(sock, termios.TIOCOUTQ, b'\0' * 4) != b'\0' * 4:
                self.assertLess(time.monotonic(), deadline, 'a byte was not taken')
                os.sched_yield()

    def test_in_one_piece(self):
        for listen in 'tcp:127.0.0.1:0', f'unix:{self.name(".sock")}':
            vsluice = self.routed('accept-proxy = yes', listen)
            for header in SAME + NOTHING:
                with self.subTest(listen=listen, header=header):
                    initiator = self.dial(vsluice.endpoint)
                    initiator.sendall(header)
                    self.exchange(initiator, b'hello', b'hello')
            self.end_well(vsluice)

    def test_with_data_in_the_same_segment(self):
        vsluice = self.routed('accept-proxy = yes')
        for header in SAME + NOTHING:
            for more in b'x', LINE, FIRST, b'\n', os.urandom(100_000):
                initiator = self.dial(vsluice.endpoint)
                initiator.sendall(header + more)
                self.exchange(initiator, more)
        self.end_well(vsluice)

    def test_byte_by_byte(self):
        vsluice = self.routed('accept-proxy = yes', f'unix:{self.name(".sock")}')
        for header in SAME + NOTHING[:4]:
            initiator = self.dial(vsluice.endpoint)
            self.sent_slowly(initiator, header)
            self.exchange(initiator, b'data', b'data')
        self.end_well(vsluice)

    def test_before_the_port(self):
        """A mux: listener: header, CONNECT, and what is relayed, in pieces that end anywhere."""
        path = self.name('.sock')
        self.listening, endpoint = self.listener('tcp')
        port = int(endpoint.rpartition(':')[2])
        vsluice = self.routed('accept-proxy = yes\nsend-proxy = v1', f'mux:{path}', 'tcp:127.0.0.1:*')
        words = LINE + b'CONNECT %d\ndata' % port
        for cut in 0, 1, 20, len(LINE) - 1, len(LINE), len(LINE) + 3, len(words) - 4, len(words) - 1:
            initiator = self.dial(f'unix:{path}')
            self.sent_slowly(initiator, words[:min(cut, len(words) - 4)])
            initiator.sendall(words[min(cut, len(words) - 4):])
            target = self.accept(self.listening)
            initiator.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(target), LINE + b'data')
            target.close()
            self.assertEqual(read_all(initiator), b'OK %d\n' % port)
        self.end_well(vsluice)

    def test_refused(self):
        """Not a byte is sent on, and nobody is connected."""
        vsluice = self.routed('accept-proxy = yes\nconnect-timeout = 1s')
        garbage = [b'GET / HTTP/1.1\r\n\r\n', b'\n', b'\0' * 600, b'PROXY TCP4 1 2 3 4\r\n', b'PROXY ' + b'x' * 102,
                   SIGNATURE + b'\x11', v2(0x13, b'x' * 12), v2(TCP4, b'x' * 11), v2(TCP4, b'x' * 14),
                   v2(UNSPEC, b'x' * 521), v2(UNSPEC, b'x' * 60000), b'CONNECT 22\n']
        broken_off = [FIRST[:-1], FIRST[:5], LINE[:-1], b'P']
        for words in garbage:
            with self.subTest(words):
                initiator = self.dial(vsluice.endpoint)
                initiator.sendall(words)
                self.assertEqual(self.swallowed(initiator), b'')
        vsluice.wait_lines('ended: proxy-garbage: ', len(garbage))
        for words in broken_off:
            with self.subTest(words):
                initiator = self.dial(vsluice.endpoint)
                initiator.sendall(words)
                initiator.shutdown(socket.SHUT_WR)
                self.assertEqual(self.swallowed(initiator), b'')
        vsluice.wait_lines('ended: proxy-garbage: ', len(garbage) + len(broken_off))
        initiator = self.dial(vsluice.endpoint)
        initiator.shutdown(socket.SHUT_WR)
        self.assertEqual(self.swallowed(initiator), b'')
        vsluice.wait_lines('ended: initiator-left: ')
        started = time.monotonic()
        silent = [self.dial(vsluice.endpoint) for _ in range(3)]
        silent[1].sendall(LINE[:-2])
        silent[2].sendall(FIRST[:-1])
        for initiator in silent:
            self.assertEqual(self.swallowed(initiator), b'')
        self.assertLess(time.monotonic() - started, 1 + 2 * SLOWNESS)
        vsluice.wait_lines('ended: proxy-silent: ', 3)
        self.listening.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.listening.accept()
        vsluice.stop()

    def test_wrong_checksum(self):
        vsluice = self.routed('accept-proxy = yes')
        right = with_crc(TCP4, FIRST[16:])
        crc = int.from_bytes(right[-4:], 'big')
        wrong = [with_crc(TCP4, FIRST[16:], crc=crc ^ 1), with_crc(UNSPEC, crc=0), right[:20] + b'\0' + right[21:],
                 with_crc(TCP4, FIRST[16:], crc=int.from_bytes(right[-4:], 'little')),
                 v2(TCP4, FIRST[16:], tlv(3, b'')), v2(TCP4, FIRST[16:], tlv(3, right[-4:] + b'\0'))]
        for header in wrong:
            with self.subTest(header):
                initiator = self.dial(vsluice.endpoint)
                initiator.sendall(header + b'GET')
                self.assertEqual(self.swallowed(initiator), b'')
        vsluice.wait_lines(r'ended: proxy-garbage: .* \(its CRC32c is wrong\)', len(wrong))
        self.assertEqual(len(vsluice.ended()), len(wrong))
        initiator = self.dial(vsluice.endpoint)
        initiator.sendall(right)
        self.exchange(initiator, b'hello', b'hello')
        vsluice.stop()

    def swallowed(self, sock):
        try:
            return read_all(sock)
        except ConnectionResetError:
            return b''

    def test_told_in_the_log(self):
        listener, endpoint = self.listener('tcp')
        listener.close()
        vsluice = self.routed('accept-proxy = yes', target=endpoint)
        initiator = self.dial(vsluice.endpoint)
        initiator.sendall(FIRST)
        self.assertEqual(self.swallowed(initiator), b'')
        own = 'tcp:{}:{}'.format(*initiator.getsockname())
        vsluice.wait_lines(f'ended: target-refused: .*; from tcp:192.0.2.77:56324, through {own} to {endpoint}, ')
        for name in 'a\nready', '\x1b[2J':
            initiator = self.dial(vsluice.endpoint)
            initiator.sendall(v2(UNIX, unix(name, '')))
            self.swallowed(initiator)
        vsluice.wait_lines(r'; from unix:a\?ready, through ')
        vsluice.wait_lines(r'; from unix:\?\[2J, through ')
        vsluice.stop()


class ProxySent(Case):
    def sent(self, version, listen='tcp:127.0.0.1:0', connect=None):
        """A connection through a new proxy: both of its addresses at the initiator, and what the target got."""
        vsluice = self.routed(f'send-proxy = {version}', listen)
        initiator = connect(vsluice.endpoint) if connect else self.dial(vsluice.endpoint)
        names = initiator.getsockname(), initiator.getpeername()
        target = self.accept(self.listening)
        initiator.sendall(b'hello')
        initiator.shutdown(socket.SHUT_WR)
        got = read_all(target)
        target.close()
        self.assertEqual(read_all(initiator), b'')
        self.end_well(vsluice)
        self.assertEqual(got[-5:], b'hello')
        return *names, got[:-5]

    def expect_of_tcp(self, listen, name, family, code):
        source, destination, got = self.sent('v1', listen)
        self.assertEqual(got, b'PROXY %s %s %s %d %d\r\n' % (name, source[0].encode(), destination[0].encode(),
                                                           source[1], destination[1]))
        source, destination, got = self.sent('v2', listen)
        self.assertEqual(got, of_vsluice(code, inet(family, source, destination)))

    def test_of_tcp4(self):
        self.expect_of_tcp('tcp:127.0.0.1:0', b'TCP4', socket.AF_INET, TCP4)

    def test_of_tcp6(self):
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(('::1', 0))
        except OSError as error:
            self.skipTest(f'no IPv6 here: {error}')
        self.expect_of_tcp('tcp:[::1]:0', b'TCP6', socket.AF_INET6, TCP6)

    def test_of_unix(self):
        path, own = self.name('.sock'), self.name('.own')

        def named(_):
            sock = socket.socket(socket.AF_UNIX)
            self.addCleanup(sock.close)
            sock.bind(own)
            sock.connect(path)
            return sock
        self.assertEqual(self.sent('v1', f'unix:{path}')[2], b'PROXY UNKNOWN\r\n')
        self.assertEqual(self.sent('v2', f'unix:{path}')[2], of_vsluice(UNIX, unix('', path)))
        self.assertEqual(self.sent('v2', f'unix:{path}', named)[2], of_vsluice(UNIX, unix(own, path)))
        self.assertEqual(self.sent('v2', f'unix:@{path}')[2], of_vsluice(UNIX, unix('', '\0' + path)))

    def test_into_a_guest(self):
        """Behind the handshake with the VMM, before the initiator hears OK."""
        vmm, endpoint = self.listener('unix')
        path = self.name('.sock')
        vsluice = self.proxy(config=f'[guest g]\naddress = vsock-mux:{endpoint[5:]}\n'
                                    f'[route tcp]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:80\nsend-proxy = v2\n'
                                    f'[route mux]\nlisten = mux:{path}\ntarget = guest:g:*\nsend-proxy = v2\n')
        for route in b'tcp', b'mux':
            initiator = self.dial(vsluice.routes[route.decode()] if route == b'tcp' else f'unix:{path}')
            if route == b'mux':
                initiator.sendall(b'CONNECT 80\n')
            side = self.accept(vmm)
            self.assertEqual(side.recv(100), b'CONNECT 80\n')
            side.sendall(b'OK 1073741824\nwelcome')
            if route == b'tcp':
                addresses = inet(socket.AF_INET, initiator.getsockname(), initiator.getpeername())
                header = of_vsluice(TCP4, addresses, route)
            else:
                header = of_vsluice(UNIX, unix('', path), route)
            initiator.sendall(b'hello')
            initiator.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(side), header + b'hello')
            side.close()
            self.assertEqual(read_all(initiator), (b'OK 80\n' if route == b'mux' else b'') + b'welcome')
        self.end_well(vsluice)

    def test_from_a_guest(self):
        """A VMM connects where its guest dials, by a Unix socket that tells which VM it is."""
        path = self.name('.sock')
        vsluice = self.routed('send-proxy = v2', f'vsock-mux:{path}:80')
        initiator = self.dial(f'unix:{path}_80')
        self.exchange(initiator, of_vsluice(UNIX, unix('', path + '_80')) + b'hello', b'hello')
        self.end_well(vsluice)

    def test_what_was_accepted_is_sent_on(self):
        of_vsock = v2(UNSPEC, tlvs=b''.join(tlv(0xe0 + i, struct.pack('!I', number))
                                            for i, number in enumerate((3, 1025, 2, 80))))
        of_tcp6 = inet(socket.AF_INET6, ('2001:db8::1', 1), ('2001:db8::2', 65535))
        of_unix = unix('/run/a', '\0b')
        rows = [
            ('v1', SAME[0], LINE), ('v1', SAME[2], LINE),
            ('v1', v2(TCP6, of_tcp6), b'PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n'),
            ('v1', v2(UNIX, of_unix), b'PROXY UNKNOWN\r\n'), ('v1', of_vsock, b'PROXY UNKNOWN\r\n'),
            ('v2', LINE, of_vsluice(TCP4, FIRST[16:])), ('v2', SAME[2], of_vsluice(TCP4, FIRST[16:])),
            ('v2', SAME[3], of_vsluice(TCP4, FIRST[16:])), ('v2', v2(TCP6, of_tcp6), of_vsluice(TCP6, of_tcp6)),
            ('v2', v2(UNIX, of_unix), of_vsluice(UNIX, of_unix)),
            ('v2', of_vsock, of_vsluice(UNSPEC, of_vsock[16:])),
        ]
        for version in 'v1', 'v2':
            vsluice = self.routed(f'accept-proxy = yes\nsend-proxy = {version}')
            for wanted, header, expected in rows:
                if wanted == version:
                    initiator = self.dial(vsluice.endpoint)
                    initiator.sendall(header + b'he')
                    self.exchange(initiator, expected + b'hello', b'llo')
            for header in NOTHING:
                initiator = self.dial(vsluice.endpoint)
                initiator.sendall(header)
                source, destination = initiator.getsockname(), initiator.getpeername()
                expected = b'PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n' % (source[1], destination[1])
                if version == 'v2':
                    expected = of_vsluice(TCP4, inet(socket.AF_INET, source, destination))
                self.exchange(initiator, expected)
            self.end_well(vsluice)

    def test_through_two(self):
        """The second tells its target of the first one's initiator, and bulk passes both whole."""
        second = self.routed('accept-proxy = yes\nsend-proxy = v1')
        first = self.proxy(config=f'[route first]\nlisten = tcp:127.0.0.1:0\ntarget = {second.endpoint}\n'
                                  'send-proxy = v2\n')
        for size in 0, 5, 3_000_000:
            data = os.urandom(size)
            initiator = self.dial(first.endpoint)
            expected = b'PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n' % (initiator.getsockname()[1],
                                                                     initiator.getpeername()[1])
            target = self.accept(self.listening)
            got = self.sent_beside(initiator, data, target)
            self.assertEqual(got, expected + data)
            target.close()
            self.assertEqual(read_all(initiator), b'')
        self.end_well(first)
        self.end_well(second)

    def sent_beside(self, initiator, data, target):
        """What the target reads while the initiator sends."""
        def send():
            initiator.sendall(data)
            initiator.shutdown(socket.SHUT_WR)
        thread = threading.Thread(target=send)
        thread.start()
        self.addCleanup(thread.join)
        return read_all(target)


class ProxyVsock(Case):
    """In a kernel of the lab: TCP to one proxy, vsock from that to another, TCP to this test."""

    def chained(self, first, second):
        if 'vsock' not in harness.KINDS:
            self.skipTest('no vsock outside the lab')
        behind = self.routed(second, 'vsock:any:0')
        ahead = self.proxy(config=f'[route a]\nlisten = tcp:127.0.0.1:0\ntarget = {behind.endpoint}\n{first}\n')
        return ahead, behind

    def test_source_in_a_guest(self):
        ahead, behind = self.chained('', 'send-proxy = v2')
        initiator = self.dial(ahead.endpoint)
        target = self.accept(self.listening)
        initiator.sendall(b'hello')
        initiator.shutdown(socket.SHUT_WR)
        got = read_all(target)
        source_port = got[26:30]
        port = int(behind.endpoint.rpartition(':')[2])
        self.assertGreater(int.from_bytes(source_port, 'big'), 0)
        self.assertEqual(got, of_vsluice(UNSPEC, tlv(0xe0, b'\0\0\0\1') + tlv(0xe1, source_port)
                                         + tlv(0xe2, b'\0\0\0\1') + tlv(0xe3, struct.pack('!I', port))) + b'hello')
        target.close()
        self.assertEqual(read_all(initiator), b'')
        self.end_well(ahead)
        self.end_well(behind)

    def test_through_vsock(self):
        for version in 'v1', 'v2':
            ahead, behind = self.chained(f'send-proxy = {version}', 'accept-proxy = yes\nsend-proxy = v1')
            for more in b'', b'hello', os.urandom(50_000):
                initiator = self.dial(ahead.endpoint)
                line = b'PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n' % (initiator.getsockname()[1],
                                                                      initiator.getpeername()[1])
                self.exchange(initiator, line + more, more)
            self.end_well(ahead)
            self.end_well(behind)


class ProxyInterop(Case):
    """With HAProxy, which has sockets of this test to listen on."""

    def haproxy(self, options, server):
        listener, endpoint = self.listener('tcp')
        path = self.name('.cfg')
        with open(path, 'w') as file:
            file.write('global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n'
                       '  timeout server 30s\n'
                       f'listen l\n  bind fd@{listener.fileno()} {options}\n  server s {server}\n')
        self.start(harness.Process([HAPROXY, '-db', '-f', path], 'haproxy', pass_fds=[listener.fileno()]))
        return endpoint

    def setUp(self):
        super().setUp()
        if not HAPROXY:
            self.skipTest('no haproxy')

    def line_of(self, sock):
        return b'PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n' % (sock.getsockname()[1], sock.getpeername()[1])

    def test_from_haproxy(self):
        vsluice = self.routed('accept-proxy = yes\nsend-proxy = v1')
        for option in 'send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id':
            endpoint = self.haproxy('', f'{vsluice.endpoint[4:]} {option}')
            initiator = self.dial(endpoint)
            initiator.sendall(b'he')
            self.exchange(initiator, self.line_of(initiator) + b'hello', b'llo')
        self.end_well(vsluice)

    def test_to_haproxy(self):
        self.listening, behind = self.listener('tcp')
        endpoint = self.haproxy('accept-proxy', f'{behind[4:]} send-proxy')
        for version in 'v1', 'v2':
            vsluice = self.routed(f'send-proxy = {version}', target=endpoint)
            initiator = self.dial(vsluice.endpoint)
            self.exchange(initiator, self.line_of(initiator) + b'hello', b'hello')
            self.end_well(vsluice)


if __name__ == '__main__':
    harness.main()
