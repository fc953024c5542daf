"""Guests: a real kernel in QEMU, with an initrd of busybox, modules and what a run installs.

The init of every guest is the same: it mounts, inserts modules, says LAB-GUEST-READY on the console, runs /lab/script, and stays up.
"""

import glob
import os
import re
import shutil

from . import cache, debian, kernels
from .initrd import Cpio, files_to_install
from .run import Broken, Skip

READY = b"LAB-GUEST-READY"
BOOT_LIMIT_S = 120
KVM_TRIAL_S = 10
MODULES = ["virtio_pci", "vmw_vsock_virtio_transport", "virtio_console", "vsock_loopback", "vsock_diag"]
MODULES_OF_HOST = ["virtio_pci", "virtio_console", "vhost_vsock", "kvm_amd", "kvm_intel"]

INIT = """#!/bin/busybox sh
# init of the lab's guests
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mkdir -p /dev/pts /dev/shm
busybox mount -t devpts devpts /dev/pts
for place in /dev/shm /run /tmp; do busybox mount -t tmpfs -o mode=1777 tmpfs $place; done
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox ip link set lo up
ulimit -l unlimited; ulimit -Hn 65536; ulimit -Sn 65536
order=/lab/modules; [ -e /lab/is-host ] && order=/lab/modules.host
while read module; do busybox insmod /lab/$module.ko; done <$order
echo LAB-GUEST-READY
[ -e /lab/script ] && { busybox sh /lab/script; echo "LAB-GUEST-SCRIPT-ENDED $?"; }
while :; do busybox sleep 1000; done
"""


