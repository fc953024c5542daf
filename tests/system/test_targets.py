"""Several targets of a route: who answers, what becomes of one that is gone and comes back, and what checks see."""

import collections
import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import SLOWNESS, VSLUICE, wait_until


class Server:
    """Answers each line with its own word and name, and holds its sessions until they end or it is killed."""
    family = socket.AF_INET

    def __init__(self, name):
        self.name, self.word, self.heard = name, 'ok', set()
        self.where = ('127.0.0.1', 0) if self.family == socket.AF_INET else (1, socket.VMADDR_PORT_ANY)
        self.count = 0
        self.lock = threading.Lock()
        self.start()

    def start(self):
        self.sockets = set()
        self.listener = socket.socket(self.family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.where)
        self.where = self.listener.getsockname()
        self.listener.listen(1024)
        self.threads = [threading.Thread(target=self.accept, args=(self.listener,))]
        self.threads[0].start()

    @property
    def endpoint(self):
        if self.family == socket.AF_INET:
            return 'tcp:{}:{}'.format(*self.where)
        return f'vsock:local:{self.where[1]}'

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with self.lock:
                    if self.listener is not listener:
                        sock.close()
                        return
                    self.sockets.add(sock)
                    self.count += 1
                    self.threads.append(threading.Thread(target=self.serve, args=(sock,)))
                    self.threads[-1].start()

    def serve(self, sock):
        with contextlib.suppress(OSError), sock, sock.makefile('rb') as lines:
            for line in lines:
                self.heard.add(line)
                if self.word:
                    sock.sendall(f'{self.word} {self.name}\n'.encode())
        with self.lock:
            self.sockets.discard(sock)

    def kill(self):
        with self.lock:
            listener, self.listener = self.listener, None
            with contextlib.suppress(OSError):
                socket.socket(self.family).connect(self.where)  # wakes who accepts; vsock knows no shutdown of a listener
            listener.close()
            for sock in self.sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()


class VsockServer(Server):
    """In the lab only: harness.prove_lab()."""
    family = getattr(socket, 'AF_VSOCK', None)


class Case(harness.TestCase):
    def servers(self, names):
        servers = [Server(name) for name in names]
        for server in servers:
            self.addCleanup(lambda server=server: server.listener and server.kill())
        return servers

    def config(self, servers, keys='', workers=2, listen='tcp:127.0.0.1:0'):
        targets = '\n  '.join(server if isinstance(server, str) else server.endpoint for server in servers)
        return f'[global]\nworkers = {workers}\n[route r]\nlisten = {listen}\ntarget = {targets}\n{keys}\n'

    def route(self, servers, keys='', **more):
        return self.proxy(config=self.config(servers, keys, **more))

    def ask(self, sock):
        """The name of who answers; None: nobody does."""
        try:
            sock.sendall(b'who\n')
            answer = sock.recv(100).decode().split()
        except ConnectionError:
            return None
        return answer[1] if answer else None

    def once(self, vsluice):
        for sock in self.knock(vsluice.endpoint):
            with sock:
                return self.ask(sock)
        return None

    def spread(self, vsluice, count):
        return collections.Counter(self.once(vsluice) for _ in range(count))

    def wait_answers(self, vsluice, names, seconds=10):
        """Until these answer and no other does."""
        wait_until(lambda: set(self.spread(vsluice, 12)) == set(names), seconds, f'not just {names} answer')


