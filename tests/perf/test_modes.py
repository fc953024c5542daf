"""Every mode, every byte verified, direct and through `vsluice run`; and that what is told of a run adds up.

VSLUICE_TEST_KINDS with vsock in it (tests/lab/uml): only what goes over vsock.
"""

import itertools
import os
import pty
import re
import select
import subprocess
import time

import load
from load import SLOWNESS, harness

KINDS = [kind for kind in harness.KINDS if kind != 'abstract']
IDLE = int(os.environ.get('VSLUICE_TEST_IDLE', '1000'))

# A slow place may stand still for as long as a fast one measures.
TIMES = '--warmup', '100ms', '--duration', '300ms' if SLOWNESS == 1 else '1s'

# A measurement that begins or ends a little late, as on a busy machine.
EDGE = 0.02

SIZES = '1', '64', '64K', '1M'
CASES = {
    'stream up': ('stream',),
    'stream down': ('stream', '--direction', 'down'),
    'stream both': ('stream', '--direction', 'both'),
    'stream of small writes': ('stream', '--direction', 'both', '--size', '1K', '--connections', '3'),
    'stream of large writes': ('stream', '--size', '2M', '--connections', '4', '--threads', '2', '--direction', 'both'),
    **{f'rr of {size}': ('rr', '--request', size, '--response', size) for size in SIZES},
    'rr up': ('rr', '--request', '300K', '--response', '1'),
    'rr down': ('rr', '--request', '1', '--response', '300K'),
    'rr of odd sizes': ('rr', '--request', '4097', '--response', '70001', '--depth', '3'),
    'rr with depth': ('rr', '--depth', '16'),
    'rr with large requests and depth': ('rr', '--depth', '4', '--request', '256K', '--response', '256K', '--connections', '2'),
    'rr on several connections': ('rr', '--connections', '7', '--threads', '3', '--depth', '2'),
    'rr open loop': ('rr', '--rate', '300', '--connections', '4', '--threads', '2'),
    'rr open loop, poisson': ('rr', '--rate', '300', '--arrival', 'poisson', '--connections', '4'),
    'crr': ('crr',),
    'crr of large requests': ('crr', '--request', '200K', '--response', '1M', '--connections', '2'),
    'crr of 64 KiB': ('crr', '--request', '64K', '--response', '64K', '--connections', '2'),
    'crr of several threads': ('crr', '--connections', '8', '--threads', '2'),
    'crr open loop': ('crr', '--rate', '100', '--connections', '16'),
    'churn': ('churn', '--connections', '2'),
    'churn open loop': ('churn', '--rate', '100', '--connections', '16', '--threads', '2'),
    'idle': ('idle', '--connections', '20', '--threads', '2'),
}


