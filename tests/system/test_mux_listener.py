"""A listener that speaks CONNECT as a VMM does: who names a port reaches it, and who does not costs nothing to the others."""

import contextlib
import socket
import threading
import time

import harness
from harness import SLOWNESS, read_all


class Service:
    """Listens on TCP; says its own port, then sends back in capitals what it is told, up to the end of file."""

    def __init__(self, test):
        self.listener, endpoint = test.listener('tcp')
        self.port = int(endpoint.rpartition(':')[2])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection, contextlib.suppress(ConnectionResetError):
            connection.sendall(b'port %d\n' % self.port)
            connection.sendall(read_all(connection).upper())


class MuxListener(harness.TestCase):
    def routed(self, options='', target='tcp:127.0.0.1:*', more=''):
        self.path = self.name('.sock')
        vsluice = self.proxy(config=f'{more}\n[route r]\nlisten = mux:{self.path}\ntarget = {target}\n{options}\n')
        self.assertEqual(vsluice.matches('^listening on (.*) -> (.*) \\(')[0].groups(), (f'mux:{self.path}', target))
        return vsluice

    def connect(self, words, timeout=10):
        sock = self.dial(f'unix:{self.path}', timeout)
        sock.sendall(words)
        return sock

    def line(self, sock):
        """Byte by byte, as systemd-ssh-proxy reads it: what follows is not its own to take."""
        line = b''
        while not line.endswith(b'\n'):
            byte = sock.recv(1)
            self.assertTrue(byte, f'end of file behind {line}')
            line += byte
        return line

    def ask(self, service, words=b'hello', greeting=None):
        """A whole session; how long it took until its first byte."""
        started = time.monotonic()
        sock = self.connect(greeting or b'CONNECT %d\n' % service.port)
        self.assertEqual(self.line(sock), b'OK %d\n' % service.port)
        took = time.monotonic() - started
        self.assertEqual(self.line(sock), b'port %d\n' % service.port)
        sock.sendall(words)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), words.upper())
        return took

    def test_each_names_its_port(self):
        vsluice = self.routed()
        services = [Service(self) for _ in range(3)]
        for service in services * 3:
            self.ask(service)
        for greeting in 'connect {}\n', 'CONNECT  {} \n', 'CONNECT {}\r\n':
            self.ask(services[0], greeting=greeting.format(services[0].port).encode())
        self.end_well(vsluice)

    def test_early_bytes_are_kept(self):
        vsluice = self.routed()
        service = Service(self)
        sock = self.connect(b'CONNECT %d\nearly ' % service.port)
        sock.sendall(b'bytes')
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), b'OK %d\nport %d\nEARLY BYTES' % (service.port, service.port))
        self.end_well(vsluice)

    def test_one_byte_at_a_time(self):
        vsluice = self.routed()
        service = Service(self)
        sock = self.connect(b'')
        for byte in b'CONNECT %d\n' % service.port:
            sock.sendall(bytes([byte]))
            time.sleep(0.01)
        self.assertEqual(self.line(sock), b'OK %d\n' % service.port)
        sock.close()
        vsluice.stop()

    def test_to_a_guest(self):
        """The port goes on to the VMM; the 10-digit number of its answer goes no further."""
        vmm, endpoint = self.listener('unix')
        vsluice = self.routed(target='guest:g:*', more=f'[guest g]\naddress = vsock-mux:{endpoint[5:]}\n')
        sock = self.connect(b'CONNECT 4294967294\n')
        side = self.accept(vmm)
        self.assertEqual(side.recv(100), b'CONNECT 4294967294\n')
        side.sendall(b'OK 1073741824\nwelcome')
        side.close()
        self.assertEqual(read_all(sock), b'OK 4294967294\nwelcome')
        vsluice.stop()

    def test_refused_is_end_of_file(self):
        """As at a VMM: not a byte."""
        vsluice = self.routed()
        listener, endpoint = self.listener('tcp')
        listener.close()
        self.assertEqual(read_all(self.connect(b'CONNECT %d\n' % int(endpoint.rpartition(':')[2]))), b'')
        vsluice.wait_lines('ended: target-refused: .* to tcp:127.0.0.1:[1-9]')
        vsluice.stop()

    def test_ports_that_are_listed(self):
        services = [Service(self) for _ in range(3)]
        first, second, other = sorted(services, key=lambda service: service.port)
        vsluice = self.routed(options=f'ports = {first.port} 1-2\n        {second.port}-{other.port - 1}')
        self.ask(first)
        self.ask(second)
        self.assertEqual(read_all(self.connect(b'CONNECT %d\n' % other.port)), b'')
        vsluice.wait_lines('ended: port-denied: ')
        vsluice.stop()

    def test_what_is_no_greeting(self):
        vsluice = self.routed()
        bad = [b'GET / HTTP/1.1\r\n\r\n', b'CONNECT\n', b'CONNECT x\n', b'CONNECT 0\n', b'CONNECT 4294967295\n',
               b'CONNECT 99999999999\n', b'CONNECT -1\n', b'CONNECT 1 2\n', b'\0' * 100, b'CONNECT ' + b'1' * 100,
               b'CONNECT ' + b' ' * 100 + b'1\n', b'\n']
        for words in bad:
            with self.subTest(words):
                self.assertEqual(self.swallowed(words), b'')
        vsluice.wait_lines('ended: connect-garbage: ', len(bad))
        sock = self.connect(b'CONNECT 1')
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), b'')
        sock = self.connect(b'')
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), b'')
        vsluice.wait_lines('ended: initiator-left: ')
        vsluice.stop()

    def swallowed(self, words):
        """What comes back; closing with bytes unread is a reset on a Unix socket."""
        try:
            return read_all(self.connect(words))
        except (BrokenPipeError, ConnectionResetError):
            return b''

    def bad_clients(self, count):
        """A third says nothing, a third garbage, a third one byte a second."""
        socks = [self.connect([b'', b'garbage', b'C'][i % 3], timeout=60) for i in range(count)]
        stop = threading.Event()

        def trickle():
            for byte in b'ONNECT ' + b' ' * 100:
                if stop.wait(1):
                    return
                for sock in socks[2::3]:
                    try:
                        sock.sendall(bytes([byte]))
                    except OSError:
                        pass
        thread = threading.Thread(target=trickle)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        return socks

    def test_bad_clients_cost_nothing_to_others(self):
        vsluice = self.routed('connect-timeout = 4s')
        service = Service(self)
        fds = vsluice.fds()
        alone = sorted(self.ask(service) for _ in range(50))[25]
        cpu = vsluice.cpu()
        started = time.monotonic()
        self.bad_clients(1000)
        beside = sorted(self.ask(service) for _ in range(50))
        self.assertLess(time.monotonic() - started, 4 * SLOWNESS, 'the bad ones were gone before')
        self.assertLess(beside[25], 3 * alone + 0.01 * SLOWNESS)
        self.assertLess(beside[49], 0.5 * SLOWNESS)
        vsluice.wait_lines('ended: connect-silent: ', 667, seconds=20)
        self.assertEqual(len(vsluice.ended('connect-garbage')), 333)
        vsluice.wait_fds(fds)
        self.assertLess(vsluice.cpu() - cpu, 2 * SLOWNESS)
        self.ask(service)
        self.assertEqual(len(vsluice.ended()), 1000)
        vsluice.stop()


if __name__ == '__main__':
    harness.main()