class Balance(Case):
    def test_round_robin_over_all_workers(self):
        vsluice = self.route(self.servers('abc'), workers=3)
        self.assertEqual(self.spread(vsluice, 90), {'a': 30, 'b': 30, 'c': 30})
        vsluice.stop()

    def test_least_sessions(self):
        vsluice = self.route(self.servers('abc'), 'balance = least-sessions')
        held = {}
        for i in range(12):
            sock = self.dial(vsluice.endpoint)
            held.setdefault(self.ask(sock), []).append(sock)
        self.assertEqual({name: len(socks) for name, socks in held.items()}, {'a': 4, 'b': 4, 'c': 4})
        for sock in held.pop('b')[:3]:
            sock.close()

        def goes_to_b():
            return self.ask(self.dial(vsluice.endpoint)) == 'b'
        wait_until(lambda: goes_to_b() and goes_to_b(), 10, 'the one with the fewest gets none')

    def from_source(self, vsluice, source):
        with socket.create_connection(harness.address(vsluice.endpoint)[1], 10 * SLOWNESS, (source, 0)) as sock:
            return self.ask(sock)

    def test_a_source_stays_where_it_is(self):
        """And where a server is gone, only those of it move; then back, as they were."""
        servers = self.servers('abcd')
        vsluice = self.route(servers, 'balance = source-hash\nfail-max = 1\nfail-time = 200ms')
        sources = [f'127.0.{i % 7}.{i + 1}' for i in range(80)]
        homes = {source: self.from_source(vsluice, source) for source in sources}
        self.assertEqual(set(homes.values()), set('abcd'))
        self.assertEqual({source: self.from_source(vsluice, source) for source in sources}, homes)
        servers[2].kill()
        away = {source: self.from_source(vsluice, source) for source in sources}
        self.assertNotIn('c', away.values())
        self.assertEqual({source for source in sources if away[source] != homes[source]},
                         {source for source in sources if homes[source] == 'c'})
        servers[2].start()
        wait_until(lambda: {source: self.from_source(vsluice, source) for source in sources} == homes, 10,
                   'they did not come back')
        vsluice.stop()

    def test_the_source_is_that_of_a_proxy_header(self):
        vsluice = self.route(self.servers('abcd'), 'balance = source-hash\naccept-proxy = yes')

        def told(source, port):
            with self.dial(vsluice.endpoint) as sock:
                sock.sendall(f'PROXY TCP4 {source} 192.0.2.1 {port} 80\r\n'.encode())
                return self.ask(sock)
        homes = {i: told(f'198.51.100.{i}', 1000) for i in range(40)}
        self.assertEqual(set(homes.values()), set('abcd'))
        self.assertEqual({i: told(f'198.51.100.{i}', 2000) for i in range(40)}, homes)
        vsluice.stop()

    def test_ports_that_follow_each_other(self):
        """Of one target a range, of the other one port."""
        servers = self.servers('ab')
        first, second = (server.where[1] for server in servers)
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        vsluice = self.route([f'tcp:127.0.0.1:{first}-{first}', f'tcp:127.0.0.1:{second}'],
                             listen=f'tcp:127.0.0.1:{port}-{port}')
        self.assertEqual(self.spread(vsluice, 10), {'a': 5, 'b': 5})
        vsluice.stop()