def base(run):
    """Folder with vmlinuz and base.cpio: what every guest has."""
    kernels.check_machine()
    busybox = kernels.busybox(run)

    def build(folder):
        unpacked = os.path.join(folder, "unpacked")
        lab = os.path.join(folder, "lab")
        os.mkdir(unpacked)
        os.mkdir(lab)
        debian.Suite(run, "bookworm").unpack(["linux-image-cloud-amd64>"], unpacked)
        shutil.move(glob.glob(os.path.join(unpacked, "boot/vmlinuz-*"))[0], os.path.join(folder, "vmlinuz"))
        modules = os.path.join(unpacked, "lib/modules")
        kernels.store_modules(modules, lab, MODULES)
        kernels.store_modules(modules, lab, MODULES_OF_HOST, "modules.host")
        with open(os.path.join(folder, "base.cpio"), "wb") as file:
            archive = Cpio(file)
            for name in ("dev", "proc", "sys", "run", "tmp", "root", "etc", "var", "mnt", "usr/bin", "usr/lib64",
                         "usr/lib/x86_64-linux-gnu"):
                archive.folder(name)
            for name in ("bin", "lib", "lib64"):
                archive.link(name, "usr/" + name)
            archive.link("usr/sbin", "bin")
            archive.link("sbin", "usr/bin")
            archive.copy(busybox, "usr/bin/busybox")
            _, applets = run.command([busybox, "--list"])
            for applet in applets.split():
                archive.link(f"usr/bin/{applet}", "busybox")
            archive.data("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
            archive.data("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
            archive.data("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
            archive.data("init", INIT.encode(), 0o755)
            for name in sorted(os.listdir(lab)):
                archive.copy(os.path.join(lab, name), f"lab/{name}")
            archive.end()
        shutil.rmtree(unpacked)
        shutil.rmtree(lab)

    return cache.item(run, "guest-3", build)


def vhost_device_vsock(run):
    """Path of vhost-device-vsock. Only sid has it; it needs no newer libraries than bookworm's."""
    def build(folder):
        debian.Suite(run, "sid").unpack(["vhost-device-vsock"], folder)

    return os.path.join(cache.item(run, "vhost-device-vsock-1", build), "usr/bin/vhost-device-vsock")


def write_initrd(run, path, parts, installs=(), script=None, extra=None):
    """path: the archives `parts`, then one with the installed files, the script, and extra {path inside: (data, mode)}."""
    with open(path, "wb") as file:
        for part in parts:
            with open(part, "rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)
        archive = Cpio(file)
        for name, (data, mode) in (extra or {}).items():
            archive.data(name, data, mode)
        for inside, here in files_to_install(run, installs).items():
            archive.copy(here, inside)
        if script:
            archive.copy(os.path.realpath(script), "lab/script")
        archive.end()


def qemu(run):
    debian.installed(run, {"qemu-system-x86_64": "qemu-system-x86"})
    return shutil.which("qemu-system-x86_64")


def qemu_bundle(run):
    """Archive with QEMU itself, its libraries and firmware: for a guest that is to have guests."""
    program = qemu(run)

    def build(folder):
        with open(os.path.join(folder, "qemu.cpio"), "wb") as file:
            archive = Cpio(file)
            wanted = [(program, "/usr/bin/qemu-system-x86_64")]
            wanted += [(path, path) for path in glob.glob("/usr/lib/*/qemu/accel-tcg-x86_64.so")]
            for name in ("bios-256k.bin", "linuxboot_dma.bin", "kvmvapic.bin"):
                found = [path for path in (f"/usr/share/qemu/{name}", f"/usr/share/seabios/{name}") if os.path.exists(path)]
                if not found:
                    raise Skip(f"QEMU's {name} is missing: apt-get install --reinstall qemu-system-data seabios")
                wanted.append((os.path.realpath(found[0]), f"/usr/share/qemu/{name}"))
            for inside, here in files_to_install(run, wanted).items():
                archive.copy(here, inside)
            archive.end()

    version = re.sub(r"[^\w.+-]", "_", run.command([program, "--version"])[1].split("\n")[0].rpartition("Debian")[2].strip(" ():"))
    return os.path.join(cache.item(run, f"qemu-1-{version}", build), "qemu.cpio")


class Machine:
    """One VM of a run, under QEMU. Its console goes to the file `console_path`."""

    def __init__(self, run, initrd, memory, cpus=1, accel=None, devices=(), descriptors=(), name="console"):
        self.run = run
        self.console_path = run.path(name)
        self.seen = 0
        accel = accel or accelerator(run)
        argv = [
            qemu(run), "-accel", "tcg,thread=multi" if accel == "tcg" else accel, "-cpu", "host" if accel == "kvm" else "max",
            "-m", memory, "-smp", str(cpus), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-object", f"memory-backend-memfd,id=mem,size={memory},share=on", "-machine", "q35,memory-backend=mem",
            "-serial", f"file:{self.console_path}",
            "-kernel", os.path.join(base(run), "vmlinuz"), "-initrd", initrd,
            "-append", "console=ttyS0 quiet panic=-1", *devices,
        ]
        with open(run.path(name + ".qemu"), "wb") as errors:
            self.process = run.start(argv, stdout=errors, stderr=errors, pass_fds=descriptors)
        self.errors_path = run.path(name + ".qemu")

    def console(self):
        said = b""
        for path in (self.errors_path, self.console_path):
            try:
                with open(path, "rb") as file:
                    said += file.read()
            except FileNotFoundError:
                pass
        return said

    def alive(self):
        return self.process.poll() is None

    def wait_ready(self, limit_s=BOOT_LIMIT_S):
        """Until the guest says that it is up. False when it did not within the limit, or has ended."""
        self.run.wait(lambda: READY in self.console() or not self.alive(), limit_s=limit_s)
        return READY in self.console()

    def must_be_ready(self):
        if not self.wait_ready():
            why = f"did not come up within {BOOT_LIMIT_S} s" if self.alive() else "ended before it was up"
            raise Broken(f"the guest {why}", self.console())


def accelerator(run):
    """'kvm' where a guest was seen to boot with it, else 'tcg'. Tried once per boot of this machine: an emulated /dev/kvm can hang."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        name = f"accel-{file.read().strip()}"

    def build(folder):
        trial = Machine(run, os.path.join(base(run), "base.cpio"), "256M", accel="kvm", name="kvm-trial")
        works = trial.wait_ready(KVM_TRIAL_S)
        if trial.alive():
            trial.process.kill()
            trial.process.wait()
        with open(os.path.join(folder, "kvm" if works else "tcg"), "w", encoding="ascii"):
            pass

    return os.listdir(cache.item(run, name, build))[0]
