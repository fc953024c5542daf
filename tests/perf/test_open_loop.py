"""The open loop: its percentiles are those of arithmetic where the server stalls, and its schedule is kept."""

import math
import os
import statistics
import subprocess
import time
import unittest

import load
from load import SLOWNESS, harness

STALL_MS = 100


class Busy(Exception):
    """The generator was too late itself for its figures to be arithmetic's."""


def attempts(check, count=3, busy_count=10):
    """A machine with other things to do may spoil a measurement, not so many in a row."""
    failed = busy = 0
    while True:
        try:
            return check()
        except AssertionError:
            failed += 1
            if failed == count:
                raise
        except Busy as why:
            busy += 1
            if busy == busy_count:
                raise unittest.SkipTest(f'the machine is too busy to measure: {why}') from None


def percentile(latency, percent):
    """Of the histogram of a result, in milliseconds."""
    wanted = max(1, math.ceil(percent / 100 * latency['count'] - 1e-9))
    for highest_ns, count in latency['histogram']:
        wanted -= count
        if wanted <= 0:
            return highest_ns / 1e6
    raise AssertionError(f'{percent} is not in the histogram')


def above(latency, milliseconds):
    return sum(count for highest_ns, count in latency['histogram'] if highest_ns > milliseconds * 1e6)


class CoordinatedOmission(load.LoadCase):
    """A server that stalls once for 100 ms, at 5,000 requests a second for 2 s: 500 of the 10,000 are planned in the stall, and
    wait for what is left of it. So the K slowest take longer than 100 ms - K / 5 ms, and that is the percentile 100 - K / 100."""

    RATE, SECONDS = 5000, 2
    LATE_US = 500

    def run_with_stall(self, *options):
        """The result, and for how long the server did stall, in ms."""
        favoured = load.favoured()
        server, endpoint = self.load_server(self.listen('tcp'), '--stall-after', '700ms', '--stall', f'{STALL_MS}ms',
                                            before=favoured)
        run = self.load(endpoint, 'rr', '--warmup', '0s', '--duration', f'{self.SECONDS}s', *options, before=favoured,
                        status=(load.OK, load.TEMPFAIL))
        stall = server.wait_lines(r'^stalled for ([0-9.]+) ms$')[0]
        return run.result, float(stall[1])

    def open_loop(self):
        result, stall_ms = self.run_with_stall('--rate', self.RATE)
        latency = result['latency']
        total = self.RATE * self.SECONDS
        self.assertEqual(latency['count'], total)
        if result['schedule_error']['percentiles']['99'] > self.LATE_US:
            raise Busy(f"p99 of the schedule error is {result['schedule_error']['percentiles']['99']} us")
        for percent in 97, 98, 99, 99.5, 99.9, 99.99:
            slower = total * (1 - percent / 100)
            expected = stall_ms - 1000 * slower / self.RATE
            measured = percentile(latency, percent)
            self.assertAlmostEqual(measured / expected, 1, delta=0.02, msg=f'p{percent}: {measured} ms, not {expected} ms')
            if f'{percent:g}' in latency['percentiles']:
                self.assertAlmostEqual(latency['percentiles'][f'{percent:g}'] / 1000 / expected, 1, delta=0.02)
        for milliseconds in 1, 10, 20, 50:
            expected = (stall_ms - milliseconds) / 1000 * self.RATE
            slow = above(latency, milliseconds)
            # Beside the stall, a busy machine makes a few wait for some milliseconds.
            most = expected * (1.25 if milliseconds == 1 else 1.02)
            self.assertTrue(expected * 0.98 <= slow <= most, f'{slow} above {milliseconds} ms, not {expected}')

    def closed_loop(self):
        result, _ = self.run_with_stall()
        latency = result['latency']
        self.assertEqual(above(latency, STALL_MS / 2), 1)
        self.assertAlmostEqual(latency['max'] / 1000 / STALL_MS, 1, delta=0.1)
        self.assertLess(percentile(latency, 99.9), STALL_MS / 20)

    def test_the_open_loop_tells_the_stall(self):
        attempts(self.open_loop)

    def test_the_closed_loop_hides_it(self):
        attempts(self.closed_loop)

    def test_the_stall_of_connections(self):
        """crr and churn count from the plan too: a server that accepts nothing for 100 ms, and few connections to open."""
        def check():
            endpoint = self.load_serve('unix', '--stall-after', '400ms', '--stall', f'{STALL_MS}ms')
            latency = self.load(endpoint, 'crr', '--warmup', '0s', '--duration', '1s', '--rate', 1000,
                                '--connections', 4).result['latency']
            self.assertEqual(latency['count'], 1000)
            for percent in 93, 95, 98:
                # What waited is opened four at a time, which takes its time.
                expected = STALL_MS - 1000 * (1 - percent / 100)
                self.assertGreater(percentile(latency, percent), expected - 2)
                self.assertLess(percentile(latency, percent), expected + 10)
        attempts(check)


