"""Debian packages: fetched with an apt configuration of our own and unpacked, nothing installed.

The mirror is taken from the machine's configured apt sources (or VSLUICE_LAB_MIRROR), so that any suite of it can be
asked, whatever suite the machine itself runs. Only `installed` changes the machine.

What cannot be had raises Skip, with the reason.
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import time

from . import cache
from .run import Broken, Skip

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_FRESH_S = 3600


def _configured_sources():
    """(URI, suites, components) of every enabled binary source of this machine."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(path, encoding="utf-8") as file:
            for stanza in re.split(r"\n\s*\n", file.read()):
                lines = [line for line in stanza.splitlines() if not line.startswith("#")]
                fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", "\n".join(lines), re.M))
                if fields.get("Enabled", "yes").strip() == "no" or "deb" not in fields.get("Types", "").split():
                    continue
                for uri in fields.get("URIs", "").split():
                    yield uri, fields.get("Suites", "").split(), fields.get("Components", "").split()
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = re.sub(r"#.*", "", re.sub(r"\[[^]]*\]", "", line)).split()
                if len(words) >= 4 and words[0] == "deb":
                    yield words[1], words[2:3], words[3:]


def mirror():
    chosen = os.environ.get("VSLUICE_LAB_MIRROR")
    if chosen:
        return chosen
    for uri, suites, components in _configured_sources():
        # The security archive and third parties carry suites of other names, or no "debian" path.
        if "main" in components and re.search(r"/debian/?$", uri) and any("-" not in suite for suite in suites):
            return uri
    raise Skip("no Debian mirror among this machine's apt sources; "
               "set VSLUICE_LAB_MIRROR to the address of one (as after `deb` in sources.list)")


def first_error(text):
    lines = [line for line in text.splitlines() if line.startswith("E:")][:1] or text.splitlines()[-1:]
    return lines[0].strip() if lines else "no output"


class Suite:
    """One suite of the mirror, with lists of its own under the cache."""

    def __init__(self, run, name):
        self.run = run
        self.name = name
        self.folder = os.path.join(cache.root(), f"apt-{name}")

    def source_line(self):
        """The suite as a line of sources.list."""
        signed = f" [signed-by={KEYRING}]" if os.path.exists(KEYRING) else ""
        return f"deb{signed} {mirror()} {self.name} main"

    def _options(self):
        settings = {
            "Dir::Etc::sourcelist": os.path.join(self.folder, "sources.list"),
            "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": os.path.join(self.folder, "lists"),
            "Dir::Cache": os.path.join(self.folder, "cache"),
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
        }
        return [f"-o{key}={value}" for key, value in settings.items()]

    def _apt(self, *words, **options):
        return self.run.command([words[0], *self._options(), *words[1:]], **options)

    def update(self):
        """Fetch the lists where they are missing or old. Call with the suite's lock held."""
        stamp = os.path.join(self.folder, "updated")
        if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < LISTS_FRESH_S:
            return
        for tool in ("apt-get", "dpkg"):
            if not shutil.which(tool):
                raise Skip(f"{tool} is missing: the lab is made of Debian packages")
        os.makedirs(os.path.join(self.folder, "lists", "partial"), exist_ok=True)
        os.makedirs(os.path.join(self.folder, "cache", "archives", "partial"), exist_ok=True)
        with open(os.path.join(self.folder, "sources.list"), "w", encoding="utf-8") as file:
            file.write(self.source_line() + "\n")
        status, text = self._apt("apt-get", "update", "--error-on=any", limit_s=180)
        if status != 0:
            raise Skip(f"the package lists of Debian {self.name} cannot be fetched ({first_error(text)}); "
                       "it needs the Debian mirror once, then never again")
        with open(stamp, "w", encoding="utf-8"):
            pass

    def unpack(self, names, folder):
        """Fetch packages and unpack them into folder. A name that ends in `>` stands for what that package
        depends on (for metapackages such as linux-image-cloud-amd64)."""
        with cache.locked(self.run, f"apt-{self.name}"):
            self.update()
            real = [self._first_dependency(name[:-1]) if name.endswith(">") else name for name in names]
            debs = os.path.join(folder, ".debs")
            os.mkdir(debs)
            status, text = self._apt("apt-get", "download", *real, cwd=debs)
        if status != 0:
            raise Skip(f"{' '.join(real)} of Debian {self.name} cannot be fetched ({first_error(text)})")
        for deb in glob.glob(os.path.join(debs, "*.deb")):
            status, text = self.run.command(["dpkg", "-x", deb, folder])
            if status != 0:
                raise Broken(f"dpkg -x {os.path.basename(deb)}: {first_error(text)}")
        shutil.rmtree(debs)

    def _first_dependency(self, name):
        _, text = self._apt("apt-cache", "depends", "--important", name)
        found = re.search(r"Depends: (\S+)", text)
        if not found:
            raise Skip(f"{name} is not in Debian {self.name}")
        return found[1]


def installed(run, packages):
    """Make sure that programs are there. packages: {program: package}. The one thing here that changes the machine."""
    def missing():
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        return {program: package for program, package in packages.items() if not shutil.which(program, path=path)}

    def install(words):
        # Not to be stopped half-way: that would leave the machine's packages half configured.
        return run.command([*prefix, "apt-get", *words, "-oDPkg::Lock::Timeout=300"], limit_s=900, stoppable=False)

    if not missing():
        return
    with cache.locked(run, "install"):
        wanted = sorted(set(missing().values()))
        if not wanted:
            return
        words = ["install", "-y", "--no-install-recommends", *wanted]
        how = f"install it with: apt-get {shlex.join(words)}"
        prefix = []
        if os.geteuid() != 0:
            prefix = ["sudo", "-n"]
            if not shutil.which("sudo") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
                raise Skip(f"{' '.join(wanted)} is missing, and this is neither root nor sudo without a password; {how}")
        if not shutil.which("apt-get"):
            raise Skip(f"{' '.join(wanted)} is missing, and there is no apt-get to install it")
        prefix += ["env", "DEBIAN_FRONTEND=noninteractive"]
        status, text = install(words)
        if status != 0:
            install(["update"])
            status, text = install(words)
        if status != 0 or missing():
            raise Skip(f"{' '.join(wanted)} cannot be installed ({first_error(text)}); {how}")
