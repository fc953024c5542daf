"""The Debian tree that uml-systemd boots: made once by mmdebstrap, and the layer of a run above it.

A run never writes to the tree: it is the lower layer of an overlay whose upper layer is in the run's memory.
"""

import os
import shutil

from . import cache, debian, initrd
from .run import Skip

BASE = "systemd,systemd-sysv,kmod,iproute2,procps,libnss-systemd"
PACKAGES = {"bookworm": BASE, "trixie": BASE + ",dbus,systemd-container"}
MASKED = ("getty.target", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-random-seed.service",
          "systemd-journal-flush.service", "systemd-pstore.service", "systemd-journal-catalog-update.service",
          "systemd-update-done.service", "systemd-networkd-wait-online.service", "e2scrub_reap.service",
          "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer",
          "systemd-tmpfiles-clean.timer", "modprobe@.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
          "dev-hugepages.mount", "dev-mqueue.mount")
MASKED_TOO = {"bookworm": (), "trixie": ("systemd-logind.service", "ldconfig.service", "systemd-hostnamed.socket")}
TARGET = """[Unit]
Description=The lab
Requires=multi-user.target
After=multi-user.target
Wants=vsluice-lab.service
AllowIsolate=yes
"""


def debian_tree(run, suite="bookworm"):
    """Path of the cached tree of a suite, one of PACKAGES."""
    debian.installed(run, {"mmdebstrap": "mmdebstrap"})

    def build(folder):
        tree = os.path.join(folder, "root")
        sources = debian.Suite(run, suite).source_line()
        status, text = run.command(["mmdebstrap", "--variant=minbase", f"--include={PACKAGES[suite]}", suite, tree, sources])
        if status != 0:
            raise Skip(f"mmdebstrap failed ({debian.first_error(text)}); it needs the Debian mirror once, then never again")
        units = os.path.join(tree, "etc/systemd/system")
        for unit in MASKED + MASKED_TOO[suite]:
            path = os.path.join(units, unit)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink("/dev/null", path)
        os.mkdir(os.path.join(tree, "host"))
        for name, text in (("machine-id", "0123456789abcdef0123456789abcdef\n"), ("hostname", "lab\n"), ("fstab", "")):
            with open(os.path.join(tree, "etc", name), "w", encoding="ascii") as file:
                file.write(text)
        with open(os.path.join(units, "vsluice-lab.target"), "w", encoding="ascii") as file:
            file.write(TARGET)
        shutil.rmtree(os.path.join(tree, "var/cache/apt"), ignore_errors=True)
        shutil.rmtree(os.path.join(tree, "var/lib/apt/lists"), ignore_errors=True)

    return os.path.join(cache.item(run, f"rootfs-{suite}-1", build), "root")


def make_layer(run, tree, folder, installs, unit):
    """The layer above the tree: the files to install, and the text of vsluice-lab.service.

    Folders that the tree has keep their mode and owner.
    """
    def parents(inside):
        if inside and not os.path.isdir(os.path.join(folder, inside)):
            parents(os.path.dirname(inside))
            here, there = os.path.join(folder, inside), os.path.join(tree, inside)
            os.mkdir(here, 0o755)
            if os.path.isdir(there):
                status = os.stat(there)
                os.chown(here, status.st_uid, status.st_gid)
                os.chmod(here, status.st_mode & 0o7777)

    os.mkdir(folder)
    for inside, here in initrd.files_to_install(run, installs).items():
        inside = initrd.real_path(inside)
        if inside.startswith("usr/lib") and here.startswith(("/lib", "/usr/lib")) and os.path.exists(os.path.join(tree, inside)):
            continue  # its own libraries stay
        parents(os.path.dirname(inside))
        shutil.copy2(here, os.path.join(folder, inside), follow_symlinks=False)
        os.chown(os.path.join(folder, inside), 0, 0, follow_symlinks=False)
    parents("etc/systemd/system")
    with open(os.path.join(folder, "etc/systemd/system/vsluice-lab.service"), "w", encoding="utf-8") as file:
        file.write(unit)
