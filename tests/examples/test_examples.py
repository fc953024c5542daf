"""Every example does its job, and stands what it is sent: over Unix sockets, and over vsock in tests/lab/uml."""

import json
import os
import signal
import threading
import time

import examples
import harness
from examples import ECHO, KIND, LONG_S, PING, SHORT_S, UPTIME, ended, frame, read_exactly, read_line, read_message
from harness import SLOWNESS, wait_until


class Server(examples.ExampleCase):
    """What all servers have from serve.c."""

    def test_many_at_once(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        socks = [self.dial(endpoint) for _ in range(40)]
        for number, sock in enumerate(socks):
            sock.sendall(b'connection %d\n' % number)
        for sock in socks:
            self.assertRegex(read_line(sock), '^ok Linux ')
        told = server.wait_lines(r': connection (\d+)$', 40)
        self.assertEqual({int(match[1]) for match in told}, set(range(40)))
        self.stop(server)

    def test_no_more_than_its_places(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        socks = [self.dial(endpoint) for _ in range(64)]
        for sock in socks:
            sock.sendall(b'here\n')
            read_line(sock)
        self.assertTrue(ended(self.dial(endpoint)))
        server.wait_lines('Device or resource busy')
        socks.pop().close()
        wait_until(lambda: self.is_served(endpoint), 10, 'a place that is free again is not given')

    def is_served(self, endpoint):
        sock = self.dial(endpoint)
        try:
            sock.sendall(b'anybody?\n')
            return read_line(sock).startswith('ok ')
        except ConnectionError:
            return False

    def test_stops_with_connections_open(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        sock = self.dial(endpoint)
        sock.sendall(b'here\n')
        read_line(sock)
        self.stop(server)
        self.assertTrue(ended(sock))
        if KIND == 'unix':
            self.assertFalse(os.path.exists(endpoint.removeprefix('unix:')), 'the socket file stays')

    def test_told_what_is_wrong(self):
        _, endpoint = self.serve('guest-listener')
        taken = endpoint.replace('vsock:local:', 'vsock:any:')
        self.assertIn('in use', self.done('guest-listener', taken, status=1)[0])
        for wrong in ('tcp:127.0.0.1:1', 'vsock:any:x', 'vsock-mux:/x', 'vsock-mux:/x:1x', 'vsock-mux::1', 'unix:', ''):
            with self.subTest(wrong):
                self.assertIn(': no endpoint: ', self.done('guest-listener', wrong, status=1)[0])
        self.assertIn('usage: ', self.done('guest-listener', 'unix:/x', '0', status=1)[0])
        self.assertIn('usage: ', self.done('guest-listener', status=1)[0])


class GuestListener(examples.ExampleCase):
    def test_lines_in_any_pieces(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        sock = self.dial(endpoint)
        for piece in (b'fir', b'st\nsecond\nth', b'ird', b'\n'):
            sock.sendall(piece)
            time.sleep(0.02 * SLOWNESS)
        for _ in range(3):
            self.assertRegex(read_line(sock), r'^ok Linux \S+ \S+\n$')
        sock.close()
        for word in ('first', 'second', 'third'):
            server.wait_lines(f': {word}$')
        self.stop(server)
        self.assertEqual(len(server.text.split('\n')), 4, server.text)

    def test_what_must_not_reach_a_terminal(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        self.dial(endpoint).sendall(b'a\x1b[2J\xffb\n')
        server.wait_lines(r': a\?\[2J\?b$')

    def test_too_long(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        for length in (511, 512):
            sock = self.dial(endpoint)
            sock.sendall(b'x' * length + b'\n')
            with self.subTest(length):
                self.assertTrue(read_line(sock).startswith('ok ') if length == 511 else ended(sock))
        server.wait_lines('Message too long')

    def test_silence(self):
        """Its time is for the connection, however often something comes."""
        server, endpoint = self.serve('guest-listener', SHORT_S)
        sock = self.dial(endpoint)
        sock.sendall(b'a line\nhalf a')
        read_line(sock)
        self.assertTrue(ended(sock))
        server.wait_lines('read vsock .*timed out')

    def test_vanishes(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        sock = self.dial(endpoint)
        sock.sendall(b'half a')
        sock.close()
        server.wait_lines('read vsock .*(reset|vanished|gone)')
        self.assertRegex(self.done('guest-dialer', endpoint)[0], '^answer: ok ')


class GuestDialer(examples.ExampleCase):
    def test_reports(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        self.assertRegex('\n'.join(self.done('guest-dialer', endpoint)), r'^answer: ok Linux \S+ \S+$')
        server.wait_lines(r': report cid=\d+ load=\d+\.\d\d,\d+\.\d\d,\d+\.\d\d$')

    def test_tries_until_somebody_listens(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        self.stop(server)
        dialer = self.run_example('guest-dialer', '-n', 1000, endpoint)
        dialer.wait_lines('dial vsock', count=3)
        self.serve('guest-listener', LONG_S, endpoint=endpoint.replace('vsock:local:', 'vsock:any:'))
        self.assertEqual(dialer.wait(30), 0, dialer.text)

    def test_gives_up(self):
        server, endpoint = self.serve('guest-listener', LONG_S)
        self.stop(server)
        began = time.monotonic()
        lines = self.done('guest-dialer', '-n', 3, endpoint, status=1)
        self.assertEqual(len(lines), 3, lines)
        self.assertGreaterEqual(time.monotonic() - began, 0.3, 'no pauses of 0.1 s and 0.2 s')

    def test_not_tried_again(self):
        lines = self.done('guest-dialer', 'vsock-mux:/dev/null/x:1', status=1)
        self.assertEqual(len(lines), 1, lines)

    def test_no_answer(self):
        _, endpoint = self.serve('deadline-agent', LONG_S)
        self.assertIn('answer: no such request', self.done('guest-dialer', endpoint, status=1))

    def test_answer_does_not_come(self):
        _, endpoint = self.listener('unix')
        lines = self.done('guest-dialer', '-t', 1, '-n', 1, endpoint, status=1)
        self.assertRegex(lines[0], 'read vsock .*timed out')

    def cancelled(self, dialer):
        asked = time.monotonic()
        dialer.signal(signal.SIGTERM)
        self.assertEqual(dialer.wait(10), 1, dialer.text)
        self.assertLess(time.monotonic() - asked, 2 * SLOWNESS)
        self.assertRegex(dialer.text, 'dial vsock .*[Cc]ancel')

    def test_cancelled_while_it_dials(self):
        """A VMM that takes the connection and never answers."""
        listener, endpoint = self.listener('unix')
        mux = endpoint.replace('unix:', 'vsock-mux:') + ':1024'
        dialer = self.run_example('guest-dialer', '-t', LONG_S * 10, mux)
        self.assertEqual(self.accept(listener).recv(100), b'CONNECT 1024\n')
        self.cancelled(dialer)

    def test_cancelled_while_it_pauses(self):
        dialer = self.run_example('guest-dialer', '-n', 1000000, f'unix:{self.name()}')
        dialer.wait_lines('dial vsock', count=5)
        self.cancelled(dialer)

    def test_usage(self):
        for arguments in ([], ['x'], ['-t', '0', 'unix:/x'],
                          ['-n', '0', 'unix:/x'], ['-x', 'unix:/x'], ['unix:/x', 'y']):
            with self.subTest(arguments):
                self.assertIn('usage: ', '\n'.join(self.done('guest-dialer', *arguments, status=2)))


class JsonAgent(examples.ExampleCase):
    def test_commands(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        text = 'ünï\\n"\\"' + 'x' * 60000
        answers = self.call(endpoint, PING, UPTIME, ECHO % json.dumps(text))
        with open('/proc/uptime') as file:
            uptime = float(file.read().split()[0])
        self.assertEqual([answers[0], answers[2]], [{'result': 'pong'}, {'result': text}])
        self.assertLess(abs(answers[1]['result'] - uptime), 5 * SLOWNESS)

    def test_errors_and_goes_on(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        sock = self.dial(endpoint)
        for request in ('{}', '[]', '"ping"', '{"command": 1}', '{"command": "rm"}', '{"command": "echo"}',
                        '[' * 1000 + ']' * 1000):
            sock.sendall(frame(request))
            with self.subTest(request):
                self.assertEqual(list(read_message(sock)), ['error'])
        sock.sendall(frame(PING))
        self.assertEqual(read_message(sock), {'result': 'pong'})
        self.call(endpoint, PING, '{"command": "rm"}', PING, status=1)

    def test_many_in_one_piece(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        sock = self.dial(endpoint)
        sock.sendall(b''.join(frame(ECHO % f'"{number}"') for number in range(100)))
        self.assertEqual([read_message(sock)['result'] for _ in range(100)], [str(number) for number in range(100)])

    def test_in_single_bytes(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        sock = self.dial(endpoint)
        for byte in frame(PING):
            sock.sendall(bytes([byte]))
            time.sleep(0.001)
        self.assertEqual(read_message(sock), {'result': 'pong'})

    def begun(self, endpoint, sent):
        sock = self.dial(endpoint)
        sock.sendall(sent)
        return sock

    def refused(self, sock, why):
        """An answer says why, and the connection ends."""
        self.assertRegex(read_message(sock)['error'], why)
        self.assertTrue(ended(sock))

    def test_no_messages(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        for sent, why in {
            b'GET / HTTP/1.1\r\n\r\n': 'length',
            b'\xff\xff\xff\xff': 'length',
            b'\x00\x01\x00\x01': 'length',
            bytes(4): 'length',
            frame('x'): 'no JSON',
            frame('{"command": "ping"'): 'no JSON',
            frame('{"command": "ping"} x'): 'no JSON',
            frame(b'"\xff\xfe"'): 'no JSON',
            frame('{"a": 1, "a": 2}'): 'no JSON',
            frame('[' * 60000): 'no JSON',
        }.items():
            with self.subTest(sent[:30]):
                self.refused(self.begun(endpoint, sent), why)
        self.assertEqual(self.call(endpoint, PING), [{'result': 'pong'}])

    def test_longest(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        sock = self.dial(endpoint)
        sock.sendall(frame(PING.ljust(65536)))
        self.assertEqual(read_message(sock), {'result': 'pong'})

    def test_silence(self):
        _, endpoint = self.serve('json-agent', SHORT_S)
        socks = {sent: self.begun(endpoint, sent) for sent in (b'', b'\x00\x00', frame(PING)[:-1])}
        for sent, sock in socks.items():
            with self.subTest(sent):
                self.refused(sock, 'timeout')

    def test_vanishes(self):
        server, endpoint = self.serve('json-agent', LONG_S)
        for sent in (b'\x00\x00', frame(PING)[:4], frame(PING)[:-1], frame(PING), frame(PING) * 1000):
            sock = self.dial(endpoint)
            sock.sendall(sent)
            sock.close()
        self.assertEqual(self.call(endpoint, PING), [{'result': 'pong'}])
        self.stop(server)

    def test_call_of_what_is_no_agent(self):
        listener, endpoint = self.listener('unix')
        for said in (b'\xff\xff\xff\xff', frame('x'), b''):
            call = self.run_example('json-call', endpoint, PING)
            sock = self.accept(listener)
            self.assertEqual(read_exactly(sock, 22), frame('{"command":"ping"}'))
            sock.sendall(said)
            sock.close()
            self.assertEqual(call.wait(10), 1, call.text)
            self.assertRegex(call.text, '^read vsock ')

    def test_call_of_wrong_arguments(self):
        _, endpoint = self.serve('json-agent', LONG_S)
        self.assertIn('usage: ', self.done('json-call', endpoint, status=2)[0])
        self.assertIn('{x: ', self.done('json-call', endpoint, '{x', status=1)[0])
        self.assertRegex(self.done('json-call', f'unix:{self.name()}', PING, status=1)[0], 'dial vsock .*No such file')


class DeadlineAgent(examples.ExampleCase):
    def test_requests(self):
        _, endpoint = self.serve('deadline-agent', LONG_S)
        sock = self.dial(endpoint)
        sock.sendall(b'echo a b\nfill 3\nfill 0\nhello\n')
        self.assertEqual([read_line(sock) for _ in range(4)], ['a b\n', 'xxx\n', '\n', 'no such request\n'])
        sock.sendall(b'fill 1000000\n')
        self.assertEqual(read_exactly(sock, 1000001), b'x' * 1000000 + b'\n')

    def timed(self, sock):
        """Seconds until "timeout" and the end come."""
        began = time.monotonic()
        self.assertEqual(read_line(sock), 'timeout\n')
        self.assertTrue(ended(sock))
        return time.monotonic() - began

    def test_late(self):
        server, endpoint = self.serve('deadline-agent', SHORT_S)
        silent, slow = self.dial(endpoint), self.dial(endpoint)
        slow.sendall(b'echo hal')
        self.assertGreater(self.timed(silent), SHORT_S * 0.8)
        self.timed(slow)
        server.wait_lines('read vsock .*timed out', count=2)

    def test_extended_by_each_request(self):
        _, endpoint = self.serve('deadline-agent', SHORT_S)
        sock = self.dial(endpoint)
        for _ in range(4):
            time.sleep(SHORT_S * 0.3)
            sock.sendall(b'echo here\n')
            self.assertEqual(read_line(sock), 'here\n')
        self.assertGreater(self.timed(sock), SHORT_S * 0.8)

    def test_not_extended_by_a_byte(self):
        """Who sends a byte now and then is late all the same."""
        _, endpoint = self.serve('deadline-agent', SHORT_S)
        sock = self.dial(endpoint)
        gone = threading.Event()

        def trickle():
            try:
                while not gone.wait(SHORT_S * 0.2):
                    sock.sendall(b'x')
            except OSError:
                pass

        thread = threading.Thread(target=trickle)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(gone.set)
        self.assertEqual(read_line(sock), 'timeout\n')

    def test_does_not_read(self):
        server, endpoint = self.serve('deadline-agent', SHORT_S)
        sock = self.dial(endpoint)
        sock.sendall(b'fill 100000000\n')
        server.wait_lines('write vsock .*timed out')
        self.assertLess(len(read_exactly(sock, 100000001)), 100000000)

    def test_reads_slowly(self):
        """The whole answer takes longer than SECONDS, no piece does."""
        _, endpoint = self.serve('deadline-agent', SHORT_S)
        sock = self.dial(endpoint)
        sock.sendall(b'fill 4000000\n')
        began = time.monotonic()
        for _ in range(8):
            self.assertEqual(len(read_exactly(sock, 500000)), 500000)
            time.sleep(SHORT_S * 0.2)
        self.assertEqual(read_line(sock), '\n')
        self.assertGreater(time.monotonic() - began, SHORT_S)

    def test_vanishes(self):
        server, endpoint = self.serve('deadline-agent', LONG_S)
        sock = self.dial(endpoint)
        sock.sendall(b'fill 100000000\n')
        read_exactly(sock, 1000)
        sock.close()
        server.wait_lines('write vsock ')
        sock = self.dial(endpoint)
        sock.sendall(b'x' * 512)
        self.assertEqual(read_line(sock), 'too long\n')
        self.assertTrue(ended(sock))


if __name__ == '__main__':
    harness.main()
