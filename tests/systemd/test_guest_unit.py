#!/usr/bin/env python3
"""vsluice-guest.service and its example configuration as `meson install` leaves them, enabled in a machine that boots
(tests/lab/uml-systemd). Beside it is a copy of the unit whose configuration has a mistake.

The machine is guest and host in one: CID 1 stands for both, and for the host's CID in the configuration.
"""
import re
import sys

from units import MISTAKE, UNITS, blocks, boot, write

# The lab masks the real one.
MODPROBE = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
OWN_SOCKET = """[route own-socket]
listen = unix:/run/vsluice-guest/own.sock
mode = 0666
target = vsock:local:3128
"""


def enable(root, unit, path):
    """What `systemctl enable` does."""
    link = root / UNITS / "multi-user.target.wants" / unit
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(path)


def check_readme(example):
    """README prints the example, without its comments and settings."""
    routes = re.sub(r"^;.*\n+|^\[global\]\n(?:.*\n)*?(?=\[)", "", example, flags=re.M)
    if routes.strip() != blocks()["guest-conf"].strip():
        sys.exit(f"README prints another configuration than systemd/guest.conf:\n{routes}")


def prepare(root):
    [unit] = root.rglob("vsluice-guest.service")
    [example] = root.rglob("guest.conf")
    check_readme(example.read_text())
    example.write_text(example.read_text().replace("vsock:host:", "vsock:local:"))
    write(root / "etc/vsluice/guest.conf", example.read_text())
    write(root / "etc/vsluice/guest.conf.d/own-socket.conf", OWN_SOCKET)
    write(root / "etc/vsluice/broken.conf", MISTAKE)
    broken = unit.read_text().replace("guest.conf", "broken.conf").replace("vsluice-guest", "vsluice-broken")
    write(root / UNITS / "vsluice-broken.service", broken)
    write(root / UNITS / "modprobe@.service", MODPROBE)
    enable(root, "vsluice-guest.service", "/" + str(unit.relative_to(root)))
    enable(root, "vsluice-broken.service", f"/{UNITS}/vsluice-broken.service")
    write(root / "usr/local/bin/readme-guest-unit", blocks()["guest-unit"])


if __name__ == "__main__":
    sys.exit(boot("guest-unit", prepare))
