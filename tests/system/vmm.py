"""VMMs, played quirk for quirk as docs/vmm.md has them: their vsock-mux socket towards the host, and a guest behind it.

A test holds the guest's ends: accept() is a service in the guest, dial() a program in it. What goes on between such an
end and the host is the VMM's, and that runs in one thread: while it waits for the host, nothing in it moves.
"""

import contextlib
import dataclasses
import os
import pathlib
import queue
import re
import select
import socket
import struct
import threading
import time

from harness import SLOWNESS

COMMAND_BYTES = 32
HOST_PORT_MIN = 1 << 30
PATIENCE = 10 * SLOWNESS


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a VMM does. Ends: what becomes of a half-close of the host, of the guest: 'cut', 'pass' or 'drop'."""
    word: str
    host_ends: str
    guest_ends: str
    handshake: bool = True
    command_in_pieces: bool = False
    keeps_early_data: bool = True
    ok_is_host_port: bool = True
    connections_max: int = 1 << 30
    process: str = ''


FIRECRACKER = Kind('firecracker', 'cut', 'drop', connections_max=1023, process='firecracker')
CLOUD_HYPERVISOR_46 = Kind('cloud-hypervisor', 'cut', 'drop', connections_max=1023, process='cloud-hyperviso')
CLOUD_HYPERVISOR_47 = dataclasses.replace(CLOUD_HYPERVISOR_46, command_in_pieces=True)
CLOUD_HYPERVISOR_53 = dataclasses.replace(CLOUD_HYPERVISOR_47, host_ends='pass', guest_ends='pass')
VHOST_DEVICE = Kind('vhost-device', 'drop', 'drop', keeps_early_data=False, ok_is_host_port=False)
LIBKRUN = Kind('libkrun', 'pass', 'pass', handshake=False)


@contextlib.contextmanager
def process_name(name):
    """Of this process, which is the VMM's: by it vsluice recognises some."""
    comm = pathlib.Path('/proc/self/comm')
    before = comm.read_text()
    comm.write_text(name)
    try:
        yield
    finally:
        comm.write_text(before)


def readable(sock):
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Refused(Exception):
    """The connection is closed without a word."""


class Connection:
    """One of the host and its counterpart towards the guest, each a socket of the VMM."""

    def __init__(self, vmm, host):
        self.vmm = vmm
        self.host = host
        self.guest, self.guest_end = socket.socketpair()
        self.host.settimeout(PATIENCE)
        self.guest.settimeout(PATIENCE)
        self.guest_end.settimeout(PATIENCE)

    def start(self):
        self.vmm.watch(self.host, lambda events: self._carry(self.host, self.guest, self.vmm.kind.host_ends, events))
        self.vmm.watch(self.guest, lambda events: self._carry(self.guest, self.host, self.vmm.kind.guest_ends, events))

    def _carry(self, source, sink, ends, events):
        """What source has for sink; EPOLLHUP is its whole close."""
        with contextlib.suppress(ConnectionError):
            data = source.recv(1 << 16) if events & select.EPOLLIN else b''
            if data:
                sink.sendall(data)
                return
            if not events & (select.EPOLLHUP | select.EPOLLERR):
                self.vmm.half_closes += source is self.host
                if ends == 'pass':
                    sink.shutdown(socket.SHUT_WR)
                if ends != 'cut':
                    self.vmm.watch_close_only(source)
                    return
        self.close()

    def close(self):
        self.vmm.connections.discard(self)
        for sock in self.host, self.guest:
            self.vmm.forget(sock)
            sock.close()


