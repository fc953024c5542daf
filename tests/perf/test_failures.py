"""What goes wrong is told in one line with its remedy, by the right exit status, and what was measured so far is kept."""

import json
import os
import select
import signal
import socket
import subprocess
import time

import load
from load import SLOWNESS, harness

SHORT = '--warmup', '0s', '--duration', '500ms'
LONG = '--warmup', '0s', '--duration', '60s'
REMEDY = 'vsluice-load serve'


class Kept(load.LoadCase):
    def summary(self, run):
        """The summary was printed, and the result written."""
        self.assertTrue(run.matches('^  measured'), run.text)
        self.assertTrue(run.matches('^  errors'), run.text)
        return run.result

    def errors(self, run, **expected):
        found = {name: count for name, count in self.summary(run)['errors'].items() if count}
        self.assertEqual(sorted(found), sorted(expected), run.text)
        for name, least in expected.items():
            self.assertGreaterEqual(found[name], least)
        return found


class Unreachable(Kept):
    """Exit status 69."""

    def test_refused(self):
        closed = socket.socket()
        self.addCleanup(closed.close)
        closed.bind(('127.0.0.1', 0))  # and does not listen
        left = self.name('.sock')
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(left)
        stale.close()
        endpoints = {
            'tcp:{}:{}'.format(*closed.getsockname()): 'refused',
            f'unix:{left}': 'refused',
            f'unix:{self.name()}': 'No such file',
            f'unix:@{self.name()}': 'refused',
            f'vsock-mux:{self.name()}:80': 'No such file',
        }
        for endpoint, reason in endpoints.items():
            for mode in 'stream', 'rr', 'crr', 'churn', 'idle':
                with self.subTest(endpoint=endpoint, mode=mode):
                    run = self.load(endpoint, mode, *SHORT, status=load.UNAVAILABLE)
                    self.one_problem(run, f'{endpoint}: ', reason, REMEDY)
                    self.errors(run, connect=1)

    def test_no_such_name(self):
        run = self.begin_load('tcp:no-such-host.invalid:80', 'rr', *SHORT)
        self.assertEqual(run.wait(30), load.UNAVAILABLE)
        self.one_problem(run, 'no-such-host.invalid', 'does not resolve')

    def test_refused_by_the_multiplexer(self):
        mux = load.Mux(self, self.load_serve('unix'), 1024)
        endpoint = mux.endpoint.replace(':1024', ':1025')
        run = self.load(endpoint, 'rr', *SHORT, status=load.UNAVAILABLE)
        self.one_problem(run, f'{endpoint}: ', REMEDY)
        self.errors(run, connect=1)

    def test_a_proxy_without_target(self):
        """The proxy accepts and resets: no server answered the header."""
        proxy = self.proxy(('tcp', f'unix:{self.name()}'))
        for mode in 'stream', 'rr', 'crr':
            with self.subTest(mode):
                run = self.load(proxy.endpoint, mode, *SHORT, status=load.UNAVAILABLE)
                self.one_problem(run, f'{proxy.endpoint}: ')
                self.errors(run, connect=1)

    def test_vsock_without_a_host(self):
        """Refused by name, where it can be told without asking AF_VSOCK."""
        run = self.begin_load('guest:web1:80', 'rr', *SHORT)
        self.assertEqual(run.wait(), load.USAGE)
        self.one_problem(run, 'guest:web1:80')


