"""libvsock as `meson install` leaves it: its symbols, its header alone, libvsock.pc, and programs that use it.

VSLUICE_BUILD: the build folder, built. VSLUICE_HEADER: vsock.h of the sources. CC, CXX: the compilers.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["VSLUICE_BUILD"]
HEADER = pathlib.Path(os.environ["VSLUICE_HEADER"])
PROGRAM = pathlib.Path(__file__).resolve().with_name("use.c")
CC = shlex.split(os.environ.get("CC", "cc"))
CXX = shlex.split(os.environ.get("CXX", "g++"))
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
VERSION = "VSOCK_0.1"
TOOLS = ["meson", "pkg-config", "nm", "readelf", "ldd", CXX[0]]


def run(*command, **environment):
    done = subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{shlex.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def declared(header):
    """The functions that a header declares."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    return set(re.findall(r"\b(vsock_\w+)\s*\(", text))


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="vsluice-install-")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = pathlib.Path(holder.name)
        root = cls.folder / "root"
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--tags", "runtime,devel", "--destdir", root)
        [cls.pc] = root.rglob("libvsock.pc")
        [cls.shared] = root.rglob("libvsock.so")
        [cls.static] = root.rglob("libvsock.a")
        [cls.header] = root.rglob("vsock.h")
        # The folder that stands for the prefix.
        cls.prefix = cls.header.parent.parent

    def pkg_config(self, *arguments):
        text = run("pkg-config", f"--define-variable=prefix={self.prefix}", *arguments, "libvsock",
                   PKG_CONFIG_LIBDIR=str(self.pc.parent))
        return shlex.split(text)

    def compile(self, compiler, *options):
        program = self.folder / "program"
        run(*compiler, *STRICT, *options, "-o", program)
        return program

    def runs(self, program, **environment):
        self.assertEqual(run(program, **environment), "libvsock works\n")

    def needed(self, binary):
        return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "--dynamic", "--wide", binary))

    def test_shared_symbols(self):
        symbols = {}
        for line in run("nm", "-D", "--defined-only", self.shared).splitlines():
            _, kind, name = line.split()
            if (kind, name) != ("A", VERSION):
                symbols[name] = kind
        functions = {f"{name}@@{VERSION}" for name in declared(HEADER)}
        self.assertGreater(len(functions), 30)
        self.assertEqual(set(symbols), functions)
        self.assertEqual(set(symbols.values()), {"T"})

    def test_static_symbols(self):
        lines = run("nm", "--extern-only", "--defined-only", self.static).splitlines()
        names = {line.split()[2] for line in lines if len(line.split()) == 3}
        self.assertLessEqual(declared(HEADER), names)
        self.assertEqual([name for name in sorted(names) if not name.startswith("vsock_")], [])

    def test_shared_needs_nothing_but_libc(self):
        self.assertIn("[libvsock.so.0]", run("readelf", "--dynamic", "--wide", self.shared))
        self.assertEqual(self.needed(self.shared), ["libc.so.6"])
        libraries = [line.split()[0] for line in run("ldd", self.shared).splitlines()]
        expected = re.compile(r"linux-vdso\.so\.1|libc\.so\.6|/.*/ld-linux[^/]*")
        self.assertEqual([name for name in libraries if not expected.fullmatch(name)], [])

    def test_names_and_versions(self):
        self.assertEqual(self.header.read_bytes(), HEADER.read_bytes())
        self.assertEqual(os.readlink(self.shared), "libvsock.so.0")
        self.assertTrue(self.shared.with_name("libvsock.so.0").exists())
        [version] = self.pkg_config("--modversion")
        self.assertEqual(self.shared.resolve().name, f"libvsock.so.{version}")

    def test_header_alone(self):
        alone = self.folder / "alone.c"
        alone.write_text("#include <vsock.h>\n#include <vsock.h>\nstruct vsock_address address;\n")
        for compiler, standards in ((CC, ["c11", "c17"]), (CXX + ["-x", "c++"], ["c++11", "c++17"])):
            for standard in standards:
                with self.subTest(standard):
                    self.compile(compiler, f"-std={standard}", *self.pkg_config("--cflags"), "-c", alone)

    def test_program_shared(self):
        flags = self.pkg_config("--cflags", "--libs")
        program = self.compile(CC, "-std=c11", PROGRAM, *flags)
        self.assertIn("libvsock.so.0", self.needed(program))
        self.runs(program, LD_LIBRARY_PATH=str(self.shared.parent))

    def test_program_in_cxx(self):
        flags = self.pkg_config("--cflags", "--libs")
        program = self.compile(CXX, "-std=c++17", "-x", "c++", PROGRAM, "-x", "none", *flags)
        self.runs(program, LD_LIBRARY_PATH=str(self.shared.parent))

    def test_program_static(self):
        flags = self.pkg_config("--static", "--cflags", "--libs")
        program = self.compile(CC, "-std=c11", "-static", PROGRAM, *flags)
        self.assertEqual(self.needed(program), [])
        self.runs(program)


if __name__ == "__main__":
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print(f"not here: {', '.join(missing)}")
        sys.exit(77)
    unittest.main()
