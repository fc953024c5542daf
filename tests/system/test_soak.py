"""A day in small: churn over routes that use all there is, with reloads and questions of the operator all the while.

VSLUICE_TEST_SOAK: seconds of it. Descriptors and memory at the end are those of a quarter of the time.
"""

import contextlib
import json
import os
import random
import re
import socket
import struct
import subprocess
import threading
import time

import harness
from harness import SLOWNESS, VSLUICE, reset

SOAK = float(os.environ.get('VSLUICE_TEST_SOAK', '20'))
# What the allocator keeps differs a little from moment to moment; a leak of 100 bytes a session would be more.
GROWTH = 8 << 20

CONFIG = """[global]
workers = 2
max-sessions = 2000
drain-timeout = 5s
admin-socket = {admin}
admin-listen = tcp:127.0.0.1:0
log-format = text
log-rate = 600

[guest *]
address = vsock-mux:{dir}/vm-{{name}}.sock

[route plain]
listen = tcp:127.0.0.1:0
target = {tcp}
idle-timeout = 20s
half-close-timeout = 10s
max-session-time = 1m
max-sessions-per-source = 500

[route guarded]
listen = unix:{dir}/guarded.sock
    unix:@{dir}/guarded
target = {unix}
allow = uid:{uid}
max-sessions = 40
max-rate = 2000
at-limit = wait
access-log = yes

[route told]
listen = tcp:127.0.0.1:0
target = {tcp}
accept-proxy = yes
allow = 127.0.0.0/8
deny = 127.1.0.0/16

[route mux]
listen = mux:{dir}/mux.sock
target = tcp:127.0.0.1:*
ports = {port}

[route forced]
listen = tcp:127.0.0.1:0
target = {unix}
lane = copy
session-bandwidth = 50M
bandwidth = 200M

[route spread]
listen = tcp:127.0.0.1:0
target = {tcp}
    {unix}
    unix:{dir}/nobody.sock
balance = least-sessions
fail-time = 200ms
check = connect
check-interval = 200ms

[route absent]
listen = tcp:127.0.0.1:0
target = unix:{dir}/nobody.sock

[route each]
listen = unix:{dir}/each-{{name}}.sock
target = guest:{{name}}:80
wait-for-guest = 200ms
wait-max = 4
"""