def silent(sock):
    """Says and reads nothing, for as long as the connection lasts."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    poll.poll()


class OtherServers(Kept):
    """What answers is no server of this version: 69, by a deadline, however it behaves."""

    MODES = 'rr', 'crr', 'stream', 'idle'

    def answers(self, session, *patterns, modes=MODES):
        """In every mode at once: what they wait for is a deadline of 5 s."""
        servers = [load.FakeServer(self, session) for _ in modes]
        runs = [self.begin_load(server.endpoint, mode, *SHORT) for server, mode in zip(servers, modes)]
        for mode, server, run in zip(modes, servers, runs):
            with self.subTest(mode):
                self.assertEqual(run.wait(30), load.UNAVAILABLE, run.text[-2000:])
                self.one_problem(run, f'{server.endpoint}: ', *patterns)
                self.errors(run, connect=1)

    def test_another_version(self):
        def session(sock):
            load.read_header(sock)
            sock.sendall(load.WRONG_VERSION)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)
        self.answers(session, 'version', 'use the same vsluice-load')

    def test_garbage(self):
        def session(sock):
            sock.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
            sock.recv(1)
        self.answers(session, REMEDY)

    def test_less_than_an_answer(self):
        def session(sock):
            load.read_header(sock)
            sock.sendall(b'VSLL')
            sock.shutdown(socket.SHUT_RDWR)
        self.answers(session, REMEDY)

    def test_closes_at_once(self):
        self.answers(lambda sock: sock.shutdown(socket.SHUT_RDWR), REMEDY)

    def test_never_answers(self):
        """Silence has a deadline, in every mode, and a signal ends it at once."""
        self.answers(silent, REMEDY, modes=('rr', 'stream', 'idle'))

    def test_never_answers_crr(self):
        server = load.FakeServer(self, silent)
        run = self.load(server.endpoint, 'crr', *SHORT, status=(load.UNAVAILABLE, load.IOERR))
        self.one_problem(run, f'{server.endpoint}: ')

    def test_a_signal_ends_the_wait(self):
        server = load.FakeServer(self, silent)
        run = self.begin_load(server.endpoint, 'rr', *SHORT)
        time.sleep(0.3 * SLOWNESS)
        run.signal(signal.SIGTERM)
        run.wait(5)
        self.assertNotEqual(run.popen.returncode, 0)
        self.summary(run)

    def test_never_accepts(self):
        """A backlog that is full: connect(2) itself has no end."""
        path = self.name('.sock')
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(path)
            run = self.load(f'unix:{path}', 'rr', *SHORT, status=load.UNAVAILABLE)
            self.one_problem(run, f'unix:{path}: ')

    def test_a_client_of_another_version(self):
        """The server tells its own version, and serves on."""
        server, endpoint = self.load_server(self.listen('unix'))
        for header in (load.HEADER.pack(b'VSLL', 9, 3, 0, 1, 0, 64, 64), load.HEADER.pack(b'HTTP', 1, 3, 0, 1, 0, 64, 64),
                       load.HEADER.pack(b'VSLL', 1, 4, 0, 1, 0, 64, 64), load.HEADER.pack(b'VSLL', 1, 3, 0, 1, 0, 0, 64)):
            sock = self.dial(endpoint)
            sock.sendall(header)
            magic, version, status = load.ANSWER.unpack(load.receive_exactly(sock, load.ANSWER.size))
            self.assertEqual((magic, version), (b'VSLL', 1))
            self.assertEqual(status, 1 if header[4] == 9 else 2)
            self.assertEqual(sock.recv(1), b'')
        self.load(endpoint, 'rr', *SHORT)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)


class Broken(Kept):
    """Connections that break in the middle: 74, and what came before is told."""

    def test_the_server_is_killed(self):
        for mode, *options in (('rr', '--connections', 3), ('stream', '--direction', 'both'), ('stream', '--direction', 'up'),
                               ('rr', '--rate', 500), ('idle', '--connections', 10)):
            with self.subTest(mode=mode, options=options):
                server, endpoint = self.load_server(self.listen('tcp'))
                run = self.begin_load(endpoint, mode, *LONG, *options)
                time.sleep(0.7 * SLOWNESS)
                server.kill()
                self.assertEqual(run.wait(10), load.IOERR, run.text)
                self.one_problem(run, f'{endpoint}: ')
                result = self.summary(run)
                self.assertGreaterEqual(result['errors']['reset'] + result['errors']['closed'], 1)
                if mode != 'idle':
                    self.assertGreater(result['throughput']['completed'], 0)
                self.assertLess(result['throughput']['seconds'], 10 * SLOWNESS)

    def test_the_server_stops_in_the_middle_of_crr(self):
        """Each of its requests is a connection: now they cannot be made."""
        server, endpoint = self.load_server(self.listen('tcp'))
        run = self.begin_load(endpoint, 'crr', '--warmup', '0s', '--duration', '1500ms', '--rate', '200')
        time.sleep(0.7 * SLOWNESS)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(10), 0)
        self.assertIn(run.wait(15), (load.UNAVAILABLE, load.IOERR))
        self.one_problem(run, f'{endpoint}: ')
        result = self.summary(run)
        self.assertGreater(result['errors']['connect'], 50)
        self.assertGreater(result['throughput']['completed'], 50)

    def test_reset_by_a_relay(self):
        """One of the connections; the others go on to the end."""
        endpoint = self.load_serve('tcp')
        broken = []

        def change(direction, offset, data):
            if direction == 'up' and offset > 500 and not broken:
                broken.append(True)
            elif direction != 'up' or offset <= 500 or len(broken) != 1:
                return data
            broken.append(True)
            return None
        relay = load.Relay(self, endpoint, change)
        run = self.load(relay.endpoint, 'rr', '--connections', 4, '--verify', *SHORT, status=load.IOERR)
        self.one_problem(run, f'{relay.endpoint}: ', 'reset')
        self.assertEqual(self.errors(run, reset=1), {'reset': 1})
        self.assertGreater(run.result['throughput']['completed'], 100 / SLOWNESS)

    def test_closed_too_early(self):
        """An end-of-file where answers were to come."""
        for mode in 'rr', 'crr':
            with self.subTest(mode):
                def session(sock):
                    header = load.read_header(sock)
                    sock.sendall(load.WELCOME)
                    load.receive_exactly(sock, header['request'])
                    sock.sendall(bytes(header['response'] - 1))
                    sock.shutdown(socket.SHUT_RDWR)
                server = load.FakeServer(self, session)
                run = self.load(server.endpoint, mode, *SHORT, status=load.IOERR)
                self.one_problem(run, f'{server.endpoint}: ')
                self.errors(run, closed=1)

    def test_requests_without_an_answer(self):
        """The end of the run waits for them, and not for ever."""
        def session(sock):
            load.read_header(sock)
            sock.sendall(load.WELCOME)
            while sock.recv(4096):
                pass
        for mode, *options in (('rr', '--depth', 5), ('rr', '--rate', 100), ('crr', '--connections', 5), ('idle', '--connections', 5)):
            with self.subTest(mode=mode, options=options):
                server = load.FakeServer(self, session)
                run = self.load(server.endpoint, mode, *SHORT, *options, status=load.IOERR)
                self.one_problem(run, f'{server.endpoint}: ')
                self.errors(run, timeout=5)


class WrongBytes(Kept):
    """65: one byte that is not the one sent, in either direction, is found in every mode; without --verify it is not looked for."""

    CASES = {
        ('up', 'rr'): (), ('up', 'crr'): (), ('up', 'stream'): ('--direction', 'up'), ('up', 'stream both'): ('--direction', 'both'),
        ('down', 'rr'): (), ('down', 'crr'): (), ('down', 'stream'): ('--direction', 'down'),
        ('down', 'stream both'): ('--direction', 'both'),
    }

    def relay(self, wrong):
        """Flips a bit of the last byte of the first load of a direction."""
        def change(direction, offset, data):
            known = load.HEADER.size if direction == 'up' else load.ANSWER.size
            if direction != wrong or offset + len(data) <= known:
                return data
            return data[:-1] + bytes([data[-1] ^ 1])
        server, endpoint = self.load_server(self.listen('tcp'))
        return server, load.Relay(self, endpoint, change)

    def test_wrong_bytes(self):
        for (wrong, mode), options in self.CASES.items():
            with self.subTest(wrong=wrong, mode=mode):
                server, relay = self.relay(wrong)
                run = self.load(relay.endpoint, mode.split()[0], '--verify', *SHORT, *options, status=load.DATAERR)
                self.one_problem(run, f'{relay.endpoint}: ', 'bytes')
                self.assertGreaterEqual(self.summary(run)['errors']['verify'], 1)
                if wrong == 'up':
                    server.wait_lines('the bytes received are not the ones sent')

    def test_not_looked_for(self):
        for wrong in 'up', 'down':
            _, relay = self.relay(wrong)
            self.load(relay.endpoint, 'rr', *SHORT)


class Files(Kept):
    """73: a file that cannot be written; the summary is printed all the same, and what stood there stays."""

    def setUp(self):
        super().setUp()
        self.endpoint = self.load_serve('unix')

    def cannot(self, path, option, reason):
        run = self.load(self.endpoint, 'rr', *SHORT, option, path, status=load.CANTCREAT)
        self.one_problem(run, path, reason)
        self.assertTrue(run.matches('^  measured'))
        return run

    def test_disk_full(self):
        for option in '--json', '--hgrm':
            with self.subTest(option):
                self.cannot('/dev/full', option, 'No space left')

    def test_full_file_system(self):
        """A tmpfs of 8 KiB in a mount namespace of its own: the old file stays, no temporary one is left."""
        if os.getuid() != 0:
            self.skipTest('needs root, to mount')
        for option in '--json', '--hgrm':
            with self.subTest(option):
                folder = self.name('.full')
                os.mkdir(folder)
                script = ('mount -t tmpfs -o size=8k tmpfs "$1" && echo old >"$1/file" && head -c 4096 /dev/zero >"$1/filler" || exit 9; '
                          'shift; "$@"; status=$?; cat "$0/file"; ls -A "$0"; exit $status')
                run = self.begin_load(self.endpoint, 'rr', *SHORT, option, f'{folder}/file',
                                      before=['unshare', '-m', 'sh', '-c', script, folder, folder])
                status = run.wait(20)
                if status == 9 or run.matches('unshare failed'):
                    self.skipTest('no mount namespaces here')
                self.assertEqual(status, load.CANTCREAT, run.text)
                self.one_problem(run, f'{folder}/file', 'No space left')
                self.assertTrue(run.matches('^  measured'))
                self.assertTrue(run.matches('^old$'), run.text)
                self.assertEqual([line for _, line in run.lines[-2:]], ['file', 'filler'], run.text)

    def test_no_such_folder(self):
        for option in '--json', '--hgrm':
            with self.subTest(option):
                self.cannot(f'{self.dir}/none/file', option, 'No such file')

    def test_a_folder(self):
        for option in '--json', '--hgrm':
            with self.subTest(option):
                self.cannot(self.dir, option, 'directory')

    def test_the_other_file_is_written(self):
        """One that fails does not keep the other from being written."""
        path = self.name('.json')
        run = self.load(self.endpoint, 'rr', *SHORT, '--json', path, '--hgrm', '/dev/full', status=load.CANTCREAT)
        self.one_problem(run, '/dev/full')
        with open(path) as file:
            self.assertTrue(json.load(file)['throughput']['completed'])
        path = self.name('.hgrm')
        self.load(self.endpoint, 'rr', *SHORT, '--json', '/dev/full', '--hgrm', path, status=load.CANTCREAT)
        with open(path) as file:
            self.assertIn('#[Mean', file.read())

    def test_a_worse_end_of_the_run_is_told(self):
        """Broken connections are told before a file that cannot be written, and both have a line."""
        run = self.begin_load(f'unix:{self.name()}', 'rr', *SHORT, '--json', '/dev/full')
        self.assertEqual(run.wait(), load.UNAVAILABLE)
        self.assertEqual(len(run.problems), 2, run.text)

    def test_standard_output_full(self):
        """A summary that nobody can read is no success."""
        with open('/dev/full', 'w') as full:
            done = subprocess.run([load.LOAD, 'run', self.endpoint, '--mode', 'rr', *SHORT], stdout=full, stderr=subprocess.PIPE,
                                  timeout=20 * SLOWNESS)
        self.assertIn(done.returncode, (load.CANTCREAT, load.IOERR), done.stderr)

    def test_standard_output_closed(self):
        """A reader that went away ends no run before its result is written."""
        path = self.name('.json')
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, 'wb') as out:
            done = subprocess.run([load.LOAD, 'run', self.endpoint, '--mode', 'rr', *SHORT, '--json', path], stdout=out,
                                  stderr=subprocess.PIPE, timeout=20 * SLOWNESS)
        self.assertGreaterEqual(done.returncode, 0, 'killed by a signal')
        with open(path) as file:
            self.assertTrue(json.load(file)['throughput']['completed'])


class Signals(Kept):
    """SIGINT and SIGTERM end a run early; what was measured is told and written."""

    def stopped(self, number, mode, *options, kind='unix'):
        endpoint = self.load_serve(kind)
        hgrm = self.name('.hgrm')
        run = self.begin_load(endpoint, mode, *LONG, '--hgrm', hgrm, *options)
        time.sleep(1.3 * SLOWNESS)
        run.signal(number)
        begun = time.monotonic()
        self.assertIn(run.wait(10), load.DONE, run.text)
        self.assertLess(time.monotonic() - begun, 3 * SLOWNESS)
        result = self.summary(run)
        self.assertEqual(sum(result['errors'].values()), 0, run.text)
        self.assertGreater(result['throughput']['completed'], 0)
        self.assertGreater(result['throughput']['seconds'], 0.5)
        self.assertLess(result['throughput']['seconds'], 5 * SLOWNESS)
        self.assertEqual(sum(interval['completed'] for interval in result['intervals']), result['throughput']['completed'])
        self.assertTrue(os.path.exists(hgrm))
        return result

    def test_every_mode(self):
        for number in signal.SIGINT, signal.SIGTERM:
            for mode, *options in (('rr', '--connections', 2), ('rr', '--rate', 500), ('crr',), ('churn', '--rate', 100),
                                   ('stream', '--direction', 'both'), ('idle', '--connections', 10)):
                with self.subTest(number=number, mode=mode, options=options):
                    self.stopped(number, mode, *options, '--threads', 1)

    def test_several_threads(self):
        self.stopped(signal.SIGINT, 'rr', '--connections', 4, '--threads', 4)

    def test_in_the_warm_up(self):
        """Nothing was measured: that is told, and no figure is made up."""
        endpoint = self.load_serve('unix')
        run = self.begin_load(endpoint, 'rr', '--warmup', '60s', '--duration', '1s')
        time.sleep(0.5 * SLOWNESS)
        run.signal(signal.SIGINT)
        run.wait(5)
        result = self.summary(run)
        self.assertEqual(result['throughput']['completed'], 0)
        self.assertLess(result['throughput']['seconds'], 0.1)

    def test_the_server(self):
        """Ends its connections, removes its socket file, and leaves with 0."""
        for number in signal.SIGINT, signal.SIGTERM:
            server, endpoint = self.load_server(self.listen('unix'), '--threads', 3)
            run = self.begin_load(endpoint, 'rr', *LONG, '--connections', 6)
            time.sleep(0.4 * SLOWNESS)
            server.signal(number)
            self.assertEqual(server.wait(10), 0)
            self.assertFalse(os.path.exists(endpoint[5:]))
            self.assertEqual(run.wait(10), load.IOERR)
            self.assertEqual(server.text, f'serving on {endpoint}')


class Serving(Kept):
    def refused(self, listen, *patterns, status=load.UNAVAILABLE, **more):
        server = self.start(harness.Process([load.LOAD, 'serve', listen], 'serve', **more))
        self.assertEqual(server.wait(10), status, server.text)
        self.assertRegex(server.text, r'^vsluice-load[^\n]*$')
        for pattern in (listen, *patterns):
            self.assertIn(pattern, server.text)

    def test_second_instance(self):
        """The first is not disturbed."""
        for kind in 'unix', 'tcp', 'abstract':
            with self.subTest(kind):
                _, endpoint = self.load_server(self.listen(kind))
                self.refused(endpoint, 'in use')
                self.load(endpoint, 'rr', '--verify', *SHORT)

    def test_a_stale_socket_file(self):
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        _, endpoint = self.load_server(f'unix:{path}')
        self.load(endpoint, 'rr', *SHORT)

    def test_a_file_that_is_no_socket(self):
        """Is not touched."""
        path = self.name('.txt')
        with open(path, 'w') as file:
            file.write('mine')
        self.refused(f'unix:{path}')
        with open(path) as file:
            self.assertEqual(file.read(), 'mine')

    def test_cannot(self):
        self.refused(f'unix:{self.dir}/none/socket', 'No such file')
        self.refused('tcp:192.0.2.1:0', 'assign')
        self.refused('vsock:somewhere:1', status=load.USAGE)


class Descriptors(Kept):
    """RLIMIT_NOFILE is too low: told before anything is opened, by the generator; the server serves whom it can."""

    def test_the_generator(self):
        endpoint = self.load_serve('unix')
        run = self.begin_load(endpoint, 'idle', '--connections', 500, *SHORT, before=['prlimit', '--nofile=100:100'])
        self.assertEqual(run.wait(), load.OSERR)
        self.one_problem(run, '--connections 500', '100', 'ulimit')

    def test_the_soft_limit_is_raised(self):
        endpoint = self.load_serve('unix')
        self.load(endpoint, 'idle', '--connections', 300, *SHORT, before=['prlimit', '--nofile=100:1000'])

    def test_the_server(self):
        """Goes on when descriptors are free again."""
        server = self.start(harness.Process(['prlimit', '--nofile=60:60', load.LOAD, 'serve', self.listen('unix')], 'serve'))
        endpoint = server.wait_lines(r'^serving on (\S+)$')[0][1]
        run = self.begin_load(endpoint, 'idle', '--connections', 100, *SHORT)
        self.assertIn(run.wait(30), (load.UNAVAILABLE, load.IOERR), run.text)
        self.summary(run)
        self.load(endpoint, 'rr', '--verify', *SHORT)


class Usage(load.LoadCase):
    """64: every option, told by its name, before anything is connected."""

    BAD = (
        (), ('--mode',), ('--mode', 'rrr'), ('--mode', 'rr', '--connections', '0'), ('--mode', 'rr', '--connections', '-1'),
        ('--mode', 'rr', '--connections', '1x'), ('--mode', 'rr', '--connections', '1000001'), ('--mode', 'rr', '--connections', ''),
        ('--mode', 'rr', '--threads', '0'), ('--mode', 'rr', '--threads', '65'), ('--mode', 'rr', '--threads', '2'),
        ('--mode', 'rr', '--duration', '0'), ('--mode', 'rr', '--duration', '10'), ('--mode', 'rr', '--duration', '1 s'),
        ('--mode', 'rr', '--duration', '-1s'), ('--mode', 'rr', '--duration', 'forever'), ('--mode', 'rr', '--warmup', '1'),
        ('--mode', 'stream', '--direction', 'left'), ('--mode', 'stream', '--size', '0'), ('--mode', 'stream', '--size', '3G'),
        ('--mode', 'stream', '--size', '1T'), ('--mode', 'rr', '--request', '0'), ('--mode', 'rr', '--request', 'x'),
        ('--mode', 'rr', '--response', '-5'), ('--mode', 'rr', '--depth', '0'), ('--mode', 'rr', '--depth', '65537'),
        ('--mode', 'rr', '--rate', '-1'), ('--mode', 'rr', '--rate', 'nan'), ('--mode', 'rr', '--rate', 'inf'),
        ('--mode', 'rr', '--rate', '2e9'), ('--mode', 'rr', '--rate', '10/s'), ('--mode', 'rr', '--arrival', 'random'),
        ('--mode', 'stream', '--rate', '5'), ('--mode', 'idle', '--rate', '5'), ('--mode', 'rr', '--seed', '-1'),
        ('--mode', 'rr', '--seed', '18446744073709551616'), ('--mode', 'rr', '--seed', 'x'), ('--mode', 'rr', '--json'),
        ('--mode', 'rr', '--hgrm'), ('--mode', 'rr', '--label'), ('--mode', 'rr', '--verify=no'), ('--mode', 'rr', '--nonsense'),
        ('--mode', 'rr', '-x'), ('--mode', 'rr', 'unix:/second'),
    )

    def usage(self, *argv):
        process = self.start(harness.Process([load.LOAD, *argv], ' '.join(argv)))
        self.assertEqual(process.wait(10), load.USAGE, process.text)
        self.assertIn('vsluice-load', process.text.split('\n')[0])
        return process.text

    def test_run(self):
        missing = f'unix:{self.name()}'  # where a connection would be refused with 69
        for options in self.BAD:
            with self.subTest(options):
                text = self.usage('run', missing, *options)
                named = options[-2:][0] if len(options) > 2 else '--mode'
                if named not in ('rr', '-x', '--mode'):
                    self.assertIn(named.split('=')[0].lstrip('-'), text)
                self.assertLessEqual(text.count('\n'), 1, text)

    def test_run_without_an_endpoint(self):
        self.assertIn('ENDPOINT', self.usage('run', '--mode', 'rr'))

    def test_endpoints(self):
        for endpoint in '', 'tcp', 'tcp:127.0.0.1', 'tcp:127.0.0.1:0', 'tcp:127.0.0.1:70000', 'tcp:*:80', 'unix:relative', 'http://x', \
                'vsock:3', 'vsock:any:5', 'vsock-mux:/x', 'fd:3', 'guest:a:1':
            with self.subTest(endpoint):
                self.assertIn(endpoint.split(':')[0], self.usage('run', endpoint, '--mode', 'rr'))

    def test_serve(self):
        path = f'unix:{self.name()}'
        for options in ((), (path, path), (path, '--threads', '0'), (path, '--threads', '65'), (path, '--threads', 'x'),
                        (path, '--threads', '2x'), (path, '--threads', '-1'), (path, '--stall', '1'), (path, '--stall-after', 'soon'),
                        (path, '--nonsense'), ('nonsense:1',), ('guest:a:1',), ('fd:3',)):
            with self.subTest(options):
                self.usage('serve', *options)

    def test_commands(self):
        self.usage()
        self.assertIn("'serv'", self.usage('serv'))
        for option in '--help', '--version':
            process = self.start(harness.Process([load.LOAD, option], option))
            self.assertEqual(process.wait(), 0)
            self.assertIn('vsluice-load', process.text)


class WrongResults(load.LoadCase):
    """compare and report on what is no result."""

    def test_wrong_files(self):
        endpoint = self.load_serve('unix')
        good = self.load(endpoint, 'rr', *SHORT).path
        texts = {
            'empty': '', 'no JSON': '{"schema": ', 'a list': '[]', 'no schema': '{}', 'another schema': '{"schema": "vsluice-load/2"}',
            'a member is missing': json.dumps({name: value for name, value in self.result(good).items() if name != 'latency'}),
            'a wrong type': json.dumps({**self.result(good), 'throughput': 5}),
            'a histogram that does not add up': json.dumps({**self.result(good), 'latency': {**self.result(good)['latency'], 'count': 1}}),
        }
        for name, text in texts.items():
            path = self.name('.json')
            with open(path, 'w') as file:
                file.write(text)
            for argv in (['compare', good, '--', path], ['compare', path, '--', good], ['report', good, path, '-o', self.name('.html')]):
                with self.subTest(name, command=argv[0]):
                    self.told(argv, path, 65)

    def result(self, path):
        with open(path) as file:
            return json.load(file)

    def told(self, argv, path, status):
        process = self.start(harness.Process([load.LOAD, *argv], argv[0]))
        self.assertEqual(process.wait(10), status, process.text)
        self.assertEqual(process.text.count('\n'), 0, process.text)
        self.assertIn(path, process.text)
        if '-o' in argv:
            self.assertFalse(os.path.exists(argv[-1]))

    def test_files_that_cannot_be_read(self):
        good = self.load(self.load_serve('unix'), 'rr', *SHORT).path
        for path in self.name('.json'), self.dir:
            with self.subTest(path):
                self.told(['compare', good, '--', path], path, 66)
                self.told(['report', path, '-o', self.name('.html')], path, 66)

    def test_a_report_that_cannot_be_written(self):
        good = self.load(self.load_serve('unix'), 'rr', *SHORT).path
        for path in '/dev/full', f'{self.dir}/none/report.html':
            process = self.start(harness.Process([load.LOAD, 'report', good, '-o', path], 'report'))
            self.assertEqual(process.wait(10), load.CANTCREAT, process.text)
            self.assertIn(path, process.text)


if __name__ == '__main__':
    harness.main()
