"""What a program costs, read from outside: CPU time, private memory and descriptors of it and all its descendants."""
import contextlib
import os
import time

CPUCLOCK_SCHED = 2
TICKS = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)  # a process may end while it is looked at


def tree(pid):
    """The process and its descendants."""
    found = [pid]
    for each in found:
        with contextlib.suppress(*GONE):
            for task in os.listdir(f"/proc/{each}/task"):
                with contextlib.suppress(*GONE), open(f"/proc/{each}/task/{task}/children") as file:
                    found += map(int, file.read().split())
    return found


def _process_cpu_seconds(pid):
    """The process's CPU clock: to the nanosecond, with threads that have ended (clock_getcpuclockid(3)); the time of
    children that have ended is known in ticks only."""
    try:
        own = time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (*GONE, OSError):
        return 0
    return own + (int(fields[13]) + int(fields[14])) / TICKS


def cpu_seconds(pid):
    """User and system time of all threads, also those of the kernel that io_uring starts for them."""
    return sum(map(_process_cpu_seconds, tree(pid)))


def private_bytes(pid):
    """Memory that is this tree's alone."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(*GONE), open(f"/proc/{each}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) << 10 for line in file if line.startswith("Private_"))
    return total


def descriptors(pid):
    total = 0
    for each in tree(pid):
        with contextlib.suppress(*GONE):
            total += len(os.listdir(f"/proc/{each}/fd"))
    return total
