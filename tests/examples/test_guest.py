"""The examples in a real guest, behind a real vsock-mux socket: the host dials it, and it dials the host. Run by
tests/lab/guest, with guest-init.sh in the guest.

VSLUICE_STATIC: the ports of the static programs that are in the guest.
"""

import os
import sys

import examples
import harness
from examples import ECHO, PING, UPTIME, ended, frame, read_exactly, read_line, read_message

MUX = os.environ.get('VSLUICE_LAB_MUX')
CONSOLE = os.environ.get('VSLUICE_LAB_CONSOLE')
STATIC = os.environ.get('VSLUICE_STATIC', '').split()


class Guest(examples.ExampleCase):
    limit = 120

    def setUp(self):
        super().setUp()
        self.console = self.start(harness.Process(['tail', '-n', '+1', '-f', CONSOLE], 'console'))

    def in_guest(self, port):
        """The endpoint of a server in the guest, once it listens."""
        self.console.wait_lines(f'listening on vsock:any:{port}', seconds=60)
        return f'vsock-mux:{MUX}:{port}'

    def dial_guest(self, port):
        self.in_guest(port)
        sock = super().dial(f'unix:{MUX}')
        sock.sendall(b'CONNECT %d\n' % port)
        self.assertRegex(read_line(sock), r'^OK \d+\n$')
        return sock

    def test_static(self):
        if not STATIC:
            self.skipTest('no static program was built')
        for port in STATIC:
            with self.subTest(port):
                endpoint = self.in_guest(port)
                self.assertRegex(self.done('guest-dialer', endpoint)[0], r'^answer: ok Linux \S+cloud\S+ \S+$')
                self.console.wait_lines(r'vsock:host:\d+: report cid=\d+ load=')

    def test_json(self):
        endpoint = self.in_guest(1003)
        text = 'x' * 60000
        answers = self.call(endpoint, PING, UPTIME, ECHO % f'"{text}"')
        self.assertEqual([answers[0], answers[2]], [{'result': 'pong'}, {'result': text}])
        self.assertLess(answers[1]['result'], 600, 'that is no uptime of a guest')
        sock = self.dial_guest(1003)
        sock.sendall(frame('{"command": "ping"'))
        self.assertIn('no JSON', read_message(sock)['error'])
        self.assertTrue(ended(sock))

    def test_deadline(self):
        sock = self.dial_guest(1004)
        sock.sendall(b'echo a b\nfill 1000000\n')
        self.assertEqual(read_line(sock), 'a b\n')
        self.assertEqual(read_exactly(sock, 1000001), b'x' * 1000000 + b'\n')
        self.assertEqual(read_line(sock), 'timeout\n')
        self.assertTrue(ended(sock))

    def test_guest_does_not_wait_for_a_reader(self):
        self.dial_guest(1004).sendall(b'fill 100000000\n')
        self.console.wait_lines('write vsock .*timed out')

    def test_refused_port(self):
        lines = self.done('json-call', f'vsock-mux:{MUX}:4444', PING, status=1)
        self.assertRegex(lines[0], 'dial vsock .*4444: ')

    def test_guest_dials_host(self):
        listener, _ = self.serve('guest-listener', endpoint=f'vsock-mux:{MUX}:6001')
        agent, _ = self.serve('json-agent', endpoint=f'vsock-mux:{MUX}:6002')
        report = listener.wait_lines(r': report cid=(\d+) load=\d+\.\d\d,\d+\.\d\d,\d+\.\d\d$', seconds=60)[0]
        self.assertEqual(report[1], os.environ['VSLUICE_LAB_CID'])
        self.console.wait_lines('^answer: ok Linux ')
        self.console.wait_lines('^{"result":"from the guest"}', seconds=60)
        for server in listener, agent:
            self.stop(server)
        self.assertFalse(os.path.exists(f'{MUX}_6001'), 'the socket file stays')


if __name__ == '__main__':
    if not MUX:
        print('skipped: no guest here: run by tests/lab/guest')
        sys.exit(77)
    harness.main()
