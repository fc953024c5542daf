"""Operating a running vsluice: the sessions there are and their ends, draining, and routes that come and go at run time."""

import contextlib
import json
import os
import random
import resource
import selectors
import socket
import subprocess
import threading
import time

import harness
from harness import CONFIG, SLOWNESS, UNAVAILABLE, USAGE, VSLUICE, reset, wait_until
from operated import Operated, take

# More than each worker looks at in one go.
STAY = max(600, int(1500 / SLOWNESS))


class Listing(Operated):
    more = '[guest g]\naddress = vsock-mux:/nowhere/v.sock\n'

    def write(self, more='', routes=None):
        super().write(f'[route held]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:7\nwait-for-guest = 60s\n{more}', routes)

    def test_a_session_as_it_is(self):
        initiator, side = self.open()
        initiator.sendall(bytes(1000))
        take(side, 1000)
        side.sendall(bytes(10))
        take(initiator, 10)
        waiting = self.dial(self.vsluice.routes['held'])
        wait_until(lambda: len(self.sessions('?route=held')) == 1, 10, 'it was not listed')
        wait_until(lambda: self.sessions('?route=held')[0]['state'] == 'waiting', 10, 'it does not wait')
        held, web = self.sessions()
        age = web.pop('age')
        self.assertTrue(0 <= age < 20 * SLOWNESS)
        self.assertIn(web.pop('worker'), (0, 1))
        self.assertTrue(0 <= web.pop('idle') <= age)
        self.assertIsNone(held['idle'])
        self.assertEqual(web, {
            'number': 1, 'route': 'web', 'source_guest': None, 'target_guest': None, 'state': 'relaying',
            'initiator': 'tcp:{}:{}'.format(*initiator.getsockname()), 'told': None, 'target': self.target,
            'bytes_there': 1000, 'bytes_back': 10, 'way_there': 'small', 'way_back': 'small'})
        self.assertEqual((held['number'], held['target_guest'], held['target'], held['way_there']),
                         (2, 'g', 'vsock-mux:/nowhere/v.sock:7', None))
        self.assertEqual([s['number'] for s in self.sessions('?guest=g')], [2])
        self.assertEqual(self.sessions('?guest=g&route=web'), [])
        waiting.close()
        self.end()

    def test_mistakes_in_the_file_keep_nobody_from_what_runs(self):
        self.write('[route web2]\nlisten = nonsense\n')
        self.assertIn('web', self.command_of_file('status'))
        self.assertIn('web', self.command_of_file('route', 'list'))
        self.assertIn(f'{self.conf}:', self.command_of_file('reload', status=UNAVAILABLE))
        self.conf.write_text('[globel]\n')
        self.assertIn(f'{self.conf}:1: ', self.command_of_file('status', status=CONFIG))
        self.end()

    def test_the_latest_up_to_a_limit(self):
        ends = [self.open() for _ in range(5)]
        answer = self.ask('GET', '/sessions?limit=3')
        self.assertEqual((answer['matching'], [s['number'] for s in answer['sessions']]), (5, [5, 4, 3]))
        self.assertEqual(self.ask('GET', '/sessions?limit=0'), {'matching': 5, 'sessions': []})
        self.assertEqual(len(self.sessions('?limit=20000')), 5)
        for limit in ('20001', '', '-1', '1x', '99999999999999999999999'):
            self.assertIn('is no limit', self.error('GET', f'/sessions?limit={limit}', 400))
            self.assertIn('is no limit', self.command('sessions', f'--limit={limit}', status=USAGE))
        self.assertIn("did you mean 'web'?", self.error('GET', '/sessions?route=wed', 404))
        self.assertIn("'vsluice guest list' shows them", self.error('GET', '/sessions?guest=nobody', 404))
        table = self.command('sessions', '--route', 'web', '--limit', '4')
        rows = [line.split() for line in table.splitlines()]
        self.assertEqual([row[0] for row in rows[:5]], ['SESSION', '5', '4', '3', '2'])
        self.assertIn('the latest 4 of 5', table)
        self.assertEqual(len(json.loads(self.command('sessions', '--json'))['sessions']), 5)
        self.command('sessions', 'web', status=USAGE)
        self.command('sessions', '--route', 'wed', status=UNAVAILABLE)
        self.assertEqual(len(ends), 5)
        self.end()

    def test_an_end_resets_both_sides(self):
        ends = [self.open() for _ in range(3)]
        self.assertEqual(self.ask('POST', '/sessions/2/end'), {'ended': 1})
        self.expect_reset(*ends[1])
        self.vsluice.wait_lines('route web session 2: ended: ended-by-operator: ')
        self.expect_alive(*ends[0])
        for number in ('2', '4', '18446744073709551615'):
            self.assertIn(f'there is no session {number}', self.error('POST', f'/sessions/{number}/end', 404))
        for number in ('0', 'x', '1x', '-1', '18446744073709551616'):
            self.assertIn('is no number', self.error('POST', f'/sessions/{number}/end', 400))
        self.assertIn("give 'route', 'guest' or both", self.error('POST', '/sessions/end', 400))
        self.assertEqual(self.command('end', '1', '77', status=UNAVAILABLE).splitlines()[0], '1 session ended')
        self.expect_reset(*ends[0])
        self.expect_alive(*ends[2])
        self.command('end', status=USAGE)
        self.command('end', '3', '--route', 'web', status=USAGE)
        self.command('end', 'web', status=USAGE)
        self.expect_alive(*ends[2])
        self.end()

    def test_all_of_a_route_or_a_guest_end(self):
        ends = [self.open() for _ in range(600)]
        waiting = [self.dial(self.vsluice.routes['held']) for _ in range(3)]
        wait_until(lambda: len(self.sessions('?guest=g')) == 3, 10, 'they were not listed')
        self.assertEqual(self.command('end', '--guest', 'g'), '3 sessions ended\n')
        self.expect_reset(*waiting)
        self.expect_alive(*ends[0])
        self.assertEqual(self.command('end', '--route', 'web', '--guest', 'g'), '0 sessions ended\n')
        self.assertEqual(self.command('end', '--route', 'web'), '600 sessions ended\n')
        for pair in ends:
            self.expect_reset(*pair)
        self.assertEqual(self.sessions(), [])
        self.vsluice.wait_lines('600 sessions of route web ended by an operator')
        self.end()

    def test_lists_while_sessions_come_and_go(self):
        """By chance: every list has each number once, and those that stay are in all of them."""
        seed = int(os.environ.get('VSLUICE_SEED', '1'))
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.over = threading.Event()
        server = threading.Thread(target=self._serve)
        server.start()
        self.addCleanup(server.join)
        self.addCleanup(self.over.set)
        stay = [self.dial(self.web) for _ in range(STAY)]
        wait_until(lambda: len(self.sessions('?limit=20000')) == STAY, 10, 'they were not listed')
        numbers = {s['number'] for s in self.sessions('?limit=20000')}
        stop, failed, looks = threading.Event(), [], []

        def churn(which):
            chance = random.Random(seed * 100 + which)
            while not stop.is_set():
                socks = [socks[0] for socks in (self.knock(self.web) for _ in range(chance.randrange(1, 40))) if socks]
                for sock in socks:
                    if chance.random() < 0.5:
                        sock.sendall(bytes(chance.randrange(1, 100000)))
                chance.shuffle(socks)
                for sock in socks:
                    reset(sock) if chance.random() < 0.5 else sock.close()

        def asked(*words):
            """The answer; none where this place is too slow for the 2 s that a worker has."""
            try:
                return self.ask(*words)
            except AssertionError as error:
                if SLOWNESS == 1 or 'has not answered within 2 s' not in str(error):
                    raise
                return None

        def look(which):
            chance = random.Random(seed * 1000 + which)
            while not stop.is_set():
                answer = asked('GET', '/sessions?limit=20000')
                if answer is None:
                    continue
                looks.append(answer['matching'])
                listed = [s['number'] for s in answer['sessions']]
                if listed != sorted(set(listed), reverse=True) or answer['matching'] != len(listed):
                    failed.append(f'out of order, or twice: {listed}')
                if not numbers <= set(listed):
                    failed.append(f'not listed: {numbers - set(listed)}')
                passing = [number for number in listed if number not in numbers]
                if passing and chance.random() < 0.5:
                    try:
                        asked('POST', f'/sessions/{chance.choice(passing)}/end')
                    except AssertionError as error:
                        if 'there is no session' not in str(error):
                            failed.append(error)

        def attempt(run, which):
            try:
                run(which)
            except (AssertionError, OSError) as error:
                failed.append(error)
        threads = [threading.Thread(target=attempt, args=(run, i)) for i in range(2) for run in (churn, look)]
        for thread in threads:
            thread.start()
        time.sleep(2 * SLOWNESS)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [], f'VSLUICE_SEED={seed}')
        self.assertTrue(looks)
        self.assertEqual(len(stay), STAY)
        self.end()

    def _serve(self):
        """Accepts, and drops what comes."""
        self.server.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.server, selectors.EVENT_READ)
            while not self.over.is_set():
                for key, _ in selector.select(0.1):
                    with contextlib.suppress(BlockingIOError):
                        if key.fileobj is self.server:
                            selector.register(self.server.accept()[0], selectors.EVENT_READ)
                            continue
                        try:
                            ended = not key.fileobj.recv(1 << 16)
                        except ConnectionResetError:
                            ended = True
                        if ended:
                            selector.unregister(key.fileobj)
                            key.fileobj.close()
            for key in list(selector.get_map().values()):
                key.fileobj.close()


