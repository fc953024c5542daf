"""VMMs that differ: who cuts a connection when the host half-closes it, and who has a socket for each port.

With an argument `mux PATH NAME` it is such a VMM: a process of that name that, as Firecracker does, ends a whole connection
on the host's end-of-file.
"""

import os
import pathlib
import select
import socket
import sys

import harness
from harness import SLOWNESS, read_all

ANSWER = bytes(range(256)) * 4096
PAUSE = 0.2 * SLOWNESS


def serve_cut(connection):
    """Answers a line in two pieces; an end-of-file before the second ends it."""
    with connection:
        connection.recv(100)
        connection.sendall(b'OK 1073741824\n')
        while not connection.recv(100).endswith(b'\n'):
            pass
        half = len(ANSWER) // 2
        connection.sendall(ANSWER[:half])
        readable, _, _ = select.select([connection], [], [], PAUSE)
        if readable and connection.recv(1, socket.MSG_PEEK) == b'':
            return
        connection.sendall(ANSWER[half:])


def serve(path, name):
    pathlib.Path('/proc/self/comm').write_text(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print('ready', flush=True)
        while True:
            serve_cut(listener.accept()[0])


class Vmm(harness.TestCase):
    def routed(self, options, port=80, name='python3'):
        """A route to a guest behind such a VMM."""
        path = self.name('.sock')
        vmm = self.start(harness.Process([sys.executable, __file__, 'mux', path, name], 'vmm'))
        vmm.wait_lines('ready')
        return self.proxy(config=f'[guest g]\naddress = vsock-mux:{path}\n{options}\n'
                                 f'[route r]\nlisten = tcp:127.0.0.1:0\ntarget = guest:g:{port}\n')

    def answer(self, vsluice):
        """To a request whose sender half-closes behind it."""
        with self.dial(vsluice.endpoint) as initiator:
            initiator.sendall(b'GET\n')
            initiator.shutdown(socket.SHUT_WR)
            return read_all(initiator)

    def test_firecracker_is_told_when_both_have_ended(self):
        self.assertEqual(self.answer(self.routed('vmm = firecracker')), ANSWER)

    def test_half_close_held_by_wish(self):
        self.assertEqual(self.answer(self.routed('vmm = vhost-device\nhalf-close = hold')), ANSWER)

    def test_half_close_passed_by_wish(self):
        self.assertLess(len(self.answer(self.routed('vmm = firecracker\nhalf-close = pass'))), len(ANSWER))

    def test_others_are_told_at_once(self):
        for vmm in 'cloud-hypervisor', 'vhost-device':
            with self.subTest(vmm):
                self.assertLess(len(self.answer(self.routed(f'vmm = {vmm}'))), len(ANSWER))

    def test_firecracker_is_recognised(self):
        self.assertEqual(self.answer(self.routed('', name='firecracker')), ANSWER)
        self.assertLess(len(self.answer(self.routed('', name='another'))), len(ANSWER))

    def test_what_firecracker_dials(self):
        """The target ends; the guest, which still sends, is told when it has ended too."""
        path = self.name('.sock')
        server, target = self.listener('tcp')
        self.proxy(config=f'[guest g]\naddress = vsock-mux:{path}\nvmm = firecracker\n'
                          f'[route r]\nlisten = guest:g:5000\ntarget = {target}\n')
        with self.dial(f'unix:{path}_5000') as guest, self.accept(server) as service:
            service.sendall(b'hello')
            service.shutdown(socket.SHUT_WR)
            self.assertEqual(guest.recv(100), b'hello')
            self.assertEqual(select.select([guest], [], [], PAUSE)[0], [])
            guest.sendall(b'the rest')
            guest.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(service), b'the rest')
            self.assertEqual(read_all(guest), b'')

    def test_libkrun_has_a_socket_for_each_port(self):
        path = self.name('.sock')
        with socket.socket(socket.AF_UNIX) as guest_port:
            guest_port.bind(f'{path}_80')
            guest_port.listen()
            vsluice = self.proxy(config=f'[guest k]\naddress = vsock-mux:{path}\nvmm = libkrun\n'
                                        '[route r]\nlisten = tcp:127.0.0.1:0\ntarget = guest:k:80\n')
            with self.dial(vsluice.endpoint) as initiator, self.accept(guest_port) as service:
                service.sendall(b'first')
                self.assertEqual(initiator.recv(100), b'first')
                initiator.sendall(b'second')
                initiator.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(service), b'second')
        os.unlink(f'{path}_80')


if __name__ == '__main__':
    if sys.argv[1:2] == ['mux']:
        serve(*sys.argv[2:])
    else:
        harness.main()
