"""Runs a workload: every rival in turn, round after round, so that what disturbs the machine disturbs all of them."""
import json
import os
import pathlib
import shutil
import time

import measure
from processes import ANYHOW, Endpoints, Failed, Programs, Scheduling, wait_listening

EXIT_INVALID = 75  # of vsluice-load: the generator was the bottleneck; the figures are there
GIB = 1 << 30
BULK_BEFORE = 0.25
SLACK = 30


class Bench:
    """`slowness` stretches every deadline."""

    def __init__(self, place, output, duration, rounds, sessions, slowness=1, say=print):
        self.place = place
        self.output = pathlib.Path(output)
        self.duration = duration
        self.rounds = rounds
        self.sessions = sessions
        self.slowness = slowness
        self.say = say
        self.endpoints = Endpoints(place.folder)
        self.tool = place.build / "perf" / "vsluice-load"

    def run(self, workload, rivals):
        """{rival: {"runs": [{metric: value}], "failures": [why]}}"""
        results = {rival.name: {"runs": [], "failures": []} for rival in rivals}
        shutil.rmtree(self.output / "runs" / workload.name, ignore_errors=True)  # of an earlier run into this folder
        with Programs() as programs:
            target = self.endpoints.new(workload.kinds[1])
            cpus = Cpus(workload.cpus)
            server = programs.start([self.tool, "serve", target], scheduling=cpus.server)
            wait_listening(server, target, 10 * self.slowness)
            arena = Arena(self, programs, workload, cpus, server, target)
            for number in range(self.rounds):
                first = number % len(rivals)
                for rival in rivals[first:] + rivals[:first]:
                    try:
                        results[rival.name]["runs"].append(arena.measure(rival, number))
                    except Failed as error:
                        results[rival.name]["failures"].append(str(error))
                        self.say(f"  {workload.name}: {rival.name}: {error}")
        return results

    def save_path(self, workload, rival, number, what=""):
        folder = self.output / "runs" / workload.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{rival.name}{what}.{number + 1}.json"


class Cpus:
    """Who runs where.

    Apart: the proxy has a CPU to itself, and on the others nothing waits behind a stream's generator. What is measured is
    how the proxy shares out its turns, not how the kernel shares out the CPUs.
    Together: all on one CPU, where they take turns anyway. Else it is a lottery whether a wake-up goes to another CPU
    that must be roused first, which in a virtual machine takes longer than all the rest.
    """

    def __init__(self, how):
        cpus = sorted(os.sched_getaffinity(0))
        self.proxy = self.server = self.requests = self.streams = ANYHOW
        if how == "together":
            self.proxy = self.server = self.requests = Scheduling((cpus[-1],))
        if how == "apart" and len(cpus) > 1:
            self.proxy = Scheduling((cpus[-1],))
            self.streams = Scheduling(tuple(cpus[:-1]))
            self.server = Scheduling(self.streams.cpus, priority=1)
            self.requests = Scheduling(self.streams.cpus, priority=2)


