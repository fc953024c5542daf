"""Listeners come and go: bound again at once, stale sockets replaced, live ones refused, files removed."""

import os
import pwd
import signal
import socket
import stat

import harness
from harness import UNAVAILABLE

TIMES = 100


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Again(harness.TestCase):
    """Stop and immediate start binds the same TCP port and Unix path, 100 of 100 times."""

    limit = 120

    def again(self, number):
        listens = [f'tcp:127.0.0.1:{free_port()}', f'tcp:*:{free_port()}', f'unix:{self.name(".sock")}',
                   f'unix:@{self.name()}']
        for turn in range(TIMES):
            listener, target = self.listener('unix')
            routes = ''.join(f'[route r{index}]\nlisten = {listen}\ntarget = {target}\n'
                             for index, listen in enumerate(listens))
            proxy = self.proxy(config=f'[global]\ndrain-timeout = 0\n{routes}')
            lingering = [listener]
            for listen in listens:
                # One that has ended, by the target first: it stays behind in TIME_WAIT. One that lives.
                for ends in (True, False):
                    sock = self.dial(listen.replace('*', '127.0.0.1'))
                    sock.sendall(b'hello')
                    accepted = self.accept(listener)
                    self.assertEqual(accepted.recv(5), b'hello', f'turn {turn}')
                    lingering += [sock, accepted]
                    if ends:
                        accepted.close()
                        self.assertEqual(sock.recv(1), b'')
                        sock.close()
            self.dial(proxy.endpoint)  # is accepted or waits in the backlog
            proxy.signal(number)
            status = proxy.wait(10)
            self.assertEqual(status, 0 if number == signal.SIGTERM else -number)
            if turn % 2:  # now one, then the other end closes first
                lingering.reverse()
            for sock in lingering:
                sock.close()

    def test_stopped(self):
        self.again(signal.SIGTERM)

    def test_killed(self):
        self.again(signal.SIGKILL)


