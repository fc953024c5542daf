"""One route for many: ranges of ports, and routes for each guest, whose guests come and go as their sockets do."""

import contextlib
import os
import pathlib
import random
import selectors
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import SLOWNESS, VSLUICE, read_all, wait_until


def free_ports(count):
    """The first of so many TCP ports in a row that nobody listens on."""
    for _ in range(100):
        first = random.randrange(10000, 30000)
        sockets = [socket.socket() for _ in range(count)]
        try:
            for i, sock in enumerate(sockets):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(('127.0.0.1', first + i))
            return first
        except OSError:
            continue
        finally:
            for sock in sockets:
                sock.close()
    raise AssertionError('no free ports')


class Machines:
    """VMMs, each with a socket at a path: all say OK, the name of the guest and the port, and end."""

    def __init__(self, test):
        self.selector = selectors.DefaultSelector()
        self.sockets = {}
        self.lock = threading.Lock()
        self.ended = False
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        test.addCleanup(self._end)

    def _end(self):
        self.ended = True
        self.thread.join()
        for name in list(self.sockets):
            self.stop(name)
        self.selector.close()

    def _serve(self):
        while not self.ended:
            with self.lock:
                ready = self.selector.select(0)
                for key, _ in ready:
                    self._answer(key)
            time.sleep(0.001)

    def _answer(self, key):
        try:
            connection, _ = key.fileobj.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5 * SLOWNESS)
            port = connection.recv(32).split()[-1]
            connection.sendall(b'OK 1\n%s %s' % (key.data.encode(), port))

    def start(self, name, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        sock.listen(16)
        sock.setblocking(False)
        with self.lock:
            self.sockets[name] = sock
            self.selector.register(sock, selectors.EVENT_READ, name)

    def stop(self, name):
        with self.lock:
            sock = self.sockets.pop(name)
            self.selector.unregister(sock)
            sock.close()


class Ranges(harness.TestCase):
    def test_each_port_has_its_own(self):
        first, target = free_ports(20), free_ports(20)
        vsluice = self.proxy(f'tcp:127.0.0.1:{first}-{first + 19}=tcp:127.0.0.1:{target}-{target + 19}')
        self.assertEqual(len(vsluice.matches('^listening on ')), 1)
        for i in range(20):
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(('127.0.0.1', target + i))
                listener.listen()
                listener.settimeout(5 * SLOWNESS)
                with self.dial(f'tcp:127.0.0.1:{first + i}') as initiator, listener.accept()[0] as side:
                    initiator.sendall(b'to %d' % i)
                    initiator.shutdown(socket.SHUT_WR)
                    self.assertEqual(read_all(side), b'to %d' % i)
        vsluice.stop()

    def test_many_to_one(self):
        listener, endpoint = self.listener('tcp')
        first = free_ports(3)
        vsluice = self.proxy(f'tcp:127.0.0.1:{first}-{first + 2}={endpoint}')
        for i in range(3):
            with self.dial(f'tcp:127.0.0.1:{first + i}'):
                self.accept(listener).close()
        vsluice.stop()

    def test_ports_of_a_guest(self):
        machines = Machines(self)
        path = self.name('.sock')
        machines.start('g', path)
        first = free_ports(3)
        vsluice = self.proxy(config=f'[guest g]\naddress = vsock-mux:{path}\n[route r]\n'
                                    f'listen = tcp:127.0.0.1:{first}-{first + 2}\ntarget = guest:g:20000-20002\n')
        for i in range(3):
            self.assertEqual(read_all(self.dial(f'tcp:127.0.0.1:{first + i}')), b'g %d' % (20000 + i))
        vsluice.stop()


class Guests(harness.TestCase):
    """Of [guest *]."""
    limit = 90

    def setUp(self):
        super().setUp()
        self.machines = Machines(self)
        self.base = pathlib.Path(self.dir) / 'vms'
        self.out = pathlib.Path(self.dir) / 'out'
        self.out.mkdir()

    def routed(self, pattern='{name}/v.sock', more='', routes='', **options):
        config = (f'[guest *]\naddress = vsock-mux:{self.base}/{pattern}\n{more}\n'
                  f'[route ssh]\nlisten = unix:{self.out}/{{name}}.ssh\ntarget = guest:{{name}}:22\n{routes}\n')
        return self.proxy(config=config, **options)

    def appear(self, name, pattern='{name}/v.sock'):
        path = self.base / pattern.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.machines.start(name, path)

    def disappear(self, name):
        self.machines.stop(name)
        shutil.rmtree(self.base / name)

    def listening(self):
        return {path.name.removesuffix('.ssh') for path in self.out.iterdir()}

    def wait_listening(self, names, seconds=10):
        names = set(names)
        wait_until(lambda: self.listening() == names, seconds,
                   lambda: f'too many: {self.listening() - names}, missing: {names - self.listening()}')

    def reach(self, path):
        """A socket's file is there a moment before somebody listens."""
        found = []

        def connects():
            with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                found.append(self.dial(f'unix:{path}'))
            return found
        wait_until(connects, 10, f'nobody listens at {path}')
        return found[0]

    def check(self, name):
        self.assertEqual(read_all(self.reach(f'{self.out}/{name}.ssh')), b'%s 22' % name.encode())

    def test_come_and_go(self):
        vsluice = self.routed()
        for name in 'a', 'b', 'c':
            self.appear(name)
        self.wait_listening('abc')
        for name in 'a', 'b', 'c':
            self.check(name)
        self.disappear('b')
        self.wait_listening('ac')
        self.check('a')
        self.appear('b')
        self.wait_listening('abc')
        self.check('b')
        told = vsluice.wait_lines(r'^listening on unix:.*/b\.ssh -> guest:b:22 \(route ssh@b\)$', 2)
        self.assertEqual(len(told), 2)
        self.end_well(vsluice)
        self.assertEqual(self.listening(), set())

    def test_named_on_the_command_line(self):
        """One that `vsluice connect` or a route names is found where [guest *] says."""
        self.appear('a')
        vsluice = self.routed()
        done = subprocess.run([VSLUICE, 'connect', '-c', vsluice.popen.args[-1], 'guest:a:80'], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=10 * SLOWNESS)
        self.assertEqual((done.returncode, done.stdout), (0, b'a 80'), done.stderr)
        other = self.proxy('tcp:127.0.0.1:0=guest:a:81', config=pathlib.Path(vsluice.popen.args[-1]).read_text()
                           .replace(f'unix:{self.out}/', f'unix:{self.out}/2-'))
        self.assertEqual(read_all(self.dial(other.endpoint)), b'a 81')
        self.end_well(other)
        self.end_well(vsluice)

    def test_those_that_are_there_at_the_start(self):
        for name in 'a', 'b':
            self.appear(name)
        vsluice = self.routed()
        self.assertEqual(self.listening(), {'a', 'b'})
        self.check('a')
        self.end_well(vsluice)

    def test_500_in_ten_seconds(self):
        """They come one by one, and go one by one; none is missed, and nothing is left of them."""
        vsluice = self.routed()
        wait_until(vsluice.fds, 5, 'no descriptors')
        fds = vsluice.fds()
        names = [f'vm-{i}' for i in range(500)]
        started = time.monotonic()
        for name in names:
            self.appear(name)
        self.wait_listening(names)
        for name in names[::10]:
            self.check(name)
        for name in names:
            self.disappear(name)
        self.wait_listening([])
        self.assertLess(time.monotonic() - started, 10 * SLOWNESS)
        vsluice.wait_fds(fds)
        self.assertEqual(len(vsluice.matches(r'^listening on .*ssh@')), 500)
        self.end_well(vsluice)

    def test_storms_leave_what_is_there(self):
        """Sockets made, removed, renamed and replaced at random, faster than anybody looks."""
        vsluice = self.routed()
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        names = [f'g{i}' for i in range(12)]
        there = set()
        for _ in range(10):
            for _ in range(100):
                name = chance.choice(names)
                if name not in there:
                    self.appear(name)
                    there.add(name)
                elif chance.random() < 0.5:
                    self.disappear(name)
                    there.remove(name)
                else:
                    os.rename(self.base / name, self.base / 'elsewhere')
                    if chance.random() < 0.5:
                        time.sleep(0.01)
                    os.rename(self.base / 'elsewhere', self.base / name)
            with self.subTest(seed=seed):
                self.wait_listening(there)
                for name in there:
                    self.check(name)
        self.end_well(vsluice)

    def test_directories_that_are_not_there_yet(self):
        vsluice = self.routed('{name}/root/run/v.sock')
        self.appear('a', '{name}/root/run/v.sock')
        self.wait_listening('a')
        self.machines.stop('a')
        shutil.rmtree(self.base)
        self.wait_listening('')
        self.appear('a', '{name}/root/run/v.sock')
        self.wait_listening('a')
        self.check('a')
        self.end_well(vsluice)

    def test_names(self):
        """Between what stands before and behind; what is no name, and no socket, is passed over."""
        vsluice = self.routed('vm-{name}.sock')
        self.base.mkdir()
        for name in 'a', 'a.b', 'x_1':
            self.appear(name, 'vm-{name}.sock')
        for other in 'vm-b c.sock', 'vm-.socket', 'b.sock', 'vm-' + 'n' * 49 + '.sock':
            self.machines.start(other, self.base / other)
        (self.base / 'vm-file.sock').write_text('')
        self.wait_listening(['a', 'a.b', 'x_1'])
        time.sleep(0.2 * SLOWNESS)
        self.assertEqual(self.listening(), {'a', 'a.b', 'x_1'})
        self.end_well(vsluice)

    def test_a_guest_with_a_section_of_its_own(self):
        """Its section says more than its socket."""
        other = self.name('.sock')
        self.machines.start('own', other)
        vsluice = self.routed(more=f'[guest own]\naddress = vsock-mux:{other}')
        self.assertEqual(self.listening(), {'own'})
        self.appear('a')
        self.base.joinpath('own').mkdir()
        self.machines.start('imposter', self.base / 'own' / 'v.sock')
        self.wait_listening(['own', 'a'])
        self.check('own')
        self.end_well(vsluice)

    def test_a_section_comes_and_goes(self):
        """Of a guest that is found too: nobody is refused, nor where a reload cannot be."""
        self.appear('a')
        self.appear('b')
        vsluice = self.routed()
        self.wait_listening('ab')
        self.check('a')
        config = pathlib.Path(vsluice.popen.args[-1])
        before, file = config.read_text(), os.stat(self.out / 'a.ssh').st_ino
        own = f'[guest a]\naddress = vsock-mux:{self.base}/a/v.sock\n'
        taken, endpoint = self.listener('tcp')
        over, refused = threading.Event(), []

        def knock():
            while not over.is_set():
                try:
                    with socket.socket(socket.AF_UNIX) as sock:
                        sock.connect(f'{self.out}/a.ssh')
                        self.assertEqual(read_all(sock), b'a 22')
                except (OSError, AssertionError) as error:
                    refused.append(error)
        thread = threading.Thread(target=knock)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        broken = f'[route more]\nlisten = {endpoint}\ntarget = unix:/nowhere\n'
        reloads, failures = 0, 0
        for more in own + broken, own, own, broken, '', own, '':
            config.write_text(before + more)
            vsluice.signal(signal.SIGHUP)
            if broken in more:
                failures += 1
                vsluice.wait_lines('goes on as before', failures)
            else:
                reloads += 1
                vsluice.wait_lines('^reloaded$', reloads)
            self.check('a')
            self.check('b')
        over.set()
        thread.join()
        self.assertEqual(refused, [])
        self.assertEqual(os.stat(self.out / 'a.ssh').st_ino, file)
        self.disappear('b')
        self.wait_listening('a')
        self.check('a')
        self.disappear('a')
        self.wait_listening('')
        config.write_text(before + own)
        vsluice.signal(signal.SIGHUP)
        self.wait_listening('a')
        config.write_text(before)
        vsluice.signal(signal.SIGHUP)
        self.wait_listening('')
        self.end_well(vsluice)

    def test_what_guests_dial(self):
        """The listener stands beside the guest's socket, and goes with it."""
        listener, endpoint = self.listener('tcp')
        vsluice = self.routed('{name}.sock', routes=f'[route db]\nlisten = guest:{{name}}:5432\ntarget = {endpoint}\n')
        self.base.mkdir()
        self.appear('a', '{name}.sock')
        path = self.base / 'a.sock_5432'
        guest = self.reach(path)
        guest.sendall(b'hello')
        guest.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(self.accept(listener)), b'hello')
        guest.close()
        (self.base / 'a.sock').unlink()
        wait_until(lambda: not path.exists(), 10, 'it still listens')
        self.end_well(vsluice)

    def test_sessions_outlive_the_socket(self):
        listener, endpoint = self.listener('unix')
        vsluice = self.routed('{name}.sock')
        self.base.mkdir()
        os.link(endpoint[5:], self.base / 'a.sock')
        self.wait_listening('a')
        initiator = self.reach(f'{self.out}/a.ssh')
        side = self.accept(listener)
        side.recv(100)
        side.sendall(b'OK 1\n')
        (self.base / 'a.sock').unlink()
        self.wait_listening('')
        initiator.sendall(b'still here')
        self.assertEqual(side.recv(100), b'still here')
        side.close()
        initiator.close()
        self.end_well(vsluice)

    def test_an_address_that_cannot_be_had(self):
        """Is told once, tried again, and keeps nobody else from theirs."""
        taken = self.out / 'a.ssh'
        taken.write_text('not a socket')
        vsluice = self.routed()
        self.appear('a')
        self.appear('b')
        vsluice.wait_lines('route ssh@a: .*a file that is no socket stands there')
        wait_until((self.out / 'b.ssh').exists, 10, 'the other does not listen')
        self.check('b')
        time.sleep(1.5 * SLOWNESS)
        taken.unlink()
        wait_until(taken.exists, 10, 'it was not tried again')
        self.check('a')
        self.assertEqual(len(vsluice.matches('ssh@a: .*no socket')), 1)
        self.end_well(vsluice)


if __name__ == '__main__':
    harness.main()