class EndingMany(harness.TestCase):
    COUNT = 4000

    def test_others_are_served_meanwhile(self):
        """What is in flight is asked to end one by one, without a look through all that is in flight."""
        admin = self.name('.admin')
        server, target = self.listener('unix')
        other_server, other_target = self.listener('unix')
        many, other = self.listen('unix'), self.listen('unix')
        self.proxy(config=f'[global]\nworkers = 1\nadmin-socket = {admin}\nlog-rate = 1\n'
                          f'[route many]\nlisten = {many}\ntarget = {target}\n'
                          f'[route other]\nlisten = {other}\ntarget = {other_target}\n')
        ends = [(self.dial(many), self.accept(server)) for _ in range(self.COUNT)]
        ends[-1][0].sendall(b'x')
        self.assertEqual(ends[-1][1].recv(1), b'x')
        sock, other_end = self.dial(other), self.accept(other_server)
        with harness.Stood() as stood:
            began = time.monotonic()
            end = subprocess.Popen([VSLUICE, 'end', '--admin', admin, '--route', 'many'], stdout=subprocess.PIPE, text=True)
            self.addCleanup(end.kill)
            slowest = 0
            while end.poll() is None or time.monotonic() < began + SLOWNESS:
                asked = time.monotonic()
                sock.sendall(b'x')
                self.assertEqual(other_end.recv(1), b'x')
                slowest = max(slowest, time.monotonic() - asked)
        self.assertEqual((end.returncode, end.stdout.read()), (0, f'{self.COUNT} sessions ended\n'))
        end.stdout.close()
        self.assertLess(slowest, 1 * SLOWNESS + stood.seconds)
        for sock, _ in ends:
            self.assertIn(sock.recv(1), b'')

    def test_many_ports_are_drained(self):
        """While they are, nobody else is served by the worker."""
        admin, place = self.name('.admin'), self.name()
        os.mkdir(place)
        self.proxy(config=f'[global]\nworkers = 1\nadmin-socket = {admin}\n[route many]\n'
                          f'target = unix:/nowhere\n' + ''.join(f'listen = unix:{place}/{i}\n' for i in range(self.COUNT)))
        with harness.Stood() as stood:
            began = time.monotonic()
            subprocess.run([VSLUICE, 'drain', '--admin', admin, 'many'], check=True, capture_output=True,
                           timeout=30 * SLOWNESS)
            took = time.monotonic() - began
        self.assertLess(took, 2 * SLOWNESS + stood.seconds)