class UnixFile(harness.TestCase):
    def refused(self, listen, pattern, status=UNAVAILABLE):
        proxy = self.proxy(f'{listen}=tcp:127.0.0.1:1', ready=False)
        self.assertEqual(proxy.wait(), status, proxy.text)
        self.assertRegex(proxy.text, pattern)

    def test_stale_socket_is_replaced(self):
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen()
        self.assertTrue(os.path.exists(path))
        proxy = self.proxy(f'unix:{path}=tcp:127.0.0.1:1')
        self.dial(f'unix:{path}')
        proxy.stop()
        self.assertFalse(os.path.exists(path), 'it is left behind')

    def test_live_socket_is_refused(self):
        for kind in ('unix', 'abstract'):
            with self.subTest(kind=kind):
                listener, endpoint = self.listener(kind)
                self.refused(endpoint, f'{endpoint}: .*(another program listens|in use)')
                self.dial(endpoint)
                self.accept(listener)

    def test_live_socket_with_a_full_backlog_is_refused(self):
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen(0)
            self.dial(f'unix:{path}')
            self.refused(f'unix:{path}', 'another program listens')

    def test_other_file_is_not_touched(self):
        path = self.name('.sock')
        with open(path, 'w') as file:
            file.write('mine')
        self.refused(f'unix:{path}', f'unix:{path}: a file that is no socket')
        with open(path) as file:
            self.assertEqual(file.read(), 'mine')

    def test_no_directory(self):
        self.refused(f'unix:{self.dir}/no/such.sock', f'{self.dir}/no/such.sock: .*directory')

    def test_replaced_by_somebody_else_is_not_removed(self):
        path = self.name('.sock')
        first = self.proxy(f'unix:{path}=tcp:127.0.0.1:1')
        os.unlink(path)
        second = self.proxy(f'unix:{path}=tcp:127.0.0.1:1')
        first.stop()
        self.assertTrue(os.path.exists(path), "it removed another's socket")
        self.dial(f'unix:{path}')
        second.stop()
        self.assertFalse(os.path.exists(path))

    def test_two_start_at_once(self):
        """One has the path, the other says so; never both."""
        path = self.name('.sock')
        for _ in range(20):
            proxies = [self.proxy(f'unix:{path}=tcp:127.0.0.1:1', ready=False) for _ in range(3)]
            for proxy in proxies:
                proxy.wait_lines('^ready$|another program')
            running = [proxy for proxy in proxies if proxy.matches('^ready$')]
            self.assertEqual(len(running), 1)
            for proxy in proxies:
                if proxy not in running:
                    self.assertEqual(proxy.wait(), UNAVAILABLE)
            running[0].stop()

    def test_mode_and_owner(self):
        path = self.name('.sock')
        nobody = pwd.getpwnam('nobody')
        owners = {'': (os.getuid(), os.getgid())}
        if os.getuid() == 0:
            owners |= {'owner = nobody\n': (nobody.pw_uid, os.getgid()),
                       f'owner = nobody:{nobody.pw_gid}\n': (nobody.pw_uid, nobody.pw_gid),
                       'owner = 1234:1235\n': (1234, 1235)}
        for owner, (uid, gid) in owners.items():
            for mode in ('0600', '0660', '0666'):
                with self.subTest(owner=owner, mode=mode):
                    proxy = self.proxy(config=f'[route r]\nlisten = unix:{path}\ntarget = tcp:127.0.0.1:1\n'
                                              f'mode = {mode}\n{owner}')
                    status = os.stat(path)
                    self.assertEqual(stat.S_IMODE(status.st_mode), int(mode, 8))
                    self.assertEqual((status.st_uid, status.st_gid), (uid, gid))
                    proxy.stop()

    def test_mode_follows_the_umask(self):
        path = self.name('.sock')
        proxy = self.proxy(f'unix:{path}=tcp:127.0.0.1:1', umask=0o027)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o750)
        proxy.stop()

    def test_mux_listener_is_removed(self):
        """vsock-mux:/PATH:PORT binds /PATH_PORT, where the VMM delivers what the guest dials."""
        listener, target = self.listener('unix')
        path = self.name('.vsock')
        proxy = self.proxy(f'vsock-mux:{path}:5432={target}')
        sock = self.dial(f'unix:{path}_5432')
        accepted = self.accept(listener)
        sock.sendall(b'from the guest')
        self.assertEqual(accepted.recv(100), b'from the guest')
        sock.close()
        accepted.close()
        proxy.stop()
        self.assertFalse(os.path.exists(f'{path}_5432'))


class Taken(harness.TestCase):
    """Addresses that cannot be had are all named, and nothing is served by half."""

    def test_tcp_in_use(self):
        _, taken = self.listener('tcp')
        _, also = self.listener('tcp')
        path = self.name('.sock')
        proxy = self.proxy(f'{taken}=tcp:127.0.0.1:1', f'unix:{path}=tcp:127.0.0.1:1', f'{also}=tcp:127.0.0.1:1',
                           ready=False)
        self.assertEqual(proxy.wait(), UNAVAILABLE)
        for endpoint in (taken, also):
            self.assertRegex(proxy.text, f'{endpoint}.*in use')
        self.assertFalse(os.path.exists(path))

    def test_no_permission(self):
        argv = self.somebody_else()
        directory = self.name()
        os.mkdir(directory, 0o755)
        os.chmod(self.dir, 0o755)
        proxy = self.start(harness.Proxy([*argv, harness.VSLUICE, 'run',
                                          f'unix:{directory}/no.sock=tcp:127.0.0.1:1']))
        self.assertEqual(proxy.wait(), harness.NOPERM, proxy.text)
        self.assertRegex(proxy.text, f'{directory}/no.sock.*[Pp]ermission')

    def test_address_of_another_host(self):
        proxy = self.proxy('tcp:192.0.2.1:8080=tcp:127.0.0.1:1', ready=False)
        self.assertEqual(proxy.wait(), UNAVAILABLE)
        self.assertRegex(proxy.text, 'tcp:192.0.2.1:8080')


if __name__ == '__main__':
    harness.main()
