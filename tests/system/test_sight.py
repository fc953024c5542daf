"""What an operator sees of a running vsluice: counters that are right, in a format that is, and tables for people."""

import json
import socket
import subprocess

import harness
import openmetrics
from harness import SLOWNESS, VSLUICE, read_all, wait_until


class Sight(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.admin = self.name('.admin')
        server, self.target = self.listener('unix')
        self.server = server
        self.vsluice = self.proxy(config=f'[global]\nadmin-socket = {self.admin}\n'
                                         f'[guest g]\naddress = vsock-mux:{self.name(".none")}\n'
                                         f'[route good]\nlisten = tcp:127.0.0.1:0\ntarget = {self.target}\n'
                                         f'[route bad]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:1\n')

    def get(self, path):
        with self.dial(f'unix:{self.admin}') as sock:
            sock.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n'
                         'Connection: close\r\n\r\n'.encode())
            head, _, body = read_all(sock).decode().partition('\r\n\r\n')
        self.assertIn(' 200 ', head.split('\r\n')[0])
        return head, body

    def use(self):
        """Three sessions of 100 bytes there and 7 back, one that is open, four that fail."""
        for _ in range(3):
            with self.dial(self.vsluice.routes['good']) as initiator, self.accept(self.server) as side:
                initiator.sendall(bytes(100))
                initiator.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(side), bytes(100))
                side.sendall(b'7 bytes')
                side.close()
                self.assertEqual(read_all(initiator), b'7 bytes')
        for _ in range(4):
            for sock in self.knock(self.vsluice.routes['bad']):
                with self.assertRaises(ConnectionResetError):
                    sock.recv(1)
        self.open = self.dial(self.vsluice.routes['good'])
        return self.accept(self.server)

    def test_metrics(self):
        side = self.use()
        counted = ('_ended_total{route="good",reason="done"} 3', '_ended_total{route="bad",reason="target-missing"} 4',
                   '_connect_seconds_count{route="good"} 4')
        wait_until(lambda: all(told in body for body in [self.get('/metrics')[1]] for told in counted), 10,
                   'they were not counted')
        head, body = self.get('/metrics')
        self.assertIn('Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8', head)
        samples = openmetrics.parse(body)
        self.assertEqual(samples['vsluice_sessions', 'route="good"'], 1)
        self.assertEqual(samples['vsluice_sessions', 'route="bad"'], 0)
        self.assertEqual(samples['vsluice_sessions_ended_total', 'route="good",reason="done"'], 3)
        self.assertEqual(samples['vsluice_sessions_ended_total', 'route="bad",reason="target-missing"'], 4)
        self.assertEqual(samples['vsluice_relayed_bytes_total', 'route="good",direction="there"'], 300)
        self.assertEqual(samples['vsluice_relayed_bytes_total', 'route="good",direction="back"'], 21)
        self.assertEqual(samples['vsluice_connect_seconds_count', 'route="good"'], 4)
        self.assertEqual(samples['vsluice_connect_seconds_count', 'route="bad"'], 0)
        self.assertEqual(samples['vsluice_guest_sessions', 'guest="g"'], 0)
        self.check_histogram(samples, 'vsluice_session_seconds', 'route="good"', 3)
        self.check_histogram(samples, 'vsluice_session_seconds', 'route="bad"', 4)
        side.close()
        self.open.close()
        self.vsluice.stop()

    def check_histogram(self, samples, name, labels, count):
        buckets = [value for (series, of), value in samples.items()
                   if series == f'{name}_bucket' and of.startswith(labels)]
        self.assertEqual(buckets, sorted(buckets))
        self.assertEqual((buckets[-1], samples[f'{name}_count', labels]), (count, count))
        self.assertLess(samples[f'{name}_sum', labels], 20 * SLOWNESS)

    def test_status(self):
        side = self.use()
        wait_until(lambda: '"done": 3' in self.get('/status')[1], 10, 'they were not counted')
        status = json.loads(self.get('/status')[1])
        self.assertEqual(status['sessions'], 1)
        targets = [{'target': self.target, 'up': True, 'sessions': 1, 'failures': 0}]
        self.assertEqual(status['routes'][1], {'name': 'good', 'sessions': 1, 'done': 3, 'failed': 0,
                                               'bytes_there': 300, 'bytes_back': 21, 'targets': targets, 'drained': False})
        done = subprocess.run([VSLUICE, 'status', '--admin', self.admin], capture_output=True, text=True, check=True)
        rows = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual(rows[3:], [['bad', '0', '0', '4', '0', '0'], ['good', '1', '3', '0', '300', '21']])
        side.close()
        self.open.close()
        self.vsluice.stop()


if __name__ == '__main__':
    harness.main()
