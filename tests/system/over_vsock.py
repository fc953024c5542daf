"""AF_VSOCK in the place of other sockets, in the lab only: harness.prove_lab() says where that is."""

import socket

import harness
from harness import SLOWNESS


class OverVsock:
    """Of tests that dial and listen: put before harness.TestCase."""

    def setUp(self):
        if 'vsock' not in harness.KINDS:
            self.skipTest('needs vsock in VSLUICE_TEST_KINDS, in the lab')
        super().setUp()

    def dial(self, endpoint, timeout=10):
        if not endpoint.startswith('vsock:'):
            return super().dial(endpoint, timeout)
        sock = self._socket(timeout)
        sock.connect((1, int(endpoint.rpartition(':')[2])))
        return sock

    def listener(self, kind, timeout=10):
        if kind != 'vsock':
            return super().listener(kind, timeout)
        sock = self._socket(timeout)
        sock.bind((1, socket.VMADDR_PORT_ANY))
        sock.listen(4096)
        return sock, f'vsock:local:{sock.getsockname()[1]}'

    def _socket(self, timeout):
        sock = socket.socket(socket.AF_VSOCK)
        self.addCleanup(sock.close)
        sock.settimeout(timeout * SLOWNESS)
        return sock