class Failing(Case):
    def test_nobody_notices_one_of_three(self):
        """Neither before it is known to be gone nor after; nor that it comes back."""
        servers = self.servers('abc')
        vsluice = self.route(servers, 'fail-time = 2s', workers=2)
        servers[1].kill()
        names = self.spread(vsluice, 200)
        self.assertEqual(set(names), {'a', 'c'})
        self.assertLess(abs(names['a'] - names['c']), 5)
        vsluice.wait_lines(f'^route r: target {servers[1].endpoint} is down: target-refused: ')
        servers[1].start()
        self.wait_answers(vsluice, 'abc')
        vsluice.wait_lines(f'^route r: target {servers[1].endpoint} is up again$')
        self.assertEqual(len(vsluice.matches(' is down')), 1)
        self.assertEqual(vsluice.ended(), [])
        vsluice.stop()

    def test_failover_goes_by_order_and_back(self):
        servers = self.servers('abc')
        vsluice = self.route(servers, 'balance = failover\nfail-max = 2\nfail-time = 200ms')
        self.assertEqual(self.spread(vsluice, 20), {'a': 20})
        servers[0].kill()
        self.assertEqual(self.spread(vsluice, 20), {'b': 20})
        servers[1].kill()
        self.assertEqual(self.spread(vsluice, 20), {'c': 20})
        servers[0].start()
        self.wait_answers(vsluice, 'a')
        vsluice.stop()

    def test_all_are_down_and_all_are_tried(self):
        servers = self.servers('ab')
        vsluice = self.route(servers, 'fail-max = 1\nfail-time = 1h')
        for server in servers:
            server.kill()
        self.assertEqual(self.spread(vsluice, 10), {None: 10})
        self.assertEqual(len(vsluice.wait_lines('ended: target-refused: .* to tcp:', 10)), 10)
        servers[1].start()
        self.assertEqual(self.spread(vsluice, 10), {'b': 10})
        vsluice.stop()

    def test_no_retries(self):
        servers = self.servers('ab')
        vsluice = self.route(servers, 'retries = 0\nfail-max = 0')
        servers[0].kill()
        self.assertEqual(self.spread(vsluice, 20), {'b': 10, None: 10})
        vsluice.wait_lines(f'ended: target-refused: .* to {servers[0].endpoint},', 10)
        vsluice.stop()

    def test_one_that_does_not_answer_costs_one_timeout(self):
        """A listener with a full backlog lets a connect wait."""
        full = socket.socket(socket.AF_UNIX)
        self.addCleanup(full.close)
        path = self.name('.sock')
        full.bind(path)
        full.listen(0)
        waits = socket.socket(socket.AF_UNIX)
        self.addCleanup(waits.close)
        waits.connect(path)
        vsluice = self.route([f'unix:{path}', *self.servers('a')],
                             'balance = failover\nconnect-timeout = 300ms\nfail-max = 1\nfail-time = 1h')
        started = time.monotonic()
        self.assertEqual(self.once(vsluice), 'a')
        self.assertGreater(time.monotonic() - started, 0.25)
        vsluice.wait_lines('is down: target-busy')
        started = time.monotonic()
        self.assertEqual(self.spread(vsluice, 10), {'a': 10})
        self.assertLess(time.monotonic() - started, 2 * SLOWNESS)
        vsluice.stop()

    def test_one_session_tries_what_is_out(self):
        """While it waits for that, others go elsewhere."""
        servers = self.servers('ab')
        vsluice = self.route(servers, 'balance = failover\nfail-max = 1\nfail-time = 100ms')
        servers[0].kill()
        before = time.monotonic()
        tried = 0
        while time.monotonic() < before + 1:
            self.assertEqual(self.once(vsluice), 'b')
            tried += 1
        self.assertGreater(tried, 5)
        self.assertEqual(len(vsluice.matches('is down')), 1)
        vsluice.stop()

    def test_a_reload_keeps_what_is_known(self):
        servers = self.servers('abc')
        path = self.name('.conf')

        def write(servers, keys):
            with open(path, 'w') as file:
                file.write(self.config(servers, keys, listen=f'unix:{self.dir}/listen.sock'))
        write(servers[:2], 'fail-max = 1\nfail-time = 1h')
        vsluice = self.start(harness.Proxy([harness.VSLUICE, 'run', '-c', path])).wait_ready()
        fds = vsluice.fds()
        servers[0].kill()
        self.assertEqual(self.spread(vsluice, 10), {'b': 10})
        vsluice.wait_lines(f'target {servers[0].endpoint} is down')
        servers[0].start()
        write(servers, 'fail-max = 1\nfail-time = 1h')
        vsluice.signal(signal.SIGHUP)
        vsluice.wait_lines('^reloaded$')
        wait_until(lambda: self.once(vsluice) == 'c', 10, 'the new target is not used')
        self.assertEqual(self.spread(vsluice, 20), {'b': 10, 'c': 10})
        # With the last session of before, what is known of its targets is forgotten.
        vsluice.wait_fds(fds)
        write(servers[1:], 'fail-max = 1\nfail-time = 1h')
        vsluice.signal(signal.SIGHUP)
        vsluice.wait_lines('^reloaded$', 2)
        write(servers, 'fail-max = 1\nfail-time = 1h')
        vsluice.signal(signal.SIGHUP)
        vsluice.wait_lines('^reloaded$', 3)
        self.wait_answers(vsluice, 'abc')
        self.assertEqual(vsluice.ended(), [])
        vsluice.stop()

    def test_sessions_outlive_the_target_of_their_route(self):
        servers = self.servers('ab')
        path = self.name('.conf')
        listen = f'unix:{self.dir}/listen.sock'
        with open(path, 'w') as file:
            file.write(self.config(servers, 'balance = failover', listen=listen))
        vsluice = self.start(harness.Proxy([harness.VSLUICE, 'run', '-c', path])).wait_ready()
        held = self.dial(vsluice.endpoint)
        self.assertEqual(self.ask(held), 'a')
        with open(path, 'w') as file:
            file.write(self.config(servers[1:], listen=listen))
        vsluice.signal(signal.SIGHUP)
        vsluice.wait_lines('^reloaded$')
        self.wait_answers(vsluice, 'b')
        self.assertEqual(self.ask(held), 'a')
        held.close()
        vsluice.stop()


