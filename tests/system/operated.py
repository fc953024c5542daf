"""What tests of operating a running vsluice have in common."""

import json
import pathlib
import signal
import subprocess

import harness
from harness import SLOWNESS, VSLUICE, read_all


def take(sock, count):
    """So many bytes."""
    while count > 0:
        part = sock.recv(count)
        assert part, f'{count} bytes did not come'
        count -= len(part)


class Operated(harness.TestCase):
    """One route `web` of a file, over TCP, to a listener of this process."""

    more = ''

    def setUp(self):
        super().setUp()
        self.admin = self.name('.admin')
        self.conf = pathlib.Path(self.name('.conf'))
        self.server, self.target = self.listener('tcp')
        self.write()
        self.vsluice = self.start(harness.Proxy([VSLUICE, 'run', '-c', self.conf])).wait_ready()
        self.web = self.vsluice.routes['web']

    def write(self, more='', routes=None):
        routes = f'[route web]\nlisten = tcp:127.0.0.1:0\ntarget = {self.target}\n' if routes is None else routes
        self.conf.write_text(f'[global]\nworkers = 2\nadmin-socket = {self.admin}\n{self.more}{routes}{more}')

    def ask(self, method, path, body=None, status=200):
        """One request, and its answer as a value of Python."""
        with self.dial(f'unix:{self.admin}') as sock:
            head = f'{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
            if body is not None:
                head += f'Content-Length: {len(body.encode())}\r\n'
            sock.sendall(f'{head}\r\n{body or ""}'.encode())
            head, _, text = read_all(sock).decode().partition('\r\n\r\n')
        self.assertIn(f' {status} ', head.split('\r\n')[0], text)
        return json.loads(text)

    def error(self, method, path, status, body=None):
        return self.ask(method, path, body, status)['error']

    def command(self, *words, status=0, text=None):
        """What a command said."""
        done = subprocess.run([VSLUICE, words[0], '--admin', self.admin, *words[1:]], capture_output=True, text=True,
                              input=text, timeout=30 * SLOWNESS)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def command_of_file(self, *words, status=0):
        """The same, with the admin socket that the file names."""
        done = subprocess.run([VSLUICE, words[0], '-c', self.conf, *words[1:]], capture_output=True, text=True,
                              timeout=30 * SLOWNESS)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def sessions(self, query=''):
        return self.ask('GET', '/sessions' + query)['sessions']

    def routes(self):
        return {route['name']: route for route in self.ask('GET', '/routes')['routes']}

    def open(self, endpoint=None):
        """Both ends of a session."""
        initiator = self.dial(endpoint or self.web)
        return initiator, self.accept(self.server)

    def expect_refused(self, endpoint):
        with self.assertRaises((ConnectionRefusedError, FileNotFoundError)):
            self.dial(endpoint)

    def expect_reset(self, *socks):
        for sock in socks:
            with self.assertRaises(ConnectionResetError):
                sock.recv(1)

    def expect_alive(self, one, other):
        for a, b in ((one, other), (other, one)):
            a.sendall(b'still here')
            self.assertEqual(b.recv(100), b'still here')

    def end(self):
        self.vsluice.signal(signal.SIGTERM)
        self.vsluice.wait_lines('stopping: no longer listening, ')
        self.vsluice.signal(signal.SIGTERM)
        self.assertEqual(self.vsluice.wait(10), 0)