class Vmm:
    """One that runs. ports: those that are served in its guest.

    ok_pause: seconds before OK; ok_trickles: its bytes come one by one; behind_ok: what a service says, in the segment
    of OK. To be read: requests, the commands as they came; early, how many bytes came before OK was sent; half_closes,
    those of the host; most, how many connections there were at once; faults, what went wrong in the VMM itself.
    """

    def __init__(self, kind, path, ports=(80,), ok_pause=0, ok_trickles=False, behind_ok=b''):
        self.kind, self.path = kind, path
        self.ok_pause, self.ok_trickles, self.behind_ok = ok_pause, ok_trickles, behind_ok
        self.requests, self.early, self.half_closes, self.most, self.faults = [], 0, 0, 0, []
        self.accepted = {port: queue.Queue() for port in ports}
        self.connections = set()
        self.handlers = {}
        self.epoll = select.epoll()
        self.lock = threading.RLock()
        self.files = []
        if kind.handshake:
            self._listen(path, None)
        else:
            for port in ports:
                self._listen(f'{path}_{port}', port)
        self.wake, wake = socket.socketpair()
        self.watch(wake, None)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        self.wake.close()
        self.thread.join(PATIENCE)
        for connection in list(self.connections):
            connection.close()
        for sock, _ in self.handlers.values():
            sock.close()
        self.epoll.close()
        for path in self.files:
            os.unlink(path)

    def accept(self, port=80):
        """The service's end of the next connection of the host."""
        return self.accepted[port].get(timeout=PATIENCE)

    def dial(self, port, patience=PATIENCE):
        """The end of a program in the guest that connects to the host; the VMM waits for that, with all its VM."""
        with self.lock:
            if len(self.connections) >= self.kind.connections_max:
                raise ConnectionResetError
            host = socket.socket(socket.AF_UNIX)
            host.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', int(patience), 0))
            try:
                host.connect(f'{self.path}_{port}')
            except OSError:
                host.close()
                raise
            connection = Connection(self, host)
            self._add(connection)
            connection.start()
            return connection.guest_end

    def watch(self, sock, handler):
        self.handlers[sock.fileno()] = sock, handler
        self.epoll.register(sock, select.EPOLLIN | select.EPOLLRDHUP)

    def watch_close_only(self, sock):
        self.epoll.modify(sock, 0)

    def forget(self, sock):
        if self.handlers.pop(sock.fileno(), None):
            self.epoll.unregister(sock)

    def _listen(self, path, port):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        self.files.append(path)
        listener.listen(4096)
        self.watch(listener, lambda _: self._arrived(listener, port))

    def _run(self):
        while True:
            for fd, events in self.epoll.poll(maxevents=1):
                with self.lock:
                    _, handler = self.handlers.get(fd, (None, lambda _: None))
                    if handler is None:
                        return
                    self._handle(handler, events)

    def _handle(self, handler, events):
        try:
            handler(events)
        except Exception as error:
            self.faults.append(error)

    def _add(self, connection):
        self.connections.add(connection)
        self.most = max(self.most, len(self.connections))

    def _arrived(self, listener, port):
        host, _ = listener.accept()
        if len(self.connections) >= self.kind.connections_max:
            self.most = self.kind.connections_max + 1
            host.close()
            return
        connection = Connection(self, host)
        self._add(connection)
        try:
            if port is None:
                port = self._greet(connection)
        except (Refused, ConnectionError):
            connection.close()
            connection.guest_end.close()
            return
        connection.start()
        self.accepted[port].put(connection.guest_end)

    def _greet(self, connection):
        """CONNECT and OK; the port."""
        host = connection.host
        command, behind = self._command(host)
        self.requests.append(command)
        match = re.fullmatch(rb'CONNECT (\d+)\n', command)
        if not match or int(match[1]) not in self.accepted:
            raise Refused
        time.sleep(self.ok_pause)
        if readable(host):
            behind += host.recv(1 << 20)
        self.early += len(behind)
        if self.kind.keeps_early_data:
            connection.guest.sendall(behind)
        self._say_ok(host, int(match[1]))
        return int(match[1])

    def _command(self, host):
        """Up to its newline, and what stands behind it; of one read, or of several, in at most 32 bytes."""
        command = host.recv(COMMAND_BYTES)
        while self.kind.command_in_pieces and b'\n' not in command and len(command) < COMMAND_BYTES:
            piece = host.recv(COMMAND_BYTES - len(command))
            if not piece:
                break
            command += piece
        end = command.find(b'\n') + 1 or len(command)
        return command[:end], command[end:]

    def _say_ok(self, host, port):
        number = HOST_PORT_MIN + len(self.requests) if self.kind.ok_is_host_port else port
        answer = b'OK %d\n' % number
        if self.ok_trickles:
            for byte in answer[:-1]:
                host.sendall(bytes([byte]))
                time.sleep(0.01)
            answer = answer[-1:]
        host.sendall(answer + self.behind_ok)

