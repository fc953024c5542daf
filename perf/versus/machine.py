"""Where it ran, and making room for many connections."""
import os
import platform
import resource
import time


def _line(path, key):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return ""


def describe():
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu": _line("/proc/cpuinfo", "model name"),
        "cpus": os.cpu_count(),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "load_average_before": os.getloadavg()[0],
    }


def lines(description):
    yield (f"{description['date']}, {description['kernel']} {description['architecture']}, {description['cpus']} CPUs, "
           f"{description['cpu']}")
    load = description["load_average_before"]
    if load > 0.5:
        yield f"WARNING: the machine is busy with other things (load average {load:.1f}): the figures say little"


def raise_descriptors(wanted):
    """As near to `wanted` as the limits allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