class Arena:
    """One workload while it runs: the server, and the rivals in front of it."""

    def __init__(self, bench, programs, workload, cpus, server, target):
        self.bench = bench
        self.programs = programs
        self.workload = workload
        self.cpus = cpus
        self.server = server
        self.target = target
        self.duration = bench.duration * workload.duration
        self.up = {}

    def measure(self, rival, number):
        return getattr(self, f"measure_{self.workload.how}")(rival, number)

    def start_rival(self, rival):
        """(program or None, endpoint to load)"""
        if rival.name == "direct":
            return None, self.target
        listen = self.bench.endpoints.new(self.workload.kinds[0])
        program = self.programs.start(*rival.start(self.bench.place, listen, self.target), self.cpus.proxy)
        try:
            wait_listening(program, listen, 10 * self.bench.slowness)
        except Failed:
            self.programs.end(program)
            raise
        return program, listen

    def running_rival(self, rival):
        """As start_rival, but once for the workload, and again when it has died."""
        program, endpoint = self.up.get(rival.name, (None, None))
        if endpoint and program and not program.alive():
            words = program.last_words()
            self.programs.end(program)
            del self.up[rival.name]
            raise Failed(f"{rival.name} had ended: {words}")
        if not endpoint:
            self.up[rival.name] = self.start_rival(rival)
        return self.up[rival.name]

    def start_load(self, endpoint, json_path, label, sessions=None):
        more = ("--connections", str(sessions)) if sessions else ()
        return self.start_tool(endpoint, (*self.workload.load, *more), json_path, label, self.duration,
                               self.workload.warmup, self.cpus.requests)

    def start_tool(self, endpoint, arguments, json_path, label, duration, warmup, scheduling):
        return self.programs.start([
            self.bench.tool, "run", endpoint, *arguments, "--duration", f"{duration * 1000:.0f}ms", "--warmup",
            f"{warmup * 1000:.0f}ms", "--label", label, "--json", json_path], scheduling=scheduling)

    def end_load(self, load, json_path):
        """Its result, as docs/vsluice-load.json.md tells."""
        try:
            status = load.wait((self.duration + SLACK) * self.bench.slowness)
            if status not in (0, EXIT_INVALID):
                raise Failed(f"vsluice-load: exit status {status}: {broken(json_path) or load.last_words()}")
            return json.loads(json_path.read_text())
        finally:
            self.programs.end(load)

    def measure_load(self, rival, number):
        program, endpoint = self.running_rival(rival)
        path = self.bench.save_path(self.workload, rival, number)
        load = self.start_load(endpoint, path, rival.name)
        cpu = self.watch_cpu(program) if program else None
        result = self.end_load(load, path)
        return {**figures(result), **cost(result, cpu)}

    def watch_cpu(self, program):
        """Of the program while the load runs and measures: CPU seconds a second. It begins with the load's warm-up
        over, and ends a little before the load does."""
        time.sleep(self.workload.warmup)
        before, begun = measure.cpu_seconds(program.pid), time.monotonic()
        time.sleep(self.duration * 0.95)
        after, ended = measure.cpu_seconds(program.pid), time.monotonic()
        return (after - before) / (ended - begun)

    def measure_idle(self, rival, number):
        """A fresh process, for memory once used is not all given back."""
        program, endpoint = self.start_rival(rival)
        sessions = min(self.bench.sessions, rival.idle_max or self.bench.sessions)
        path = self.bench.save_path(self.workload, rival, number)
        try:
            time.sleep(0.1)
            private, descriptors = measure.private_bytes(program.pid), measure.descriptors(program.pid)
            served = measure.descriptors(self.server.pid)
            load = self.start_load(endpoint, path, rival.name, sessions)
            self.wait_sessions(load, served + sessions)
            time.sleep(0.3 * self.duration)
            held = {"private_bytes": (measure.private_bytes(program.pid) - private) / sessions,
                    "descriptors": (measure.descriptors(program.pid) - descriptors) / sessions,
                    "sessions": sessions}
            self.end_load(load, path)
            return held
        finally:
            self.programs.end(program)

    def wait_sessions(self, load, descriptors):
        """Until the server has so many descriptors: then all sessions reach it."""
        deadline = time.monotonic() + SLACK * self.bench.slowness
        while measure.descriptors(self.server.pid) < descriptors:
            if not load.alive() or time.monotonic() > deadline:
                words = load.last_words()
                self.programs.end(load)
                raise Failed(f"the sessions were not all there: {words}")
            time.sleep(0.02)

    def measure_mixed(self, rival, number):
        _, endpoint = self.running_rival(rival)
        path = self.bench.save_path(self.workload, rival, number, "-alone")
        alone = self.end_load(self.start_load(endpoint, path, f"{rival.name} alone"), path)
        bulk_path = self.bench.save_path(self.workload, rival, number, "-bulk")
        bulk = self.start_tool(
            endpoint, ("--mode", "stream", "--connections", "4"), bulk_path, f"{rival.name} bulk",
            self.duration + self.workload.warmup, BULK_BEFORE, self.cpus.streams)
        try:
            time.sleep(BULK_BEFORE)
            path = self.bench.save_path(self.workload, rival, number)
            beside = self.end_load(self.start_load(endpoint, path, rival.name), path)
        except Failed:
            self.programs.end(bulk)
            raise
        stream = self.end_load(bulk, bulk_path)
        figure, before = figures(beside), figures(alone)["p99_us"]
        return {**figure, "bytes_per_second": stream["throughput"]["bytes_per_second"], "alone_p99_us": before,
                "p99_ratio": figure["p99_us"] / before if before else 0}


def broken(json_path):
    """The errors of a run that has a result, and takes the result away: it is none to be drawn."""
    if not json_path.exists():
        return ""
    errors = json.loads(json_path.read_text())["errors"]
    json_path.unlink()
    return ", ".join(f"{count} {name}" for name, count in errors.items() if count)


def figures(result):
    percentiles = result["latency"]["percentiles"]
    return {"bytes_per_second": result["throughput"]["bytes_per_second"],
            "per_second": result["throughput"]["per_second"], "valid": result["valid"],
            "p50_us": percentiles["50"], "p99_us": percentiles["99"], "p99_9_us": percentiles["99.9"]}


def cost(result, cpu):
    """What a unit of the work took of the proxy's CPU, by the rates of the run; nothing where there is no proxy."""
    throughput = result["throughput"]
    if cpu is None:
        return {}
    if not throughput["per_second"]:
        raise Failed("nothing got through")
    if result["options"]["mode"] == "stream":
        return {"cpu_s_per_gib": cpu * GIB / throughput["bytes_per_second"]}
    unit = "connection" if result["options"]["mode"] == "crr" else "request"
    return {f"cpu_us_per_{unit}": cpu * 1e6 / throughput["per_second"]}
