"""What is measured: the workloads, and what vsluice is to reach in each."""
import dataclasses
import fnmatch

from rivals import WAYS

RIVALS = ("direct", "vsluice", "haproxy", "haproxy-splice", "nginx", "socat", "socket-proxyd", "go")
WAY_RIVALS = ("vsluice", *(f"vsluice-{way}" for way in WAYS))


@dataclasses.dataclass(frozen=True)
class Metric:
    title: str
    scale: float = 1  # from what is saved to what is printed
    digits: int = 2


METRICS = {
    "cpu_s_per_gib": Metric("CPU s/GiB", digits=3),
    "cpu_us_per_request": Metric("CPU us/req"),
    "cpu_us_per_connection": Metric("CPU us/conn"),
    "bytes_per_second": Metric("MiB/s", 1 / (1 << 20), 0),
    "per_second": Metric("a second", digits=0),
    "p50_us": Metric("p50 us", digits=1),
    "p99_us": Metric("p99 us", digits=1),
    "p99_9_us": Metric("p99.9 us", digits=1),
    "private_bytes": Metric("B/session", digits=0),
    "descriptors": Metric("fd/session"),
    "sessions": Metric("sessions", digits=0),
    "alone_p99_us": Metric("alone p99 us", digits=1),
    "p99_ratio": Metric("beside/alone"),
}


@dataclasses.dataclass(frozen=True)
class Target:
    """`metric` of vsluice at most `factor` times the best of `rivals`; without rivals, at most `factor` itself."""
    factor: float
    rivals: tuple = ()
    metric: str = ""  # the workload's first, where empty


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    kinds: tuple  # what is listened on, what is connected to
    load: tuple  # arguments of vsluice-load run
    metrics: tuple  # the first is compared; less is better
    targets: tuple = ()
    rivals: tuple = RIVALS
    how: str = "load"  # the function of bench.py
    duration: float = 1  # times --duration
    warmup: float = 0.3  # seconds; holds the opening of the connections too
    cpus: str = ""  # who runs where: anyhow, or "together", or "apart" (bench.Cpus)


HAPROXY = ("haproxy",)
LATENCY = ("p50_us", "p99_us", "p99_9_us")
REQUEST = ("cpu_us_per_request", "per_second", *LATENCY)
MIXED_RATE = 2000


def _many(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _bulk(listen, target, streams, direction, targets):
    return Workload(
        f"bulk-{listen}-{target}-{streams}", f"bulk {listen} to {target}, {_many(streams, 'stream')}, {direction}",
        (listen, target), ("--mode", "stream", "--direction", direction, "--connections", str(streams)),
        ("cpu_s_per_gib", "bytes_per_second"), targets)


def _requests(connections, metrics, targets, cpus=""):
    return Workload(
        f"rr-{connections}", f"64-byte requests, {_many(connections, 'connection')}, tcp to unix", ("tcp", "unix"),
        ("--mode", "rr", "--connections", str(connections)), metrics, targets,
        warmup=0.3 if connections <= 64 else 0.6, cpus=cpus)


def _sizes():
    for listen, target in (("tcp", "unix"), ("unix", "tcp"), ("tcp", "tcp"), ("unix", "unix")):
        for size in ("64", "1K", "4K", "16K", "64K", "256K"):
            yield Workload(
                f"size-{listen}-{target}-{size}", f"the way chosen: requests of {size}, 16 connections, {listen} to {target}",
                (listen, target), ("--mode", "rr", "--connections", "16", "--request", size, "--response", size),
                REQUEST, (Target(1.05, WAY_RIVALS[1:]),), WAY_RIVALS, duration=0.35, warmup=0.1)


TO_UNIX = (Target(0.20, HAPROXY), Target(0.95, ("socket-proxyd",)))
FROM_UNIX = (Target(0.50, HAPROXY), Target(0.95, ("socat", "nginx", "socket-proxyd")))

WORKLOADS = (
    _bulk("tcp", "unix", 1, "up", TO_UNIX),
    _bulk("tcp", "unix", 16, "up", TO_UNIX),
    _bulk("unix", "tcp", 1, "up", FROM_UNIX),
    _bulk("unix", "tcp", 16, "up", FROM_UNIX),
    _bulk("tcp", "tcp", 4, "both", (Target(0.40, HAPROXY),)),
    _requests(64, REQUEST, (Target(0.70, HAPROXY),)),
    _requests(512, REQUEST, (Target(0.65, HAPROXY),)),
    _requests(1, (*LATENCY, "cpu_us_per_request", "per_second"), (Target(0.95, HAPROXY),), cpus="together"),
    Workload("crr", "connect, 64 bytes there and back, close; 16 at a time, tcp to unix", ("tcp", "unix"),
             ("--mode", "crr", "--connections", "16"), ("cpu_us_per_connection", "per_second", *LATENCY),
             (Target(0.65, HAPROXY),)),
    Workload("idle", "idle sessions, tcp to unix", ("tcp", "unix"), ("--mode", "idle"),
             ("private_bytes", "descriptors", "sessions"), (Target(640), Target(2, metric="descriptors")), RIVALS[1:], how="idle"),
    Workload("mixed", f"64-byte requests, {MIXED_RATE} a second on 16 connections, beside 4 bulk streams, tcp to unix",
             ("tcp", "unix"),
             ("--mode", "rr", "--connections", "16", "--rate", str(MIXED_RATE), "--arrival", "poisson"),
             ("p99_us", "p50_us", "p99_9_us", "alone_p99_us", "p99_ratio", "bytes_per_second"), how="mixed",
             cpus="apart"),
    *_sizes(),
)


def chosen(patterns):
    """Those that a pattern names: the name, its first words, or with * and ?; all without patterns."""
    def wanted(name):
        return any(fnmatch.fnmatchcase(name, pattern) or name.startswith(f"{pattern}-") for pattern in patterns)

    return [workload for workload in WORKLOADS if not patterns or wanted(workload.name)]
