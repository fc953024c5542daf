"""vsock-mux targets, against a scripted mux: what no VMM of test_vmm.py does, and what vsluice makes of it."""

import contextlib
import select
import time

import harness
from harness import SLOWNESS, read_all


class Mux(harness.TestCase):
    TIMEOUT_MS = int(600 * SLOWNESS)

    def setUp(self):
        super().setUp()
        self.listener_, endpoint = self.listener('unix')
        self.target = f'vsock-mux:{endpoint.removeprefix("unix:")}:1234'
        self.vsluice = self.proxy(config=f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {self.target}\n'
                                         f'connect-timeout = {self.TIMEOUT_MS}ms\n')
        self.fds = self.vsluice.fds()

    def session(self, first=b''):
        """The initiator, and the connection at the mux after CONNECT."""
        initiator = self.dial(self.vsluice.endpoint)
        if first:
            initiator.sendall(first)
        mux = self.accept(self.listener_)
        self.assertEqual(mux.recv(100), b'CONNECT 1234\n', 'in one piece, and nothing else')
        return initiator, mux

    def quiet(self, sock, seconds=0.2):
        """Nothing comes."""
        ready, _, _ = select.select([sock], [], [], seconds * SLOWNESS)
        self.assertEqual(ready, [])

    def relays(self, initiator, mux):
        for one, other in ((initiator, mux), (mux, initiator)):
            one.sendall(b'more')
            self.assertEqual(other.recv(100), b'more')
            one.shutdown(harness.socket.SHUT_WR)
            self.assertEqual(read_all(other), b'')
        self.finish(initiator, mux)

    def finish(self, *socks):
        for sock in socks:
            sock.close()
        self.vsluice.wait_fds(self.fds)
        self.vsluice.stop()
        self.assertEqual(self.vsluice.ended(), [])

    def gone(self, mux):
        """Its connection ends, and nothing comes before."""
        if mux.fileno() >= 0:
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(read_all(mux), b'')

    def fails(self, initiator, mux, token, says='', at_least=0.0, at_most=0.5):
        """The initiator is reset, the mux's connection closed, and the log has one clear line."""
        started = time.monotonic()
        with self.assertRaises(ConnectionResetError):
            initiator.recv(1)
        self.assertGreaterEqual(time.monotonic() - started, at_least)
        self.assertLess(time.monotonic() - started, at_most * SLOWNESS)
        self.vsluice.wait_lines('session 1: ended')
        line, = self.vsluice.matches('^route r session 1: ended: .*')
        self.assertRegex(line[0], rf'ended: {token}: .*{says}.* to {self.target}')
        self.gone(mux)
        initiator.close()
        mux.close()
        self.vsluice.wait_fds(self.fds)
        self.vsluice.stop()

    def test_early_half_close_waits_for_ok(self):
        initiator, mux = self.session(b'all of it')
        initiator.shutdown(harness.socket.SHUT_WR)
        self.quiet(mux)
        mux.sendall(b'OK 5000\n')
        self.assertEqual(read_all(mux), b'all of it')
        mux.sendall(b'answer')
        mux.close()
        self.assertEqual(read_all(initiator), b'answer')
        self.finish(initiator)

    def test_guest_speaks_much_behind_ok(self):
        initiator, mux = self.session()
        banner = b'SSH-2.0-guest\r\n' + bytes(100_000)
        mux.sendall(b'OK 5000\n' + banner)
        got = b''
        while len(got) < len(banner):
            got += initiator.recv(1 << 20)
        self.assertEqual(got, banner)
        self.relays(initiator, mux)

    def test_guest_speaks_and_ends_at_once(self):
        initiator, mux = self.session()
        mux.sendall(b'OK 5000\nbye\n')
        mux.close()
        self.assertEqual(read_all(initiator), b'bye\n')
        self.finish(initiator)

    def test_refused_with_a_reset(self):
        """As a VMM does that closes without having read CONNECT."""
        initiator = self.dial(self.vsluice.endpoint)
        mux = self.accept(self.listener_)
        mux.close()
        self.fails(initiator, mux, 'mux-refused')

    def test_silent(self):
        initiator, mux = self.session()
        wait = self.TIMEOUT_MS / 1000
        self.fails(initiator, mux, 'mux-silent', 'did not answer', at_least=wait * 0.8, at_most=wait / SLOWNESS + 0.5)

    def test_silent_in_the_middle(self):
        initiator, mux = self.session()
        mux.sendall(b'OK 12')
        wait = self.TIMEOUT_MS / 1000
        self.fails(initiator, mux, 'mux-silent', at_least=wait * 0.8, at_most=wait / SLOWNESS + 0.5)

    def garbage(self, answer):
        initiator, mux = self.session()
        mux.sendall(answer)
        self.fails(initiator, mux, 'mux-garbage', 'other than OK')

    def test_garbage(self):
        self.garbage(b'HTTP/1.1 400 Bad Request\r\n\r\n')

    def test_garbage_binary(self):
        self.garbage(b'\0\xff' * 50)

    def test_garbage_no_number(self):
        self.garbage(b'OK\n')

    def test_garbage_number(self):
        self.garbage(b'OK 12x\n')

    def test_garbage_without_end(self):
        self.garbage(b'OK ' + b'1' * 200)

    def test_initiator_leaves_before_ok(self):
        initiator, mux = self.session()
        harness.reset(initiator)
        started = time.monotonic()
        self.vsluice.wait_lines('session 1: ended: initiator-left')
        self.gone(mux)
        self.assertLess(time.monotonic() - started, 0.5 * SLOWNESS)
        self.vsluice.wait_fds(self.fds)
        self.vsluice.stop()

    def test_many_at_once(self):
        """Handshakes do not mix: each waits for its own OK."""
        sessions = [self.session(b'%03d' % number) for number in range(100)]
        for _, mux in reversed(sessions):
            mux.sendall(b'OK 7\n')
        for number, (initiator, mux) in enumerate(sessions):
            self.assertEqual(mux.recv(100), b'%03d' % number)
            mux.sendall(b'%04d' % number)
            self.assertEqual(initiator.recv(100), b'%04d' % number)
        self.finish(*(sock for session in sessions for sock in session))


if __name__ == '__main__':
    harness.main()
