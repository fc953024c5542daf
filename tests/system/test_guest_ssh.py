"""ssh and scp into a real guest, and 1,000 sessions at once in both directions between it and the host.

Run with no guest around it boots one, with guest-ssh-init.sh in it, and runs itself inside tests/lab/guest.
vhost-device-vsock passes no half-close: the sessions are such that no end needs one.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import harness
from harness import PEER, VSLUICE, Peer, wait_until

HERE = pathlib.Path(__file__).resolve().parent
MUX = os.environ.get('VSLUICE_LAB_MUX')
CONSOLE = os.environ.get('VSLUICE_LAB_CONSOLE')
SESSIONS = 1000
COPY_BYTES = 100 << 20
PATH = os.environ['PATH'] + ':/usr/sbin'

# chacha20-poly1305: of the ciphers that dropbear has, the fastest in a guest without hardware virtualisation.
SSH_CONFIG = """Host web1
  User root
  ProxyCommand {vsluice} connect -c {config} guest:web1:22
  Ciphers chacha20-poly1305@openssh.com
  HostKeyAlgorithms ssh-ed25519
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  BatchMode yes
"""


def console():
    return pathlib.Path(CONSOLE).read_text(errors='replace')


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class GuestCase(harness.TestCase):
    limit = 200

    def setUp(self):
        super().setUp()
        wait_until(lambda: '\nready' in console(), 60, console)
        self.guest = f'[guest web1]\naddress = vsock-mux:{MUX}\n'
        config, self.ssh_config = self.name('.conf'), self.name('.ssh')
        pathlib.Path(config).write_text(self.guest)
        pathlib.Path(self.ssh_config).write_text(SSH_CONFIG.format(vsluice=VSLUICE, config=config))

    def run_here(self, *argv, **options):
        return subprocess.run(argv, capture_output=True, text=True, timeout=self.limit, **options)

    def ssh(self, command, **options):
        return self.run_here('ssh', '-F', self.ssh_config, 'web1', command, **options)


class Ssh(GuestCase):
    """ssh's ProxyCommand is `vsluice connect guest:web1:22`."""

    def test_command(self):
        done = self.ssh('cat; echo "to stderr" >&2; uname -n; exit 42', input='to stdin\n')
        self.assertEqual((done.stdout, done.stderr, done.returncode), ('to stdin\n(none)\n', 'to stderr\n', 42))

    def scp(self, source, target):
        done = self.run_here('scp', '-O', '-q', '-F', self.ssh_config, source, target)
        self.assertEqual((done.returncode, done.stderr), (0, ''))

    def test_copy(self):
        """100 MiB to the guest, and back."""
        there, back = self.name(), self.name()
        pathlib.Path(there).write_bytes(os.urandom(COPY_BYTES))
        self.scp(there, 'web1:/tmp/copy')
        self.assertEqual(self.ssh('sha256sum </tmp/copy').stdout.split()[0], sha256(there))
        self.scp('web1:/tmp/copy', back)
        self.assertEqual(sha256(back), sha256(there))
        self.assertEqual(self.ssh('rm /tmp/copy').returncode, 0)


class Together(GuestCase):
    """1,000 sessions between host and guest, all open before any of their bytes goes; hashes compared at both ends."""

    def there(self, mode, endpoint, *options, **more):
        """A peer in the guest, told what to do over ssh."""
        command = f'VSLUICE_LAB=guest exec peer {mode} {endpoint} {" ".join(map(str, options))}'
        argv = ['ssh', '-F', self.ssh_config, 'web1', command]
        return self.start(Peer(argv, f'peer {mode} in the guest', **more))

    def relayed(self, listen, target):
        return self.proxy(config=f'{self.guest}[route r]\nlisten = {listen}\ntarget = {target}\n')

    def together(self, begin, connect_to, proxy, server):
        fds, sockets = proxy.fds(), proxy.open_files()['socket']
        options = '--sessions', SESSIONS, '--bytes', '256K', '--timeout', self.limit
        peer = begin('sessions', connect_to, *options, '--together', '--hold', '--verbose', stdin=subprocess.PIPE)
        peer.wait_lines('^together', seconds=60)
        self.assertEqual(peer.word('together')['sessions'], SESSIONS)
        self.assertEqual(proxy.open_files()['socket'], sockets + 2 * SESSIONS)
        peer.popen.stdin.close()
        self.assertEqual(peer.wait(), 0, peer.text[-2000:])
        self.end_well(proxy, server, fds)
        sent = {number: ends[:3] for number, ends in peer.sessions().items()}
        served = {number: (end, its_out, its_in) for number, (end, its_in, its_out, _) in server.sessions().items()}
        self.assertEqual(len(sent), SESSIONS)
        self.assertEqual(sent, served)

    def test_host_initiators(self):
        """To a service in the guest."""
        server = self.there('serve', 'vsock:any:1000', '--sessions', SESSIONS, '--verbose')
        server.wait_lines('^listening')
        proxy = self.relayed('tcp:127.0.0.1:0', 'guest:web1:1000')
        self.together(self.begin, proxy.endpoint, proxy, server)

    def test_guest_initiators(self):
        """To a service of the host, at the guest's CID 2."""
        for port, kind in (5432, 'tcp'), (5433, 'unix'):
            with self.subTest(kind):
                server = self.serve(kind, '--sessions', SESSIONS, '--verbose')
                proxy = self.relayed(f'guest:web1:{port}', server.endpoint)
                self.together(self.there, f'vsock:host:{port}', proxy, server)


def boot():
    packages = {'ssh': 'openssh-client', 'scp': 'openssh-client', 'dropbear': 'dropbear-bin'}
    for tool, package in packages.items():
        if not shutil.which(tool, path=PATH):
            print(f'SKIP: {tool} is missing: apt-get install {package}')
            return 77
    installed = {VSLUICE: '/bin/vsluice', PEER: '/bin/peer'}
    installed.update({shutil.which(tool, path=PATH): f'/bin/{tool}' for tool in ('scp', 'dropbear')})
    argv = [HERE.parent / 'lab' / 'guest', '--deadline', '280', '--init', HERE / 'guest-ssh-init.sh']
    for path, inside in installed.items():
        argv += ['--install', f'{path}:{inside}']
    return subprocess.run([*argv, '--', sys.executable, __file__, *sys.argv[1:]]).returncode


if __name__ == '__main__':
    if not MUX:
        sys.exit(boot())
    harness.main()