class Draining(Operated):
    def test_a_drained_route_listens_no_more_and_its_sessions_go_on(self):
        ends = self.open()
        self.assertEqual(self.ask('POST', '/routes/web/drain'), {'name': 'web', 'drained': True, 'sessions': 1})
        self.expect_refused(self.web)
        self.expect_alive(*ends)
        self.assertEqual(self.command('drain', 'web'), 'route web is drained, 1 session left\n')
        self.assertTrue(self.ask('GET', '/status')['routes'][0]['drained'])
        self.assertRegex(self.command('status'), r'(?m)^web .* drained$')
        self.assertRegex(self.command('route', 'list'), r'(?m)^web +file +drained +1 ')
        self.command('reload')
        self.expect_refused(self.web)
        self.expect_alive(*ends)
        self.assertEqual(self.command('drain', '--undo', 'web'), 'route web is not drained, 1 session\n')
        again = self.routes()['web']['listen'][0]
        self.expect_alive(*self.open(again))
        self.expect_alive(*ends)
        self.assertIn("did you mean 'web'?", self.error('POST', '/routes/wep/drain', 404))
        self.assertIn("did you mean 'web'?", self.error('DELETE', '/routes/wep/drain', 404))
        self.end()

    def test_hashed_sessions_survive_it(self):
        """They send when the route is drained: all have begun before."""
        server = self.serve('unix', '--sessions', 40)
        self.command('route', 'add', '--name', 'bulk', f'tcp:127.0.0.1:0={server.endpoint}')
        listen = self.routes()['bulk']['listen'][0]
        peer = self.begin('sessions', listen, '--sessions', 40, '--bytes', '4M', '--together', '--hold', stdin=subprocess.PIPE)
        peer.wait_lines('^together')
        self.assertEqual(self.ask('POST', '/routes/bulk/drain')['sessions'], 40)
        self.expect_refused(listen)
        self.command('route', 'remove', 'bulk')
        self.command('reload')
        peer.popen.stdin.close()
        self.assertEqual(peer.wait(self.limit), 0, peer.text[-2000:])
        self.end_well(self.vsluice, server)

    def test_what_is_left_ends_when_the_time_is_over(self):
        ends = self.open()
        began = time.monotonic()
        self.ask('POST', '/routes/web/drain?timeout=700ms')
        self.expect_alive(*ends)
        said = self.command('drain', 'web', '--timeout', '500ms', '--wait')
        self.assertEqual(said.splitlines(), ['route web is drained, 1 session left', 'route web has no session left'])
        took = time.monotonic() - began
        self.assertTrue(0.5 <= took < 0.7 + 5 * SLOWNESS, took)
        self.expect_reset(*ends)
        self.vsluice.wait_lines('route web session 1: ended: drain-timeout: ')
        for timeout in ('', '1', 'x', '-1s'):
            self.assertIn('is no timeout', self.error('POST', f'/routes/web/drain?timeout={timeout}', 400))
            self.assertIn('is no timeout', self.command('drain', 'web', f'--timeout={timeout}', status=USAGE))
        self.end()

    def test_undoing_it_keeps_the_sessions(self):
        ends = self.open()
        self.ask('POST', '/routes/web/drain?timeout=300ms')
        self.ask('DELETE', '/routes/web/drain')
        time.sleep(0.6)
        self.expect_alive(*ends)
        waiter = subprocess.Popen([VSLUICE, 'drain', '--admin', self.admin, '--wait', 'web'], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(waiter.kill)
        self.assertEqual(waiter.stdout.readline(), 'route web is drained, 1 session left\n')
        self.command('drain', '--undo', 'web')
        said = waiter.communicate(timeout=20 * SLOWNESS)[1]
        self.assertEqual((waiter.returncode, said), (UNAVAILABLE, 'vsluice: route web is no longer drained\n'))
        self.end()

    def test_an_address_that_is_taken_meanwhile(self):
        self.ask('POST', '/routes/web/drain')
        path = self.name('.sock')
        self.write(routes=f'[route web]\nlisten = unix:{path}\ntarget = {self.target}\n')
        self.command('reload')
        self.assertFalse(os.path.exists(path))
        taker = socket.socket(socket.AF_UNIX)
        self.addCleanup(taker.close)
        taker.bind(path)
        taker.listen()
        refused = self.error('DELETE', '/routes/web/drain', 409)
        self.assertIn('route web stays drained', refused)
        self.assertIn(path, refused)
        self.assertTrue(self.routes()['web']['drained'])
        taker.close()
        self.ask('DELETE', '/routes/web/drain')
        self.expect_alive(*self.open(f'unix:{path}'))
        self.end()


class RunTime(Operated):
    def section(self, name, listen, more=''):
        return f'[route {name}]\nlisten = {listen}\ntarget = {self.target}\n{more}'

    def test_a_route_comes_and_goes(self):
        path = self.name('.sock')
        added = self.ask('POST', '/routes', self.section('a', f'unix:{path}', 'mode = 0600\n')
                         + '\n; and another\n' + self.section('b', 'tcp:127.0.0.1:0 tcp:127.0.0.1:0'))
        self.assertEqual([(r['name'], r['origin'], len(r['listen'])) for r in added['routes']],
                         [('a', 'run-time', 1), ('b', 'run-time', 2)])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        ends = self.open(f'unix:{path}')
        for listen in added['routes'][1]['listen']:
            self.expect_alive(*self.open(listen))
        self.assertEqual(self.ask('DELETE', '/routes/a'), {'removed': 'a'})
        self.assertFalse(os.path.exists(path))
        self.expect_alive(*ends)
        self.assertEqual(list(self.routes()), ['web', 'b'])
        self.assertIn('there is no route', self.error('DELETE', '/routes/a', 404))
        refused = self.error('DELETE', '/routes/web', 409)
        self.assertIn(f"'web' stands at {self.conf}:", refused)
        self.assertIn("'vsluice drain'", refused)
        self.expect_alive(*self.open())
        self.end()

    def test_mistakes_are_all_told_and_nothing_is_added(self):
        before = self.routes()
        text = '\n[global]\nworkers = 1\n' + self.section('web', 'tcp:127.0.0.1:0') + '[route c]\nlisten = txp:1:2\n'
        told = self.error('POST', '/routes', 409, text).splitlines()
        self.assertEqual(told[:2], [
            'run-time:2: only [route NAME] sections can be added at run time; write [global] into the configuration '
            'file and reload it',
            f"run-time:4: route 'web' is already defined at {self.conf}:4; give this one another name"])
        self.assertEqual([line.split(' ')[0] for line in told[2:]], ['run-time:7:', 'run-time:8:'])
        for body in ('', '\n; nothing\n'):
            self.assertIn('no [route NAME] section', self.error('POST', '/routes', 409, body))
        self.assertIn('before any section', self.error('POST', '/routes', 409, 'listen = x\n' + self.section('d', 'tcp:*:0')))
        self.assertIn('longer than 64 KiB', self.error('POST', '/routes', 413, '#' * 65537))
        taken, endpoint = self.listener('tcp')
        refused = self.error('POST', '/routes', 409, self.section('d', endpoint))
        self.assertIn(f'route d: {endpoint}: Address already in use', refused)
        taken.close()
        self.assertEqual(self.routes(), before)
        self.ask('POST', '/routes', self.section('d', endpoint))
        self.end()

    def test_they_outlive_reloads_and_are_gone_at_a_restart(self):
        ends = self.command('route', 'add', '--name', 'x', f'tcp:127.0.0.1:0={self.target}')
        self.assertIn('run-time', ends)
        listen = self.routes()['x']['listen'][0]
        ends = self.open(listen)
        self.write(more=self.section('y', f'unix:{self.name(".sock")}'))
        self.assertEqual(list(self.routes()), ['web', 'x'], 'an edit that was not reloaded slipped in')
        self.command('route', 'add', f'unix:{self.name(".sock")}={self.target}')
        self.assertNotIn('y', self.routes())
        self.command('reload')
        self.assertIn('y', self.routes())
        self.expect_alive(*ends)
        self.expect_alive(*self.open(listen))
        self.write(more=self.section('x', 'tcp:127.0.0.1:0'))
        refused = self.command('reload', status=UNAVAILABLE)
        self.assertIn(f"run-time:x:1: route 'x' is already defined at {self.conf}:", refused)
        self.assertIn("'vsluice route remove NAME'", refused)
        self.expect_alive(*self.open(listen))
        self.assertEqual(self.command('route', 'remove', 'x'), 'route x is removed\n')
        self.expect_refused(listen)
        self.command('reload')
        self.expect_alive(*self.open(self.routes()['x']['listen'][0]))
        self.assertEqual(self.routes()['x']['origin'], 'file')
        self.end()
        self.vsluice = self.start(harness.Proxy([VSLUICE, 'run', '-c', self.conf])).wait_ready()
        self.assertEqual([(n, r['origin']) for n, r in self.routes().items()], [('web', 'file'), ('x', 'file')])
        self.end()

    def test_a_broken_file_stops_no_route_from_being_added_or_removed(self):
        self.conf.write_text('[rout\n')
        self.command('route', 'add', '-f', '-', text=self.section('a', f'unix:{self.name(".sock")}'))
        self.assertIn('a', self.routes())
        self.command('route', 'remove', 'a')
        self.assertIn(f'{self.conf}:1: ', self.command('reload', status=UNAVAILABLE))
        self.expect_alive(*self.open())
        self.end()

    def test_commands_refuse_what_they_do_not_know(self):
        for words in (['route'], ['route', 'add'], ['route', 'remove'], ['route', 'list', 'x'], ['route', 'add', 'x'],
                      ['route', 'list', '--name', 'x'], ['route', 'add', '-f', 'x', 'y'], ['drain'], ['drain', ''],
                      ['drain', '--undo', '--wait', 'web'], ['top', 'x'], ['top', '--interval', '1'],
                      ['top', '--interval', '99ms'], ['route', 'add', '--name', 'a]b', f'tcp:*:0={self.target}']):
            self.command(*words, status=USAGE)
        self.assertIn('cannot be read', self.command('route', 'add', '-f', '/nowhere', status=66))
        self.assertIn('is no name of a route', self.command('route', 'add', '--name', 'a b c/', f'tcp:*:0={self.target}',
                                                            status=UNAVAILABLE))
        self.end()

    def test_a_template_makes_routes_of_its_guests(self):
        directory = self.name()
        os.mkdir(directory)
        self.write(more=f'[guest g]\naddress = vsock-mux:{directory}/g.sock\n')
        self.command('reload')
        self.ask('POST', '/routes', f'[route t]\nlisten = unix:{directory}/{{name}}.in\ntarget = guest:{{name}}:1\n')
        self.assertEqual([(n, r['origin'], r['template']) for n, r in self.routes().items()],
                         [('web', 'file', False), ('t@g', 'run-time', False), ('t', 'run-time', True)])
        self.assertTrue(os.path.exists(f'{directory}/g.in'))
        self.assertIn("route 't' is a template; drain the routes of its guests, such as 't@NAME'",
                      self.command('drain', 't', status=69))
        self.command('drain', 't@g')
        self.assertFalse(os.path.exists(f'{directory}/g.in'))
        self.command('drain', '--undo', 't@g')
        self.assertTrue(os.path.exists(f'{directory}/g.in'))
        self.command('route', 'remove', 't')
        self.assertFalse(os.path.exists(f'{directory}/g.in'))
        self.end()


if __name__ == '__main__':
    harness.main()
