"""What tests of configurations that are read anew have in common."""

import pathlib
import signal
import socket
import subprocess
import threading

import harness
from harness import SLOWNESS, VSLUICE, read_all


def edit(proxy, old, new):
    """Its file says something else, and is read anew."""
    path = pathlib.Path(proxy.popen.args[-1])
    text = path.read_text()
    assert old in text, f'{old!r} is not in {text}'
    path.write_text(text.replace(old, new))
    count = len(proxy.matches('reloaded'))
    proxy.signal(signal.SIGHUP)
    proxy.wait_lines('reloaded', count + 1)


class Service:
    """Says its name to whoever connects, then what it is told."""

    def __init__(self, test, name):
        self.listener, self.endpoint = test.listener('unix')
        self.name = name
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            connection.settimeout(None)
            try:
                connection.sendall(self.name)
                while part := connection.recv(1000):
                    connection.sendall(part)
            except OSError:
                pass


class ReloadCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.conf = pathlib.Path(self.name('.conf'))
        self.admin = self.name('.admin')
        self.first, self.second = Service(self, b'first'), Service(self, b'second')

    def write(self, routes, more=''):
        """Routes by name: what each listens on and leads to, and more lines."""
        self.conf.write_text(f'[global]\nadmin-socket = {self.admin}\n{more}\n' + ''.join(
            f'[route {name}]\nlisten = {listen}\ntarget = {target}\n{options}\n'
            for name, (listen, target, options) in routes.items()))

    def run_it(self, routes, more=''):
        self.write(routes, more)
        proxy = self.start(harness.Proxy([VSLUICE, 'run', '-c', self.conf]))
        return proxy.wait_ready()

    def reload(self, routes=None, more='', status=0):
        if routes is not None:
            self.write(routes, more)
        done = subprocess.run([VSLUICE, 'reload', '--admin', self.admin], capture_output=True, text=True,
                              timeout=30 * SLOWNESS)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def ask(self, endpoint):
        with self.dial(endpoint) as sock:
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def unix(self):
        return f'unix:{self.name(".sock")}'

    def end(self, vsluice):
        vsluice.signal(signal.SIGTERM)
        vsluice.wait_lines('no longer listening, ')
        vsluice.signal(signal.SIGTERM)
        self.assertEqual(vsluice.wait(10), 0)
