"""The program as its users meet it: commands, exit statuses, messages, sockets handed to it."""

import os
import re
import shutil
import signal
import socket
import subprocess

import harness
from harness import CONFIG, IOERR, NOPERM, REFUSE, SLOWNESS, UNAVAILABLE, USAGE, VSLUICE, read_all


class Commands(harness.TestCase):
    def vsluice(self, *arguments, status=0, seconds=20, **more):
        done = subprocess.run([VSLUICE, *arguments], capture_output=True, text=True, timeout=seconds * SLOWNESS,
                              stdin=subprocess.DEVNULL, **more)
        self.assertEqual(done.returncode, status, f'{arguments}: {done.stdout}{done.stderr}')
        self.assertIsNone(harness.SANITIZER.search(done.stderr), done.stderr)
        return done

    def file(self, text, name='vsluice.conf'):
        path = f'{self.dir}/{name}'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)
        return path

    def test_help(self):
        for arguments in (['--help'], ['-h'], ['help']):
            done = self.vsluice(*arguments)
            self.assertEqual(done.stderr, '')
            for word in ('run', 'check', 'connect', 'doctor', '--version', 'vsock:CID:PORT', 'vsock-mux:'):
                self.assertIn(word, done.stdout)

    def test_version(self):
        self.assertRegex(self.vsluice('--version').stdout, r'^vsluice \d+\.\d+\.\d+')

    def test_output_that_cannot_be_written(self):
        path = self.file('[route a]\nlisten = unix:/x\ntarget = unix:/y\n')
        for arguments in (['--help'], ['--version'], ['doctor'], ['check', '-c', path]):
            with self.subTest(arguments=arguments), open('/dev/full', 'w') as full:
                done = subprocess.run([VSLUICE, *arguments], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual((done.returncode, done.stderr), (IOERR, 'vsluice: standard output cannot be written\n'))

    def test_usage_errors(self):
        for arguments in ([], ['frobnicate'], ['run', '--frobnicate'], ['run', '-c'], ['run', 'no-route'],
                          ['run', 'tcp:127.0.0.1:1=nonsense'], ['connect'], ['connect', 'a', 'b'], ['connect', 'tcp:x'],
                          ['connect', '--timeout', 'soon', 'unix:/x'], ['connect', '--timeout', '0', 'unix:/x'],
                          ['connect', 'tcp:*:80'], ['check', '--frobnicate']):
            with self.subTest(arguments=arguments):
                done = self.vsluice(*arguments, status=USAGE)
                self.assertEqual(done.stdout, '')
                self.assertIn('vsluice', done.stderr)

    def test_nothing_to_do(self):
        """No route at all is no configuration."""
        self.vsluice('run', '-c', self.file('[global]\n'), status=CONFIG)

    def test_check_prints_the_table(self):
        path = self.file('[guest web1]\naddress = vsock:3\n'
                         '[route web]\nlisten = tcp:127.0.0.1:8080\ntarget = guest:web1:80\n')
        done = self.vsluice('check', '-c', path, 'unix:/tmp/x=tcp:localhost:22')
        self.assertEqual(done.stderr, '')
        self.assertRegex(done.stdout, r'(?m)^web\s+tcp:127.0.0.1:8080\s+guest:web1:80')
        self.assertRegex(done.stdout, r'unix:/tmp/x\s+tcp:localhost:22')

    def test_check_opens_nothing(self):
        path = self.name('.sock')
        self.vsluice('check', f'unix:{path}=tcp:127.0.0.1:1')
        self.assertFalse(os.path.exists(path))

    def test_all_mistakes_in_one_go(self):
        path = self.file('[globel]\n'                        # 1
                         '[route web]\n'                     # 2
                         'listn = tcp:127.0.0.1:8080\n'      # 3
                         'target = vsock:3:99999999999\n'    # 4
                         'just words\n'                      # 5
                         '[route web]\n'                     # 6
                         'listen = tcp:127.0.0.1:70000\n'    # 7
                         'target = guest:nobody:80\n'        # 8
                         'connect-timeout = soon\n')         # 9
        for command in ('check', 'run'):
            done = self.vsluice(command, '-c', path, status=CONFIG)
            self.assertEqual(done.stdout, '')
            for line, words in ((1, 'global'), (3, 'listen'), (4, '99999999999|port'), (5, ''), (6, 'web'),
                                (7, '70000|port'), (8, 'nobody'), (9, 'soon|duration')):
                self.assertRegex(done.stderr, rf'(?m)^{path}:{line}: .*({words})', f'line {line}')

    def test_file_cannot_be_read(self):
        self.assertIn('no/such.conf', self.vsluice('run', '-c', f'{self.dir}/no/such.conf', status=CONFIG).stderr)

    def test_drop_in_and_command_line_collide(self):
        path = self.file('[route a]\nlisten = tcp:127.0.0.1:8080\ntarget = unix:/x\n')
        extra = self.file('[route b]\nlisten = tcp:*:8080\ntarget = unix:/x\n', 'vsluice.conf.d/10-b.conf')
        done = self.vsluice('check', '-c', path, status=CONFIG)
        self.assertRegex(done.stderr, rf'(?m)^{extra}:2: .*{path}:2')

    def test_doctor(self):
        text = self.vsluice('doctor').stdout
        for word in ('Linux', 'io_uring', 'engine', 'open files', 'vsock'):
            self.assertIn(word, text)

    FEATURES = ('multishot-accept', 'multishot-receive', 'buffer-rings', 'defer-taskrun', 'restrictions')
    OTHERS = ('no-sqarray', 'bundles', 'incremental-buffers', 'fixed-files')

    def features(self, wish):
        """What doctor says of each feature of io_uring."""
        text = self.vsluice('doctor', env={**os.environ, 'VSLUICE_RING': wish}).stdout
        if re.search('(?m)^io_uring .*refused', text):
            self.skipTest('needs io_uring')
        return {name: re.search(rf'(?m)^ +{name} +(.*)$', text)[1] for name in (*self.FEATURES, *self.OTHERS)}

    def test_doctor_tells_features(self):
        there = self.features('')
        for name, says in there.items():
            self.assertRegex(says, '^used$|^not used: .')
        off = 'not used: switched off by VSLUICE_RING'
        self.assertEqual(self.features('no-multishot-accept,no-defer-taskrun'),
                         {**there, 'multishot-accept': off, 'defer-taskrun': off})
        self.assertEqual(self.features('minimal'), {**there, **dict.fromkeys(self.FEATURES, off)})
        text = self.vsluice('doctor', env={**os.environ, 'VSLUICE_RING': 'epoll'}).stdout
        self.assertNotIn('multishot', text)
        self.assertRegex(text, r'engine\s+epoll')


class Run(harness.TestCase):
    def relays(self, endpoint, listener):
        sock = self.dial(endpoint)
        accepted = self.accept(listener)
        sock.sendall(b'question')
        self.assertEqual(accepted.recv(100), b'question')
        accepted.sendall(b'answer')
        accepted.close()
        self.assertEqual(read_all(sock), b'answer')
        sock.close()

    def test_routes_of_file_drop_ins_and_command_line(self):
        listener, target = self.listener('unix')
        base = f'{self.dir}/base.conf'
        os.mkdir(f'{base}.d')
        for path, name in ((base, 'one'), (f'{base}.d/a.conf', 'two'), (f'{base}.d/b.conf', 'three')):
            with open(path, 'w') as file:
                file.write(f'[route {name}]\nlisten = tcp:127.0.0.1:0\n  unix:{self.dir}/{name}.sock\n'
                           f'target = {target}\n')
        proxy = self.proxy('-c', base, f'unix:{self.dir}/four.sock={target}')
        self.assertEqual(len(proxy.matches('^listening on')), 7)
        for match in proxy.matches(r'^listening on (\S+)'):
            with self.subTest(endpoint=match[1]):
                self.relays(match[1], listener)
        proxy.stop()

    def test_all_addresses_of_both_families(self):
        listener, target = self.listener('unix')
        proxy = self.proxy(f'tcp:*:0={target}')
        port = re.fullmatch(r'tcp:127.0.0.1:(\d+)', proxy.endpoint)[1]
        for host in ('127.0.0.1', '[::1]', '127.0.0.2'):
            with self.subTest(host=host):
                self.relays(f'tcp:{host}:{port}', listener)
        proxy.stop()

    def test_one_family_is_one_family(self):
        listener, target = self.listener('unix')
        proxy = self.proxy(f'tcp:[::1]:0={target}', f'tcp:[::]:0={target}')
        one, every = (match[1] for match in proxy.matches(r'^listening on (\S+)'))
        self.relays(one, listener)
        port = every.rpartition(':')[2]
        self.relays(f'tcp:[::1]:{port}', listener)
        with self.assertRaises(ConnectionRefusedError):
            self.dial(f'tcp:127.0.0.1:{port}')
        proxy.stop()

    def test_name_to_listen_on(self):
        listener, target = self.listener('unix')
        proxy = self.proxy(f'tcp:localhost:0={target}')
        for match in proxy.matches(r'^listening on (\S+)'):
            self.relays(match[1], listener)
        proxy.stop()

    def test_name_as_target_is_tried_at_every_address(self):
        """localhost may be ::1 and 127.0.0.1: whichever listens is found."""
        listener, target = self.listener('tcp')
        proxy = self.proxy(f'unix:{self.dir}/s={target.replace("127.0.0.1", "localhost")}')
        for _ in range(5):
            self.relays(f'unix:{self.dir}/s', listener)
        proxy.stop()

    def test_tcp_options(self):
        """Keepalive is on, on both sides."""
        if not shutil.which('ss'):
            self.skipTest('needs ss (iproute2)')
        listener, target = self.listener('tcp')
        proxy = self.proxy(('tcp', target))
        self.relays(proxy.endpoint, listener)
        sock = self.dial(proxy.endpoint)
        accepted = self.accept(listener)
        ports = {sock.getsockname()[1], accepted.getpeername()[1]}
        text = subprocess.run(['ss', '-Htnoe', 'state', 'established'], capture_output=True, text=True).stdout
        alive = [set(map(int, re.findall(r':(\d+)', line))) for line in text.split('\n') if 'keepalive' in line]
        self.assertEqual(len([pair for pair in alive if pair & ports]), 2, text)
        sock.close()
        accepted.close()
        proxy.stop()


class Activation(harness.TestCase):
    """Listening sockets that systemd would hand over."""

    WRAPPER = 'export LISTEN_PID=$$; exec 3<&{} 4<&{}; exec "$@"'

    def activated(self, *routes, fds='2', names='web:local', ready=True):
        web, self.web = self.listener('tcp')
        local, self.local = self.listener('unix')
        self.target, endpoint = self.listener('unix')
        wrapper = self.WRAPPER.format(web.fileno(), local.fileno())
        argv = ['bash', '-c', wrapper, 'bash', VSLUICE, 'run', *[f'{route}={endpoint}' for route in routes]]
        proxy = self.start(harness.Proxy(argv, pass_fds=(web.fileno(), local.fileno()),
                                         env={**os.environ, 'LISTEN_FDS': fds, 'LISTEN_FDNAMES': names}))
        return proxy.wait_ready() if ready else proxy

    def relays(self, endpoint):
        sock = self.dial(endpoint)
        sock.sendall(b'hello')
        accepted = self.accept(self.target)
        self.assertEqual(accepted.recv(5), b'hello')
        sock.close()
        accepted.close()

    def test_by_number(self):
        proxy = self.activated('fd:3', 'fd:4')
        self.assertEqual(list(proxy.routes.values()), [self.web, self.local])
        self.relays(self.web)
        self.relays(self.local)
        proxy.stop()
        self.assertTrue(os.path.exists(self.local.removeprefix('unix:')), "it removed systemd's socket file")

    def test_by_name(self):
        proxy = self.activated('fd:local', 'fd:web')
        self.assertEqual(list(proxy.routes.values()), [self.local, self.web])
        self.relays(self.web)
        self.relays(self.local)
        proxy.stop()

    def test_no_such_name(self):
        proxy = self.activated('fd:other', ready=False)
        self.assertEqual(proxy.wait(), UNAVAILABLE)
        self.assertRegex(proxy.text, 'fd:other: .*FileDescriptorName')

    def test_no_such_descriptor(self):
        for route in ('fd:99', 'fd:0'):
            proxy = self.activated(route, ready=False)
            self.assertEqual(proxy.wait(), UNAVAILABLE)
            self.assertRegex(proxy.text, f'{route}: not an inherited listening stream socket')

    def test_meant_for_another_process(self):
        os.environ['LISTEN_PID'] = '1'
        self.addCleanup(os.environ.pop, 'LISTEN_PID')
        proxy = self.proxy('fd:web=unix:/x', ready=False,
                           env={**os.environ, 'LISTEN_FDS': '1', 'LISTEN_FDNAMES': 'web'})
        self.assertEqual(proxy.wait(), UNAVAILABLE)


class Refused(harness.TestCase):
    """Where io_uring is refused it says once which setting refuses it, and what to do, and goes on with epoll."""

    SAYS = {
        'EPERM': r'(io_uring_disabled|seccomp)',
        'ENOSYS': r'(seccomp|CONFIG_IO_URING)',
        'ENOMEM': r'RLIMIT_MEMLOCK.*(LimitMEMLOCK|ulimit -l)',
    }

    def setUp(self):
        super().setUp()
        wished = os.environ.pop('VSLUICE_RING', None)
        if wished is not None:
            self.addCleanup(os.environ.__setitem__, 'VSLUICE_RING', wished)

    def test_run(self):
        for error, says in self.SAYS.items():
            with self.subTest(error=error):
                server = self.serve('tcp', '--sessions', 20)
                proxy = self.start(harness.Proxy([REFUSE, error, VSLUICE, 'run',
                                                  f'unix:{self.name(".sock")}={server.endpoint}']))
                proxy.wait_ready()
                self.assertEqual(len(proxy.matches(f'io_uring is refused.*{error}.*{says}')), 1, proxy.text)
                self.assertEqual(len(proxy.matches('going on with epoll')), 1, proxy.text)
                self.peer('sessions', proxy.endpoint, '--sessions', 20)
                self.end_well(proxy, server)

    def test_no_other_engine(self):
        """io_uring and nothing else was asked for: exit 69."""
        path = self.name('.sock')
        proxy = self.start(harness.Proxy([REFUSE, 'EPERM', VSLUICE, 'run', f'unix:{path}=tcp:127.0.0.1:1'],
                                         env={**os.environ, 'VSLUICE_RING': 'io_uring'}))
        self.assertEqual(proxy.wait(), UNAVAILABLE)
        self.assertRegex(proxy.text, f'io_uring is refused.*EPERM.*{self.SAYS["EPERM"]}')
        self.assertEqual(len(proxy.lines), 1, proxy.text)
        self.assertFalse(os.path.exists(path), 'the socket is left behind')

    def test_unknown_engine(self):
        proxy = self.start(harness.Proxy([VSLUICE, 'run', 'tcp:127.0.0.1:0=tcp:127.0.0.1:1'],
                                         env={**os.environ, 'VSLUICE_RING': 'epol'}))
        self.assertEqual(proxy.wait(), CONFIG)
        self.assertRegex(proxy.text, 'VSLUICE_RING: epol: unknown')

    def test_connect(self):
        """Standard error is its user's: not a word."""
        listener, endpoint = self.listener('tcp')
        process = subprocess.Popen([REFUSE, 'EPERM', VSLUICE, 'connect', endpoint], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        accepted = self.accept(listener)
        process.stdin.write(b'question')
        process.stdin.close()
        self.assertEqual(read_all(accepted), b'question')
        accepted.sendall(b'answer')
        accepted.close()
        self.assertEqual(process.stdout.read(), b'answer')
        self.assertEqual(process.stderr.read(), b'')
        process.stdout.close()
        process.stderr.close()
        self.assertEqual(process.wait(), 0)

    def test_doctor(self):
        proxy = self.start(harness.Proxy([REFUSE, 'EPERM', VSLUICE, 'doctor']))
        self.assertEqual(proxy.wait(), 0)
        self.assertRegex(proxy.text, f'io_uring.*refused.*{self.SAYS["EPERM"]}')
        self.assertRegex(proxy.text, r'engine\s+epoll')

    def test_little_locked_memory(self):
        """The real thing, for somebody who has no privileges: kernels that count it fall back too."""
        argv = [*self.somebody_else(), 'prlimit', '--memlock=0']
        proxy = self.start(harness.Proxy([*argv, VSLUICE, 'run', 'tcp:127.0.0.1:0=tcp:127.0.0.1:1']))
        proxy.wait_ready()
        proxy.stop()


class Targets(harness.TestCase):
    """Targets that cannot be had: the initiator is closed with a reset, and the log says in words why."""

    def fails(self, target, token, seconds=2, config='', at_least=0.0):
        proxy = self.proxy(config=f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\n{config}')
        fds = proxy.fds()
        started = harness.time.monotonic()
        with self.assertRaises(ConnectionResetError):
            self.dial(proxy.endpoint, timeout=seconds + 5).recv(1)
        took = harness.time.monotonic() - started
        proxy.wait_lines('session 1: ended')
        self.assertEqual([match[1] for match in proxy.ended()], [token], proxy.text)
        self.assertRegex(proxy.text, rf'(?m)^route r session 1: ended: {token}: \w+.*{re.escape(target)}')
        self.assertLess(took, seconds * SLOWNESS)
        self.assertGreaterEqual(took, at_least)
        proxy.wait_fds(fds)
        proxy.stop()

    def free_tcp(self):
        listener, endpoint = self.listener('tcp')
        listener.close()
        return endpoint

    def test_refused(self):
        self.fails(self.free_tcp(), 'target-refused')
        self.fails('unix:@nobody-listens-here', 'target-refused')
        path = self.name('.sock')
        socket.socket(socket.AF_UNIX).bind(path)
        self.fails(f'unix:{path}', 'target-refused')

    def test_name_that_listens_nowhere(self):
        self.fails(self.free_tcp().replace('127.0.0.1', 'localhost'), 'target-refused')

    def test_missing(self):
        self.fails(f'unix:{self.dir}/none.sock', 'target-missing')

    def test_unresolved(self):
        self.fails('tcp:no-such-host.invalid:80', 'name-unresolved', seconds=8)

    def test_busy(self):
        """A full backlog is waited for, as long as connect-timeout lasts."""
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen(0)
            self.dial(f'unix:{path}')
            self.fails(f'unix:{path}', 'target-busy', config='connect-timeout = 500ms\n', at_least=0.45)

    def test_busy_for_a_while(self):
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            listener.settimeout(10)
            first = self.dial(f'unix:{path}')
            proxy = self.proxy(('tcp', f'unix:{path}'))
            sock = self.dial(proxy.endpoint)
            sock.sendall(b'patient')
            harness.time.sleep(0.5)
            self.accept(listener)
            self.assertEqual(self.accept(listener).recv(7), b'patient')
            first.close()
            proxy.signal(signal.SIGKILL)

    def test_initiator_leaves_while_the_target_is_busy(self):
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            self.dial(f'unix:{path}')
            proxy = self.proxy(('tcp', f'unix:{path}'))
            fds = proxy.fds()
            harness.reset(self.dial(proxy.endpoint))
            proxy.wait_lines('ended: initiator-left', seconds=1)
            proxy.wait_fds(fds, seconds=1)
            proxy.stop()

    def test_denied(self):
        argv = self.somebody_else()
        os.chmod(self.dir, 0o755)
        _, endpoint = self.listener('unix')
        os.chmod(endpoint.removeprefix('unix:'), 0o600)
        proxy = self.start(harness.Proxy([*argv, VSLUICE, 'run', f'tcp:127.0.0.1:0={endpoint}'])).wait_ready()
        with self.assertRaises(ConnectionResetError):
            self.dial(proxy.endpoint).recv(1)
        proxy.wait_lines('ended: target-denied')
        proxy.stop()
        done = subprocess.run([*argv, VSLUICE, 'connect', endpoint], stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, NOPERM, done.stderr)


if __name__ == '__main__':
    harness.main()