class Seen(Case):
    def setUp(self):
        super().setUp()
        self.admin = self.name('.admin')

    def get(self, path):
        with self.dial(f'unix:{self.admin}') as sock:
            sock.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
            return harness.read_all(sock).decode().partition('\r\n\r\n')[2]

    def of_target(self, metric, server):
        pattern = rf'^{metric}{{route="r",target="{re.escape(server.endpoint)}"}} (\d+)$'
        return int(re.search(pattern, self.get('/metrics'), re.M)[1])

    def test_metrics_status_and_sessions(self):
        servers = self.servers('ab')
        config = self.config(servers, 'balance = failover\nfail-max = 2\nfail-time = 1h')
        vsluice = self.proxy(config=config.replace('[global]', f'[global]\nadmin-socket = {self.admin}'))
        held = self.dial(vsluice.endpoint)
        self.assertEqual(self.ask(held), 'a')
        self.assertEqual(self.of_target('vsluice_target_sessions', servers[0]), 1)
        self.assertEqual(self.of_target('vsluice_target_sessions', servers[1]), 0)
        self.assertEqual(json.loads(self.get('/sessions'))['sessions'][0]['target'], servers[0].endpoint)
        held.close()
        servers[0].kill()
        self.assertEqual(self.spread(vsluice, 5), {'b': 5})
        wait_until(lambda: self.of_target('vsluice_target_sessions', servers[1]) == 0, 10, 'sessions are left')
        self.assertEqual(self.of_target('vsluice_target_sessions', servers[0]), 0)
        self.assertEqual([self.of_target('vsluice_target_up', server) for server in servers], [0, 1])
        self.assertEqual([self.of_target('vsluice_target_failures_total', server) for server in servers], [2, 0])
        route = json.loads(self.get('/status'))['routes'][0]
        self.assertEqual(route['targets'], [
            {'target': servers[0].endpoint, 'up': False, 'sessions': 0, 'failures': 2},
            {'target': servers[1].endpoint, 'up': True, 'sessions': 0, 'failures': 0},
        ])
        shown = subprocess.run([VSLUICE, 'status', '--admin', self.admin], capture_output=True, text=True, check=True).stdout
        self.assertEqual([line.split() for line in shown.splitlines()[4:]],
                         [[servers[0].endpoint, '0', '2', 'down'], [servers[1].endpoint, '0', '0']])
        vsluice.stop()


CHECK = 'check = connect\ncheck-interval = 100ms\ncheck-timeout = 5s\nretries = 0\nfail-max = 0\n'
ASK = CHECK + 'check-send = check\\n\ncheck-expect = ok\\x20\n'


