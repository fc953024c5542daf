"""What the log says, of each kind of end, as text and as JSON; that no name forges a line; and that neither a flood of
failing sessions nor a reader who does not read is anybody's affair but the log's."""

import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import threading
import time

import harness
from harness import SLOWNESS, VSLUICE, read_all, wait_until

F_SETPIPE_SZ = 1031
V2 = b'\r\n\r\n\0\r\nQUIT\n'
MEMBERS = {'time', 'priority', 'message', 'message_id', 'route', 'session', 'reason', 'initiator', 'target',
           'bytes_there', 'bytes_back', 'duration_usec'}


def name_of(sock):
    return 'tcp:{}:{}'.format(*sock.getsockname())


class Case(harness.TestCase):
    def echoing(self, answer=b'answer'):
        """A target that answers each connection when it has ended; its endpoint."""
        listener, endpoint = self.listener('tcp')

        def serve():
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer_one, args=(sock,), daemon=True).start()

        def answer_one(sock):
            with sock:
                read_all(sock)
                sock.sendall(answer)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        return endpoint

    def nowhere(self):
        listener, endpoint = self.listener('tcp')
        listener.close()
        return endpoint

    def ask(self, endpoint, words=b'hello', answer=b'answer'):
        sock = self.dial(endpoint)
        sock.sendall(words)
        sock.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(sock), answer)
        return sock

    def refused(self, endpoint, words=b''):
        """A connection that is reset, or was before it could be seen."""
        try:
            with self.dial(endpoint) as sock:
                sock.sendall(words)
                self.assertEqual(read_all(sock), b'')
        except (ConnectionResetError, BrokenPipeError):
            pass

    def entries(self, vsluice, route, count=1):
        """What JSON says of a route's sessions, when so many have ended."""
        found = [json.loads(match.string)
                 for match in vsluice.wait_lines(f'"route":"{route}","session":', count)]
        self.assertEqual(len(found), count)
        return found


