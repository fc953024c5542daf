"""Many sessions at once, stopping under load, and too few descriptors."""

import contextlib
import itertools
import os
import resource
import select
import signal
import subprocess
import time

import harness
from harness import KINDS, SLOWNESS, wait_until

IDLE = int(os.environ.get('VSLUICE_TEST_IDLE', '4000'))
LOAD = int(os.environ.get('VSLUICE_TEST_LOAD', '1000'))


def config(test, endpoint, drain_timeout, kind='tcp'):
    return f'[global]\ndrain-timeout = {drain_timeout}\n[route r]\nlisten = {test.listen(kind)}\ntarget = {endpoint}\n'


class Idle(harness.TestCase):
    """4,000 idle sessions at once, then all active."""

    def test_all(self):
        server = self.serve(KINDS[-1], '--sessions', IDLE)
        proxy = self.proxy((KINDS[0], server.endpoint))
        fds = proxy.fds()
        peer = self.begin('idle', proxy.endpoint, '--sessions', IDLE, '--hold', '--timeout', self.limit * SLOWNESS,
                          stdin=subprocess.PIPE)
        peer.wait_lines('^holding', seconds=self.limit)
        self.assertEqual(peer.word('holding')['sessions'], IDLE)
        self.assertEqual(proxy.fds(), fds + 2 * IDLE)
        used = proxy.cpu()
        time.sleep(1 * SLOWNESS)
        self.assertLess(proxy.cpu() - used, 0.1 * SLOWNESS, 'idle sessions cost processor time')
        print(f'[{proxy.memory() >> 10} KiB for {IDLE} sessions]', end=' ', file=harness.sys.stderr)
        peer.popen.stdin.close()
        self.assertEqual(peer.wait(), 0, peer.text)
        self.assertEqual(peer.word('ok')['ok'], IDLE)
        self.end_well(proxy, server, fds)


class Spread(harness.TestCase):
    """1,000 connections over 2 workers, whatever accepts them: neither gets fewer than 400."""

    def test_all_kinds(self):
        for kind in KINDS:
            with self.subTest(listen=kind):
                server = self.serve(KINDS[-1], '--sessions', LOAD)
                text = config(self, server.endpoint, '100ms', kind).replace('[global]', '[global]\nworkers = 2')
                proxy = self.proxy(config=text)
                peer = self.begin('idle', proxy.endpoint, '--sessions', LOAD, '--hold', '--timeout',
                                  self.limit * SLOWNESS, stdin=subprocess.PIPE)
                peer.wait_lines('^holding', seconds=self.limit)
                proxy.signal(signal.SIGTERM)
                spread = proxy.wait_lines(r'no longer listening, (\d+) sessions \((\d+) \+ (\d+)\) may finish')[0]
                self.assertEqual(int(spread[1]), LOAD)
                self.assertGreaterEqual(min(int(spread[2]), int(spread[3])), 0.4 * LOAD)
                self.assertEqual(proxy.wait(), 0)
                peer.kill()
                server.kill()


