"""The example programs from outside: what their tests share, on top of tests/system/harness.py.

VSLUICE_EXAMPLES: the folder with the programs. VSLUICE_TEST_KINDS: unix, or vsock in tests/lab/uml.
"""

import contextlib
import json
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, 'system'))
import harness  # noqa: E402
from harness import SLOWNESS  # noqa: E402

PROGRAMS = os.environ.get('VSLUICE_EXAMPLES', 'examples')
KIND = os.environ.get('VSLUICE_TEST_KINDS', 'unix')

# What a server grants in these tests where a test waits for its end, and where none may come.
SHORT_S = 1 if SLOWNESS == 1 else 2
LONG_S = int(30 * SLOWNESS)

PING = '{"command": "ping"}'
UPTIME = '{"command": "uptime"}'
ECHO = '{"command": "echo", "text": %s}'


def program(name):
    return os.path.join(PROGRAMS, name)


def frame(text):
    """A message of json-agent."""
    body = text if isinstance(text, bytes) else text.encode()
    return struct.pack('>I', len(body)) + body


class ExampleCase(harness.TestCase):
    def run_example(self, name, *arguments):
        return self.start(harness.Process([program(name), *map(str, arguments)], name))

    def serve(self, name, *arguments, endpoint=None):
        """A server, and the endpoint to dial it."""
        server = self.run_example(name, endpoint or self.listen(KIND), *arguments)
        said = server.wait_lines(r'^listening on (\S+)$')[0][1]
        return server, harness.connectable(said)

    def done(self, name, *arguments, status=0):
        """A program that runs to its end; its lines."""
        process = self.run_example(name, *arguments)
        self.assertEqual(process.wait(30), status, process.text)
        return process.text.split('\n')

    def dial(self, endpoint, timeout=20):
        if not endpoint.startswith('vsock:'):
            return super().dial(endpoint, timeout)
        harness.prove_lab()
        sock = socket.socket(socket.AF_VSOCK)
        self.addCleanup(sock.close)
        sock.settimeout(timeout * SLOWNESS)
        sock.connect((1, int(endpoint.rpartition(':')[2])))
        return sock

    def stop(self, server):
        """SIGTERM ends it well, and at once."""
        server.signal(harness.signal.SIGTERM)
        self.assertEqual(server.wait(5), 0, server.text)

    def call(self, endpoint, *requests, status=0):
        """The answers to json-call."""
        return [json.loads(line) for line in self.done('json-call', endpoint, *requests, status=status)]


def read_line(sock):
    """Up to the newline and not beyond."""
    line = b''
    while not line.endswith(b'\n') and (byte := sock.recv(1)):
        line += byte
    return line.decode()


def read_message(sock):
    head = read_exactly(sock, 4)
    return json.loads(read_exactly(sock, *struct.unpack('>I', head)))


def read_exactly(sock, count):
    found = b''
    while len(found) < count and (part := sock.recv(count - len(found))):
        found += part
    return found


def ended(sock):
    """Whether nothing follows but the end; a reset is one, where something that was sent stood unread."""
    with contextlib.suppress(ConnectionResetError):
        return sock.recv(1) == b''
    return True