class Checked(Case):
    """No session tells of a target that is down here: it takes checks."""

    def wait_down(self, vsluice, server, why, count=1):
        vsluice.wait_lines(f'^route r: target {server.endpoint} is down: its check: {why}', count)

    def wait_up(self, vsluice, server, count=1):
        vsluice.wait_lines(f'^route r: target {server.endpoint} is up again$', count)

    def test_by_connecting(self):
        servers = self.servers('abc')
        vsluice = self.route(servers, CHECK)
        servers[1].kill()
        self.wait_down(vsluice, servers[1], 'target-refused: ')
        self.assertEqual(self.spread(vsluice, 20), {'a': 10, 'c': 10})
        servers[1].start()
        self.wait_up(vsluice, servers[1])
        self.assertEqual(self.spread(vsluice, 30), {'a': 10, 'b': 10, 'c': 10})
        self.assertEqual(vsluice.ended(), [])
        self.assertEqual(len(vsluice.matches(' is (down|up)')), 2)
        vsluice.stop()

    def test_by_what_it_answers(self):
        servers = self.servers('ab')
        vsluice = self.route(servers, ASK)
        servers[0].word = 'no'
        self.wait_down(vsluice, servers[0], "it answers otherwise than 'check-expect'")
        self.assertEqual(self.spread(vsluice, 10), {'b': 10})
        servers[0].word = 'ok'
        self.wait_up(vsluice, servers[0])
        self.assertEqual(self.spread(vsluice, 10), {'a': 5, 'b': 5})
        self.assertEqual(servers[1].heard, {b'check\n', b'who\n'})
        vsluice.stop()

    def test_by_whether_it_answers_in_time(self):
        servers = self.servers('ab')
        vsluice = self.route(servers, ASK.replace('5s', '300ms'))
        servers[0].word = None
        self.wait_down(vsluice, servers[0], 'it did not answer within check-timeout')
        self.assertEqual(self.spread(vsluice, 10), {'b': 10})
        vsluice.stop()

    def test_a_target_that_waits_for_a_proxy_header_is_sent_one(self):
        servers = self.servers('ab')
        vsluice = self.route(servers, ASK + 'send-proxy = v1')
        wait_until(lambda: servers[0].heard >= {b'check\n'}, 10, 'it is not checked')
        self.assertEqual(servers[0].heard, {b'PROXY UNKNOWN\r\n', b'check\n'})
        vsluice.stop()

    def test_of_all_kinds(self):
        """A target may be the only one, and is used all the same."""
        path = self.name('.mux')
        mux = socket.socket(socket.AF_UNIX)
        self.addCleanup(mux.close)
        mux.bind(path)
        mux.listen(100)
        answers = ['OK 1\n']

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = mux.accept()
                    with sock:
                        sock.recv(100)
                        sock.sendall(answers[0].encode())
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(mux.shutdown, socket.SHUT_RDWR)
        only = CHECK.replace('retries = 0\nfail-max = 0\n', '') + 'check-fall = 1\ncheck-rise = 1\n'
        vsluice = self.route([f'vsock-mux:{path}:9'], only)
        answers[0] = 'NO\n'
        vsluice.wait_lines(f'^route r: target vsock-mux:{path}:9 is down: its check: mux-garbage')
        self.once(vsluice)
        vsluice.wait_lines('ended: mux-garbage: ')
        answers[0] = 'OK 1\n'
        vsluice.wait_lines(f'^route r: target vsock-mux:{path}:9 is up again')
        vsluice.stop()

    def test_good_ones_bring_in_what_sessions_took_out(self):
        servers = self.servers('ab')
        keys = CHECK.replace('retries = 0\nfail-max = 0', 'fail-max = 1\nfail-time = 1h\ncheck-fall = 1000')
        vsluice = self.route(servers, keys)
        servers[0].kill()
        self.assertEqual(self.spread(vsluice, 10), {'b': 10})
        vsluice.wait_lines('is down: target-refused')
        servers[0].start()
        self.wait_up(vsluice, servers[0])
        self.assertEqual(self.spread(vsluice, 10), {'a': 5, 'b': 5})
        vsluice.stop()

    def test_a_reload_keeps_what_they_found_and_changes_how(self):
        servers = self.servers('ab')
        path = self.name('.conf')

        def reload(keys, count):
            with open(path, 'w') as file:
                file.write(self.config(servers, keys, listen=f'unix:{self.dir}/listen.sock'))
            if count:
                vsluice.signal(signal.SIGHUP)
                vsluice.wait_lines('^reloaded$', count)
        reload(ASK, 0)
        servers[0].word = 'no'
        vsluice = self.start(harness.Proxy([harness.VSLUICE, 'run', '-c', path])).wait_ready()
        self.wait_down(vsluice, servers[0], 'it answers otherwise')
        reload(ASK + 'connect-timeout = 1s', 1)
        self.assertEqual(self.spread(vsluice, 10), {'b': 10})
        reload(ASK.replace('ok', 'no'), 2)
        self.wait_up(vsluice, servers[0])
        self.wait_down(vsluice, servers[1], 'it answers otherwise')
        self.wait_answers(vsluice, 'a')
        reload('retries = 0', 3)
        self.wait_answers(vsluice, 'ab')
        count = servers[0].count
        time.sleep(0.3)
        self.assertEqual(servers[0].count, count)
        self.assertEqual(len(vsluice.matches(' is (down|up)')), 3)
        vsluice.stop()

    def test_they_end_when_vsluice_stops(self):
        """While sessions may finish."""
        servers = self.servers('ab')
        servers[1].word = None
        vsluice = self.route(servers, ASK.replace('5s', '1h') + 'balance = failover')
        held = self.dial(vsluice.endpoint)
        self.assertEqual(self.ask(held), 'a')
        wait_until(lambda: servers[1].heard, 10, 'it is not checked')
        vsluice.signal(signal.SIGTERM)
        vsluice.wait_lines('^stopping: no longer listening')
        count = servers[0].count
        wait_until(lambda: not servers[1].sockets, 10, 'a check is left')
        time.sleep(0.3)
        self.assertLessEqual(servers[0].count, count + 1)
        self.assertEqual(self.ask(held), 'a')
        held.close()
        self.assertEqual(vsluice.wait(), 0)