class Drain(harness.TestCase):
    def loaded(self, drain_timeout, sessions=LOAD):
        """A proxy with sessions that exchange without end."""
        server = self.serve('unix')
        proxy = self.proxy(config=config(self, server.endpoint, drain_timeout))
        fds = proxy.fds()
        peer = self.begin('echo', proxy.endpoint, '--concurrency', sessions, '--seconds', 1000, '--timeout', 1000)
        wait_until(lambda: proxy.fds() >= fds + 2 * sessions, 20, lambda: f'{proxy.fds()} descriptors')
        time.sleep(0.3 * SLOWNESS)
        return proxy, peer, server

    def test_under_load(self):
        """SIGTERM under load of 1,000 sessions: exit 0 within drain-timeout."""
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                proxy, peer, server = self.loaded('2s')
                asked = time.monotonic()
                proxy.signal(number)
                self.assertEqual(proxy.wait(10), 0)
                took = time.monotonic() - asked
                self.assertGreater(took, 1.9, 'the sessions were not given their time')
                self.assertLess(took, 2 + 1 * SLOWNESS)
                self.assertEqual(len(proxy.ended('drain-timeout')), LOAD)
                self.assertEqual(peer.wait(10), 1)
                self.assertEqual(peer.word('FAIL')['failed'], LOAD)
                server.stop()

    def test_second_signal(self):
        proxy, peer, server = self.loaded('30s')
        proxy.signal(signal.SIGTERM)
        time.sleep(0.5 * SLOWNESS)
        self.assertIsNone(proxy.popen.poll())
        asked = time.monotonic()
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(10), 0)
        self.assertLess(time.monotonic() - asked, 1 * SLOWNESS)
        peer.wait(10)
        server.stop()

    def refused(self, endpoint):
        try:
            self.dial(endpoint).close()
        except ConnectionError:
            return True
        return False

    def test_transfer_finishes_whole(self):
        server = self.serve('tcp', '--sessions', 1)
        proxy = self.proxy(config=config(self, server.endpoint, '30s'))
        endpoint = proxy.endpoint
        peer = self.begin('exchange', endpoint, '--bytes', '1G', '--timeout', self.limit * SLOWNESS)
        time.sleep(0.3)
        proxy.signal(signal.SIGTERM)
        proxy.wait_lines('stopping')
        self.assertIsNone(peer.popen.poll(), 'the transfer was over before')
        wait_until(lambda: self.refused(endpoint), 1, 'it still listens')
        self.assertEqual(peer.wait(), 0, peer.text)
        done = time.monotonic()
        self.assertEqual(proxy.wait(10), 0)
        self.assertLess(time.monotonic() - done, 1 * SLOWNESS, 'it waited though nothing was left')
        self.assertEqual(proxy.ended(), [])
        self.assertEqual(server.wait(), 0)

    def test_idle_ends_at_once(self):
        proxy = self.proxy(('tcp', 'tcp:127.0.0.1:1'))
        asked = time.monotonic()
        proxy.stop()
        self.assertLess(time.monotonic() - asked, 1 * SLOWNESS)


