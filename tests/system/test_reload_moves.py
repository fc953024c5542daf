"""Addresses that move to a form that collides with what listens there still: the old one makes way, or is back."""

import contextlib
import os
import shutil
import socket
import threading

import harness
from harness import UNAVAILABLE
from reloading import ReloadCase


def free_port():
    """One that no address of this machine has."""
    with socket.create_server(('::', 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
        return sock.getsockname()[1]


class Moves(ReloadCase):
    def setUp(self):
        super().setUp()
        self.still = self.unix()
        self.knocks, self.failed, self.over = 0, [], threading.Event()

    def routes(self, *listens, to=None):
        """One that moves, and one that stays."""
        return {'moves': ('\n         '.join(listens), (to or self.first).endpoint, ''),
                'stays': (self.still, self.first.endpoint, '')}

    def knock(self):
        """At what stays, until it is over: it is never refused."""
        while not self.over.is_set():
            try:
                if self.ask(self.still) != b'first':
                    self.failed.append('another answer')
            except OSError as error:
                self.failed.append(error)
            self.knocks += 1

    def run_knocked(self, *listens):
        vsluice = self.run_it(self.routes(*listens))
        self.fds = vsluice.fds()
        self.knocker = threading.Thread(target=self.knock)
        self.knocker.start()
        self.addCleanup(self.over.set)
        return vsluice

    def end_knocked(self, vsluice):
        self.over.set()
        self.knocker.join()
        self.assertEqual(self.failed, [])
        self.assertGreater(self.knocks, 0)
        vsluice.wait_fds(self.fds)
        self.end_well(vsluice)

    def answers(self, endpoint):
        """Who is behind it; none: nobody listens."""
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            return self.ask(endpoint)

    def walk(self, *stations):
        """From one to the next and on: each is what is listened on, and who is reached there; old sessions live on.
        The last has as many sockets as the first."""
        vsluice = self.run_knocked(*stations[0][0])
        places = {place for _, reached in stations for place in reached}
        to = self.first
        for number, (listens, reached) in enumerate(stations):
            if number > 0:
                to = self.second if number % 2 else self.first
                self.reload(self.routes(*listens, to=to))
            found = {place: self.answers(place) for place in places}
            self.assertEqual(found, {place: to.name if place in reached else None for place in places}, listens)
            old = self.dial(reached[0])
            self.assertEqual(old.recv(100), to.name)
            if number > 0:
                before.sendall(b'still here')
                self.assertEqual(before.recv(100), b'still here')
                before.close()
            before = old
        before.close()
        self.end_knocked(vsluice)

    def test_tcp(self):
        port = free_port()
        four, six = f'tcp:127.0.0.1:{port}', f'tcp:[::1]:{port}'
        every, all_four, all_six = f'tcp:*:{port}', f'tcp:0.0.0.0:{port}', f'tcp:[::]:{port}'
        self.walk(([every], [four, six]), ([four], [four]), ([all_four], [four]), ([all_six], [six]),
                  ([every], [four, six]), ([all_six, all_four], [four, six]), ([six, four], [four, six]),
                  ([every], [four, six]), ([all_four, six], [four, six]), ([four], [four]))

    def test_names(self):
        port = free_port()
        names, four = f'tcp:localhost:{port}', f'tcp:127.0.0.1:{port}'
        self.walk(([four], [four]), ([names], [four]), ([four], [four]))

    def test_files_and_abstract_names(self):
        path, name = self.name(), self.name()
        a, b = f'unix:{path}_7', f'unix:@{name}'
        self.walk(([f'vsock-mux:{path}:7', b], [a, b]), ([a, b], [a, b]), ([f'unix:{os.path.dirname(path)}/.//'
                  f'{os.path.basename(path)}_7', b], [a, b]), ([f'vsock-mux:{path}:7'], [a]), ([a, b], [a, b]))

    def test_a_mux_takes_the_place_of_a_plain_one(self):
        for place in self.unix(), f'unix:@{self.name()}':
            mux = {'moves': ('mux:' + place[5:], f'vsock-mux:{self.name()}:*', '')}
            vsluice = self.run_it(self.routes(place))
            self.assertEqual(self.ask(place), b'first')
            self.reload(mux)
            with self.dial(place) as sock:
                sock.sendall(b'no handshake\n')
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(sock.recv(100), b'')
            self.reload(self.routes(place))
            self.assertEqual(self.ask(place), b'first')
            self.end(vsluice)

    def test_a_chosen_port_that_is_named_then(self):
        vsluice = self.run_it(self.routes('tcp:127.0.0.1:0'))
        port = vsluice.routes['moves'].rpartition(':')[2]
        self.reload({'other': (f'tcp:*:{port}', self.second.endpoint, '')})
        self.assertEqual(self.ask(f'tcp:[::1]:{port}'), b'second')
        self.end_well(vsluice)

    def test_routes_swap(self):
        ports = [free_port(), free_port()]
        forms = [[f'tcp:{host}:{port}' for port in ports] for host in ('*', '127.0.0.1')]
        first, second = self.first.endpoint, self.second.endpoint
        vsluice = self.run_it({'a': (forms[0][0], first, ''), 'b': (forms[1][1], second, '')})
        self.reload({'a': (forms[0][1], first, ''), 'b': (forms[1][0], second, '')})
        self.assertEqual(self.ask(forms[1][1]), b'first')
        self.assertEqual(self.ask(forms[1][0]), b'second')
        self.end_well(vsluice)

    def test_from_a_guest_of_all_to_a_route_and_back(self):
        """What else listens for that guest goes on, and it is as before where the route cannot be had."""
        vms, out = self.name(''), self.name('')
        os.mkdir(vms)
        os.link(self.first.endpoint[5:], f'{vms}/p.sock')
        each = f'[guest *]\naddress = vsock-mux:{vms}/{{name}}.sock\n'
        template = {kind: (f'unix:@{out}-{kind}-{{name}}', 'guest:{name}:1', '') for kind in 'xy'}
        taken, mine = f'unix:@{out}-x-p', f'unix:@{out}-y-p'
        vsluice = self.run_it({**template, 'r': (self.still, self.first.endpoint, '')}, each)
        fds = vsluice.fds()
        self.dial(mine).close()
        both = f'{taken}\n         {self.second.endpoint}'
        said = self.reload({**template, 'r': (both, self.second.endpoint, '')}, each, status=UNAVAILABLE)
        self.assertIn('nothing has changed', said)
        vsluice.wait_lines(f'listening on {taken} -> guest:p:1', 2)
        self.reload({'y': template['y'], 'r': (taken, self.second.endpoint, '')}, each)
        self.assertEqual(self.ask(taken), b'second')
        self.reload({**template, 'r': (self.still, self.first.endpoint, '')}, each)
        vsluice.wait_lines(f'listening on {taken} -> guest:p:1', 3)
        self.assertEqual(len(vsluice.matches(f'listening on {mine}')), 1)
        vsluice.wait_fds(fds)
        self.end(vsluice)

    def test_one_that_comes_to_nothing_is_back(self):
        """Another program has one of the addresses, which shows when the old one has made way."""
        port = free_port()
        four, six = f'tcp:127.0.0.1:{port}', f'tcp:[::1]:{port}'
        vsluice = self.run_knocked(four)
        with socket.create_server(('::1', port), family=socket.AF_INET6):
            said = self.reload(self.routes(f'tcp:*:{port}', self.unix(), to=self.second), status=UNAVAILABLE)
            self.assertIn('an address cannot be had, as the log says; nothing has changed', said)
            self.assertEqual(self.ask(four), b'first')
        vsluice.wait_lines(f'route moves: tcp:.*:{port}: .*another program has it')
        self.assertIsNone(self.answers(six))
        self.reload(self.routes(f'tcp:*:{port}', to=self.second))
        self.assertEqual([self.ask(four), self.ask(six)], [b'second', b'second'])
        self.end_knocked(vsluice)

    def test_one_that_cannot_be_had_again_is_told_of(self):
        """And all else goes on; it is there again once it can be."""
        place = self.name('')
        os.mkdir(place)
        vsluice = self.run_knocked(f'unix:{place}/s')
        shutil.rmtree(place)
        said = self.reload(self.routes(f'unix:{place}/./s', to=self.second), status=UNAVAILABLE)
        self.assertIn('nor can again what made way for it', said)
        vsluice.wait_lines(f'route moves: no longer listening on unix:{place}/s, which cannot be had again: ')
        os.mkdir(place)
        self.reload(self.routes(f'unix:{place}/s'))
        self.assertEqual(self.ask(f'unix:{place}/s'), b'first')
        self.end_knocked(vsluice)


if __name__ == '__main__':
    harness.main()
