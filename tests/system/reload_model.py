"""Random configurations, and what must listen where by each of them: a model that shares nothing with the program.

A claim is an address as the kernel has it: ('4', HOST, PORT), ('6', HOST, PORT) with None for all hosts, ('file', PATH)
or ('abstract', NAME).
"""

import copy
import os
import re
import socket

STEADY = 'steady'


class Route:
    def __init__(self, name, listens, target, options=()):
        self.name, self.listens, self.target, self.options = name, list(listens), target, list(options)

    @property
    def is_template(self):
        return any('{name}' in text for text in (*self.listens, self.target))

    @property
    def is_mux(self):
        return self.listens[0].startswith('mux:')

    def text(self):
        return (f'[route {self.name}]\nlisten = ' + '\n         '.join(self.listens) + f'\ntarget = {self.target}\n' +
                ''.join(f'{option}\n' for option in self.options))


class Configuration:
    """Routes by name; guests by name, each with the path of its VMM's socket; the pattern of [guest *], or None."""

    def __init__(self):
        self.routes, self.guests, self.each = {}, {}, None

    def sections(self):
        sections = [f'[guest {name}]\naddress = vsock-mux:{path}\n' for name, path in self.guests.items()]
        if self.each:
            sections.append(f'[guest *]\naddress = vsock-mux:{self.each}\n')
        return sections + [route.text() for route in self.routes.values()]


def conflict(one, other):
    """Can they not both be bound?"""
    if one[0] != other[0] or one[0] not in '46':
        return one == other
    return one[2] == other[2] and (one[1] == other[1] or None in (one[1], other[1]))


def ports_of(text):
    first, _, last = text.partition('-')
    return range(int(first), int(last or first) + 1)


