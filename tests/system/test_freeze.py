"""A guest that is frozen for a snapshot: who comes waits, and who is there goes on or ends, as is asked; and what `vsluice guest` says."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import NOPERM, SLOWNESS, UNAVAILABLE, USAGE, VSLUICE, read_all, wait_until


class Guest:
    """A VMM whose guest sends everything back."""

    def __init__(self, test, path):
        self.count = 0
        self.listener = socket.socket(socket.AF_UNIX)
        test.addCleanup(self.listener.close)
        self.listener.bind(path)
        self.listener.listen(1000)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    @staticmethod
    def _echo(connection):
        with connection:
            try:
                connection.recv(32)
                connection.sendall(b'OK 1\n')
                while part := connection.recv(1000):
                    connection.sendall(part)
            except OSError:
                pass


class Freeze(harness.TestCase):
    def routed(self, options='', more=''):
        self.path = self.name('.sock')
        self.admin = self.name('.admin')
        vsluice = self.proxy(config=f'[global]\nadmin-socket = {self.admin}\n[guest g]\naddress = vsock-mux:{self.path}\n'
                                    f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:80\n{options}\n{more}')
        self.conf = vsluice.popen.args[-1]
        return vsluice

    def command(self, *words, status=0):
        done = subprocess.run([VSLUICE, 'guest', *words], capture_output=True, text=True, timeout=20 * SLOWNESS)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def end_at_once(self, vsluice):
        """With sessions open: at the second signal."""
        vsluice.signal(signal.SIGTERM)
        vsluice.wait_lines('no longer listening')
        vsluice.signal(signal.SIGTERM)
        self.assertEqual(vsluice.wait(10), 0)

    def guest(self, *words, **more):
        return self.command('--admin', self.admin, *words, **more)

    def row(self, name='g'):
        """Of `vsluice guest list`: sessions, frozen, held."""
        for line in self.guest('list').splitlines()[1:]:
            words = line.split()
            if words[0] == name:
                return int(words[2]), words[3], int(words[4])
        return None

    def echo(self, sock, words):
        sock.sendall(words)
        self.assertEqual(sock.recv(100), words)

    def test_new_sessions_wait_and_old_ones_go_on(self):
        vsluice = self.routed()
        guest = Guest(self, self.path)
        old = self.dial(vsluice.endpoint)
        self.echo(old, b'before')
        self.assertEqual(self.row(), (1, 'no', 0))
        self.assertEqual(self.guest('freeze', 'g'), 'guest g is frozen, 1 session\n')
        new = [self.dial(vsluice.endpoint) for _ in range(20)]
        for i, sock in enumerate(new):
            sock.sendall(b'new %d' % i)
        wait_until(lambda: self.row() == (21, 'yes', 20), 10, lambda: str(self.row()))
        time.sleep(0.5 * SLOWNESS)
        self.assertEqual(guest.count, 1)
        self.echo(old, b'while it is frozen')
        self.guest('thaw', 'g')
        for i, sock in enumerate(new):
            self.assertEqual(sock.recv(100), b'new %d' % i)
        self.assertEqual(self.row(), (21, 'no', 0))
        for sock in [old, *new]:
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(sock), b'')
        wait_until(lambda: self.row() == (0, 'no', 0), 10, lambda: str(self.row()))
        self.end_well(vsluice)

    def test_old_sessions_end_where_that_is_asked(self):
        vsluice = self.routed()
        Guest(self, self.path)
        old = [self.dial(vsluice.endpoint) for _ in range(20)]
        for sock in old:
            self.echo(sock, b'before')
        self.guest('freeze', 'g')
        held = self.dial(vsluice.endpoint)
        held.sendall(b'held')
        wait_until(lambda: self.row() == (21, 'yes', 1), 10, lambda: str(self.row()))
        self.guest('freeze', '--end', 'g')
        for sock in old:
            with self.assertRaises(ConnectionResetError):
                sock.recv(1)
        vsluice.wait_lines('ended: guest-frozen: ', 20)
        self.guest('thaw', 'g')
        self.assertEqual(held.recv(100), b'held')
        self.end_at_once(vsluice)

    def test_other_guests_are_not_touched(self):
        other = self.name('.sock')
        vsluice = self.routed(more=f'[guest h]\naddress = vsock-mux:{other}\n'
                                   f'[route s]\nlisten = tcp:127.0.0.1:0\ntarget = guest:h:80\n')
        Guest(self, self.path)
        Guest(self, other)
        self.guest('freeze', 'g')
        self.echo(self.dial(vsluice.routes['s']), b'hello')
        self.end_at_once(vsluice)

    def test_waiting_has_its_bounds(self):
        """In number, and where the initiator leaves."""
        vsluice = self.routed('wait-max = 4')
        Guest(self, self.path)
        self.guest('freeze', 'g')
        held = [self.dial(vsluice.endpoint) for _ in range(4)]
        wait_until(lambda: self.row() == (4, 'yes', 4), 10, lambda: str(self.row()))
        for sock in self.knock(vsluice.endpoint):
            with self.assertRaises(ConnectionResetError):
                sock.recv(1)
        vsluice.wait_lines('ended: guest-frozen: ')
        harness.reset(held[0])
        wait_until(lambda: self.row() == (3, 'yes', 3), 10, lambda: str(self.row()))
        self.guest('thaw', 'g')
        self.echo(held[1], b'hello')
        self.end_at_once(vsluice)

    def test_frozen_while_it_boots(self):
        """Nobody's time runs while it is frozen, and each has all of it afterwards."""
        vsluice = self.routed(f'wait-for-guest = {int(1000 * SLOWNESS)}ms')
        self.guest('freeze', 'g')
        held = self.dial(vsluice.endpoint)
        held.sendall(b'hello')
        time.sleep(1.5 * SLOWNESS)
        self.guest('thaw', 'g')
        time.sleep(0.3 * SLOWNESS)
        Guest(self, self.path)
        self.assertEqual(held.recv(100), b'hello')
        self.end_at_once(vsluice)

    def test_stopped_while_frozen(self):
        vsluice = self.routed()
        self.guest('freeze', 'g')
        held = self.dial(vsluice.endpoint)
        wait_until(lambda: self.row()[2] == 1, 10, 'it is not held')
        self.end_at_once(vsluice)
        with self.assertRaises(ConnectionResetError):
            held.recv(1)

    def test_guests_that_come_and_go_stay_frozen(self):
        base = self.name('')
        os.mkdir(base)
        out = self.name('.out')
        vsluice = self.routed(more=f'[guest *]\naddress = vsock-mux:{base}/{{name}}.sock\n'
                                   f'[route each]\nlisten = unix:{out}-{{name}}\ntarget = guest:{{name}}:1\n')
        Guest(self, f'{base}/a.sock')
        wait_until(lambda: os.path.exists(f'{out}-a'), 10, 'nobody listens')
        self.guest('freeze', 'a')
        os.rename(f'{base}/a.sock', f'{base}/away')
        wait_until(lambda: not os.path.exists(f'{out}-a'), 10, 'still there')
        self.assertEqual(self.row('a'), (0, 'yes', 0))
        os.rename(f'{base}/away', f'{base}/a.sock')
        wait_until(lambda: os.path.exists(f'{out}-a'), 10, 'nobody listens')
        self.assertEqual(self.row('a'), (0, 'yes', 0))
        self.guest('thaw', 'a')
        os.unlink(f'{base}/a.sock')
        wait_until(lambda: self.row('a') is None, 10, 'it is known still')
        vsluice.stop()

    def test_what_the_command_says(self):
        vsluice = self.routed()
        self.assertIn("there is no guest 'h'", self.guest('freeze', 'h', status=UNAVAILABLE))
        self.assertIn('usage', self.guest('freeze', status=USAGE))
        self.assertEqual(self.command('-c', self.conf, 'list').split()[5:],
                         ['g', f'vsock-mux:{self.path}', '0', 'no', '0'])
        self.assertEqual(os.stat(self.admin).st_mode & 0o777, 0o600)
        somebody = self.somebody_else()
        os.chmod(self.dir, 0o755)
        done = subprocess.run([*somebody, VSLUICE, 'guest', '--admin', self.admin, 'list'], capture_output=True)
        self.assertEqual(done.returncode, NOPERM, done.stderr)
        vsluice.stop()
        self.assertFalse(os.path.exists(self.admin))
        self.assertIn('is vsluice running', self.guest('list', status=UNAVAILABLE))

    def test_http(self):
        """As curl --unix-socket speaks it."""
        vsluice = self.routed()
        with self.dial(f'unix:{self.admin}') as sock:
            sock.sendall(b'GET /guests HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            head, _, body = read_all(sock).partition(b'\r\n\r\n')
        self.assertIn(b' 200 ', head)
        self.assertEqual(json.loads(body)['guests'],
                         [{'name': 'g', 'address': f'vsock-mux:{self.path}', 'sessions': 0, 'frozen': False, 'held': 0}])
        vsluice.stop()


if __name__ == '__main__':
    harness.main()
