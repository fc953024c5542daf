"""Prometheus and promtool, of Debian: unpacked, and no service of it is started. The programs run without what their
package depends on."""

import os

from . import cache, debian

NAME = "prometheus-1"


def programs(run):
    """The folder of both programs."""
    def build(folder):
        debian.Suite(run, "bookworm").unpack(["prometheus"], folder)

    return os.path.join(cache.item(run, NAME, build), "usr/bin")


def find(program):
    """Where it is, if it was fetched."""
    path = os.path.join(cache.root(), NAME, "usr/bin", program)
    return path if os.path.exists(path) else None