def host_claims(host, port):
    if host == '*':
        return [('4', None, port), ('6', None, port)]
    if host in ('0.0.0.0', '[::]'):
        return [('4' if host == '0.0.0.0' else '6', None, port)]
    infos = socket.getaddrinfo(host.strip('[]'), None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [('6' if family == socket.AF_INET6 else '4', where[0], port) for family, *_, where in infos]


def claims_of(listen, guests):
    """A list for each port of the endpoint."""
    kind, _, rest = listen.partition(':')
    if kind == 'tcp':
        host, _, ports = rest.rpartition(':')
        return [host_claims(host, port) for port in ports_of(ports)]
    if kind == 'guest':
        name, _, port = rest.partition(':')
        return [[('file', f'{guests[name]}_{port}')]]
    if kind == 'vsock-mux':
        path, _, port = rest.rpartition(':')
        return [[('file', f'{path}_{port}')]]
    return [[('abstract', rest[1:]) if rest.startswith('@') else ('file', os.path.normpath(rest))]]


class Place:
    """What is behind a claim: whose words are to come, whether they are asked for as of a VMM; which listener it is of,
    to know it by after a reload; the mode of its file."""

    def __init__(self, answer, mux, listen, mode):
        self.answer, self.mux, self.listen, self.mode = answer, mux, listen, mode


def answer_of(target, offset, guests, world):
    kind, _, rest = target.partition(':')
    if kind == 'tcp':
        return world.tcp_service(list(ports_of(rest.rpartition(':')[2]))[offset])
    if kind == 'guest':
        return world.services[guests[rest.partition(':')[0]]]
    if kind == 'vsock-mux':
        return world.services[rest.rpartition(':')[0]]
    return world.services[rest]


def mode_of(route):
    for option in route.options:
        if option.startswith('mode = '):
            return int(option[7:], 8)
    return None


def model(configuration, world):
    """What listens: a list of (claim, Place)."""
    guests = dict(configuration.guests)
    found = {name: configuration.each.replace('{name}', name) for name in world.present(configuration.each)
             if name not in guests} if configuration.each else {}
    listening = []
    for route in configuration.routes.values():
        for name in [*guests, *found] if route.is_template else [None]:
            known = {**guests, **found}
            target = route.target.replace('{name}', name or '')
            for listen in route.listens:
                listen = listen.replace('{name}', name or '')
                ranged = '-' in target.rpartition(':')[2] and target.startswith('tcp:')
                for offset, claims in enumerate(claims_of(listen, known)):
                    answer = answer_of(target, offset if ranged else 0, known, world)
                    # What is of a guest of [guest *] is kept while it is so, and where that looks for them.
                    owner = configuration.each if name in found else None
                    place = Place(answer, route.is_mux, (listen, offset, owner), mode_of(route))
                    listening += [(claim, place) for claim in claims]
    return listening


def is_sound(configuration, world):
    """Is all there that it refers to, and no address claimed twice?"""
    for route in configuration.routes.values():
        for text in (*route.listens, route.target):
            named = re.match(r'guest:([^:]+):', text)
            if named and named[1] != '{name}' and named[1] not in configuration.guests:
                return False
        if route.is_template and not (configuration.guests or configuration.each):
            return False
    claims = [claim for claim, _ in model(configuration, world)]
    return not any(conflict(a, b) for i, a in enumerate(claims) for b in claims[:i])


class Generator:
    """Changes a configuration into the next; all chance is that of `random`."""

    def __init__(self, random, world):
        self.random, self.world = random, world
        self.number = 0

    def name(self):
        self.number += 1
        return f'r{self.number % 40}'

    def tcp_listen(self):
        world, random = self.world, self.random
        if random.random() < 0.1:
            first = random.choice(world.ports[:-2])
            return f'tcp:{random.choice(world.hosts)}:{first}-{first + 2}'
        return f'tcp:{random.choice(world.hosts)}:{random.choice(world.ports)}'

    def listen(self):
        world, random = self.world, self.random
        kind = random.choice(['tcp'] * 4 + ['half'] * 2 + ['file', 'abstract', 'vsock-mux', 'vsock-mux file', 'guest',
                                                           'odd file'])
        if kind == 'tcp':
            return self.tcp_listen()
        if kind == 'half':
            return f'tcp:{random.choice(("127.0.0.1", "127.0.0.2"))}:{world.half_port}'
        if kind == 'guest':
            return f'guest:{random.choice(world.guest_names)}:{random.choice((7, 8))}'
        path = random.choice(world.paths)
        odd = f'{os.path.dirname(path)}/./{os.path.basename(path)}'
        return {'file': f'unix:{path}', 'abstract': f'unix:@{path}', 'vsock-mux': f'vsock-mux:{path}:7',
                'vsock-mux file': f'unix:{path}_7', 'odd file': f'unix:{odd}'}[kind]

    def target(self, each=False):
        world, random = self.world, self.random
        if each and random.random() < 0.5:
            return 'guest:{name}:1'
        kind = random.choice(['unix', 'unix', 'tcp', 'guest', 'vsock-mux'])
        if kind == 'tcp':
            return f'tcp:127.0.0.1:{random.choice(world.service_ports)}'
        if kind == 'guest':
            return f'guest:{random.choice(world.guest_names)}:1'
        if kind == 'vsock-mux':
            return f'vsock-mux:{random.choice(world.vmm_paths)}:1'
        return f'unix:{random.choice(world.plain_paths)}'

    def options(self, listens):
        """None of them changes who may connect."""
        random = self.random
        each = ['connect-timeout = 7s', 'idle-timeout = 1h', 'keepalive = 1m', 'keepalive = off', 'backlog = 100',
                'lane = small', 'lane = auto', 'max-session-time = 1h', 'max-sessions = 1000',
                'half-close-timeout = 1h']
        chosen = {option.partition(' ')[0]: option for option in random.sample(each, random.choice((0, 0, 1, 3)))}
        if any(listen.startswith(('unix:/', 'mux:/')) for listen in listens) and random.random() < 0.5:
            chosen['mode'] = f'mode = 0{random.choice((600, 660, 666))}'
        return list(chosen.values())

    def route(self):
        random, world = self.random, self.world
        shape = random.choice(['plain'] * 6 + ['ranges', 'mux', 'template', 'template'])
        listens, target = [], self.target(shape == 'template')
        for _ in range(random.choice((1, 1, 2, 3))):
            if shape == 'ranges':
                first, service = random.choice(world.ports[:-2]), world.service_ports[0]
                listens.append(f'tcp:{random.choice(world.hosts)}:{first}-{first + 2}')
                target = f'tcp:127.0.0.1:{service}-{service + 2}'
            elif shape == 'mux':
                listens.append('mux:' + random.choice(('', '@')) + random.choice(world.paths))
                target = f'vsock-mux:{random.choice(world.vmm_paths)}:*'
            elif shape == 'template':
                out = random.choice(world.outs)
                listens.append(random.choice((f'unix:{out}-{{name}}', f'unix:@{out}-{{name}}', 'guest:{name}:9')))
            else:
                listens.append(self.listen())
        return Route(self.name(), listens, target, self.options(listens))

    def change(self, configuration):
        """One thing."""
        random, routes, guests = self.random, configuration.routes, configuration.guests
        own = [name for name in routes if name != STEADY]
        kind = random.choice(['add'] * 5 + ['drop'] * 3 + ['move', 'guest'] * 2 + [
            'rename', 'retarget', 'policy', 'listen', 'swap', 'each', 'order', 'steady', 'empty'])
        if kind == 'add' or not own:
            route = self.route()
            routes[route.name] = route
            return
        route = routes[random.choice(own)]
        if kind == 'drop' or len(own) > 9:
            del routes[route.name]
        elif kind == 'rename':
            del routes[route.name]
            route.name = self.name()
            routes[route.name] = route
        elif kind == 'retarget' and not route.is_mux:
            route.target = self.target(route.is_template)
        elif kind == 'policy':
            route.options = self.options(route.listens)
        elif kind == 'listen' and not route.is_mux and not route.is_template and '-' not in route.target:
            route.listens[random.randrange(len(route.listens))] = self.listen()
        elif kind == 'move':
            # To another form of the same address.
            i = random.randrange(len(route.listens))
            if route.listens[i].startswith('tcp:') and not route.listens[i].endswith(f':{self.world.half_port}'):
                route.listens[i] = f'tcp:{random.choice(self.world.hosts)}:{route.listens[i].rpartition(":")[2]}'
        elif kind == 'swap':
            other = routes[random.choice(own)]
            if not (route.is_mux or other.is_mux or route.is_template or other.is_template):
                route.listens, other.listens = other.listens, route.listens
        elif kind == 'guest':
            name = random.choice([*self.world.guest_names, *self.world.found_names])
            if name in guests and random.random() < 0.5:
                del guests[name]
            else:
                guests[name] = random.choice(self.world.vmm_paths)
        elif kind == 'each':
            configuration.each = random.choice([None, *self.world.patterns])
        elif kind == 'order':
            names = list(routes)
            random.shuffle(names)
            configuration.routes = {name: routes[name] for name in names}
        elif kind == 'steady':
            routes[STEADY].options = self.options(routes[STEADY].listens)
        elif kind == 'empty' and random.random() < 0.3:
            configuration.routes = {STEADY: routes[STEADY]}

    def next(self, configuration):
        """A sound one."""
        while True:
            changed = copy.deepcopy(configuration)
            for _ in range(self.random.choice((1, 1, 2, 4, 8))):
                self.change(changed)
            if all(self._fits(route) for route in changed.routes.values()) and is_sound(changed, self.world):
                return changed

    @staticmethod
    def _fits(route):
        """A range leads to as many, and a mode is for a file."""
        wide = [listen for listen in route.listens if re.search(r':\d+-\d+$', listen)]
        if re.search(r':\d+-\d+$', route.target) and len(wide) < len(route.listens):
            return False
        has_file = any(listen.startswith(('unix:/', 'mux:/')) for listen in route.listens)
        return has_file or mode_of(route) is None


# What may be wrong: a line or a section more, and what is said of it.
MISTAKES = [
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nlane = sideways\n', r"'sideways' is no value of 'lane'"),
    ('[route b]\nlisten = unix:{free}\n', r"this route has no 'target'"),
    ('[route b]\ntarget = unix:{free}\n', r"this route has no 'listen'"),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nidel-timeout = 3s\n', r"did you mean 'idle-timeout'\?"),
    ('[roote b]\nlisten = unix:{free}\n', r"unknown section 'roote'; did you mean 'route'"),
    ('[route b]\nlisten = unix:{free}\ntarget = guest:nobody:1\n', r"there is no guest 'nobody'"),
    ('[route b]\nlisten = unix:{free}\ntarget = guest:*:1\n', r'guest'),
    ('[route b]\nlisten = tcp:127.0.0.1:65536\ntarget = unix:{free}\n', r'65536'),
    ('[route b]\nlisten = tcp:127.0.0.1\ntarget = unix:{free}\n', r'tcp:127\.0\.0\.1'),
    ('[route b]\nlisten = udp:127.0.0.1:80\ntarget = unix:{free}\n', r'udp'),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nmode = 0888\n', r"'0888' is no value of 'mode'"),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nidle-timeout = 5\n', r"has no unit; write '5s'"),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nbacklog = 0\n', r"'0' is no value of 'backlog'"),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nlane = auto\nlane = auto\n', r"'lane' is given twice"),
    ('[route b]\nlisten = unix:{free}\ntarget =\n', r"'target' is empty"),
    ('[route b]\nlisten =\ntarget = unix:{free}\n', r"'listen' is empty"),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nowner = nobody-of-that-name\n', r'nobody-of-that-name'),
    ('[route b]\nlisten = unix:{free}\n         unix:{free}\ntarget = unix:{free}\n', r'is claimed already by'),
    ('[route b]\nlisten = tcp:*:9\n         tcp:127.0.0.1:9\ntarget = unix:{free}\n', r'is claimed already by'),
    ('[route b]\nlisten = unix:{steady}\ntarget = unix:{free}\n', r'is claimed already by'),
    ('[route steady]\nlisten = unix:{free}\ntarget = unix:{free}\n', r'steady'),
    ('[route b]\nlisten = unix:{free}-{{name}}\n         unix:{free}\ntarget = unix:{free}\n',
     r"the same for every guest|there is none"),
    ('[route b]\nlisten = tcp:127.0.0.1:9-11\ntarget = tcp:127.0.0.1:9-10\n', r'make them as many'),
    ('[route b]\nlisten = mux:{free}\ntarget = unix:{free}\n', r'leaves it to them'),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nallow = 10.0.0.0/33\n', r'10\.0\.0\.0/33'),
    ('[guest b]\n', r"this guest has no 'address'"),
    ('[guest b]\naddress = vsock:2000000000000\n', r'2000000000000'),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free}\nno assignment\n', r'is no assignment'),
    ('[route b\n', r"is no section; write '\[route b\]'"),
    ('[route b]\nlisten = unix:{free}\ntarget = unix:{free} \0\n', r'NUL byte'),
    ('[route b]\nlisten = unix:{free}' + 'x' * 120 + '\ntarget = unix:{free}\n', r'107'),
    ('nothing = before\n', r'.'),
    # That shows when it is bound; or when what listens on one half of an address has made way for the whole.
    ('[route b]\nlisten = unix:{free}\n         tcp:*:{half}\ntarget = unix:{free}\n',
     r'nothing has changed|is claimed already by'),
    ('[route b]\nlisten = unix:{free}\n         unix:{taken}\ntarget = unix:{free}\n', r'nothing has changed'),
    ('[route b]\nlisten = unix:{free}\n         unix:{plain_file}\ntarget = unix:{free}\n', r'nothing has changed'),
    ('[route b]\nlisten = unix:{free}\n         unix:{nowhere}\ntarget = unix:{free}\n', r'nothing has changed'),
    ('[route b]\nlisten = unix:{free}\n         unix:@{taken}\ntarget = unix:{free}\n', r'nothing has changed'),
    ('[route b]\nlisten = unix:{free}\n         tcp:203.0.113.1:9\ntarget = unix:{free}\n', r'nothing has changed'),
]