class Log(Case):
    def test_access_log(self):
        """A line for each session, with both addresses, which a socket that ended does not tell any more."""
        target = self.echoing()
        vsluice = self.proxy(config='[global]\naccess-log = yes\n'
                                    f'[route a]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\n'
                                    f'[route b]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\naccess-log = no\n'
                                    f'[route c]\nlisten = tcp:127.0.0.1:0\ntarget = {self.nowhere()}\n')
        for _ in range(3):
            self.ask(vsluice.routes['b'])
        socks = [self.ask(vsluice.routes['a']) for _ in range(20)]
        lines = vsluice.wait_lines(r'^route a session (\d+): ended: done: both directions ended; from (\S+) to (\S+), '
                                   r'5 bytes there, 6 back, (\d+\.\d{3}) s$', 20)
        self.assertEqual({match[2] for match in lines}, {name_of(sock) for sock in socks})
        self.assertEqual({match[3] for match in lines}, {target})
        self.assertEqual(len({match[1] for match in lines}), 20)
        self.assertLess(max(float(match[4]) for match in lines), 5 * SLOWNESS)
        self.refused(vsluice.routes['c'])
        vsluice.wait_lines(r'^route c session \d+: ended: target-refused: .* \(Connection refused\); from .* back, '
                           r'0\.\d{3} s$')
        vsluice.stop()
        self.assertEqual(len(vsluice.ended()), 21)

    def test_duration(self):
        listener, target = self.listener('tcp')
        vsluice = self.proxy(ready=False, config='[global]\nlog-format = json\naccess-log = yes\n[route a]\n'
                                                 f'listen = tcp:127.0.0.1:0\ntarget = {target}\n')
        vsluice.wait_lines('"message":"ready"')
        endpoint = self.listening_json(vsluice, 'a')
        started = time.monotonic()
        sock = self.dial(endpoint)
        side = self.accept(listener)
        time.sleep(0.3)
        sock.close()
        side.close()
        took = time.monotonic() - started
        entry, = self.entries(vsluice, 'a')
        self.assertEqual(entry['reason'], 'done')
        self.assertGreaterEqual(entry['duration_usec'], 298_000)
        self.assertLessEqual(entry['duration_usec'], took * 1e6 + 500_000 * SLOWNESS)
        vsluice.stop()

    def listening_json(self, vsluice, route):
        match, = vsluice.wait_lines(rf'"route":"{route}","listen":"([^"]*)"')
        return match[1]

    def test_json(self):
        """Each line of it is one object; the fields of each kind of end."""
        path, target = self.name('.sock'), self.echoing()
        vsluice = self.proxy(
            ready=False,
            config='[global]\nlog-format = json\n[guest g]\naddress = vsock-mux:/nowhere\n'
                   f'[route good]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\naccess-log = yes\n'
                   f'[route quiet]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\n'
                   f'[route refused]\nlisten = tcp:127.0.0.1:0\ntarget = {self.nowhere()}\n'
                   f'[route guest]\nlisten = unix:{path}\ntarget = guest:g:80\n'
                   f'[route proxy]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\naccept-proxy = yes\n'
                   'access-log = yes\n')
        vsluice.wait_lines('"message":"ready"')
        sock = self.ask(self.listening_json(vsluice, 'good'))
        entry, = self.entries(vsluice, 'good')
        self.assertEqual(set(entry), MEMBERS)
        self.assertEqual([entry[key] for key in ('priority', 'reason', 'initiator', 'target', 'bytes_there', 'bytes_back')],
                         [6, 'done', name_of(sock), target, 5, 6])
        self.assertRegex(entry['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$')
        self.assertRegex(entry['message'], f'^route good session {entry["session"]}: ended: done: ')
        well = entry['message_id']
        self.ask(self.listening_json(vsluice, 'quiet'))
        self.refused(self.listening_json(vsluice, 'refused'))
        entry, = self.entries(vsluice, 'refused')
        self.assertEqual(set(entry), MEMBERS | {'detail'})
        self.assertEqual([entry[key] for key in ('priority', 'reason', 'detail', 'bytes_there', 'bytes_back')],
                         [4, 'target-refused', 'Connection refused', 0, 0])
        failed = entry['message_id']
        self.assertNotEqual(well, failed)
        self.refused(f'unix:{path}')
        entry, = self.entries(vsluice, 'guest')
        self.assertEqual([entry[key] for key in ('guest', 'reason', 'target', 'message_id')],
                         ['g', 'target-missing', 'vsock-mux:/nowhere:80', failed])
        through = self.listening_json(vsluice, 'proxy')
        sock = self.ask(through, b'PROXY TCP4 192.0.2.7 192.0.2.1 56 443\r\nhello')
        entry, = self.entries(vsluice, 'proxy')
        self.assertEqual([entry[key] for key in ('proxy_source', 'initiator', 'bytes_there')],
                         ['tcp:192.0.2.7:56', name_of(sock), 5])
        self.assertIn(f'; from tcp:192.0.2.7:56, through {name_of(sock)} to ', entry['message'])
        self.refused(through, b'GET')
        entry = self.entries(vsluice, 'proxy', 2)[1]
        self.assertEqual([entry['reason'], entry['priority']], ['proxy-garbage', 5])
        vsluice.stop()
        for _, line in vsluice.lines:
            self.assertLessEqual({'time', 'priority', 'message'}, set(json.loads(line)), line)
        self.assertEqual(vsluice.matches('"route":"quiet","session"'), [])

    def test_target_that_comes_and_goes(self):
        """Of one kind each, whoever finds it out: a session or a check."""
        for options in 'fail-max = 1', 'check = connect\ncheck-interval = 100ms\ncheck-fall = 1\ncheck-rise = 1':
            down = f'unix:{self.name(".sock")}'
            vsluice = self.proxy(ready=False, config='[global]\nlog-format = json\n[route r]\nlisten = '
                                                     f'tcp:127.0.0.1:0\ntarget = {down} {self.echoing()}\n'
                                                     f'balance = failover\n{options}\n')
            vsluice.wait_lines('"message":"ready"')
            self.ask(self.listening_json(vsluice, 'r'))
            found, = vsluice.wait_lines('"message":"route r: target .* is down')
            entry = json.loads(found.string)
            self.assertEqual([entry[key] for key in ('message_id', 'target', 'priority')],
                             ['918cce8aa1994ce6b89f7c5a7fa38d6b', down, 4])
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(down[5:])
                sock.listen()
                if 'check' in options:
                    found, = vsluice.wait_lines('"message":"route r: target .* is up again')
                    entry = json.loads(found.string)
                    self.assertEqual([entry[key] for key in ('message_id', 'target', 'priority')],
                                     ['77da12b3b52a4c61982ed01a6925ae17', down, 5])
            vsluice.stop()

    def test_names_that_lie(self):
        """What a stranger says, and the name of a route, begin no line and make no field."""
        wicked = 'x\n{"message":"ready"}\n\x1b[2J\x9b"\\'
        for form in 'json', 'text':
            with self.subTest(form):
                path = f'{self.name()}"\\\u00fc\u0085.sock'
                vsluice = self.proxy(f'unix:{path}={self.nowhere()}', ready=False,
                                     config=f'[global]\nlog-format = {form}\naccess-log = yes\n'
                                            f'[route a]\nlisten = tcp:127.0.0.1:0\ntarget = {self.nowhere()}\n'
                                            'accept-proxy = yes\n')
                vsluice.wait_lines('ready')
                endpoint = self.listening_json(vsluice, 'a') if form == 'json' else vsluice.routes['a']
                source = wicked.encode('latin-1').ljust(108, b'\0')
                self.refused(endpoint, V2 + struct.pack('!BBH', 0x21, 0x31, 216) + source + bytes(108))
                self.refused(f'unix:{path}')
                vsluice.wait_lines('ended: target-refused: ', 2)
                vsluice.stop()
                lines = [line for _, line in vsluice.lines if 'goes on as root' not in line]
                self.assertEqual(len(lines), 7, lines)
                for line in lines:
                    self.assertIsNone(re.search('[\x00-\x1f\x7f]', line), repr(line))
                if form == 'json':
                    entries = [json.loads(line) for line in lines]
                    told, = [entry for entry in entries if 'proxy_source' in entry]
                    self.assertEqual(told['proxy_source'], 'unix:x?{"message":"ready"}??[2J?"\\')
                    self.assertEqual([entry['message'] for entry in entries].count('ready'), 1)
                    self.assertEqual([entry['route'] for entry in entries if entry.get('reason')][1],
                                     f'unix:{path}'.replace('\u0085', '??'))

    def test_reload(self):
        target = self.echoing()
        text = f'[global]\nlog-format = {{}}\n[route a]\nlisten = tcp:127.0.0.1:0\ntarget = {target}\naccess-log = {{}}\n'
        path = self.name('.conf')

        def write(*words):
            with open(path, 'w') as file:
                file.write(text.format(*words))
        write('text', 'no')
        vsluice = self.start(harness.Proxy([VSLUICE, 'run', '-c', path])).wait_ready()
        endpoint = vsluice.endpoint
        self.ask(endpoint)
        begun = self.dial(endpoint)
        write('json', 'yes')
        vsluice.signal(1)
        reloaded, = vsluice.wait_lines('"message":"reloaded"')
        self.assertEqual(json.loads(reloaded.string)['priority'], 6)
        sock = self.ask(endpoint)
        entry, = self.entries(vsluice, 'a')
        self.assertEqual(entry['initiator'], name_of(sock))
        begun.shutdown(socket.SHUT_WR)
        read_all(begun)
        write('text', 'no')
        vsluice.signal(1)
        vsluice.wait_lines('^reloaded$')
        self.ask(endpoint)
        vsluice.stop()
        self.assertEqual(len(vsluice.matches('ended: ')), 1)

    def test_no_journal(self):
        """It is asked for, and not here or without fields: text, and why."""
        if os.path.exists('/run/systemd/journal/socket'):
            self.skipTest('a journal is here')
        vsluice = self.proxy(config='[global]\nlog-format = journal\n[route a]\nlisten = tcp:127.0.0.1:0\n'
                                    'target = tcp:127.0.0.1:1\n')
        vsluice.wait_lines('^vsluice: log-format: lines of text, for the journal cannot be had: there is no journal')
        vsluice.stop()


class Flood(Case):
    FLOOD = 5000

    def refuse_many(self, endpoint, count):
        family, where = harness.address(endpoint)

        def part(times):
            for _ in range(times):
                with socket.socket(family) as sock:
                    try:
                        sock.connect(where)
                        sock.recv(1)
                    except ConnectionResetError:
                        pass
        threads = [threading.Thread(target=part, args=(count // 10,)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_bounded(self):
        """Of 5,000 refused sessions 100 have a line; the others are told together, none is forgotten. Those of another
        route, and of a route whose every session is asked for, have all of theirs."""
        vsluice = self.proxy(config='[global]\nlog-rate = 100\n' + ''.join(
            f'[route {name}]\nlisten = tcp:127.0.0.1:0\ntarget = {self.nowhere()}\naccess-log = {wanted}\n'
            for name, wanted in (('bad', 'no'), ('other', 'no'), ('asked', 'yes'))))
        self.refuse_many(vsluice.routes['bad'], self.FLOOD)
        for _ in range(10):
            self.refused(vsluice.routes['other'])
        self.refuse_many(vsluice.routes['asked'], 500)
        vsluice.wait_lines('^route asked session', 500)
        vsluice.wait_lines('^route other session', 10)
        vsluice.wait_lines('^route bad: ', seconds=15)
        self.refuse_many(vsluice.routes['bad'], 50)
        vsluice.stop()
        self.assertEqual(len(vsluice.matches('^route bad session')), 100)
        told = vsluice.matches(r'^route bad: (\d+) more sessions ended: target-refused; in (\S+) s, without a line each')
        self.assertEqual(sum(int(match[1]) for match in told), self.FLOOD - 100 + 50)
        self.assertLess(len(told), 10)
        self.assertLess(float(told[-1][2]), 5)
        self.assertEqual(len(vsluice.matches('^route other session')), 10)

    def test_any_number(self):
        vsluice = self.proxy(config='[global]\nlog-rate = 0\n[route bad]\nlisten = tcp:127.0.0.1:0\n'
                                    f'target = {self.nowhere()}\n')
        self.refuse_many(vsluice.endpoint, 1500)
        vsluice.wait_lines('^route bad session', 1500)
        vsluice.stop()

    def test_nobody_reads(self):
        """Standard error is a full pipe: honest sessions go on all the same, also with a line for each; and it ends."""
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        fcntl.fcntl(writes, F_SETPIPE_SZ, 4096)
        path, target = self.name('.sock'), self.echoing()
        config = self.name('.conf')
        with open(config, 'w') as file:
            file.write('[global]\nlog-rate = 0\naccess-log = yes\nworkers = 2\n'
                       f'[route good]\nlisten = unix:{path}\ntarget = {target}\n'
                       f'[route bad]\nlisten = unix:{path}.bad\ntarget = unix:{path}.nowhere\n')
        process = subprocess.Popen([VSLUICE, 'run', '-c', config], stderr=writes)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(writes)
        wait_until(lambda: os.path.exists(f'{path}.bad'), 20, 'it does not start')
        self.ask(f'unix:{path}')
        self.refuse_many(f'unix:{path}.bad', 10_000)
        started = time.monotonic()
        for _ in range(50):
            self.ask(f'unix:{path}')
        self.assertLess(time.monotonic() - started, 10 * SLOWNESS)
        process.terminate()
        self.assertEqual(process.wait(20 * SLOWNESS), 0)

    def test_read_late(self):
        """What nobody took in time is told in its place, and what comes then is there again."""
        reads, writes = os.pipe()
        path = self.name('.sock')
        config = self.name('.conf')
        with open(config, 'w') as file:
            file.write(f'[global]\nlog-rate = 0\n[route bad]\nlisten = unix:{path}\ntarget = unix:{path}.nowhere\n')
        process = subprocess.Popen([VSLUICE, 'run', '-c', config], stderr=writes)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(writes)
        wait_until(lambda: os.path.exists(path), 20, 'it does not start')
        self.refuse_many(f'unix:{path}', 12_000)
        process.terminate()
        with open(reads) as stream:
            text = stream.read()
        self.assertEqual(process.wait(20 * SLOWNESS), 0)
        whole = re.findall(r'(?m)^route bad session (\d+): ended: target-missing: .* 0 back$', text)
        lost = re.findall(r'(?m)^vsluice: (\d+) lines? of the log are lost: ', text)
        rest = re.findall(r'(?m)^(?!route bad session|vsluice: \d+ line|vsluice: goes on as root).*$', text.rstrip('\n'))
        self.assertEqual(len(whole) + len(rest) + sum(map(int, lost)), 12_000 + 4, rest)
        self.assertEqual(len(set(whole)), len(whole))
        self.assertGreater(sum(map(int, lost)), 0)
        self.assertGreater(len(whole), 3000)


if __name__ == '__main__':
    harness.main()