class Schedule(load.LoadCase):
    """Late generators are told from late servers."""

    def test_valid_or_told(self):
        """10,000 a second: either the schedule was kept, or the run says that it was not, in a word and in its status."""
        endpoint = self.load_serve('tcp')
        run = self.load(endpoint, 'rr', '--rate', 10000, '--warmup', '500ms', '--duration', '3s')
        late = run.result['schedule_error']
        self.assertEqual(late['count'], 30000)
        self.assertEqual(run.result['valid'], late['percentiles']['99.9'] <= 100)
        self.assertEqual(run.popen.returncode, load.OK if run.result['valid'] else load.TEMPFAIL)
        self.assertEqual(bool(run.matches('^INVALID: the schedule was missed')), not run.result['valid'])
        print('schedule error, us:', late['percentiles'])

    def test_kept(self):
        """So few requests that one of thirty attempts keeps them all to 100 us."""
        favoured = load.favoured()

        def check():
            run = self.load(endpoint, 'rr', '--rate', 100, '--warmup', '100ms', '--duration', '300ms', before=favoured)
            self.assertEqual(run.popen.returncode, load.OK, run.text[-2000:])
            self.assertEqual(run.result['invalid_reasons'], [])
            self.assertLessEqual(run.result['schedule_error']['percentiles']['99.9'], 100)
            self.assertFalse(run.matches('INVALID'))
        endpoint = self.load_serve('tcp', before=favoured)
        attempts(check, 30)

    def test_missed(self):
        """A generator that shares its only CPU with busy loops is late, and says so."""
        cpu = min(os.sched_getaffinity(0))
        endpoint = self.load_serve('tcp')
        pinned = ['taskset', '-c', str(cpu)]
        for _ in range(3):
            busy = subprocess.Popen([*pinned, 'python3', '-c', 'while True: pass'])
            self.addCleanup(busy.wait)
            self.addCleanup(busy.kill)
        time.sleep(0.2 * SLOWNESS)
        run = self.load(endpoint, 'rr', '--rate', 10000, '--warmup', '0s', '--duration', '2s', before=pinned, status=load.TEMPFAIL)
        self.assertFalse(run.result['valid'])
        self.assertRegex(run.result['invalid_reasons'][0], r'the schedule was missed: p99\.9 .* is \d+ us, more than 100')
        self.assertTrue(run.matches('^INVALID: the schedule was missed'))
        self.assertGreater(run.result['schedule_error']['percentiles']['99.9'], 100)

    def test_a_closed_loop_that_is_the_bottleneck(self):
        """The share of its CPU that a generator takes is told where it leaves none."""
        def check():
            endpoint = self.load_serve('tcp', '--threads', 2)
            run = self.load(endpoint, 'rr', '--connections', 64, '--depth', 32, '--warmup', '0s', '--duration', '1s')
            seconds = run.result['cpu']['user_seconds'] + run.result['cpu']['system_seconds']
            share = seconds / run.result['throughput']['seconds']
            self.assertEqual(run.result['valid'], share <= 0.97)
            if not run.result['valid']:
                self.assertRegex(run.result['invalid_reasons'][0], r'generator 0 was busy \d+ % of the time: .*--threads')
        attempts(check)


