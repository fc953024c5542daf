"""Load into a real guest kernel, behind a real vsock-mux socket. Run by tests/lab/guest, with guest-init.sh in the guest."""

import os
import sys

import load
import test_modes
from load import harness

MUX = os.environ.get('VSLUICE_LAB_MUX')
CONSOLE = os.environ.get('VSLUICE_LAB_CONSOLE')


# The VMM's end of the mux is slow: what is under way before the measurement fills every buffer; and it drowns in a closed loop
# of connections, whose closes it does not wait for.
CASES = {name: case for name, case in test_modes.CASES.items() if name != 'churn'}
LONG = '--warmup', '200ms', '--duration', '1s'


class Guest(test_modes.Consistent):
    limit = 120

    def setUp(self):
        super().setUp()
        self.console = harness.Process(['tail', '-n', '+1', '-f', CONSOLE], 'console')
        self.start(self.console).wait_lines('serving on vsock:', seconds=60)
        self.guest = f'vsock-mux:{MUX}:1000'

    def all_of_the_guest(self, endpoint):
        for name, (mode, *options) in CASES.items():
            with self.subTest(name):
                self.check(self.load(endpoint, mode, '--verify', *LONG, *options))
        self.assertEqual(self.console.matches('bytes received'), [])

    def test_direct(self):
        self.all_of_the_guest(self.guest)

    def test_through_tcp(self):
        proxy = self.proxy(('tcp', self.guest))
        fds = proxy.fds()
        self.all_of_the_guest(proxy.endpoint)
        proxy.wait_fds(fds)
        proxy.stop()

    def test_idle(self):
        proxy = self.proxy(('unix', self.guest))
        for endpoint in self.guest, proxy.endpoint:
            with self.subTest(endpoint):
                self.check(self.load(endpoint, 'idle', '--connections', 200, '--warmup', '0s', '--duration', '1s'))
        proxy.stop()

    def test_no_server_there(self):
        endpoint = f'vsock-mux:{MUX}:4444'
        run = self.load(endpoint, 'rr', '--warmup', '0s', '--duration', '1s', status=load.UNAVAILABLE)
        self.one_problem(run, f'{endpoint}: ')


if __name__ == '__main__':
    if not MUX:
        print('skipped: no guest here: run by tests/lab/guest')
        sys.exit(77)
    harness.main()
