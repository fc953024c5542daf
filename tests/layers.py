#!/usr/bin/env python3
"""Fails when a folder includes what it may not (HACKING.md, the layers)."""
import pathlib
import re
import sys

MAY_INCLUDE = {
    "vsock": {"vsock"},
    "config": {"config", "vsock"},
    "ring": {"ring"},
    "proxy": {"proxy", "ring", "config", "vsock"},
    "examples": {"examples"},
    "perf": {"perf", "ring", "config", "vsock"},
}
ONLY_IN = {
    "liburing.h": r"ring/[^/]+\.[ch]",
    "mimalloc.h": r"proxy/allocator\.c",
    "ini.h": r"config/[^/]+\.c",
    "systemd/sd-bus.h": r"proxy/machine_bus\.c",
    "microhttpd.h": r"proxy/admin\.c",
    "curl/curl.h": r"proxy/admin_client\.c",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def mistakes(root):
    for folder, allowed in MAY_INCLUDE.items():
        for source in sorted((root / folder).rglob("*.[ch]")):
            name = source.relative_to(root).as_posix()
            for quote, target in INCLUDE.findall(source.read_text()):
                layer = target.split("/")[0] if "/" in target else folder
                if quote == '"' and layer not in allowed:
                    yield f"{name}: includes {target}; {folder}/ may include only {', '.join(sorted(allowed))}"
                if target in ONLY_IN and not re.fullmatch(ONLY_IN[target], name):
                    yield f"{name}: includes <{target}>, which belongs to {ONLY_IN[target]}"


def main():
    root = pathlib.Path(sys.argv[1])
    found = list(mistakes(root))
    print("\n".join(found) or "every include runs down the layers")
    sources = sum(1 for folder in MAY_INCLUDE for _ in (root / folder).rglob("*.[ch]"))
    if sources < 20:
        found.append("too few sources")
        print(f"{sources} sources under {root}: is this the project's root?")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