class Arrivals(load.LoadCase):
    """When requests come, as a server sees it."""

    def arrivals(self, *options):
        """The times at which single requests came."""
        times = []

        def session(sock):
            header = load.read_header(sock)
            sock.sendall(load.WELCOME)
            while load.receive_exactly(sock, header['request']):
                times.append(time.monotonic())
                sock.sendall(bytes(header['response']))

        server = load.FakeServer(self, session)
        run = self.load(server.endpoint, 'rr', '--warmup', '0s', *options)
        return run.result, times

    def gaps(self, *options):
        result, times = self.arrivals('--rate', 200, '--duration', '5s', *options)
        self.assertAlmostEqual(result['throughput']['completed'], len(times), delta=1)  # one may be under way at the end
        return [after - before for before, after in zip(times, times[1:])]

    def test_constant(self):
        def check():
            gaps = self.gaps()
            self.assertEqual(len(gaps), 999)
            self.assertAlmostEqual(statistics.mean(gaps), 0.005, delta=0.0001)
            self.assertLess(statistics.stdev(gaps), 0.001)
        attempts(check)

    def test_poisson(self):
        """Gaps are exponential: the deviation is the mean, and the share of those above K means is exp(-K)."""
        def check():
            gaps = self.gaps('--arrival', 'poisson')
            mean = statistics.mean(gaps)
            self.assertAlmostEqual(mean, 0.005, delta=0.0005)
            self.assertAlmostEqual(statistics.stdev(gaps) / mean, 1, delta=0.12)
            for means in 0.25, 0.5, 1, 2, 3:
                share = sum(gap > means * mean for gap in gaps) / len(gaps)
                self.assertAlmostEqual(share, math.exp(-means), delta=0.05)
        attempts(check)

    def test_counts_of_poisson(self):
        """Counts in equal times have their mean for a variance: 20 seeds, 500 expected for each."""
        endpoint = self.load_serve('unix')
        runs = [self.load(endpoint, 'rr', '--rate', 2500, '--arrival', 'poisson', '--seed', seed, '--warmup', '0s',
                          '--duration', '200ms', '--threads', threads, '--connections', threads)
                for seed in range(10) for threads in (1, 2)]
        counts = [run.result['latency']['count'] for run in runs]
        self.assertAlmostEqual(statistics.mean(counts), 500, delta=20, msg=counts)
        chi_square = sum((count - 500) ** 2 / 500 for count in counts)
        self.assertGreater(chi_square, 5.9, counts)  # 1 in 1000, with 20 degrees of freedom
        self.assertLess(chi_square, 45.3, counts)

    def test_a_seed_is_a_schedule(self):
        endpoint = self.load_serve('unix')
        options = ['--rate', 2500, '--arrival', 'poisson', '--warmup', '0s', '--duration', '200ms']
        counts = [self.load(endpoint, 'rr', *options, '--seed', seed).result['latency']['count'] for seed in (7, 7, 8, 9, 10)]
        self.assertEqual(counts[0], counts[1])
        self.assertGreater(len(set(counts)), 1)

    def test_the_rate_is_kept_by_all_threads_together(self):
        endpoint = self.load_serve('tcp')
        for mode in 'rr', 'crr', 'churn':
            with self.subTest(mode):
                result = self.load(endpoint, mode, '--rate', 1000, '--threads', 2, '--connections', 6, '--warmup', '200ms',
                                   '--duration', '2s').result
                self.assertEqual(result['schedule_error']['count'], 2000)
                self.assertEqual(result['latency']['count'], 2000)
                self.assertAlmostEqual(result['throughput']['per_second'], 1000, delta=20)


if __name__ == '__main__':
    harness.main()
