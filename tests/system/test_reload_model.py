"""Random configurations, valid and broken, one after the other: what listens, and where it leads, is what a model says.

VSLUICE_TEST_SEED: of all chance. VSLUICE_TEST_RELOADS: how many.
"""

import contextlib
import os
import pathlib
import random
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

import harness
import reload_model
from harness import SANITIZED, SLOWNESS, UNAVAILABLE, VSLUICE, read_all
from reload_model import STEADY, Configuration, Generator, Route, conflict, model

SEED = int(os.environ.get('VSLUICE_TEST_SEED', random.randrange(1 << 32)))
RELOADS = int(os.environ.get('VSLUICE_TEST_RELOADS', 150 if SANITIZED else 1000))


class Services:
    """Say their words to whoever connects, those of a VMM when they were asked for a port; one thread for all."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.over = False
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def add(self, listener, words, mux):
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, (words, mux))

    def _serve(self):
        while not self.over:
            for key, _ in self.selector.select(0.2):
                try:
                    connection, _ = key.fileobj.accept()
                except OSError:
                    continue
                with connection:
                    self._answer(connection, *key.data)

    @staticmethod
    def _answer(connection, words, mux):
        connection.settimeout(5 * SLOWNESS)
        try:
            if mux:
                asked = connection.makefile('rb', buffering=0).readline()
                if not asked.startswith(b'CONNECT '):
                    return
                connection.sendall(b'OK 1024\n')
            connection.sendall(words)
        except OSError:
            pass

    def end(self):
        self.over = True
        self.thread.join()
        self.selector.close()


class World:
    """The addresses that there are, and who is behind those that routes lead to."""

    def __init__(self, test):
        self.test = test
        self.dir = test.dir
        self.services, self.by_port = {}, {}
        ports = self._free_ports(12)
        self.ports, self.service_ports, self.half_port = ports[:8], ports[8:11], ports[11]
        self.hosts = ['*', '0.0.0.0', '[::]', '127.0.0.1', '127.0.0.2', '[::1]', 'localhost']
        self.paths = [f'{self.dir}/u{i}' for i in range(6)]
        self.outs = [f'{self.dir}/out{i}' for i in range(3)]
        self.guest_names = ['g0', 'g1', 'g2']
        self.found_names = ['p', 'q']
        self.patterns = [f'{self.dir}/vms{i}/{{name}}.sock' for i in range(2)]
        self.runner = Services()
        self.plain_paths = [f'{self.dir}/plain{i}' for i in range(4)]
        self.vmm_paths = [f'{self.dir}/vmm{i}' for i in range(3)]
        for path in self.plain_paths:
            self._serve_path(path, False)
        for path in self.vmm_paths:
            self._serve_path(path, True)
        for pattern in self.patterns:
            os.mkdir(os.path.dirname(pattern))
            for name in self.found_names:
                self._serve_path(pattern.replace('{name}', name), True)
        for port in self.service_ports:
            words = f'port {port}'.encode()
            self.by_port[port] = words
            self.runner.add(self._listen(socket.AF_INET, ('127.0.0.1', port)), words, False)
        self.runner.thread.start()
        test.addCleanup(self.runner.end)
        self._listen(socket.AF_INET6, ('::1', self.half_port))
        self.special = {'half': self.half_port, 'free': f'{self.dir}/free', 'taken': f'{self.dir}/taken',
                        'plain_file': f'{self.dir}/file',
                        'nowhere': f'{self.dir}/nowhere/s', 'steady': f'{self.dir}/steady'}
        self._listen(socket.AF_UNIX, self.special['taken'])
        self._listen(socket.AF_UNIX, '\0' + self.special['taken'])
        pathlib.Path(self.special['plain_file']).write_text('')

    def _listen(self, family, where):
        sock = socket.socket(family)
        self.test.addCleanup(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        sock.listen(1000)
        return sock

    def _serve_path(self, path, mux):
        self.services[path] = f'file {os.path.relpath(path, self.dir)}'.encode()
        self.runner.add(self._listen(socket.AF_UNIX, path), self.services[path], mux)

    @staticmethod
    def _free_ports(count):
        """That follow each other, outside of those that the kernel chooses; those a sandbox may hide."""
        low = 20000
        with contextlib.suppress(FileNotFoundError):
            low = max(low, int(pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').read_text().split()[0]))
        chance = random.Random()
        while True:
            first = chance.randrange(10000, low - count)
            try:
                for port in range(first, first + count):
                    socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True).close()
                return list(range(first, first + count))
            except OSError:
                continue

    def tcp_service(self, port):
        return self.by_port[port]

    def present(self, pattern):
        return self.found_names

    def places(self):
        """All that anything may ever listen on, as one connects to it."""
        guest_files = [f'{path}_{port}' for path in self.vmm_paths for port in (7, 8, 9)]
        found = [pattern.replace('{name}', name) for pattern in self.patterns for name in self.found_names]
        outs = [f'{out}-{name}' for out in self.outs for name in (*self.guest_names, *self.found_names)]
        files = [*self.paths, *(f'{path}_7' for path in self.paths), *guest_files, *(f'{path}_9' for path in found),
                 *outs, self.special['free'], self.special['steady']]
        return ([('4', host, port) for host in ('127.0.0.1', '127.0.0.2') for port in (*self.ports, self.half_port)] +
                [('6', '::1', port) for port in self.ports] + [('file', path) for path in files] +
                [('abstract', path) for path in (*self.paths, *outs)])


class Model(harness.TestCase):
    limit = 240

    def setUp(self):
        super().setUp()
        try:
            socket.create_server(('::1', 0), family=socket.AF_INET6).close()
        except OSError as error:
            self.skipTest(f'needs IPv6: {error}')
        self.world = World(self)
        self.chance = random.Random(SEED)
        self.places = self.world.places()
        self.conf = pathlib.Path(self.name('.conf'))
        self.parts = pathlib.Path(f'{self.conf}.d')
        self.parts.mkdir()
        self.admin = self.name('.admin')
        self.refused, self.knocked, self.knocking = [], 0, threading.Event()

    def write(self, configuration, more=''):
        """In one file, or some of it in drop-ins."""
        sections = configuration.sections()
        for part in self.parts.iterdir():
            part.unlink()
        if self.chance.random() < 0.3:
            cut = self.chance.randrange(len(sections) + 1)
            (self.parts / 'a.conf').write_text(''.join(sections[cut:]))
            sections = sections[:cut]
        text = f'[global]\nadmin-socket = {self.admin}\nworkers = 2\n' + ''.join(sections)
        self.conf.write_text(more + text if more.startswith('nothing') else text + more)

    def connect(self, place):
        """A socket, or none: nobody listens."""
        kind, where = place[0], place[1:]
        family = {'4': socket.AF_INET, '6': socket.AF_INET6}.get(kind, socket.AF_UNIX)
        sock = socket.socket(family)
        sock.settimeout(10 * SLOWNESS)
        try:
            sock.connect({'file': where[0], 'abstract': f'\0{where[0]}'}.get(kind, where))
        except (ConnectionRefusedError, FileNotFoundError):
            sock.close()
            return None
        return sock

    def answer(self, place, mux):
        """Who is behind it; none: nobody listens."""
        sock = self.connect(place)
        if sock is None:
            return None
        with sock:
            if mux:
                sock.sendall(b'CONNECT 1\n')
            answer = read_all(sock)
        return answer.removeprefix(b'OK 1024\n').removeprefix(b'OK 1\n') if mux else answer

    def compare(self, listening):
        """Each place is listened on or not as the model says, and leads where it says."""
        for place in self.places:
            behind = [expected for claim, expected in listening if conflict(claim, place)]
            expected = behind[0].answer if behind else None
            self.assertEqual(self.answer(place, bool(behind) and behind[0].mux), expected, place)
            if behind and behind[0].mode is not None and place[0] == 'file':
                self.assertEqual(os.stat(place[1]).st_mode & 0o777, behind[0].mode, place)

    def knock(self):
        """At what goes on, while it is read anew."""
        while not self.over:
            self.knocking.wait()
            with self.turn:
                for place, mux, answers in self.kept:
                    try:
                        answer = self.answer(place, mux)
                    except OSError as error:
                        answer = error
                    self.knocked += 1
                    if answer not in answers:
                        self.refused.append((place, answer, answers))
            time.sleep(0.0005)

    def keep(self, before, after):
        """What listens on the same before and after is never refused; it leads where it did or will."""
        then = {(claim, place.listen): place for claim, place in before}
        kept = [(claim, place.mux, (then[claim, place.listen].answer, place.answer)) for claim, place in after
                if (claim, place.listen) in then and then[claim, place.listen].mux == place.mux]
        hosts = {'4': '127.0.0.1', '6': '::1'}
        kept = [((kind, where or hosts[kind], *port), mux, answers) for (kind, where, *port), mux, answers in kept]
        self.kept = self.chance.sample(kept, min(3, len(kept)))

    def log(self):
        """What was logged of one reload more."""
        deadline = time.monotonic() + 20 * SLOWNESS
        begin = self.read
        while True:
            with self.vsluice.news:
                lines = [line for _, line in self.vsluice.lines[self.read:]]
                for number, line in enumerate(lines):
                    if re.search('^reloaded$|^reload: .*goes on as before', line):
                        self.read += number + 1
                        return [line for _, line in self.vsluice.lines[begin:self.read]]
                self.read += len(lines)
                self.vsluice.news.wait(0.05)
            self.assertLess(time.monotonic(), deadline, 'the reload never ended')

    def reload(self):
        """By one of three ways: what was said of mistakes; none: it is done."""
        way = self.chance.choice(['hangup', 'post'] * 9 + ['command'])
        if way == 'hangup':
            self.vsluice.signal(signal.SIGHUP)
        elif way == 'command':
            done = subprocess.run([VSLUICE, 'reload', '--admin', self.admin], capture_output=True, text=True,
                                  timeout=30 * SLOWNESS)
            self.assertIn(done.returncode, (0, UNAVAILABLE))
            said = done.stderr if done.returncode else None
        else:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(30 * SLOWNESS)
                sock.connect(self.admin)
                sock.sendall(b'POST /reload HTTP/1.1\r\nHost: vsluice\r\nConnection: close\r\n\r\n')
                status, _, answer = read_all(sock).decode().partition('\r\n')
            self.assertIn(status.split()[1], ('200', '409'))
            said = answer.replace('\\"', '"') if ' 409 ' in status else None
        logged = self.log()
        refused = None if logged[-1] == 'reloaded' else '\n'.join(logged)
        if way != 'hangup':
            self.assertEqual(said is None, refused is None, (said, refused))
            return said
        return refused

    def one_reload(self, configuration):
        """Of a random successor, or of a broken one: which holds then."""
        after = self.generator.next(configuration)
        before = model(configuration, self.world)
        mistake = None
        if self.chance.random() < 0.35:
            # What is broken holds a sound change too, of which nothing may be seen.
            more, mistake = self.chance.choice(reload_model.MISTAKES)
            if '{half}' in more:
                after.routes = {name: route for name, route in after.routes.items()
                                if not any(listen.endswith(f':{self.world.half_port}') for listen in route.listens)}
            self.write(after, more.format(**self.world.special))
            self.keep(before, before)
            if 'nothing has changed' in mistake:
                self.kept = [kept for kept in self.kept if self.stays(kept[0], configuration, after)]
        else:
            self.write(after)
            self.keep(before, model(after, self.world))
        self.knocking.set()
        said = self.reload()
        self.knocking.clear()
        with self.turn:
            self.kept = []
        self.assertEqual(self.refused, [])
        if mistake:
            self.assertIsNotNone(said, 'a mistake was not found')
            self.assertRegex(said, mistake)
        else:
            self.assertIsNone(said)
            configuration = after
        self.compare(model(configuration, self.world))
        self.echo.sendall(b'still here')
        self.assertEqual(self.far.recv(100), b'still here')
        return configuration

    def stays(self, place, configuration, after):
        """Where an address cannot be had, what had made way for others was closed for a moment, all that a listener has
        at once."""
        if place[-1] == self.world.half_port:
            return False
        now = model(configuration, self.world)
        behind = [found.listen for claim, found in now if conflict(claim, place)]
        old = [(claim, found) for claim, found in now if found.listen in behind]
        new = [claim for claim, found in model(after, self.world)
               if not any(found.listen == was.listen for _, was in old)]
        return not any(conflict(claim, other) for claim, _ in old for other in new)

    def test_reloads(self):
        print(f'VSLUICE_TEST_SEED={SEED} VSLUICE_TEST_RELOADS={RELOADS}', flush=True)
        self.generator = Generator(self.chance, self.world)
        configuration = Configuration()
        far, endpoint = self.listener('unix')
        steady = f'unix:{self.world.special["steady"]}'
        configuration.routes[STEADY] = Route(STEADY, [steady], endpoint)
        self.write(configuration)
        self.read = 0
        self.vsluice = self.start(harness.Proxy([VSLUICE, 'run', '-c', self.conf])).wait_ready()
        # A session that lives through all of it.
        self.echo = self.dial(steady)
        self.far = self.accept(far)
        fds = self.vsluice.fds()
        configuration.routes[STEADY].target = f'unix:{self.world.plain_paths[0]}'
        self.write(configuration)
        self.assertIsNone(self.reload())
        first = configuration
        self.over, self.kept, self.turn = False, [], threading.Lock()
        knocker = threading.Thread(target=self.knock)
        knocker.start()
        done, mistakes = 0, 0
        try:
            for done in range(RELOADS):
                before = configuration
                configuration = self.one_reload(configuration)
                mistakes += configuration is before
        except BaseException:
            print(f'reload {done + 1} of seed {SEED}; from:', *before.sections(), 'to:', self.conf.read_text(),
                  *(part.read_text() for part in self.parts.iterdir()), sep='\n')
            raise
        finally:
            self.over = True
            self.knocking.set()
            knocker.join()
        print(f'{RELOADS} reloads, {mistakes} of them refused; {self.knocked} connections while they went on')
        self.write(first)
        self.assertIsNone(self.reload())
        self.vsluice.wait_fds(fds)
        self.vsluice.signal(signal.SIGTERM)
        self.vsluice.wait_lines('no longer listening, ')
        self.vsluice.signal(signal.SIGTERM)
        self.assertEqual(self.vsluice.wait(10), 0)


if __name__ == '__main__':
    harness.main()
