"""Kernels, their modules, and busybox: the cached items that the rungs boot.

Module files are stored as plain .ko files (busybox' insmod reads no others) with a file `modules` that lists them in
the order of insertion.
"""

import glob
import lzma
import os
import re
import shutil

from . import cache, debian
from .run import Broken, Skip

SUITES = ("bookworm", "trixie", "sid")
VSOCK_LOOPBACK = ["vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback", "vsock_diag"]


def check_machine():
    if os.uname().machine != "x86_64":
        raise Skip(f"this machine is {os.uname().machine}; the lab's kernels are made for x86_64: use such a machine")


def busybox(run):
    """Path of a static busybox."""
    check_machine()

    def build(folder):
        debian.Suite(run, "bookworm").unpack(["busybox-static"], folder)

    return os.path.join(cache.item(run, "busybox-1", build), "bin", "busybox")


def _module_files(folder):
    found = {}
    for path in glob.glob(os.path.join(folder, "**", "*.ko*"), recursive=True):
        name = re.sub(r"\.ko(\.\w+)?$", "", os.path.basename(path)).replace("-", "_")
        found[name] = path
    return found


def _read_module(path):
    if path.endswith(".xz"):
        with lzma.open(path) as file:
            return file.read()
    if not path.endswith(".ko"):
        raise Broken(f"{path}: this lab reads .ko and .ko.xz only")
    with open(path, "rb") as file:
        return file.read()


def store_modules(source, folder, names, order_file="modules"):
    """Copy the modules named, and what they depend on, from anywhere under source into folder.

    A module that is not there is taken to be built into the kernel.
    """
    files = _module_files(source)
    order = []

    def add(name):
        name = name.replace("-", "_")
        if name in order or name not in files:
            return
        data = _read_module(files[name])
        for dependency in re.search(rb"\0depends=([^\0]*)\0", b"\0" + data)[1].decode().split(","):
            if dependency:
                add(dependency)
        with open(os.path.join(folder, name + ".ko"), "wb") as file:
            file.write(data)
        order.append(name)

    for name in names:
        add(name)
    with open(os.path.join(folder, order_file), "w", encoding="utf-8") as file:
        file.writelines(name + "\n" for name in order)


def _use_own_libc(program):
    """Let program (an ELF file) use the ld.so and libc of its own folder, which then must be its working directory,
    with LD_LIBRARY_PATH naming it: kernels of newer suites want a newer glibc than this machine's."""
    with open(program, "rb") as file:
        data = file.read()
    interpreter = b"/lib64/ld-linux-x86-64.so.2\0"
    if data.count(interpreter) != 1:
        raise Broken(f"{program}: its ELF interpreter is not the one expected")
    with open(program, "wb") as file:
        file.write(data.replace(interpreter, b"ld-linux-x86-64.so.2".ljust(len(interpreter), b"\0")))


def uml(run, suite):
    """Folder with linux.uml, its modules (plain, and the list `modules`), all its modules under `all`."""
    check_machine()

    def build(folder):
        unpacked = os.path.join(folder, "unpacked")
        os.mkdir(unpacked)
        own_libc = suite != "bookworm"
        debian.Suite(run, suite).unpack(["user-mode-linux", *(["libc6"] if own_libc else [])], unpacked)
        program = os.path.join(folder, "linux.uml")
        shutil.copy(os.path.join(unpacked, "usr/bin/linux.uml"), program)
        if own_libc:
            _use_own_libc(program)
            for library in ("ld-linux-x86-64.so.2", "libc.so.6"):
                found = glob.glob(os.path.join(unpacked, "**", library), recursive=True)
                shutil.copy(next(path for path in found if os.path.isfile(path)), folder)
        modules = os.path.join(unpacked, "usr/lib/uml/modules")
        store_modules(modules, folder, [*VSOCK_LOOPBACK, "ipv6"])
        store_modules(modules, folder, ["overlay"], "modules.overlay")
        shutil.rmtree(unpacked)

    return cache.item(run, f"uml-{suite}-1", build)