@unittest.skipUnless('vsock' in harness.KINDS, 'vsock only in tests/lab/uml')
class Vsock(Case):
    def test_a_guest_and_what_stands_in_for_it(self):
        guest, = servers = [VsockServer('guest')]
        self.addCleanup(lambda: guest.listener and guest.kill())
        servers += self.servers(['host'])
        vsluice = self.route(servers, 'balance = failover\n' + ASK)
        self.assertEqual(self.spread(vsluice, 10), {'guest': 10})
        guest.kill()
        vsluice.wait_lines(f'^route r: target {guest.endpoint} is down: its check: guest-no-service: ')
        self.assertEqual(self.spread(vsluice, 10), {'host': 10})
        guest.start()
        vsluice.wait_lines(f'^route r: target {guest.endpoint} is up again$')
        self.assertEqual(self.spread(vsluice, 10), {'guest': 10})
        vsluice.stop()

    def test_a_source_is_a_cid(self):
        guest = VsockServer('guest')
        self.addCleanup(lambda: guest.listener and guest.kill())
        vsluice = self.route([guest, *self.servers('abc')], 'balance = source-hash', listen='vsock:local:7000')

        def once():
            with socket.socket(socket.AF_VSOCK) as sock:
                sock.connect((1, 7000))
                return self.ask(sock)
        self.assertEqual(len({once() for _ in range(20)}), 1)
        vsluice.stop()


if __name__ == '__main__':
    harness.main()
