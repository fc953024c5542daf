"""The proxies: the package of each, its version, and how it is started to relay from one endpoint to another.

All have one thread, and limits that the workloads do not reach; the rest is as its authors ship it, but for buffers:
socat and nginx get larger ones than theirs, with which they are faster. Endpoints are as vsluice writes them.
"""
import os
import pathlib
import shutil
import subprocess
import sys

from processes import Failed, split

HERE = pathlib.Path(__file__).resolve().parent
BACKLOG = 4096
CONNECTIONS = 4000
WAYS = ("small", "splice", "copy")
SOCKET_PROXYD = "/lib/systemd/systemd-socket-proxyd"
NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"

HAPROXY_CONFIGURATION = """global
  nbthread 1
  maxconn {connections}
defaults
  mode tcp
  maxconn {connections}
  backlog {backlog}
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  {option}
frontend f
  bind {listen}
  default_backend b
backend b
  server s {target}
"""

NGINX_CONFIGURATION = """load_module {module};
{user}
worker_processes 1;
pid {file}.pid;
error_log stderr crit;
events {{ worker_connections {descriptors}; }}
stream {{
  proxy_buffer_size 64k;
  server {{
    listen {listen} backlog={backlog};
    proxy_pass {target};
  }}
}}
"""


def program(name):
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if not found:
        raise Failed(f"{name} is not installed")
    return found


class Place:
    """Where rivals find the build, and may write."""

    def __init__(self, folder, build):
        self.folder = pathlib.Path(folder)
        self.build = pathlib.Path(build)
        self.count = 0

    def write(self, text):
        self.count += 1
        path = self.folder / f"{self.count}.conf"
        path.write_text(text)
        return path


class Rival:
    packages = ()
    idle_max = None  # sessions at once, where more would only strain the machine

    def __init__(self, name):
        self.name = name

    def prepare(self, place):
        """Once, before anything is measured; Failed where this rival cannot run."""

    def version(self, place):
        return ""

    def start(self, place, listen, target):
        """(argv, what to add to the environment)"""
        raise NotImplementedError


def said(*argv):
    """The first line of what a command prints."""
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30)
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else ""


class Direct(Rival):
    """No proxy: the limit."""


class Vsluice(Rival):
    """`lines` are added to its route's section."""

    def __init__(self, name, lines=()):
        super().__init__(name)
        self.lines = lines

    def configuration(self, place, listen, target):
        more = "".join(line + "\n" for line in self.lines)
        return place.write(f"[global]\nworkers = 1\n[route r]\nlisten = {listen}\ntarget = {target}\n{more}")

    def prepare(self, place):
        path = self.configuration(place, "tcp:127.0.0.1:1", "tcp:127.0.0.1:2")
        done = subprocess.run([place.build / "proxy" / "vsluice", "check", "-c", path], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=30)
        if done.returncode != 0:
            raise Failed(f"this vsluice refuses {', '.join(self.lines) or 'its configuration'}: "
                         f"{done.stderr.decode(errors='replace').strip().rpartition(': ')[2]}")

    def version(self, place):
        return said(place.build / "proxy" / "vsluice", "--version")

    def start(self, place, listen, target):
        return [place.build / "proxy" / "vsluice", "run", "-c", self.configuration(place, listen, target)], {}


class Haproxy(Rival):
    packages = ("haproxy",)

    def __init__(self, name, option=""):
        super().__init__(name)
        self.option = option

    def prepare(self, place):
        program("haproxy")

    def version(self, place):
        return said(program("haproxy"), "-v")

    @staticmethod
    def address(endpoint):
        kind, rest, _ = split(endpoint)
        return f"unix@{rest}" if kind == "unix" else rest

    def start(self, place, listen, target):
        configuration = place.write(HAPROXY_CONFIGURATION.format(
            connections=CONNECTIONS, backlog=BACKLOG, option=self.option, listen=self.address(listen),
            target=self.address(target)))
        return [program("haproxy"), "-db", "-f", configuration], {}


