"""`vsluice connect`: standard input and output to a target, whatever they are."""

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import PEER, SLOWNESS, UNAVAILABLE, USAGE, VSLUICE, read_all, reset

BROKEN = 74
LARGE = os.environ.get('VSLUICE_TEST_CONNECT', '256M')
ANSWER = os.environ.get('VSLUICE_TEST_ANSWER', '100M')


class Connect(harness.TestCase):
    def connect(self, target, *options, **more):
        process = harness.Process([VSLUICE, 'connect', *options, target], 'vsluice connect', **more)
        return self.start(process)

    def raw(self, target, stdin, stdout, *options):
        """With descriptors of ours, which it takes over."""
        process = subprocess.Popen([VSLUICE, 'connect', *options, target], stdin=stdin, stdout=stdout,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        return process

    def ends(self, process, status, says='^$', seconds=20):
        self.assertEqual(process.wait(seconds * SLOWNESS), status)
        said = process.stderr.read().decode()
        self.assertRegex(said, says)
        self.assertIsNone(harness.SANITIZER.search(said), said)

    def exchange(self, kind, through, *options):
        """A peer behind standard input and output, another at the target; both verify."""
        server = self.serve(kind, '--sessions', 1)
        if through == 'pipes':
            theirs_in, ours_out = os.pipe()
            ours_in, theirs_out = os.pipe()
            ours = (ours_in, ours_out)
        else:
            one, other = socket.socketpair()
            theirs_in, theirs_out = other.detach(), None
            ours = (one.detach(),)
        connect = self.raw(server.endpoint, theirs_in, theirs_in if theirs_out is None else theirs_out)
        for fd in {theirs_in, theirs_out} - {None}:
            os.close(fd)
        peer = self.start(harness.Peer([PEER, options[0], f'fd:{",".join(map(str, ours))}', *options[1:]], 'peer',
                                       pass_fds=ours))
        for fd in ours:
            os.close(fd)
        self.assertEqual(peer.wait(), 0, peer.text)
        self.assertEqual(server.wait(), 0, server.text)
        self.ends(connect, 0)

    def test_large_both_ways(self):
        for kind in ('tcp', 'unix'):
            for through in ('pipes', 'socketpair'):
                with self.subTest(kind=kind, through=through):
                    self.exchange(kind, through, 'exchange', '--bytes', LARGE)

    def test_half_close(self):
        for who in ('both', 'initiator', 'target'):
            for through in ('pipes', 'socketpair'):
                with self.subTest(who=who, through=through):
                    self.exchange('tcp', through, 'exchange', '--bytes', '1M', '--half-close', who)
                    self.exchange('unix', through, 'sessions', '--sessions', '1', '--half-close', who)

    def test_request_answer(self):
        self.exchange('tcp', 'pipes', 'request-answer', '--bytes', ANSWER)
        self.exchange('tcp', 'socketpair', 'request-answer', '--bytes', ANSWER)

    def answerer(self, kind, answer, into):
        """A target that reads up to end-of-file, then answers."""
        listener, endpoint = self.listener(kind)

        def work():
            sock = self.accept(listener)
            into.append(read_all(sock))
            sock.sendall(answer)
            sock.close()

        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join, 10)
        return endpoint

    def test_files(self):
        """A file as standard input, another as standard output, appended to where it stands."""
        question, answer = os.urandom(32 << 20), os.urandom(32 << 20)
        asked, answered = self.name(), self.name()
        with open(asked, 'wb') as file:
            file.write(b'skipped' + question)
        got = []
        with open(asked, 'rb', buffering=0) as stdin, open(answered, 'wb', buffering=0) as stdout:
            stdin.seek(7)
            stdout.write(b'before')
            connect = self.raw(self.answerer('tcp', answer, got), stdin, stdout)
            self.ends(connect, 0)
            stdout.write(b'after')
        self.assertEqual(hashlib.sha256(got[0]).digest(), hashlib.sha256(question).digest())
        with open(answered, 'rb') as file:
            self.assertEqual(hashlib.sha256(file.read()).digest(),
                             hashlib.sha256(b'before' + answer + b'after').digest())

    def test_no_input(self):
        got = []
        connect = self.connect(self.answerer('unix', b'answer\n', got))
        self.assertEqual(connect.wait(), 0)
        self.assertEqual((got, connect.text), ([b''], 'answer'))

    def test_leaves_the_flags_of_its_descriptors_alone(self):
        """Standard input and output are shared with others: a shell, a terminal."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        flags = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (theirs_in, theirs_out)]
        connect = self.raw(self.answerer('tcp', b'answer', []), theirs_in, theirs_out)
        os.close(ours_out)
        self.ends(connect, 0)
        self.assertEqual(flags, [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (theirs_in, theirs_out)])
        for fd in (theirs_in, theirs_out, ours_in):
            os.close(fd)

    def test_reader_of_output_is_gone(self):
        listener, endpoint = self.listener('tcp')
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        connect = self.raw(endpoint, theirs_in, theirs_out)
        os.close(theirs_out)
        os.close(ours_in)
        sock = self.accept(listener)
        deadline = time.monotonic() + 3 * SLOWNESS
        with self.assertRaises(ConnectionError):
            while time.monotonic() < deadline:
                sock.sendall(bytes(1 << 16))
        self.ends(connect, BROKEN, 'initiator-gone|initiator-reset')
        os.close(ours_out)
        os.close(theirs_in)

    def test_target_resets(self):
        listener, endpoint = self.listener('tcp')
        theirs_in, ours_out = os.pipe()
        connect = self.raw(endpoint, theirs_in, subprocess.DEVNULL)
        sock = self.accept(listener)
        os.write(ours_out, b'hello')
        self.assertEqual(sock.recv(5), b'hello')
        reset(sock)
        self.ends(connect, BROKEN, f'{endpoint}: target-reset: ')
        os.close(ours_out)
        os.close(theirs_in)

    def test_refused(self):
        listener, endpoint = self.listener('tcp')
        listener.close()
        connect = self.connect(endpoint)
        self.assertEqual(connect.wait(), UNAVAILABLE)
        self.assertRegex(connect.text, f'^vsluice: {endpoint}: target-refused: ')
        self.assertEqual(len(connect.lines), 1)

    def test_timeout(self):
        """Of the mux that never answers."""
        listener, endpoint = self.listener('unix')
        started = time.monotonic()
        connect = self.connect(endpoint.replace('unix:', 'vsock-mux:') + ':22', '--timeout', '300ms')
        self.assertEqual(connect.wait(), UNAVAILABLE)
        self.assertGreater(time.monotonic() - started, 0.29)
        self.assertLess(time.monotonic() - started, 0.3 + 1 * SLOWNESS)
        self.assertIn('mux-silent', connect.text)
        self.accept(listener)

    def test_guest_by_name(self):
        listener, endpoint = self.listener('unix')
        path = self.name('.conf')
        with open(path, 'w') as file:
            file.write(f'[guest fc]\naddress = {endpoint.replace("unix:", "vsock-mux:")}\n')
        connect = self.connect('guest:fc:22', '-c', path)
        sock = self.accept(listener)
        self.assertEqual(sock.recv(100), b'CONNECT 22\n')
        sock.sendall(b'OK 1\nSSH-2.0\n')
        self.assertEqual(read_all(sock), b'')
        sock.close()
        self.assertEqual(connect.wait(), 0)
        self.assertEqual(connect.text, 'SSH-2.0')

    def test_no_such_guest(self):
        path = self.name('.conf')
        with open(path, 'w') as file:
            file.write('[guest fc]\naddress = vsock:3\n')
        connect = self.connect('guest:fd:22', '-c', path)
        self.assertEqual(connect.wait(), harness.CONFIG)
        self.assertRegex(connect.text, 'fd.*fc')

    def test_signal(self):
        listener, endpoint = self.listener('tcp')
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                connect = self.connect(endpoint, stdin=subprocess.PIPE)
                sock = self.accept(listener)
                connect.signal(number)
                self.assertIn(connect.wait(1), (-number, 128 + number))
                with self.assertRaises((ConnectionResetError, EOFError)):
                    if sock.recv(1) == b'':
                        raise EOFError
                connect.popen.stdin.close()

    def test_closed_descriptors(self):
        """Started without standard input or output it must not take a socket of its own for one."""
        for closed in ('<&-', '>&-', '<&- >&-'):
            with self.subTest(closed=closed):
                got = []
                endpoint = self.answerer('tcp', b'answer', got)
                connect = self.start(harness.Process(
                    ['bash', '-c', f'exec "$@" {closed}', 'bash', VSLUICE, 'connect', endpoint], 'vsluice connect'))
                status = connect.wait(5)
                self.assertEqual(got, [b''])
                if closed == '<&-':
                    self.assertEqual((status, connect.text), (0, 'answer'))
                self.assertGreaterEqual(status, 0)

    def test_usage(self):
        connect = self.connect('fd:3')
        self.assertEqual(connect.wait(), USAGE)


if __name__ == '__main__':
    harness.main()
