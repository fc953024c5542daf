"""Through a real guest kernel, behind a real vsock-mux socket. Run by tests/lab/guest, with guest-init.sh in the guest.

vhost-device-vsock passes no half-close: the plans here are such that no end needs one.
"""

import os
import signal
import sys
import time

import harness
from harness import SLOWNESS, wait_until

MUX = os.environ.get('VSLUICE_LAB_MUX')
CONSOLE = os.environ.get('VSLUICE_LAB_CONSOLE')
EXCHANGE = os.environ.get('VSLUICE_TEST_EXCHANGE', '1G')
WHOLE = ['--half-close', 'none']


def console():
    with open(CONSOLE, errors='replace') as file:
        return file.read()


class GuestCase(harness.TestCase):
    limit = 120

    def setUp(self):
        super().setUp()
        wait_until(lambda: 'vsock:any:1001' in console() and 'ready' in console(), 60, console)
        self.addCleanup(self.check_console)

    def check_console(self):
        self.assertIsNone(harness.SANITIZER.search(console()), console())

    def to_guest(self, *ports):
        return self.proxy(*[('tcp', f'vsock-mux:{MUX}:{port}') for port in ports])


class Guest(GuestCase):
    PORTS = {'a target in the guest': 1000, 'vsluice in the guest': 1001}

    def through(self, mode, *options, ports=PORTS):
        for name, port in ports.items():
            with self.subTest(name):
                proxy = self.to_guest(port)
                fds = proxy.fds()
                peer = self.peer(mode, proxy.endpoint, *WHOLE, *options)
                self.end_well(proxy, fds=fds)
                said = peer.word('ok')
                self.assertEqual(said['ok'], said['sessions'])

    def test_exchange(self):
        """1 GiB each way at once."""
        self.through('exchange', '--bytes', EXCHANGE, ports={'a target in the guest': 1000})

    def test_exchange_with_vsluice_at_both_ends(self):
        self.through('exchange', '--bytes', '64M')

    def test_sessions(self):
        """200 sessions of random sizes."""
        self.through('sessions', '--sessions', 200)

    def test_request_answer(self):
        self.through('request-answer', '--bytes', '100M')

    def test_idle(self):
        self.through('idle', '--sessions', 200, '--bytes', 1024)

    def test_refused_port(self):
        proxy = self.to_guest(4444)
        fds = proxy.fds()
        with self.assertRaises(ConnectionResetError):
            self.dial(proxy.endpoint).recv(1)
        proxy.wait_lines('session 1: ended: mux-refused: .*nothing listens on it in the guest')
        proxy.wait_fds(fds)
        proxy.stop()

    def test_guest_dials_host(self):
        server = self.serve('unix', '--sessions', 1)
        proxy = self.proxy(f'vsock-mux:{MUX}:5432={server.endpoint}')
        self.assertEqual(server.wait(20), 0)
        wait_until(lambda: 'the guest dialled the host: session 0 ok' in console(), 10, console)
        proxy.stop()


class VmmKilled(GuestCase):
    """kill -9 of the VMM: the initiator learns of it, and nothing is left."""

    def test_killed(self):
        proxy = self.to_guest(1000)
        fds = proxy.fds()
        peer = self.begin('exchange', proxy.endpoint, *WHOLE, '--bytes', '1000G', '--sessions', 3)
        time.sleep(1 * SLOWNESS)
        gone = time.monotonic()
        os.kill(int(os.environ['VSLUICE_LAB_VMM_PID']), signal.SIGKILL)
        self.assertEqual(peer.wait(10), 1)
        self.assertLess(max(when for _, _, _, when in peer.sessions().values()) - gone, 1)
        proxy.wait_fds(fds)
        proxy.stop()


if __name__ == '__main__':
    if not MUX:
        print('skipped: no guest here: run by tests/lab/guest')
        sys.exit(77)
    harness.main()
