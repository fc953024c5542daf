"""The cache: what was fetched or built once, outside the tree.

Layout: ROOT/NAME/ is one finished item, never changed afterwards; ROOT/NAME.building/ one in the making; ROOT/NAME.lock its lock.
An item appears by one rename, so that it is whole or not there, whatever interrupts the building of it.
Remove ROOT (or ROOT/NAME) to fetch anew.
"""

import contextlib
import fcntl
import os
import shutil

from .run import Skip


def root():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = os.environ.get("VSLUICE_LAB_CACHE") or os.path.join(base, "vsluice-lab")
    return os.path.abspath(path)


def try_lock(name):
    """A descriptor that holds the lock ROOT/NAME.lock until it is closed, or None where another has it."""
    try:
        os.makedirs(root(), exist_ok=True)
        lock = os.open(os.path.join(root(), name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise Skip(f"the cache {root()} cannot be written ({error.strerror}); set VSLUICE_LAB_CACHE to a folder that can") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except BlockingIOError:
        os.close(lock)
        return None


@contextlib.contextmanager
def locked(run, name):
    """Hold the lock; wait for it while another has it."""
    lock = None

    def taken():
        nonlocal lock
        lock = try_lock(name)
        return lock is not None

    run.wait(taken)
    try:
        yield
    finally:
        os.close(lock)


def item(run, name, build):
    """The folder of a finished item. build(folder) is called to fill it where it is not there yet."""
    path = os.path.join(root(), name)
    if os.path.isdir(path):
        return path
    with locked(run, name):
        if os.path.isdir(path):
            return path
        building = path + ".building"
        shutil.rmtree(building, ignore_errors=True)
        os.mkdir(building)
        try:
            build(building)
            os.rename(building, path)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return path