class Nginx(Rival):
    packages = ("nginx-core", "libnginx-mod-stream")

    def prepare(self, place):
        program("nginx")
        if not os.path.exists(NGINX_STREAM):
            raise Failed(f"{NGINX_STREAM} is not installed")

    def version(self, place):
        return said(program("nginx"), "-v")

    @staticmethod
    def address(endpoint):
        return endpoint if endpoint.startswith("unix:") else split(endpoint)[1]

    def start(self, place, listen, target):
        configuration = place.write("")
        configuration.write_text(NGINX_CONFIGURATION.format(
            module=NGINX_STREAM, user="user root;" if os.geteuid() == 0 else "", file=configuration,
            descriptors=2 * CONNECTIONS, listen=self.address(listen), target=self.address(target), backlog=BACKLOG))
        return [program("nginx"), "-e", "stderr", "-g", "daemon off;", "-p", place.folder, "-c", configuration], {}


class Socat(Rival):
    """A process for each connection."""

    packages = ("socat",)
    idle_max = 200

    def prepare(self, place):
        program("socat")

    def version(self, place):
        lines = subprocess.run([program("socat"), "-V"], capture_output=True, timeout=30).stdout.decode().splitlines()
        return next((line for line in lines if "version" in line), "")

    def start(self, place, listen, target):
        kind, rest, port = split(listen)
        address = {"tcp": f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr", "unix": f"UNIX-LISTEN:{rest}",
                   "vsock": f"VSOCK-LISTEN:{port}"}[kind]
        kind, rest, _ = split(target)
        to = {"tcp": f"TCP:{rest}", "unix": f"UNIX-CONNECT:{rest}", "vsock": f"VSOCK-CONNECT:{rest}"}[kind]
        return [program("socat"), "-b", "262144", f"{address},backlog={BACKLOG},fork", to], {}


class SocketProxyd(Rival):
    packages = ("systemd",)

    def prepare(self, place):
        if not os.path.exists(SOCKET_PROXYD):
            raise Failed(f"{SOCKET_PROXYD} is not installed")

    def version(self, place):
        return said(SOCKET_PROXYD, "--version")

    def start(self, place, listen, target):
        return [sys.executable, HERE / "inherit.py", listen, SOCKET_PROXYD, f"--connections-max={CONNECTIONS}",
                split(target)[1]], {}


class Go(Rival):
    """A relay of this folder; in `uml` the one over mdlayher/vsock."""

    packages = ("golang-go",)

    def __init__(self, name, source="relay.go"):
        super().__init__(name)
        self.source = source
        if source == "vsock_relay.go":
            self.packages = ("golang-go", "golang-github-mdlayher-vsock-dev")

    def binary(self, place):
        return place.folder / self.source.removesuffix(".go")

    def prepare(self, place):
        if self.binary(place).exists():
            return
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "CGO_ENABLED": "0",
                       "GOCACHE": str(place.folder / "go-cache"), "GOFLAGS": "-p=2"}
        done = subprocess.run([program("go"), "build", "-o", self.binary(place), HERE / self.source], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        if done.returncode != 0:
            raise Failed(f"go build: {done.stderr.decode(errors='replace').strip()[-200:]}")

    def version(self, place):
        return said(program("go"), "version")

    def start(self, place, listen, target):
        return [self.binary(place), listen, target], {"GOMAXPROCS": "1"}


def known(variants):
    """All rivals by name; `variants` are (name, line of a route) that vsluice is also run with."""
    rivals = [Vsluice("vsluice"), Haproxy("haproxy"), Haproxy("haproxy-splice", "option splice-auto"), Nginx("nginx"),
              Socat("socat"), SocketProxyd("socket-proxyd"), Go("go"), Direct("direct")]
    rivals += [Vsluice(f"vsluice-{way}", (f"lane = {way}",)) for way in WAYS]
    rivals += [Vsluice(f"vsluice-{name}", (line,)) for name, line in variants]
    return {rival.name: rival for rival in rivals}
