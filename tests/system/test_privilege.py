"""Started as root: it goes on as another user, in all its threads, and still listens on low ports. Needs root."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

import harness
from harness import CONFIG, NOPERM, SLOWNESS, VSLUICE, read_all, wait_until

NOBODY = 65534
BIND_SERVICE = f'{1 << 10:016x}'
NONE = f'{0:016x}'


def threads(proxy):
    """What /proc says of each thread: its name, and the lines of its status by their first word."""
    for task in pathlib.Path(f'/proc/{proxy.pid}/task').iterdir():
        status = dict(line.split(':\t', 1) for line in (task / 'status').read_text().splitlines() if ':\t' in line)
        yield int(task.name) == proxy.pid, {name: value.split() for name, value in status.items()}


def low_port():
    """One below 1024 that nobody uses."""
    for port in range(1023, 600, -1):
        with socket.socket() as sock:
            try:
                sock.bind(('127.0.0.1', port))
            except OSError:
                continue
            return port
    raise AssertionError('no port below 1024 is free')


@unittest.skipUnless(os.geteuid() == 0, 'only root can become another user')
class Privilege(harness.TestCase):
    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)
        self.server = self.start(harness.Peer([harness.PEER, 'serve', 'tcp:127.0.0.1:0'], 'server'))
        self.conf = pathlib.Path(self.name('.conf'))
        self.admin = self.name('.admin')

    def write(self, glob, *listens):
        self.conf.write_text(f'[global]\n{glob}\n' + ''.join(
            f'[route r{i}]\nlisten = {listen}\ntarget = {self.server.endpoint}\n' for i, listen in enumerate(listens)))

    def run_it(self, glob, *listens, wrapper=(), environment=None):
        self.write(glob, *listens)
        environment = {**{name: value for name, value in os.environ.items() if name != 'INVOCATION_ID'},
                       **(environment or {})}
        return self.start(harness.Proxy([*wrapper, VSLUICE, 'run', '-c', self.conf], env=environment))

    def assert_is(self, proxy, uid, gid):
        """In all its threads; and only the one that binds may still bind to low ports."""
        count = 0
        for is_main, status in threads(proxy):
            count += 1
            self.assertEqual(status['Uid'], [str(uid)] * 4, status['Name'])
            self.assertEqual(status['Gid'], [str(gid)] * 4, status['Name'])
            self.assertNotIn('0', status['Groups'], status['Name'])
            self.assertEqual(status['NoNewPrivs'], ['1'], status['Name'])
            for which in 'CapPrm', 'CapEff':
                self.assertEqual(status[which], [BIND_SERVICE if is_main else NONE], (status['Name'], which))
            self.assertEqual(status['CapAmb'], [NONE], status['Name'])
        self.assertGreaterEqual(count, 3)

    def exchange(self, endpoint):
        done = subprocess.run([harness.PEER, 'exchange', endpoint, '--bytes', '64K'], capture_output=True, text=True,
                              timeout=30 * SLOWNESS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_all_threads_are_another_user(self):
        """With workers, resolver and admin socket; new listeners at a reload are that user's."""
        first, second = low_port(), low_port() - 1
        own = f'{self.dir}/own'
        os.mkdir(own)
        os.chown(own, NOBODY, NOBODY)
        glob = f'user = {NOBODY}:{NOBODY}\nworkers = 2\nadmin-socket = {self.admin}'
        proxy = self.run_it(glob, f'tcp:127.0.0.1:{first}', f'unix:{own}/a').wait_ready()
        self.assert_is(proxy, NOBODY, NOBODY)
        for path in self.admin, f'{own}/a':
            self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (NOBODY, NOBODY), path)
        self.exchange(f'tcp:127.0.0.1:{first}')
        self.exchange(f'unix:{own}/a')
        # A name: the resolver's threads start with the first.
        self.write(glob, f'tcp:127.0.0.1:{first}', f'unix:{own}/a', f'tcp:127.0.0.1:{second}', f'unix:{own}/b')
        self.conf.write_text(self.conf.read_text().replace('127.0.0.1:' + self.server.endpoint.rpartition(':')[2],
                                                           'localhost:' + self.server.endpoint.rpartition(':')[2]))
        done = subprocess.run([VSLUICE, 'reload', '--admin', self.admin], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        for endpoint in f'tcp:127.0.0.1:{second}', f'unix:{own}/b', f'tcp:127.0.0.1:{first}':
            self.exchange(endpoint)
        self.assertEqual(os.stat(f'{own}/b').st_uid, NOBODY)
        self.assert_is(proxy, NOBODY, NOBODY)
        self.end_well(proxy)
        self.assertEqual(os.listdir(own), [])

    def test_what_it_may_no_longer_do_is_refused_at_a_reload(self):
        """A file whose owner root alone can set: all goes on as before."""
        own = f'{self.dir}/own'
        os.mkdir(own)
        os.chown(own, NOBODY, NOBODY)
        proxy = self.run_it(f'user = {NOBODY}:{NOBODY}', f'unix:{own}/a').wait_ready()
        self.write(f'user = {NOBODY}:{NOBODY}', f'unix:{own}/a', f'unix:{own}/b\nowner = root')
        proxy.signal(signal.SIGHUP)
        proxy.wait_lines('its owner cannot be set: Operation not permitted')
        proxy.wait_lines('all goes on as before')
        self.assertFalse(os.path.exists(f'{own}/b'))
        self.exchange(f'unix:{own}/a')
        self.end_well(proxy)

    def test_owner_stays_as_the_route_says(self):
        path = f'{self.dir}/a'
        proxy = self.run_it(f'user = {NOBODY}:{NOBODY}', f'unix:{path}\nowner = daemon').wait_ready()
        self.assertEqual((os.stat(path).st_uid, os.stat(path).st_gid), (1, NOBODY))
        self.end_well(proxy)

    def test_the_user_vsluice_by_itself(self):
        """Where there is one and no service manager says who it is; else it says that it stays root."""
        passwd = self.name('.passwd')
        system = re.sub('(?m)^vsluice:.*\n', '', pathlib.Path('/etc/passwd').read_text())
        pathlib.Path(passwd).write_text(system + 'vsluice:x:1234:1235::/:/bin/false\n')
        wrapper = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/passwd && exec "$@"', passwd]
        if subprocess.run([*wrapper, 'true'], capture_output=True).returncode != 0:
            self.skipTest('no mount namespaces here')
        proxy = self.run_it('', 'tcp:127.0.0.1:0', wrapper=wrapper).wait_ready()
        self.assert_is(proxy, 1234, 1235)
        self.assertNotIn('goes on as root', proxy.text)
        self.end_well(proxy)
        for glob, environment in ('user = root', {}), ('', {'INVOCATION_ID': '1'}):
            proxy = self.run_it(glob, 'tcp:127.0.0.1:0', wrapper=wrapper, environment=environment).wait_ready()
            self.assertEqual({status['Uid'][1] for _, status in threads(proxy)}, {'0'})
            self.assertNotIn('goes on as', proxy.text)
            self.end_well(proxy)
        pathlib.Path(passwd).write_text(system)
        proxy = self.run_it('', 'tcp:127.0.0.1:0', wrapper=wrapper).wait_ready()
        self.assertIn("goes on as root: there is no user 'vsluice'", proxy.text)
        self.assertEqual({status['NoNewPrivs'][0] for _, status in threads(proxy)}, {'1'})
        self.end_well(proxy)

    def test_only_root_becomes_another(self):
        os.chmod(self.dir, 0o777)
        user = ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups']
        proxy = self.run_it('user = daemon', 'tcp:127.0.0.1:0', wrapper=user)
        self.assertEqual(proxy.wait(), NOPERM)
        self.assertIn('only root can become another', proxy.text)
        proxy = self.run_it(f'user = {NOBODY}:{NOBODY}', 'tcp:127.0.0.1:0', wrapper=user).wait_ready()
        self.end_well(proxy)
        self.assertEqual(self.run_it('user = nosuch', 'tcp:127.0.0.1:0').wait(), CONFIG)

    def test_who_cannot_become_it_does_not_go_on(self):
        """Root without CAP_SETUID."""
        wrapper = ['setpriv', '--bounding-set=-setuid', '--inh-caps=-setuid']
        proxy = self.run_it(f'user = {NOBODY}:{NOBODY}', 'tcp:127.0.0.1:0', wrapper=wrapper)
        self.assertEqual(proxy.wait(), NOPERM)
        self.assertIn("cannot become user 65534, group 65534: Operation not permitted; 'user = root'", proxy.text)
        self.assertEqual(proxy.matches('^ready$'), [])


class Sandbox(harness.TestCase):
    def filters(self, glob):
        """Filters of system calls of each thread of a vsluice that relays, beyond those of who started it."""
        conf = self.name('.conf')
        server = self.start(harness.Peer([harness.PEER, 'serve', 'tcp:127.0.0.1:0'], 'server'))
        pathlib.Path(conf).write_text(f'[global]\nworkers = 2\nadmin-socket = {self.name(".admin")}\n{glob}\n'
                                      f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = {server.endpoint}\n')
        proxy = self.start(harness.Proxy([VSLUICE, 'run', '-c', conf])).wait_ready()
        done = subprocess.run([harness.PEER, 'exchange', proxy.endpoint, '--bytes', '64K'], timeout=30 * SLOWNESS)
        self.assertEqual(done.returncode, 0)
        mine = int(pathlib.Path('/proc/self/status').read_text().partition('Seccomp_filters:')[2].split()[0])
        found = [(status['Seccomp'], int(status['Seccomp_filters'][0]) - mine, status['NoNewPrivs'])
                 for _, status in threads(proxy)]
        self.assertGreaterEqual(len(found), 4)
        text = proxy.text
        self.end_well(proxy)
        return found, text

    def test_a_filter_holds_for_all_threads(self):
        found, text = self.filters('')
        if 'goes on without its filter' in text:
            self.skipTest(text)
        self.assertEqual({(mode[0], more, nnp[0]) for mode, more, nnp in found}, {('2', 1, '1')})

    def test_none_where_it_is_not_wanted(self):
        found, text = self.filters('sandbox = no')
        self.assertEqual({(more, nnp[0]) for _, more, nnp in found}, {(0, '1')})
        self.assertNotIn('filter', text)


if __name__ == '__main__':
    harness.main()
