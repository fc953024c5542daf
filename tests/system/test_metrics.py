"""What is counted, and how it is told: live bytes, times, guests, lanes, every kind of end; the reading over TCP; the
dashboard, whose queries are asked of a real Prometheus."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

import harness
import openmetrics
from harness import SLOWNESS, reset, wait_until

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lab'))
from lablib import prometheus  # noqa: E402

PLAIN, OPEN_METRICS = 'text/plain; version=0.0.4; charset=utf-8', \
    'application/openmetrics-text; version=1.0.0; charset=utf-8'


def find(program):
    """A program of Prometheus; without it the test is skipped."""
    path = shutil.which(program) or prometheus.find(program)
    if not path:
        raise unittest.SkipTest(f'{program} is not here; tests/lab/prefetch prometheus fetches it')
    return path


class MetricsCase(harness.TestCase):
    """A vsluice that can be looked at over TCP, and targets for its routes."""

    def run_vsluice(self, routes, more='', *arguments):
        self.admin = self.name('.admin')
        config = f'[global]\nworkers = 2\nadmin-socket = {self.admin}\nadmin-listen = tcp:127.0.0.1:0\n{more}{routes}'
        self.vsluice = self.proxy(*arguments, config=config)
        self.http = self.vsluice.matches(r'^metrics at tcp:(\S+), to be read only$')[0][1]

    def ask(self, method, path, headers=None, source=None):
        host, _, port = self.http.rpartition(':')
        client = http.client.HTTPConnection(host, int(port), timeout=10 * SLOWNESS, source_address=source)
        with contextlib.closing(client):
            client.request(method, path, headers=headers or {})
            answer = client.getresponse()
            return answer, answer.read().decode()

    def get(self, path):
        answer, body = self.ask('GET', path, {'Accept': 'application/openmetrics-text'})
        self.assertEqual(answer.status, 200, body)
        return body

    def samples(self):
        return openmetrics.parse(self.get('/metrics'))

    def wait_sample(self, name, labels, value):
        key = name, labels
        wait_until(lambda: self.samples().get(key) == value, 10,
                   lambda: f'{key}: {self.samples().get(key)}, not {value}')

    def mux_guest(self, serve):
        """The Unix socket of a VMM that takes every port and calls serve(socket) for each connection."""
        listener, endpoint = self.listener('unix')

        def connection(sock):
            with sock, contextlib.suppress(OSError):
                line = b''
                while not line.endswith(b'\n'):
                    line += sock.recv(1)
                sock.sendall(b'OK ' + line.split()[1] + b'\n')
                serve(sock)

        self.serve(listener, connection)
        return endpoint.removeprefix('unix:')

    def serve(self, listener, connection):
        """Calls connection(socket) in a thread for each that comes, until the test is over."""
        listener.settimeout(None)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=connection, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)


def echo(sock):
    """Sends back what comes, and ends when that does."""
    with sock, contextlib.suppress(OSError):
        while data := sock.recv(65536):
            sock.sendall(data)


class MetricsPair(MetricsCase):
    """One route, whose target is the test itself; and more of them for sessions that fail."""

    def pair(self, route='r'):
        initiator = self.dial(self.vsluice.routes[route])
        return initiator, self.accept(self.server)

    def begin(self, *arguments, more=''):
        self.server, self.target = self.listener('unix')
        self.run_vsluice(f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {self.target}\n', more, *arguments)

    def end_in_many_ways(self):
        """Sessions for each kind of end that is quick to have."""
        initiator, side = self.pair()
        for sock in (initiator, side):
            sock.close()
        initiator, side = self.pair()
        reset(initiator)
        side.close()
        initiator, side = self.pair()
        initiator.sendall(b'what is not read when it closes')
        side.recv(1, socket.MSG_PEEK)
        side.close()
        with contextlib.suppress(OSError):
            initiator.recv(1)
        for route in ('missing', 'refused', 'denied', 'full', 'rate', 'rate', 'unresolved', 'proxy'):
            for sock in self.knock(self.vsluice.routes[route]):
                with contextlib.suppress(OSError):
                    sock.sendall(b'no header at all, but as many bytes as one may have\r\n' * 20)
                    sock.recv(1)

    def begin_ends(self):
        """Runs with an awkward name of a route, which is returned, and has every kind of end counted."""
        awkward = self.dir + '/a"b\\c\u00fc'
        with socket.socket() as unused:
            unused.bind(('127.0.0.1', 0))
            port = unused.getsockname()[1]
        listen = 'listen = tcp:127.0.0.1:0\n'
        self.begin(f'unix:{awkward}=unix:/nowhere', more=(
            f'[route missing]\n{listen}target = unix:/nowhere\n'
            f'[route refused]\n{listen}target = tcp:127.0.0.1:{port}\n'
            f'[route denied]\n{listen}target = unix:/nowhere\ndeny = 127.0.0.0/8\n'
            f'[route full]\n{listen}target = unix:/nowhere\nmax-sessions = 1\n'
            f'[route rate]\n{listen}target = unix:/nowhere\nmax-rate = 1\n'
            f'[route unresolved]\n{listen}target = tcp:no.invalid:1\n'
            f'[route proxy]\n{listen}target = unix:/nowhere\naccept-proxy = yes\n'))
        self.end_in_many_ways()
        reasons = {'r': ['done', 'initiator-reset', 'target-reset'], 'missing': ['target-missing'],
                   'refused': ['target-refused'], 'rate': ['rate-exceeded'], 'proxy': ['proxy-garbage'],
                   'unresolved': ['name-unresolved']}
        for route, names in reasons.items():
            for reason in names:
                self.wait_sample('vsluice_sessions_ended_total', f'route="{route}",reason="{reason}"', 1)
        self.wait_sample('vsluice_connections_refused_total', 'route="denied"', 1)
        return f'unix:{awkward}'


class Metrics(MetricsPair):
    def test_bytes_of_a_session_that_goes_on(self):
        self.begin()
        initiator, side = self.pair()
        there = back = 0
        for size in (1, 1000, 3_000_000, 70_000):
            for sender, reader in ((initiator, side), (side, initiator)):
                thread = threading.Thread(target=sender.sendall, args=(bytes(size),))
                thread.start()
                left = size
                while left:
                    left -= len(reader.recv(left))
                thread.join()
            there, back = there + size, back + size
            self.wait_sample('vsluice_relayed_bytes_total', 'route="r",direction="there"', there)
            self.wait_sample('vsluice_relayed_bytes_total', 'route="r",direction="back"', back)
        self.assertEqual(self.samples()['vsluice_sessions', 'route="r"'], 1)
        initiator.close()
        side.close()
        self.wait_sample('vsluice_sessions_ended_total', 'route="r",reason="done"', 1)
        self.assertEqual(self.samples()['vsluice_relayed_bytes_total', 'route="r",direction="there"'], there)
        self.vsluice.stop()

    def test_first_byte(self):
        """One that answers at once, one that takes its time, one that never says a byte."""
        self.begin()
        for wait_s in (0, 0.3):
            initiator, side = self.pair()
            time.sleep(wait_s)  # what is measured
            side.sendall(b'x')
            self.assertEqual(initiator.recv(1), b'x')
            side.sendall(b'more')
            self.assertEqual(initiator.recv(4), b'more')
            initiator.close()
            side.close()
        initiator, side = self.pair()
        initiator.close()
        side.close()
        self.wait_sample('vsluice_sessions_ended_total', 'route="r",reason="done"', 3)
        samples = self.samples()
        self.assertEqual(samples['vsluice_first_byte_seconds_count', 'route="r"'], 2)
        self.assertEqual(samples['vsluice_first_byte_seconds_bucket', 'route="r",le="0.25"'], 1)
        self.assertGreaterEqual(samples['vsluice_first_byte_seconds_sum', 'route="r"'], 0.3)
        self.assertEqual(samples['vsluice_session_seconds_count', 'route="r"'], 3)
        self.vsluice.stop()

    def test_guests(self):
        """What goes to a guest and what comes from it; a session that fails, one too many, one that waits."""
        path = self.mux_guest(echo)
        server, target = self.listener('unix')
        dialled = self.name('.guest')
        self.run_vsluice(f'[guest up]\naddress = vsock-mux:{path}\nmax-sessions = 1\n'
                         f'[guest off]\naddress = vsock-mux:{self.name()}\n'
                         f'[guest dials]\naddress = vsock-mux:{dialled}\n'
                         '[route up]\nlisten = tcp:127.0.0.1:0\ntarget = guest:up:1\n'
                         '[route off]\nlisten = tcp:127.0.0.1:0\ntarget = guest:off:1\n'
                         f'[route from]\nlisten = guest:dials:9\ntarget = {target}\n')
        open_one = self.dial(self.vsluice.routes['up'])
        open_one.sendall(bytes(500))
        self.assertEqual(len(open_one.recv(500, socket.MSG_WAITALL)), 500)
        for route in ('up', 'off', 'off'):
            for sock in self.knock(self.vsluice.routes[route]):
                with self.assertRaises(ConnectionResetError):
                    sock.recv(1)
        with self.dial(f'unix:{dialled}_9') as guest, self.accept(server) as side:
            guest.sendall(bytes(30))
            self.assertEqual(side.recv(30, socket.MSG_WAITALL), bytes(30))
            side.sendall(bytes(4))
            side.shutdown(socket.SHUT_WR)
            self.assertEqual(guest.recv(4, socket.MSG_WAITALL), bytes(4))
        self.wait_sample('vsluice_guest_sessions_ended_total', 'guest="dials",reason="done"', 1)
        self.wait_sample('vsluice_guest_sessions_ended_total', 'guest="off",reason="target-missing"', 2)
        self.wait_sample('vsluice_guest_sessions_ended_total', 'guest="up",reason="guest-full"', 1)
        samples = self.samples()
        for guest, to, back in (('up', 500, 500), ('dials', 4, 30), ('off', 0, 0)):
            self.assertEqual(samples['vsluice_guest_relayed_bytes_total', f'guest="{guest}",direction="to"'], to)
            self.assertEqual(samples['vsluice_guest_relayed_bytes_total', f'guest="{guest}",direction="from"'], back)
        for guest, connected, first, ended in (('up', 1, 1, 1), ('dials', 0, 0, 1), ('off', 0, 0, 2)):
            self.assertEqual([samples[f'vsluice_guest_{name}_seconds_count', f'guest="{guest}"']
                              for name in ('connect', 'first_byte', 'session')], [connected, first, ended], guest)
        self.assertEqual(samples['vsluice_guest_sessions', 'guest="up"'], 1)
        open_one.close()
        self.vsluice.stop()

    def test_lanes_and_pools(self):
        """A direction whose reader stands still holds a pipe; then all is given back."""
        self.begin()
        initiator, side = self.pair()
        self.wait_sample('vsluice_lanes', 'way="small"', 2)
        harness.fill(initiator)
        self.wait_sample('vsluice_lanes', 'way="splice"', 1)
        samples = self.samples()
        self.assertEqual(samples['vsluice_lanes', 'way="small"'], 1)
        self.assertEqual(samples['vsluice_lane_changes_total', 'way="splice"'], 1)
        self.assertEqual(samples['vsluice_pool_items', 'pool="pipes",state="used"'], 1)
        self.assertEqual(samples['vsluice_pool_items', 'pool="buffers",state="used"'], 0)
        self.assertEqual(sum(samples['vsluice_worker_sessions', f'worker="{i}"'] for i in range(2)), 1)
        self.assertGreater(samples['vsluice_ring_operations', ''], 0)
        reset(initiator)
        side.close()
        self.wait_sample('vsluice_lanes', 'way="small"', 0)
        samples = self.samples()
        self.assertEqual(samples['vsluice_lanes', 'way="splice"'], 0)
        self.assertEqual(samples['vsluice_pool_items', 'pool="pipes",state="used"'], 0)
        self.vsluice.stop()

    def test_process(self):
        self.begin()
        before = self.samples()
        self.assertEqual(before['vsluice_engine_info', f'engine="{self.engine()}"'], 1)
        self.assertLess(abs(before['process_start_time_seconds', ''] - time.time()), 60 * SLOWNESS)
        with open(f'/proc/{self.vsluice.pid}/limits') as limits:
            most = int(re.search(r'Max open files\s+(\d+)', limits.read())[1])
        self.assertEqual(before['process_max_fds', ''], most)
        pairs = [self.pair() for _ in range(10)]
        self.assertEqual(self.samples()['process_open_fds', ''] - before['process_open_fds', ''], 20)
        self.assertAlmostEqual(self.samples()['process_resident_memory_bytes', ''], self.vsluice.memory(),
                               delta=self.vsluice.memory() / 3)
        wait_until(lambda: self.samples()['process_cpu_seconds_total', ''] > 0, 20, 'no processor time')
        self.assertEqual(self.samples()['process_start_time_seconds', ''], before['process_start_time_seconds', ''])
        for sock in sum(pairs, ()):
            sock.close()
        self.vsluice.stop()

    def engine(self):
        return json.loads(self.get('/status'))['engine']

    def test_both_formats(self):
        """Of every kind of end and awkward names; what is told in one is told in the other."""
        awkward = self.begin_ends()
        families = openmetrics.families(self.get('/metrics'))
        routes = {named['route'] for _, named, _, _ in families['vsluice_sessions'].samples}
        self.assertIn(awkward, routes)
        answer, plain = self.ask('GET', '/metrics')
        self.assertEqual(answer.getheader('Content-Type'), PLAIN)
        answer, told = self.ask('GET', '/metrics',
                                {'Accept': 'application/openmetrics-text; version=1.0.0, text/plain; q=0.5'})
        self.assertEqual(answer.getheader('Content-Type'), OPEN_METRICS)
        self.assertEqual(self.series(plain), self.series(told))
        self.vsluice.stop()

    def test_lines_left_out(self):
        self.begin(more='log-rate = 3\n[route missing]\nlisten = tcp:127.0.0.1:0\ntarget = unix:/nowhere\n')
        for _ in range(10):
            with contextlib.suppress(OSError), self.dial(self.vsluice.routes['missing']) as sock:
                sock.recv(1)
        self.wait_sample('vsluice_log_left_out_total', '', 7)
        self.assertEqual(self.samples()['vsluice_log_lost_total', ''], 0)
        self.vsluice.stop()

    @staticmethod
    def series(text):
        return [line.rpartition(' ')[0] for line in text.splitlines() if not line.startswith('#')]

    def test_what_is_documented_is_there(self):
        self.begin(more=f'[guest g]\naddress = vsock-mux:{self.name()}\n[route g]\nlisten = tcp:127.0.0.1:0\n'
                        'target = guest:g:1\n')
        told = {family.name + {'counter': '_total', 'info': '_info'}.get(family.kind, '')
                for family in openmetrics.families(self.get('/metrics')).values()}
        with open(os.path.join(ROOT, 'docs', 'metrics.md')) as file:
            documented = set(re.findall(r'`((?:vsluice|process)_[a-z_]+)`', file.read()))
        self.assertEqual(documented, told)
        self.vsluice.stop()


class Promtool(MetricsPair):
    def test_check(self):
        """It finds nothing to say, of every kind of end and awkward names."""
        promtool = find('promtool')
        self.begin_ends()
        _, plain = self.ask('GET', '/metrics')
        done = subprocess.run([promtool, 'check', 'metrics'], input=plain, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ''))
        self.vsluice.stop()


class MetricsTcp(MetricsCase):
    def begin(self):
        listener, target = self.listener('unix')
        self.serve(listener, echo)
        self.run_vsluice(f'[guest g]\naddress = vsock-mux:{self.name()}\n'
                         f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\n'
                         '[route g]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:1\n')

    def test_read_only(self):
        self.begin()
        for path in ('/metrics', '/status', '/guests', '/sessions'):
            self.assertEqual(self.ask('GET', path)[0].status, 200, path)
            answer, body = self.ask('HEAD', path)
            self.assertEqual((answer.status, body), (200, ''), path)
        for path in ('/guests/g/freeze', '/guests/g/thaw', '/reload', '/sessions/end', '/sessions/1/end'):
            for method in ('POST', 'GET', 'PUT'):
                answer, body = self.ask(method, path)
                self.assertEqual(answer.status, 403, f'{method} {path}')
                self.assertIn('ask the admin socket', json.loads(body)['error'])
        for method in ('POST', 'PUT', 'DELETE'):
            answer, body = self.ask(method, '/metrics')
            self.assertEqual((answer.status, answer.getheader('Allow')), (405, 'GET'))
        answer, body = self.ask('GET', '/nothing')
        self.assertEqual(answer.status, 404)
        self.assertNotIn('POST', body)
        self.assertIn('vsluice_guest_frozen{guest="g"} 0', self.get('/metrics'))
        self.assertFalse(self.vsluice.matches('frozen:|reload'))
        self.vsluice.stop()

    def test_taken(self):
        self.begin()
        other = self.proxy(config=f'[global]\nadmin-listen = tcp:{self.http}\n[route r]\nlisten = tcp:127.0.0.1:0\n'
                                  'target = unix:/nowhere\n', ready=False)
        self.assertEqual(other.wait(), harness.UNAVAILABLE)
        self.assertIn(f'vsluice: admin-listen: tcp:{self.http}: Address already in use; another program has it',
                      other.text)
        self.vsluice.stop()

    def test_all_addresses(self):
        """`*`, on which both families are answered."""
        vsluice = self.proxy(config='[global]\nadmin-listen = tcp:*:0\n[route r]\nlisten = tcp:127.0.0.1:0\n'
                                    'target = unix:/nowhere\n')
        port = int(vsluice.matches(r'^metrics at tcp:\*:(\d+), to be read only$')[0][1])
        for host in ['127.0.0.1'] + (['::1'] if socket.has_ipv6 else []):
            with contextlib.closing(http.client.HTTPConnection(host, port, timeout=10 * SLOWNESS)) as client:
                client.request('GET', '/status')
                self.assertEqual(json.load(client.getresponse())['sessions'], 0)
        vsluice.stop()

    def test_reload_keeps_it(self):
        self.begin()
        path = self.vsluice.popen.args[-1]
        with open(path) as file:
            text = file.read()
        with open(path, 'w') as file:
            file.write(text.replace('admin-listen = tcp:127.0.0.1:0', 'admin-listen = tcp:127.0.0.1:1'))
        self.vsluice.signal(harness.signal.SIGHUP)
        self.vsluice.wait_lines("'admin-listen' .* holds from the next start on")
        self.vsluice.wait_lines('^reloaded$')
        self.assertEqual(self.ask('GET', '/status')[0].status, 200)
        self.vsluice.stop()

    def round_trips(self, sock, count):
        """How long each took."""
        times = []
        for _ in range(count):
            before = time.monotonic()
            sock.sendall(b'x')
            self.assertEqual(sock.recv(1), b'x')
            times.append(time.monotonic() - before)
        return sorted(times)

    def test_hostile_connections(self):
        """500 silent ones from one address: few are kept, and neither relaying, the others, nor the socket wait."""
        self.begin()
        session = self.dial(self.vsluice.routes['r'])
        alone = self.round_trips(session, 500)
        before = self.vsluice.fds()
        host, _, port = self.http.rpartition(':')
        silent = []
        for _ in range(500):
            sock = socket.socket()
            self.addCleanup(sock.close)
            sock.settimeout(10 * SLOWNESS)
            sock.connect((host, int(port)))
            with contextlib.suppress(OSError):  # it is closed already
                sock.sendall(b'GET /metr')
            silent.append(sock)
        beside = self.round_trips(session, 500)
        self.assertLess(beside[250], 5 * alone[250] + 0.002)
        answer, _ = self.ask('GET', '/metrics', source=('127.0.0.2', 0))
        self.assertEqual(answer.status, 200)
        with self.dial(f'unix:{self.admin}') as sock:
            sock.sendall(b'GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            self.assertIn(b' 200 ', harness.read_all(sock).split(b'\r\n')[0])
        wait_until(lambda: self.vsluice.fds() - before <= 16, 10,
                   lambda: f'{self.vsluice.fds() - before} more are open')
        for sock in [session, *silent]:
            sock.close()
        self.vsluice.stop()


class DashboardCase(MetricsCase):
    """Sessions of all kinds beside the test, so that there is something to show."""

    limit = 90

    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, 'docs', 'grafana-dashboard.json')) as file:
            self.dashboard = json.load(file)
        listener, target = self.listener('unix')
        self.serve(listener, echo)
        path = self.mux_guest(echo)
        self.run_vsluice(f'[guest g]\naddress = vsock-mux:{path}\n'
                         f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\n'
                         '[route g]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:1\n'
                         f'[guest off]\naddress = vsock-mux:{self.name()}\n'
                         '[route off]\nlisten = tcp:127.0.0.1:0\ntarget = guest:off:1\n')
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.go_on)
        self.thread.start()
        self.addCleanup(self.thread.join)
        self.addCleanup(self.over.set)

    def end(self):
        self.over.set()
        self.thread.join()
        self.vsluice.stop()

    def go_on(self):
        """Sessions of all routes, one after the other, until the test is over."""
        with self.dial(self.vsluice.routes['r']) as lasting:
            while not self.over.wait(0.02):
                for route in ('r', 'g', 'off'):
                    with contextlib.suppress(OSError), self.dial(self.vsluice.routes[route]) as sock:
                        sock.sendall(b'some bytes')
                        sock.recv(100)
                        sock.shutdown(socket.SHUT_WR)
                        sock.recv(100)
                lasting.sendall(b'more')
                lasting.recv(100)

    def panels(self):
        return [panel for panel in self.dashboard['panels'] if panel['type'] != 'row']

    def queries(self):
        """(title, expression) with the variables of Grafana in their place."""
        for panel in self.panels():
            for target in panel['targets']:
                text = target['expr'].replace('$instance', re.escape(self.http)).replace('$__rate_interval', '4s')
                yield panel['title'], text.replace('\\', '\\\\')


class Dashboard(DashboardCase):
    def test_form(self):
        """What Grafana wants of a file that is imported."""
        identities = [panel['id'] for panel in self.dashboard['panels']]
        self.assertEqual(len(identities), len(set(identities)))
        variables = [variable['name'] for variable in self.dashboard['templating']['list']]
        self.assertEqual(variables, ['datasource', 'instance'])
        self.assertEqual([panel['title'] for panel in self.dashboard['panels'] if panel['type'] == 'row'],
                         ['Sessions', 'Rates', 'Bytes', 'Errors', 'Latency', 'Targets', 'Guests', 'Lanes and pools',
                          'Process'])
        taken = set()
        for panel in self.dashboard['panels']:
            place = panel['gridPos']
            cells = {(x, y) for x in range(place['x'], place['x'] + place['w'])
                     for y in range(place['y'], place['y'] + place['h'])}
            self.assertFalse(cells & taken or place['x'] + place['w'] > 24, panel['title'])
            taken |= cells
        for panel in self.panels():
            self.assertEqual(panel['datasource']['uid'], '${datasource}', panel['title'])
            self.assertTrue(panel['targets'], panel['title'])
            self.assertTrue(all(target['legendFormat'] for target in panel['targets']), panel['title'])
        self.end()

    def test_names(self):
        """Each query names metrics and labels that there are; and each metric is shown."""
        wait_until(lambda: 'target-missing' in self.get('/metrics'), 10, 'no session has failed')
        labels = {}
        for family in openmetrics.families(self.get('/metrics')).values():
            for suffix, named, _, _ in family.samples:
                labels.setdefault(family.name + suffix, set()).update(named)
        shown = set()
        for title, text in self.queries():
            bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
            names = re.findall(r'\b((?:vsluice|process)_[a-z_]+)', bare)
            self.assertTrue(names, title)
            self.assertLessEqual(set(names), labels.keys(), title)
            known = {'instance'}.union(*(labels[name] for name in names))
            grouped = re.findall(r'\b(?:by|on|group_left) \(([^)]*)\)', bare)
            used = {label.strip() for group in grouped for label in group.split(',')}
            used |= set(re.findall(r'[{,]([a-z_]+)(?:=~|!=|=)', bare))
            self.assertLessEqual(used, known, title)
            shown |= set(names)
        legends = {label for panel in self.panels() for target in panel['targets']
                   for label in re.findall(r'\{\{(\w+)\}\}', target['legendFormat'])}
        self.assertLessEqual(legends, {'instance'}.union(*labels.values()))
        plain = {re.sub('_(count|sum|bucket)$', '', name) for name in labels}
        self.assertEqual({re.sub('_bucket$', '', name) for name in shown}, plain)
        self.end()


class DashboardQueries(DashboardCase):
    def query(self, server, text):
        host, _, port = server.rpartition(':')
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=10 * SLOWNESS)) as client:
            client.request('GET', '/api/v1/query?' + urllib.parse.urlencode({'query': text}))
            answer = json.load(client.getresponse())
        self.assertEqual(answer['status'], 'success', f'{text}: {answer}')
        return [float(result['value'][1]) for result in answer['data']['result']]

    def prometheus(self):
        """One that scrapes once a second."""
        with socket.socket() as unused:
            unused.bind(('127.0.0.1', 0))
            server = '127.0.0.1:{}'.format(unused.getsockname()[1])
        config = self.name('.yml')
        with open(config, 'w') as file:
            file.write('global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\nscrape_configs:\n  - job_name: vsluice\n'
                       f'    static_configs:\n      - targets: ["{self.http}"]\n')
        process = self.start(harness.Process(
            [find('prometheus'), f'--config.file={config}', f'--storage.tsdb.path={self.name()}',
             f'--web.listen-address={server}'], 'prometheus', env={**os.environ, 'GOMAXPROCS': '1'}))
        process.wait_lines('Server is ready to receive web requests')
        return server

    def test_queries(self):
        """Each answers with numbers, once Prometheus has scraped for a few seconds."""
        server = self.prometheus()
        wait_until(lambda: self.query(server, f'count_over_time(up{{instance="{self.http}"}}[1h]) > 3'), 30,
                   'Prometheus has not scraped')
        self.assertEqual(self.query(server, 'min_over_time(up[1h])'), [1])
        for title, text in self.queries():
            values = self.query(server, text)
            self.assertTrue(any(value == value for value in values), f'{title}: {text}: {values}')
        self.end()


if __name__ == '__main__':
    harness.main()
