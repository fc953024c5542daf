#!/usr/bin/env python3
"""Measures vsluice-load against the least that its work can cost, and fails where it costs too much more.

usage: ratio.py [--rounds N] [--seconds S] [--attempts N] [--only rr|stream] [--apart] VSLUICE-LOAD PING-PONG

rr      64 bytes there and back over a Unix socket, one connection. CPU time of the generator for each request, against
        that of perf/baseline/ping-pong; both talk to `vsluice-load serve`. All on one CPU, where a message costs no
        sleep and no wake-up of another one: these differ from run to run by more than either program costs. --apart
        puts the server on another CPU all the same.
stream  128 KiB writes over TCP on loopback, one connection: throughput, against iperf3's. Two CPUs where there are.

Runs take turns; what counts is the median of the ratios of neighbours, which a machine that slows down in between does
not move. A stream is counted only while other processes leave the CPUs alone. A comparison that misses its bound is
made again, --attempts times in all: a noisy machine misses it once, a slow program every time. Exit status: 0, 1, or
77 when something is missing, a quiet machine included.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

WRITE_BYTES = 128 * 1024
MESSAGE_BYTES = 64
WARMUP = "200ms"
TEMPFAIL = 75  # vsluice-load was the bottleneck of its run: so it may be, where nothing else is slower

OTHERS_MAX = 0.15  # of one CPU: what other processes may use beside a run that needs quiet
DISTURBED_MAX = 3  # pairs for each that counts


class Busy(Exception):
    pass


def run(command, cpu, allowed=(0,)):
    """What a program prints that ends by itself."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    if done.returncode not in allowed:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def serving(command, cpu, pattern):
    """A server for as long as the block lasts; gives its process ID, and what `pattern` finds in what it prints."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    try:
        found = next(filter(None, (re.search(pattern, line) for line in server.stdout)), None)
        if not found:
            sys.exit(f"{' '.join(command)}: does not serve")
        # It must not block on a full pipe.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield server.pid, found.group(1)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def others_s(servers):
    """The CPU seconds that neither we, nor what we ran, nor our servers have used."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        busy -= used.ru_utime + used.ru_stime
    for pid in servers:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            busy -= int((task / "schedstat").read_text().split()[0]) / 1e9
    return busy


class Comparison:
    """bound: of the ratio of ours to theirs, at most (least=False) or at least."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu, self.other_cpu = cpus[-1], cpus[0]

    def load(self, endpoint, *arguments, allowed=(0,)):
        """The result of one run of vsluice-load."""
        path = self.folder / "result.json"
        path.unlink(missing_ok=True)
        run([self.options.load, "run", "--warmup", WARMUP, "--duration", f"{round(self.options.seconds * 1000)}ms",
             "--json", str(path), *arguments, endpoint], self.cpu, allowed)
        return json.loads(path.read_text())

    def serve(self, endpoint, cpu):
        return serving([self.options.load, "serve", endpoint], cpu, r"serving on (\S+)")


class RequestResponse(Comparison):
    name, other, unit, bound, least = "rr", "ping-pong", "CPU us/request", 1.3, False
    needs_quiet = False

    @contextlib.contextmanager
    def ready(self):
        cpu = self.other_cpu if self.options.apart else self.cpu
        with self.serve(f"unix:{self.folder}/rr", cpu) as (pid, self.endpoint):
            yield [pid]

    def ours(self):
        size = str(MESSAGE_BYTES)
        result = self.load(self.endpoint, "--mode", "rr", "--request", size, "--response", size)
        cpu_s = result["cpu"]["user_seconds"] + result["cpu"]["system_seconds"]
        return cpu_s * 1e6 / result["throughput"]["completed"]

    def theirs(self):
        text = run([self.options.ping_pong, "--seconds", str(self.options.seconds), self.endpoint], self.cpu)
        return json.loads(text)["cpu_us_per_request"]


class Stream(Comparison):
    name, other, unit, bound, least = "stream", "iperf3", "GB/s", 0.95, True
    needs_quiet = True

    @contextlib.contextmanager
    def ready(self):
        # iperf3 cannot tell which port the kernel chose.
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = str(probe.getsockname()[1])
        iperf3 = ["iperf3", "--server", "--bind", "127.0.0.1", "--port", self.port, "--forceflush"]
        with self.serve("tcp:127.0.0.1:0", self.other_cpu) as (pid, self.endpoint), \
                serving(iperf3, self.other_cpu, r"listening on (\d+)") as (iperf3_pid, _):
            yield [pid, iperf3_pid]

    def ours(self):
        result = self.load(self.endpoint, "--mode", "stream", "--size", str(WRITE_BYTES), allowed=(0, TEMPFAIL))
        return result["throughput"]["bytes_per_second"] / 1e9

    def theirs(self):
        text = run(["iperf3", "--client", "127.0.0.1", "--port", self.port, "--length", str(WRITE_BYTES),
                    "--time", str(max(1, round(self.options.seconds))), "--json"], self.cpu)
        return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 8e9


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def measure(comparison, rounds):
    """Pairs of ours and theirs."""
    pairs, disturbed = [], 0
    with comparison.ready() as servers:
        while len(pairs) < rounds:
            began, used = time.monotonic(), others_s(servers)
            pair = comparison.ours(), comparison.theirs()
            others = (others_s(servers) - used) / (time.monotonic() - began)
            if not comparison.needs_quiet or others <= OTHERS_MAX:
                pairs.append(pair)
                continue
            disturbed += 1
            if disturbed > rounds * DISTURBED_MAX:
                raise Busy(f"{comparison.name}: the machine is not quiet: other processes used {others:.0%} of a CPU")
    return pairs


def compare(comparison, rounds):
    """Whether the bound holds in one attempt."""
    ours, theirs = zip(*measure(comparison, rounds))
    ratios = [one / other for one, other in zip(ours, theirs)]
    ratio = statistics.median(ratios)
    good = ratio >= comparison.bound if comparison.least else ratio <= comparison.bound
    wanted = f"{'at least' if comparison.least else 'at most'} {comparison.bound:.2f}"
    print(f"{comparison.name}, {comparison.unit}, median (spread) of {rounds} runs")
    print(f"  vsluice-load  {spread(ours, 3)}")
    print(f"  {comparison.other:12}  {spread(theirs, 3)}")
    print(f"  ratio         {spread(ratios, 2)}, {wanted}: {'holds' if good else 'missed'}", flush=True)
    return good


def judge(kind, options, folder):
    comparison = kind(options, folder)
    return any(compare(comparison, options.rounds) for _ in range(options.attempts))


def read_options():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--only", choices=["rr", "stream"])
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("load")
    parser.add_argument("ping_pong")
    return parser.parse_args()


def main():
    options = read_options()
    if os.environ.get("VSLUICE_SANITIZED") == "1":
        print("a sanitizer costs more than what is measured here")
        return 77
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    missed, missing = [], []
    for kind in (RequestResponse, Stream):
        if options.only not in (None, kind.name):
            continue
        if kind is Stream and not shutil.which(kind.other):
            missing.append(f"{kind.name}: {kind.other} is missing")
            continue
        with tempfile.TemporaryDirectory(prefix="vsluice-ratio.") as folder:
            try:
                if not judge(kind, options, pathlib.Path(folder)):
                    missed.append(kind.name)
            except Busy as busy:
                missing.append(str(busy))
    if missed:
        print(f"vsluice-load costs too much: {', '.join(missed)}")
        return 1
    print("; ".join(missing) or "vsluice-load is no bottleneck here")
    return 77 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
