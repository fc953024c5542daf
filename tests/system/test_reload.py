"""A configuration read anew: what is unchanged goes on without a gap, mistakes change nothing, sessions live on."""

import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import CONFIG, SLOWNESS, UNAVAILABLE, VSLUICE, wait_until
from reloading import ReloadCase


class Reload(ReloadCase):
    def test_unchanged_routes_lose_no_connection(self):
        """While it is read anew again and again, every connection is served."""
        listens = {'t': 'tcp:127.0.0.1:0', 'u': self.unix()}
        routes = {name: (listen, self.first.endpoint, '') for name, listen in listens.items()}
        vsluice = self.run_it(routes)
        file = os.stat(listens['u'][5:])
        endpoints = list(vsluice.routes.values())
        stop, served, failed = threading.Event(), [0, 0], []

        def knock(which):
            while not stop.is_set():
                try:
                    if self.ask(endpoints[which]) != b'first':
                        failed.append('another answer')
                    served[which] += 1
                except OSError as error:
                    failed.append(error)
        threads = [threading.Thread(target=knock, args=(i % 2,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for i in range(30):
            self.reload({**routes, **({'x': (self.unix(), self.first.endpoint, '')} if i % 2 else {})})
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertGreater(min(served), 30)
        self.assertEqual(os.stat(listens['u'][5:]).st_ino, file.st_ino)
        self.end_well(vsluice)

    def test_what_changed_holds_for_new_sessions(self):
        listen = self.unix()
        vsluice = self.run_it({'r': (listen, self.first.endpoint, '')})
        old = self.dial(listen)
        self.assertEqual(old.recv(100), b'first')
        self.reload({'other': (listen, self.second.endpoint, 'mode = 0600\nidle-timeout = 1s')})
        self.assertEqual(self.ask(listen), b'second')
        self.assertEqual(os.stat(listen[5:]).st_mode & 0o777, 0o600)
        new = self.dial(listen)
        self.assertEqual(new.recv(100), b'second')
        self.assertEqual(new.recv(100), b'')
        vsluice.wait_lines('route other session [0-9]*: ended: idle-timeout')
        old.sendall(b'still here')
        self.assertEqual(old.recv(100), b'still here')
        self.end(vsluice)

    def test_routes_come_and_go(self):
        """The sessions of one that is gone live on."""
        a, b = self.unix(), self.unix()
        vsluice = self.run_it({'a': (a, self.first.endpoint, '')})
        fds = vsluice.fds()
        old = self.dial(a)
        self.assertEqual(old.recv(100), b'first')
        self.reload({'b': (b, self.second.endpoint, '')})
        self.assertEqual(self.ask(b), b'second')
        self.assertFalse(os.path.exists(a[5:]))
        vsluice.wait_lines(f'no longer listening on {a} \\(route a\\)')
        old.sendall(b'still here')
        self.assertEqual(old.recv(100), b'still here')
        old.close()
        self.reload({'a': (a, self.first.endpoint, '')})
        self.assertEqual(self.ask(a), b'first')
        vsluice.wait_fds(fds)
        self.end_well(vsluice)

    def test_chosen_ports_stay_with_their_routes(self):
        """Of those that left the port to the kernel."""
        routes = {name: ('tcp:127.0.0.1:0\n         tcp:127.0.0.1:0', service.endpoint, '')
                  for name, service in (('a', self.first), ('b', self.second))}
        vsluice = self.run_it(routes)
        found = vsluice.matches(r'^listening on (\S+) -> .*\(route (.)\)')
        fds = vsluice.fds()
        self.reload({'c': ('tcp:127.0.0.1:0', self.first.endpoint, ''), 'b': routes['b'], 'a': routes['a']})
        for match in found:
            self.assertEqual(self.ask(match[1]), {'a': b'first', 'b': b'second'}[match[2]])
        self.reload(routes)
        vsluice.wait_fds(fds)
        self.reload({'b': routes['b']})
        for match in found:
            if match[2] == 'b':
                self.assertEqual(self.ask(match[1]), b'second')
        self.end_well(vsluice)

    def test_mistakes_change_nothing(self):
        a, b = self.unix(), self.unix()
        vsluice = self.run_it({'a': (a, self.first.endpoint, '')})
        said = self.reload({'b': (b, self.second.endpoint, 'lsten = x')}, status=UNAVAILABLE)
        self.assertIn(f'{self.conf}:', said)
        self.assertIn("unknown key 'lsten'; did you mean 'listen'?", said)
        vsluice.wait_lines('reload: 1 mistake; all goes on as before')
        self.assertEqual(self.ask(a), b'first')
        self.assertFalse(os.path.exists(b[5:]))
        vsluice.signal(signal.SIGHUP)
        vsluice.wait_lines('reload: 1 mistake; all goes on as before', 2)
        self.assertEqual(self.ask(a), b'first')
        self.write({'b': (b, self.second.endpoint, '')})
        vsluice.signal(signal.SIGHUP)
        vsluice.wait_lines('^reloaded$')
        self.assertEqual(self.ask(b), b'second')
        self.end_well(vsluice)

    def test_an_address_that_cannot_be_had_changes_nothing(self):
        a, b, taken = self.unix(), self.unix(), self.second.endpoint
        vsluice = self.run_it({'a': (a, self.first.endpoint, '')})
        fds = vsluice.fds()
        said = self.reload({'b': (b, self.first.endpoint, ''), 'c': (taken, self.first.endpoint, '')}, status=UNAVAILABLE)
        self.assertIn('nothing has changed', said)
        self.assertIn(f'route c: {taken}: another program listens there', said)
        vsluice.wait_lines(f'route c: {taken}: another program listens there')
        self.assertEqual(len(vsluice.matches(f'route c: {taken}')), 1)
        self.assertEqual(self.ask(a), b'first')
        self.assertFalse(os.path.exists(b[5:]))
        vsluice.wait_fds(fds)
        self.end_well(vsluice)

    def test_guests_that_come_and_go(self):
        """Of [guest *]: a route more, a route less, another address, none at all."""
        vms = pathlib.Path(self.name(''))
        vms.mkdir()
        for name in 'p', 'q':
            os.link(self.first.endpoint[5:], vms / f'{name}.sock')
        out = self.name('')
        each = f'[guest *]\naddress = vsock-mux:{vms}/{{name}}.sock\n'
        route = {kind: (f'unix:{out}-{kind}-{{name}}', 'guest:{name}:1', '') for kind in 'xyz'}

        def listening():
            return {path.name.removeprefix(pathlib.Path(out).name + '-') for path in pathlib.Path(out).parent.glob(
                pathlib.Path(out).name + '-*')}
        vsluice = self.run_it({'x': route['x'], 'y': route['y']}, each)
        self.assertEqual(listening(), {'x-p', 'x-q', 'y-p', 'y-q'})
        inode = os.stat(f'{out}-x-p').st_ino
        self.reload({'x': route['x'], 'z': route['z']}, each)
        self.assertEqual(listening(), {'x-p', 'x-q', 'z-p', 'z-q'})
        self.assertEqual(os.stat(f'{out}-x-p').st_ino, inode)
        self.reload({'x': route['x']}, each + f'[guest q]\naddress = vsock-mux:{vms}/elsewhere\n')
        self.assertEqual(listening(), {'x-p', 'x-q'})
        (vms / 'q.sock').unlink()
        self.reload({'x': route['x']}, each)
        wait_until(lambda: listening() == {'x-p'}, 10, lambda: str(listening()))
        self.reload({'r': (self.unix(), self.first.endpoint, '')})
        self.assertEqual(listening(), set())
        self.end_well(vsluice)

    def test_a_guest_that_no_template_fits_any_more(self):
        """It has no sockets then: those of before do not come back."""
        vms = self.name('')
        os.mkdir(vms)
        os.link(self.first.endpoint[5:], f'{vms}/{"p" * 40}.sock')
        each = f'[guest *]\naddress = vsock-mux:{vms}/{{name}}.sock\n'
        out = pathlib.Path(self.name(''))
        out.mkdir()
        vsluice = self.run_it({'x': (f'unix:{out}/{{name}}', 'guest:{name}:1', '')}, each)
        self.assertEqual(len(list(out.iterdir())), 1)
        self.reload({'x': (f'unix:{out}/{"l" * 50}{{name}}', 'guest:{name}:1', '')}, each)
        vsluice.wait_lines('guest p*: .* is too long for guest')
        time.sleep(1.5 * SLOWNESS)
        self.assertEqual(list(out.iterdir()), [])
        self.reload({'x': (f'unix:{out}/{{name}}', 'guest:{name}:1', '')}, each)
        wait_until(lambda: len(list(out.iterdir())) == 1, 10, 'it is not listened for again')
        self.end_well(vsluice)

    def test_frozen_guests_stay_frozen(self):
        guest = f'[guest g]\naddress = vsock-mux:{self.name(".sock")}\n'
        listen = self.unix()
        vsluice = self.run_it({'r': (listen, 'guest:g:1', '')}, guest)
        subprocess.run([VSLUICE, 'guest', '--admin', self.admin, 'freeze', 'g'], check=True, stdout=subprocess.DEVNULL)
        self.reload()
        done = subprocess.run([VSLUICE, 'guest', '--admin', self.admin, 'list'], capture_output=True, check=True)
        self.assertEqual(done.stdout.split()[-2], b'yes')
        self.end_well(vsluice)

    def test_what_the_command_says(self):
        vsluice = self.run_it({'r': (self.unix(), self.first.endpoint, '')}, 'workers = 1')
        done = subprocess.run([VSLUICE, 'reload', '-c', self.conf], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, 'reloaded\n'), done.stderr)
        self.reload({'r': (self.unix(), self.first.endpoint, '')}, 'workers = 2')
        vsluice.wait_lines(r"^reload: 'workers' of \[global\] holds from the next start on$")
        self.assertEqual(len(vsluice.matches('next start')), 1)
        self.end_well(vsluice)
        self.assertIn('is vsluice running', self.reload(status=UNAVAILABLE))
        done = subprocess.run([VSLUICE, 'reload', '-c', '/dev/null'], capture_output=True, text=True)
        self.assertEqual(done.returncode, CONFIG, done.stderr)


if __name__ == '__main__':
    harness.main()