class Consistent(load.LoadCase):
    """The members of a result fit each other, and what was asked for."""

    def check(self, run):
        result = run.result
        options, throughput = result['options'], result['throughput']
        self.assertEqual(result['errors'], dict.fromkeys(('connect', 'reset', 'closed', 'verify', 'timeout'), 0))
        for name in 'latency', 'connect_latency', 'first_byte_latency', 'schedule_error':
            self.histogram(result[name])
        self.assertEqual(result['connect_latency']['count'] >= options['connections'], True)
        self.assertGreaterEqual(throughput['seconds'], options['duration_seconds'])
        # These run beside tests that take all CPUs: being late by a moment is the machine's.
        self.assertLess(throughput['seconds'], options['duration_seconds'] + 1 + 0.4 * (SLOWNESS - 1))
        self.assertGreater(throughput['completed'], 0)
        total = throughput['bytes_up'] + throughput['bytes_down']
        self.assertAlmostEqual(throughput['per_second'] * throughput['seconds'], throughput['completed'], delta=0.01)
        self.assertAlmostEqual(throughput['bytes_per_second'] * throughput['seconds'], total, delta=1)
        self.intervals(result, total)
        getattr(self, options['mode'])(result, options, throughput)
        self.summary(run)

    def histogram(self, latency):
        self.assertEqual(sum(count for _, count in latency['histogram']), latency['count'])
        if latency['count']:
            values = list(latency['percentiles'].values())
            self.assertEqual(values, sorted(values))
            self.assertLessEqual(latency['min'], latency['mean'])
            self.assertLessEqual(latency['mean'], latency['max'])

    def intervals(self, result, total):
        intervals, throughput = result['intervals'], result['throughput']
        self.assertEqual(sum(interval['bytes'] for interval in intervals), total)
        self.assertEqual(sum(interval['completed'] for interval in intervals), throughput['completed'])
        self.assertAlmostEqual(sum(interval['seconds'] for interval in intervals), throughput['seconds'], delta=0.1)
        ends = itertools.accumulate(interval['seconds'] for interval in intervals)
        for end, interval in zip(ends, intervals):
            self.assertAlmostEqual(end, interval['at_seconds'], delta=0.1)

    def stream(self, result, options, throughput):
        up, down = throughput['bytes_up'], throughput['bytes_down']
        self.assertAlmostEqual(throughput['completed'], (up + down) // options['size'], delta=2 * options['threads'])
        self.assertEqual(up > 0, options['direction'] != 'down')
        self.assertEqual(down > 0, options['direction'] != 'up')

    def requests(self, result, options, throughput, under_way):
        """At both ends of the time measured some are under way, and may count with the one figure and not with the other."""
        completed = throughput['completed']
        under_way += completed * EDGE
        self.assertAlmostEqual(result['latency']['count'], completed, delta=under_way)
        self.assertAlmostEqual(throughput['bytes_up'], completed * options['request'], delta=under_way * options['request'])
        self.assertAlmostEqual(throughput['bytes_down'], completed * options['response'], delta=under_way * options['response'])
        self.arrivals(result, options)

    def arrivals(self, result, options):
        if options['rate'] == 0:
            self.assertEqual((options['arrival'], result['schedule_error']['count']), ('closed', 0))
            return
        planned = options['rate'] * options['duration_seconds']
        slack = 6 * planned ** 0.5 if options['arrival'] == 'poisson' else 1
        self.assertAlmostEqual(result['latency']['count'], planned, delta=slack)
        self.assertEqual(result['schedule_error']['count'], result['latency']['count'])

    def rr(self, result, options, throughput):
        self.requests(result, options, throughput, options['connections'] * options['depth'])
        self.assertEqual(result['connect_latency']['count'], options['connections'])

    def crr(self, result, options, throughput):
        self.requests(result, options, throughput, options['connections'])
        for name in 'connect_latency', 'first_byte_latency':
            self.assertAlmostEqual(result[name]['count'], throughput['completed'],
                                   delta=options['connections'] + throughput['completed'] * EDGE)

    def churn(self, result, options, throughput):
        self.assertEqual(throughput['bytes_up'] + throughput['bytes_down'], 0)
        self.assertAlmostEqual(result['latency']['count'], throughput['completed'],
                               delta=options['connections'] + throughput['completed'] * EDGE)
        self.arrivals(result, options)

    def idle(self, result, options, throughput):
        self.assertEqual(throughput['completed'], options['connections'])
        self.assertEqual(result['latency']['count'], options['connections'])
        self.assertEqual(result['connect_latency']['count'], options['connections'])

    def summary(self, run):
        """What people read names the same things."""
        options, completed = run.result['options'], run.result['throughput']['completed']
        self.assertTrue(run.matches(rf'^{options["mode"]} {re.escape(options["endpoint"])}: {options["connections"]} connection'))
        self.assertTrue(run.matches(rf'^  \S+ +{completed}, '), run.text)
        self.assertTrue(run.matches('^  errors +none'), run.text)
        self.assertEqual(bool(run.matches('^INVALID')), not run.result['valid'])
        self.assertEqual(run.problems, [])

    def all_cases(self, server, endpoint):
        for name, (mode, *options) in CASES.items():
            with self.subTest(name):
                self.check(self.load(endpoint, mode, '--verify', *TIMES, *options))
        self.assertEqual([line for _, line in server.lines[1:]], [])


def for_each(names, **values):
    """A class decorator: a test method `method(self, *value)` for each of some names."""
    def decorate(cls):
        for name, value in zip(names, values['of']):
            setattr(cls, f'test_{name}', lambda self, value=value: self.one(*value))
        return cls
    return decorate


DIRECT = [(kind,) for kind in (['vsock'] if 'vsock' in KINDS else KINDS)]
PAIRS = [pair for pair in itertools.permutations(KINDS, 2) if 'vsock' in pair or 'vsock' not in KINDS]


@for_each([kind for kind, in DIRECT], of=DIRECT)
class Direct(Consistent):
    def one(self, kind):
        self.all_cases(*self.load_server(self.listen(kind), '--threads', 2))


@for_each([f'{initiator}_to_{target}' for initiator, target in PAIRS], of=PAIRS)
class Through(Consistent):
    limit = 90  # a case takes half a second, and there are many

    def one(self, initiator, target):
        server, endpoint = self.load_server(self.listen(target))
        proxy = self.proxy((initiator, endpoint))
        fds = proxy.fds()
        self.all_cases(server, proxy.endpoint)
        proxy.wait_fds(fds)
        proxy.stop()


class Endpoints(Consistent):
    """What else may be served on and connected to."""

    def test_endpoints(self):
        for listen, target in (('tcp:*:0', 'tcp:127.0.0.1:{}'), ('tcp:*:0', 'tcp:[::1]:{}'), ('tcp:[::1]:0', 'tcp:[::1]:{}'),
                               ('tcp:localhost:0', 'tcp:localhost:{}'), (f'unix:@{self.name()}', None)):
            with self.subTest(listen):
                server, bound = self.load_server(listen)
                endpoint = target.format(bound.rpartition(':')[2]) if target else listen
                self.check(self.load(endpoint, 'crr', '--verify', '--warmup', '50ms', '--duration', '200ms'))
                server.signal(15)
                self.assertEqual(server.wait(10), 0)

    def test_vsock_mux(self):
        endpoint = self.load_serve('unix')
        mux = load.Mux(self, endpoint, 1024)
        for mode, *options in (('stream', '--direction', 'both'), ('rr', '--depth', 4), ('crr', '--connections', 3), ('churn',),
                               ('idle', '--connections', 10)):
            with self.subTest(mode):
                self.check(self.load(mux.endpoint, mode, '--verify', '--warmup', '50ms', '--duration', '300ms', *options))

    def test_vsock_mux_listener(self):
        """Where a VMM delivers what its guest dials."""
        path = self.name('.mux')
        _, bound = self.load_server(f'vsock-mux:{path}:1025')
        self.assertEqual(bound, f'unix:{path}_1025')
        self.check(self.load(bound, 'rr', '--verify', '--warmup', '50ms', '--duration', '200ms'))


class Idle(Consistent):
    limit = 90

    def test_idle(self):
        """1000 connections (VSLUICE_TEST_IDLE) through the proxy, held, and proved alive at the end; then nothing is left."""
        kinds = ('vsock', 'vsock') if 'vsock' in KINDS else ('tcp', 'unix')
        server, endpoint = self.load_server(self.listen(kinds[1]))
        files = f'/proc/{server.pid}/fd'
        self.dial_once(endpoint)
        before = len(os.listdir(files))
        proxy = self.proxy((kinds[0], endpoint))
        fds = proxy.fds()
        run = self.begin_load(proxy.endpoint, 'idle', '--connections', IDLE, '--verify', '--warmup', '0s', '--duration', '2s')
        harness.wait_until(lambda: len(os.listdir(files)) == before + IDLE, 20, 'not all connections are open')
        self.assertIn(run.wait(30), load.DONE)
        self.check(run)
        harness.wait_until(lambda: len(os.listdir(files)) == before, 20, 'the server holds connections')
        proxy.wait_fds(fds)
        proxy.stop()

    def dial_once(self, endpoint):
        """The server has begun to serve, and has all descriptors of its own."""
        self.load(endpoint, 'crr', '--rate', 10, '--warmup', '0s', '--duration', '100ms')
        time.sleep(0.2 * SLOWNESS)


class Told(Consistent):
    """Intervals, warm-up, progress, files."""

    def test_intervals(self):
        """Whatever the duration and the number of generators."""
        endpoint = self.load_serve('unix')
        for duration in '2s', '1400ms', '2500ms', '1600ms', '300ms':
            for threads in 1, 2:
                with self.subTest(duration=duration, threads=threads):
                    run = self.load(endpoint, 'rr', '--rate', 1000, '--duration', duration, '--warmup', '0s', '--threads', threads,
                                    '--connections', threads)
                    self.check(run)
                    for interval in run.result['intervals']:
                        self.assertAlmostEqual(interval['completed'], 1000 * interval['seconds'], delta=60)
                        self.assertGreater(interval['p50'], 0)

    def test_warm_up(self):
        """A stall in the warm-up is in none of the figures."""
        endpoint = self.load_serve('unix', '--stall-after', '200ms', '--stall', '200ms')
        result = self.load(endpoint, 'rr', '--rate', 500, '--warmup', '1s', '--duration', '1s').result
        for count in result['latency']['count'], result['schedule_error']['count']:
            self.assertAlmostEqual(count, 500, delta=1)
        self.assertAlmostEqual(result['throughput']['completed'], 500 * result['throughput']['seconds'], delta=25)
        self.assertLess(result['latency']['max'], 100000 * SLOWNESS)
        self.assertEqual(len(result['intervals']), 1)

    def test_progress(self):
        """A line a second where it is asked for and standard error is no terminal; none where it is not."""
        endpoint = self.load_serve('unix')
        line = (r'^ +(\d+\.\d) s +(\d+\.\d)/s +\d+\.\d[kMG]?B/s +p50 +\d+\.\d us +p99 +\d+\.\d us +errors 0 +left (\d+) s$')
        run = self.load(endpoint, 'rr', '--rate', 200, '--warmup', '200ms', '--duration', '3s', '--progress')
        shown = run.matches(line)
        self.assertEqual([(match[1], match[3]) for match in shown], [('1.0', '2'), ('2.0', '1'), ('3.0', '0')], run.text)
        for match in shown:
            self.assertAlmostEqual(float(match[2]), 200, delta=20)
        seen = [when for when, text in run.lines if re.search(line, text)]
        self.assertAlmostEqual(seen[1] - seen[0], 1, delta=0.5)
        quiet = self.load(endpoint, 'rr', '--rate', 200, '--warmup', '0s', '--duration', '1100ms')
        self.assertEqual(quiet.matches(line), [])

    def test_progress_on_a_terminal(self):
        """One line that rewrites itself, without being asked for."""
        endpoint = self.load_serve('unix')
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        path = self.name('.json')
        argv = [load.LOAD, 'run', endpoint, '--mode', 'rr', '--rate', '200', '--warmup', '0s', '--duration', '3s', '--json', path]
        process = subprocess.Popen(argv, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(theirs)
        text = b''
        until = time.monotonic() + 20 * SLOWNESS
        while time.monotonic() < until and select.select([ours], [], [], 5 * SLOWNESS)[0]:
            try:
                text += os.read(ours, 4096)
            except OSError:  # EIO: nobody has the other end any more
                break
        self.assertIn(process.wait(), load.DONE)
        parts = text.decode().split('\r\033[K')
        self.assertEqual(parts[0], '')
        self.assertEqual(len(parts), 4, text)
        self.assertEqual([part.strip().split(' s ')[0] for part in parts[1:]], ['1.0', '2.0', '3.0'])
        self.assertEqual(text.count(b'\n'), 1, text)
        self.assertTrue(text.endswith(b'\n'))

    def test_files(self):
        """JSON to a pipe, a label, and latency by percentile as HdrHistogram's tools plot it."""
        endpoint = self.load_serve('unix')
        hgrm = self.name('.hgrm')
        run = self.load(endpoint, 'rr', '--warmup', '0s', '--duration', '200ms', '--label', 'näme & <b>', '--hgrm', hgrm,
                        '--seed', 2 ** 64 - 1)
        self.assertEqual(run.result['label'], 'näme & <b>')
        self.assertEqual(run.result['options']['seed'], str(2 ** 64 - 1))
        self.assertTrue(run.matches('^näme & <b>$'))
        with open(hgrm) as file:
            text = file.read()
        rows = [list(map(float, row.split())) for row in re.findall(r'^ *[\d.]+ +[\d.]+ +\d+ +(?:[\d.]+|inf) *$', text, re.M)]
        self.assertGreater(len(rows), 5)
        self.assertEqual(rows, sorted(rows))
        self.assertEqual(rows[-1][2], run.result['latency']['count'])
        self.assertIn('#[Mean', text)
        out = self.begin_load(endpoint, 'rr', '--warmup', '0s', '--duration', '200ms', '--json', '/dev/stdout')
        self.assertIn(out.wait(), load.DONE)
        self.assertTrue(out.matches(r'^"schema": "vsluice-load/1",$'))


if __name__ == '__main__':
    harness.main()