class Soak(harness.TestCase):
    limit = SOAK + 60

    def repeat(self, act):
        """By a thread of its own until the end; what it raises fails the test."""
        def run():
            try:
                while not self.over.is_set():
                    act()
            except BaseException as error:
                if not self.over.is_set():
                    self.broken.append(error)
                    self.over.set()
        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)

    def client(self, mode, endpoint, *options):
        def act():
            argv = [harness.PEER, mode, endpoint, '--seed', str(random.randrange(1 << 30)), '--timeout', '60',
                    *map(str, options)]
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                raise AssertionError(f'{argv}: {done.stdout[-2000:]}')
            self.sessions += int(re.search(r'^ok sessions=(\d+)', done.stdout, re.M)[1])
        self.repeat(act)

    def hostile(self):
        with contextlib.suppress(OSError), self.dial(random.choice(list(self.proxy_.routes.values()))
                                                     .replace('mux:', 'unix:')) as sock:
            sock.sendall(random.randbytes(random.randrange(3000)))
            time.sleep(random.random() / 20)
            reset(sock)

    def told(self):
        """One honest session behind a header, then one that lies."""
        header = b'\r\n\r\n\0\r\nQUIT\n\x21\x11' + struct.pack('!H4s4sHH', 12, b'\x7f\0\0\1', b'\x7f\0\0\1', 7, 8)
        for words in header, b'PROXY TCP4 127.0.0.1 127.0.0.1 7 8\r\n', b'PROXY NONSENSE\r\n':
            with contextlib.suppress(OSError), self.dial(self.proxy_.routes['told']) as sock:
                sock.sendall(words)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(10)
        time.sleep(0.02)

    def vsluice(self, *words):
        done = subprocess.run([VSLUICE, *words, '--admin', f'{self.dir}/admin.sock'], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def operator(self):
        """Looks at all there is, ends a session, drains a route for a moment, and has one more for a moment."""
        self.vsluice('status')
        self.vsluice('guest', 'list')
        numbers = [session['number'] for session in json.loads(self.vsluice('sessions', '--json'))['sessions']
                   if session['route'] == 'told']
        for number in numbers[:1]:
            subprocess.run([VSLUICE, 'end', str(number), '--admin', f'{self.dir}/admin.sock'], stderr=subprocess.DEVNULL)
        self.vsluice('drain', 'absent')
        self.vsluice('drain', '--undo', 'absent')
        self.vsluice('route', 'add', f'unix:{self.dir}/added.sock=unix:{self.dir}/nobody.sock', '--name', 'added')
        self.vsluice('route', 'remove', 'added')
        time.sleep(0.2)

    def guests(self):
        """A guest comes, is asked for, and goes."""
        name = random.choice('abcdef')
        path = f'{self.dir}/vm-{name}.sock'
        with socket.socket(socket.AF_UNIX) as vmm, contextlib.suppress(OSError):
            vmm.bind(path)
            vmm.listen(8)
            time.sleep(0.05)
            with self.dial(f'unix:{self.dir}/each-{name}.sock'):
                time.sleep(0.05)
        os.unlink(path)

    def reloads(self):
        """Other limits, a route more or less, a mistake now and then."""
        text = self.text.replace('max-sessions = 40', f'max-sessions = {random.randrange(30, 60)}')
        text = text.replace('log-format = text', f'log-format = {random.choice(["text", "json"])}')
        if random.random() < 0.5:
            text += f'[route more]\nlisten = unix:{self.dir}/more.sock\ntarget = unix:{self.dir}/nobody.sock\n'
        broken = random.random() < 0.2
        with open(self.path, 'w') as file:
            file.write(text + ('[route\n' if broken else ''))
        done = subprocess.run([VSLUICE, 'reload', '--admin', f'{self.dir}/admin.sock'], stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode != 0, broken, done.stderr)
        time.sleep(0.1)

    def resident(self):
        with open(f'/proc/{self.proxy_.pid}/status') as status:
            return int(re.search(r'VmRSS:\s+(\d+) kB', status.read())[1]) * 1024

    def rest(self, seconds):
        """Lets all go on for so long, then looks at what is open and resident while few sessions are."""
        self.over.wait(seconds)
        self.assertEqual(self.broken, [])
        return self.resident()

    def test_all_features(self):
        self.over, self.broken, self.threads, self.sessions = threading.Event(), [], [], 0
        servers = {kind: self.serve(kind, '--headless-ok').endpoint for kind in ('tcp', 'unix')}
        self.text = CONFIG.format(dir=self.dir, admin=f'{self.dir}/admin.sock', port=servers['tcp'].rpartition(':')[2],
                                  uid=os.getuid(), **servers)
        self.proxy_ = self.proxy(config=self.text, env={**os.environ, 'ASAN_OPTIONS': 'quarantine_size_mb=4'})
        self.path = self.proxy_.popen.args[-1]
        fds = self.proxy_.fds()
        routes = self.proxy_.routes
        self.addCleanup(lambda: [thread.join() for thread in self.threads])
        self.addCleanup(self.over.set)
        self.client('churn', routes['plain'], '--sessions', 300, '--concurrency', 8, '--how', 'mixed', '--all-tcp')
        self.client('sessions', f'unix:{self.dir}/guarded.sock', '--sessions', 30, '--concurrency', 4)
        self.client('sessions', routes['forced'], '--sessions', 10, '--concurrency', 2, '--bytes', '4M')
        self.client('sessions', routes['spread'], '--sessions', 20, '--concurrency', 4)
        for act in self.hostile, self.told, self.operator, self.guests, self.reloads:
            self.repeat(act)
        before = self.rest(SOAK / 4)
        after = self.rest(3 * SOAK / 4)
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.assertEqual(self.broken, [])
        print(f'[{self.sessions} sessions, {before >> 20} -> {after >> 20} MiB]', end=' ', file=harness.sys.stderr)
        self.assertGreater(self.sessions, 10 * SOAK / SLOWNESS)
        self.assertLess(after, before + GROWTH)
        with open(self.path, 'w') as file:
            file.write(self.text)
        self.vsluice('reload')
        self.proxy_.wait_fds(fds, 20)
        self.proxy_.stop()


if __name__ == '__main__':
    harness.main()