class Descriptors(harness.TestCase):
    """More connections than there are descriptors for."""

    MORE = 100

    def crowd(self, proxy, listener):
        """More connections than fit, each with a question; how many of them the target has got."""
        initiators = [self.dial(proxy.endpoint) for _ in range(self.MORE)]
        for number, sock in enumerate(initiators):
            sock.sendall(b'%04d' % number)
        listener.settimeout(1 * SLOWNESS)
        targets = []
        try:
            while True:
                targets.append(self.accept(listener))
        except TimeoutError:
            pass
        return initiators, targets

    def starved(self, proxy):
        """Costs nothing while it waits."""
        used = proxy.cpu()
        time.sleep(1 * SLOWNESS)
        self.assertLess(proxy.cpu() - used, 0.05 * SLOWNESS, 'it spins')

    def leave_none(self, proxy):
        """Its limit is what it has; the hard one, to give it back."""
        _, hard = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
        taken = {int(name) for name in os.listdir(f'/proc/{proxy.pid}/fd')}
        free = next(number for number in itertools.count() if number not in taken)
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (free, hard))
        return hard

    def answer_all(self, proxy, listener, initiators, targets):
        """As sessions end, those that wait take their place, until everybody has been served."""
        answered = 0
        waiting = {sock.fileno(): sock for sock in initiators}
        deadline = time.monotonic() + 20 * SLOWNESS
        listener.settimeout(5 * SLOWNESS)
        while waiting and time.monotonic() < deadline:
            for target in targets:
                if target.recv(4):
                    target.sendall(b'done')
                target.close()
            targets = []
            ready, _, _ = select.select([listener, *waiting.values()], [], [], 5)
            for sock in ready:
                if sock is listener:
                    targets.append(self.accept(listener))
                    continue
                del waiting[sock.fileno()]
                try:
                    answered += sock.recv(4) == b'done'
                except ConnectionResetError:
                    pass
                sock.close()
        self.assertEqual(len(waiting), 0, f'{len(waiting)} of {self.MORE} were never served')
        return answered

    def test_limit_at_start(self):
        listener, endpoint = self.listener('unix')
        proxy = self.proxy(('tcp', endpoint), nofile=64)
        fds = proxy.fds()
        initiators, targets = self.crowd(proxy, listener)
        self.assertGreater(len(targets), 10, 'hardly any fits')
        self.assertLess(len(targets), 32, 'more than the limit allows')
        self.starved(proxy)
        self.assertEqual(self.answer_all(proxy, listener, initiators, targets), self.MORE)
        self.assertEqual(proxy.ended(), [])
        proxy.wait_fds(fds)
        proxy.stop()

    def test_operator_at_the_limit(self):
        """Some descriptors are kept from sessions: the admin socket answers, and a route is opened by a reload."""
        listener, endpoint = self.listener('unix')
        admin = self.name('.sock')
        text = f'[global]\nadmin-socket = {admin}\n[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {endpoint}\n'
        proxy = self.proxy(config=text, nofile=160)
        self.crowd(proxy, listener)
        more = self.name('.sock')
        with open(proxy.popen.args[-1], 'a') as file:
            file.write(f'[route more]\nlisten = unix:{more}\ntarget = {endpoint}\n')
        for command in 'status', 'reload', 'sessions':
            done = subprocess.run([harness.VSLUICE, command, '--admin', admin], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f'unix:{more}', proxy.routes.values())
        self.starved(proxy)

    def test_limit_sinks_while_it_runs(self):
        """As when the whole system has none left: single sessions fail, and accepting goes on when there are some."""
        listener, endpoint = self.listener('unix')
        proxy = self.proxy(('tcp', endpoint))
        fds = proxy.fds()
        old = self.dial(proxy.endpoint)
        old_target = self.accept(listener)
        _, hard = resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (fds + 2 + 11, hard))
        initiators = [sock for _ in range(self.MORE) for sock in self.knock(proxy.endpoint)]
        time.sleep(0.5 * SLOWNESS)
        self.starved(proxy)
        self.assertEqual(len(proxy.ended()), len(proxy.ended('no-descriptors')))
        old.sendall(b'still')
        self.assertEqual(old_target.recv(5), b'still')
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (hard, hard))
        wait_until(lambda: proxy.fds() == fds + 2 + 2 * (self.MORE - len(proxy.ended())), 10,
                   lambda: f'{proxy.fds()} descriptors, {fds} at the start, {len(proxy.ended())} sessions ended')
        new = self.dial(proxy.endpoint)
        new.sendall(b'new')
        targets = [self.accept(listener) for _ in range(self.MORE - len(proxy.ended()) + 1)]
        self.assertEqual(targets[-1].recv(3), b'new')
        for sock in [old, old_target, new, *initiators, *targets]:
            sock.close()
        proxy.wait_fds(fds)
        proxy.stop()

    def test_none_left(self):
        """Accepting fails for as long as nothing can be opened: quietly, and only for so long."""
        listener, endpoint = self.listener('unix')
        proxy = self.proxy(('tcp', endpoint), nofile=200)
        fds = proxy.fds()
        old = [(self.dial(proxy.endpoint), self.accept(listener)) for _ in range(5)]
        hard = self.leave_none(proxy)
        new = self.knock(proxy.endpoint)
        # An accept that was under way may have the old limit: a session that finds no descriptor for its target.
        time.sleep(0.2 * SLOWNESS)
        new += [sock for _ in range(20) for sock in self.knock(proxy.endpoint)]
        self.starved(proxy)
        for initiator, target in old:
            initiator.sendall(b'still')
            self.assertEqual(target.recv(5), b'still')
        lost = len(proxy.ended('no-descriptors'))
        workers = len(os.sched_getaffinity(proxy.pid))
        self.assertLessEqual(lost, workers, proxy.text)
        self.assertIn(len(proxy.matches('accepting paused')), range(1, workers + 1), proxy.text)
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (hard, hard))
        started = time.monotonic()
        targets = [self.accept(listener) for _ in range(21 - lost)]
        self.assertLess(time.monotonic() - started, 1 * SLOWNESS)
        for sock in [*new, *targets, *itertools.chain(*old)]:
            sock.close()
        proxy.wait_fds(fds)
        proxy.stop()

    def test_none_left_for_any_kind(self):
        """Nor does any other listener spin, and who waits there is served: what a VMM hands over too."""
        target, unix = self.listener('unix')
        mux_target, tcp = self.listener('tcp')
        paths = [self.name('.sock') for _ in range(3)]
        listens = {'unix': f'unix:{paths[0]}', 'vmm': f'vsock-mux:{paths[1]}:7', 'mux': f'mux:{paths[2]}'}
        proxy = self.proxy(nofile=400, config=''.join(
            f'[route {name}]\nlisten = {listen}\ntarget = {unix if name != "mux" else "tcp:127.0.0.1:*"}\n'
            for name, listen in listens.items()))
        doors = {f'unix:{paths[0]}': b'', f'unix:{paths[1]}_7': b'', f'unix:{paths[2]}': b'CONNECT %s\n'
                 % tcp.rpartition(':')[2].encode()}
        hard = self.leave_none(proxy)
        waiting = []
        for _ in range(10):
            for door, greeting in doors.items():
                waiting += self.knock(door)
                with contextlib.suppress(ConnectionError):
                    waiting[-1].sendall(greeting)
        time.sleep(0.2 * SLOWNESS)
        self.starved(proxy)
        for name in listens:
            proxy.wait_lines(f'route {name}: accepting paused: Too many open files; connections wait in the backlog')
        # Accepts that were under way may have the old limit.
        lost = [sock for sock in waiting if select.select([sock], [], [], 0)[0]]
        self.assertLessEqual(len(lost), len(listens) * len(os.sched_getaffinity(proxy.pid)), proxy.text)
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (hard, hard))
        deadline = time.monotonic() + 5 * SLOWNESS
        left = set(waiting) - set(lost)
        accepted = []
        while left and time.monotonic() < deadline:
            for sock in select.select([target, mux_target, *left], [], [], 1)[0]:
                if sock in (target, mux_target):
                    accepted.append(self.accept(sock))
                    accepted[-1].sendall(b'served')
                elif b'served' in sock.recv(100):
                    left.remove(sock)
        self.assertEqual(left, set(), 'they were not served')
        for sock in [*waiting, *accepted]:
            sock.close()
        proxy.stop()

    def test_none_left_for_the_operator(self):
        """Who asks at the admin socket waits too, and costs as little; others that are connected are answered."""
        question = b'GET /guests HTTP/1.1\r\nHost: x\r\n\r\n'
        for living in False, True:
            with self.subTest(living=living):
                admin = self.name('.sock')
                proxy = self.proxy(config=f'[global]\nadmin-socket = {admin}\n[route r]\nlisten = tcp:127.0.0.1:0\n'
                                          'target = tcp:127.0.0.1:1\n')
                connected = [self.dial(f'unix:{admin}') for _ in range(living)]
                for sock in connected:
                    sock.sendall(question)
                    self.assertIn(b' 200 OK', sock.recv(4096))
                hard = self.leave_none(proxy)
                waiting = self.dial(f'unix:{admin}')
                waiting.sendall(question)
                self.starved(proxy)
                proxy.wait_lines(f'admin socket unix:{admin}: accepting paused: Too many open files')
                for sock in connected:
                    sock.sendall(question)
                    self.assertIn(b' 200 OK', sock.recv(4096))
                self.assertEqual(select.select([waiting], [], [], 0)[0], [])
                resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (hard, hard))
                started = time.monotonic()
                self.assertIn(b' 200 OK', waiting.recv(4096))
                self.assertLess(time.monotonic() - started, 1 * SLOWNESS)
                proxy.wait_lines(f'admin socket unix:{admin}: accepting again')
                proxy.stop()

    def test_churn(self):
        """Sessions that come and go at the limit all get through."""
        server = self.serve('tcp', '--sessions', 2000)
        proxy = self.proxy(('tcp', server.endpoint), nofile=64)
        fds = proxy.fds()
        self.peer('sessions', proxy.endpoint, '--sessions', 2000, '--concurrency', 200, '--bytes', '10K')
        self.end_well(proxy, server, fds)

    def test_no_room_at_all(self):
        """It says so, rather than run without serving."""
        proxy = self.proxy('tcp:127.0.0.1:0=tcp:127.0.0.1:1', nofile=9, ready=False)
        self.assertEqual(proxy.wait(), harness.OSERR)
        self.assertRegex(proxy.text, 'LimitNOFILE|ulimit')


if __name__ == '__main__':
    harness.main()
