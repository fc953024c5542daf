"""Initial RAM disks: a small cpio writer, and what a program needs beside itself to run in one.

An initrd here is several cpio archives one after the other (the kernel unpacks them in order): a cached one with busybox and
the modules, then the run's own.
"""

import os
import re
import stat

from .run import Broken

LIBRARIES = "/usr/lib/x86_64-linux-gnu"


def real_path(path):
    """Where path lies in a file system with merged /usr; a folder entry must never replace those links."""
    path = os.path.normpath("/" + path).strip("/")
    return re.sub(r"^(bin|sbin|usr/sbin)(?=/)", "usr/bin", re.sub(r"^(lib|lib64)(?=/)", r"usr/\1", path))


class Cpio:
    """An archive ("newc") under construction in an open binary file. Folders on the way are made by themselves."""

    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.seen = set()

    def _entry(self, name, mode, data=b""):
        self.inode += 1
        name = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.file.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    def folder(self, path):
        path = real_path(path)
        if path and path not in self.seen:
            self.folder(os.path.dirname(path))
            self.seen.add(path)
            self._entry(path, stat.S_IFDIR | 0o755)

    def data(self, path, data, mode=0o644):
        path = real_path(path)
        if path not in self.seen:
            self.folder(os.path.dirname(path))
            self.seen.add(path)
            self._entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        path = real_path(path)
        if path not in self.seen:
            self.folder(os.path.dirname(path))
            self.seen.add(path)
            self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def copy(self, source, path):
        """A file, or a link as it is."""
        if os.path.islink(source):
            self.link(path, os.readlink(source))
            return
        with open(source, "rb") as file:
            self.data(path, file.read(), 0o755 if os.access(source, os.X_OK) else 0o644)

    def end(self):
        self._entry("TRAILER!!!", 0)
        self.file.write(bytes(-self.file.tell() % 512))


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries(run, program):
    """{path inside: path here} of the shared libraries and the ELF interpreter that ldd names for program."""
    status, text = run.command(["ldd", program])
    if status != 0:  # "not a dynamic executable"
        return {}
    found = {}
    for line in text.splitlines():
        if "=> not found" in line:
            raise Broken(f"{program}: ldd: {line.strip()}")
        match = re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line)
        if match and match[1]:
            found[f"{LIBRARIES}/{os.path.basename(match[1])}"] = os.path.realpath(match[2])
        elif match:
            found["/usr/lib64/" + os.path.basename(match[2])] = os.path.realpath(match[2])
    return found


def files_to_install(run, installs):
    """{path inside: path here} of (source, destination) pairs: files, whole folders, and the libraries of what is ELF.

    A symbolic link inside such a folder stays one; any other path here is a plain file.
    """
    found = {}
    for source, destination in installs:
        if os.path.isdir(source):
            for folder, folders, names in os.walk(source):
                inside = os.path.normpath(os.path.join(destination, os.path.relpath(folder, source)))
                names += [name for name in folders if os.path.islink(os.path.join(folder, name))]
                found.update({os.path.join(inside, name): os.path.join(folder, name) for name in names})
        else:
            into_folder = destination.endswith("/")
            inside = os.path.join(destination, os.path.basename(source)) if into_folder else destination
            found[inside] = os.path.realpath(source)
    needed = {}
    for path in found.values():
        if os.path.isfile(path) and is_elf(path):
            needed.update(libraries(run, path))
    return {**needed, **found}
