"""Who may connect, and what is said of those who may not."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import harness
from harness import KINDS, SLOWNESS, VSLUICE, read_all, wait_until

REFUSED = r'^route r: (\d+) connections? refused: not allowed \(latest from (.*)\)$'

# Says what it read from a Unix socket.
ASK = """
import contextlib, socket, sys
with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(ConnectionResetError, BrokenPipeError):
    sock.settimeout(20)
    sock.connect(sys.argv[1].replace('@', chr(0)))
    sock.sendall(sys.argv[2].encode())
    while part := sock.recv(100):
        sys.stdout.write(part.decode())
"""


class AccessCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.conf, self.admin = pathlib.Path(self.name('.conf')), self.name('.admin')
        self.service, self.target = self.listener('tcp')
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        self.service.settimeout(None)
        with contextlib.suppress(OSError):
            while True:
                with self.service.accept()[0] as side:
                    side.sendall(b'served')

    def write(self, listen, options, target=None):
        self.conf.write_text(f'[global]\nadmin-socket = {self.admin}\n'
                             f'[route r]\nlisten = {listen}\ntarget = {target or self.target}\n{options}\n')

    def route(self, listen, options, target=None):
        self.write(listen, options, target)
        return self.start(harness.Proxy([VSLUICE, 'run', '-c', self.conf])).wait_ready()

    def served(self, where, family=socket.AF_INET, source=None):
        with socket.socket(family) as sock, contextlib.suppress(ConnectionResetError):
            sock.settimeout(10 * SLOWNESS)
            if source:
                sock.bind(source)
            sock.connect(where)
            return read_all(sock) == b'served'
        return False

    def refused(self, vsluice):
        """How many were told of."""
        return sum(int(match[1]) for match in vsluice.matches(REFUSED))

    def counted(self):
        with self.dial(f'unix:{self.admin}') as sock:
            sock.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            return int(re.search(rb'vsluice_connections_refused_total{route="r"} (\d+)', read_all(sock))[1])

    def latest(self, vsluice):
        return vsluice.matches(REFUSED)[-1][2]


class Access(AccessCase):
    def tcp_served(self, vsluice):
        """From which addresses."""
        endpoints = [harness.address(f'tcp:{match[1]}')[1] for match in vsluice.matches(r'^listening on tcp:(\S+)')]
        v6, = [where for where in endpoints if where[0] == '::1']
        v4, = [where for where in endpoints if where[0] != '::1']
        found = {source for source in ('127.0.0.1', '127.0.0.2', '127.0.0.3')
                 if self.served(('127.0.0.1', v4[1]), source=(source, 0))}
        return found | ({'::1'} if self.served(v6, socket.AF_INET6) else set())

    def test_tcp(self):
        listen = 'tcp:0.0.0.0:0 tcp:[::1]:0'
        for options, expected in (
                ('allow = 127.0.0.0/8 ::1\ndeny = 127.0.0.2/31', {'127.0.0.1', '::1'}),
                ('allow = 127.0.0.2', {'127.0.0.2'}),
                ('allow = ::/0', {'::1'}),
                ('deny = ::/0 127.0.0.3', {'127.0.0.1', '127.0.0.2'})):
            with self.subTest(options):
                vsluice = self.route(listen, options)
                fds = vsluice.fds()
                self.assertEqual(self.tcp_served(vsluice), expected)
                vsluice.wait_lines(REFUSED)
                self.end_well(vsluice, fds=fds)
                self.assertEqual(self.refused(vsluice), 4 - len(expected), vsluice.text)

    def ask(self, who, path, words=''):
        """As another user; what it read."""
        argv = [*who, sys.executable, '-c', ASK, path, words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30 * SLOWNESS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def somebody(self, uid, gid, *groups):
        self.somebody_else()
        more = [f'--groups={",".join(map(str, groups))}'] if groups else ['--clear-groups']
        return ['setpriv', f'--reuid={uid}', f'--regid={gid}', *more]

    def test_unix(self):
        """By user and by group; a peer of very many groups too."""
        many = self.somebody(4711, 4712, *range(5000, 5200), 4713)
        users = {'u': self.somebody(4711, 4712), 'g': self.somebody(4714, 4712), 'many': many,
                 'other': self.somebody(65534, 65534)}
        path = f'@{self.name()}'
        for options, expected in (
                ('allow = uid:4711', {'u', 'many'}),
                ('allow = uid:nobody', {'other'}),
                ('allow = gid:4712', {'u', 'g', 'many'}),
                ('allow = gid:4713', {'many'}),
                ('allow = gid:4712\ndeny = gid:5199', {'u', 'g'}),
                ('deny = uid:4711', {'g', 'other'})):
            with self.subTest(options):
                vsluice = self.route(f'unix:{path}', options)
                self.assertEqual({name for name, who in users.items() if self.ask(who, path) == 'served'}, expected)
                vsluice.wait_lines(REFUSED)
                self.end_well(vsluice)
                self.assertEqual(self.refused(vsluice), 4 - len(expected), vsluice.text)
                self.assertRegex(self.latest(vsluice), r'^uid:\d+ gid:\d+$')

    def test_mux(self):
        path = f'@{self.name()}'
        vsluice = self.route(f'mux:{path}', f'allow = uid:{os.getuid()}', 'tcp:127.0.0.1:*')
        port = self.service.getsockname()[1]
        self.assertEqual(self.ask([], path, f'CONNECT {port}\n'), f'OK {port}\nserved')
        self.assertEqual(self.ask(self.somebody(4711, 4712), path, f'CONNECT {port}\n'), '')
        vsluice.wait_lines(REFUSED)
        self.assertEqual(self.latest(vsluice), 'uid:4711 gid:4712')
        self.end_well(vsluice)

    def test_a_list_without_a_word_for_a_listener_denies_all_of_it(self):
        path = f'@{self.name()}'
        vsluice = self.route(f'unix:{path} tcp:127.0.0.1:0', 'allow = 127.0.0.1')
        self.assertEqual(self.ask([], path), '')
        where = harness.address(vsluice.matches(r'^listening on (tcp:\S+)')[0][1])[1]
        self.assertTrue(self.served(where))
        self.end_well(vsluice)

    def test_reload(self):
        """New connections are judged anew; sessions go on."""
        path = f'@{self.name()}'
        listener, target = self.listener('unix')
        vsluice = self.route(f'unix:{path}', f'allow = uid:{os.getuid()}', target)
        old = self.dial(f'unix:{path}')
        side = self.accept(listener)
        for options, expected in (f'deny = uid:{os.getuid()}', ''), ('', 'served'), ('allow = uid:4711', ''):
            count = len(vsluice.matches('^reloaded$'))
            self.write(f'unix:{path}', options)
            vsluice.signal(signal.SIGHUP)
            vsluice.wait_lines('^reloaded$', count + 1)
            self.assertEqual(self.ask([], path), expected, options)
        side.sendall(b'still here')
        self.assertEqual(old.recv(100), b'still here')
        old.close()
        side.close()
        self.end_well(vsluice)

    def test_who_left_before_is_not_told_of(self):
        vsluice = self.route('tcp:127.0.0.1:0', 'allow = 127.0.0.1')
        fds = vsluice.fds()
        tasks = pathlib.Path(f'/proc/{vsluice.pid}/task')
        vsluice.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: all(') T ' in (task / 'stat').read_text() for task in tasks.iterdir()), 10, 'it runs on')
            harness.reset(self.dial(vsluice.endpoint))
        finally:
            vsluice.signal(signal.SIGCONT)
        self.assertTrue(self.served(harness.address(vsluice.endpoint)[1]))
        self.end_well(vsluice, fds=fds)
        self.assertEqual(self.refused(vsluice), 0)

    def test_a_flood_is_told_once_a_second(self):
        """By all workers together, and nobody is forgotten."""
        listen = ' '.join(['tcp:127.0.0.1:0'] * 4)
        vsluice = self.route(listen, 'deny = 127.0.0.1')
        places = [harness.address(match[1])[1] for match in vsluice.matches(r'^listening on (\S+)')]
        started, count = time.monotonic(), 0
        while time.monotonic() < started + 1.5:
            for where in places:
                self.assertFalse(self.served(where))
                count += 1
        wait_until(lambda: self.refused(vsluice) == count, 10, lambda: f'{count}: {vsluice.text}')
        self.assertEqual(self.counted(), count)
        took = time.monotonic() - started
        lines = len(vsluice.matches(REFUSED))
        self.assertTrue(2 <= lines <= took + 1, f'{lines} lines in {took} s')
        self.assertGreater(count, 20)
        self.assertRegex(self.latest(vsluice), r'^tcp:127\.0\.0\.1:\d+$')
        self.assertFalse(self.served(places[0]))
        self.end_well(vsluice)
        self.assertEqual(self.refused(vsluice), count + 1)


class Vsock(AccessCase):
    """Where AF_VSOCK is the lab's."""

    def setUp(self):
        if 'vsock' not in KINDS:
            self.skipTest('needs vsock in VSLUICE_TEST_KINDS, in the lab')
        super().setUp()

    def test_cids_and_source_ports(self):
        """The last port of the privileged and the first of all, where this may have both."""
        low, high = (1023, 1024) if os.geteuid() == 0 else (1024, 1025)
        for options, expected in (
                ('allow = cid:local', {low, high}),
                ('allow = cid:2', set()),
                (f'allow = cid:any:0-{low}', {low}),
                (f'deny = cid:1:{low}', {high}),
                ('allow = cid:1\ndeny = cid:1:1000-2000', set())):
            with self.subTest(options):
                vsluice = self.route('vsock:any:0', options)
                where = (1, int(vsluice.endpoint.rpartition(':')[2]))
                found = {port for port in (low, high) if self.served(
                    where, socket.AF_VSOCK, (socket.VMADDR_CID_ANY, port))}
                self.assertEqual(found, expected)
                self.end_well(vsluice)
                self.assertEqual(self.refused(vsluice), 2 - len(expected), vsluice.text)
                if len(expected) < 2:
                    self.assertRegex(self.latest(vsluice), rf'^vsock:(1|local):({low}|{high})$')


if __name__ == '__main__':
    harness.main()
