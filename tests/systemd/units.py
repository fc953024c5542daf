"""What the tests of the units share: the tree that `meson install` leaves, and a boot with it (lab/uml-systemd)."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "readme"))
from blocks import blocks  # noqa: E402,F401

UNITS = "etc/systemd/system"
MISTAKE = "[route web]\nlisten = vsock:any:81\ntraget = tcp:127.0.0.1:80\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def boot(script, prepare, *options):
    """Runs a script of this folder in the machine, with the tree that prepare() completes. Its exit status."""
    if not shutil.which("meson"):
        print("SKIP: meson is missing: apt-get install meson")
        return 77
    with tempfile.TemporaryDirectory(prefix="vsluice-units-") as folder:
        root = pathlib.Path(folder) / "root"
        installed = subprocess.run(["meson", "install", "-C", os.environ["VSLUICE_BUILD"], "--no-rebuild",
                                    "--tags", "runtime,systemd", "--destdir", root],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if installed.returncode != 0:
            sys.exit(installed.stdout)
        prepare(root)
        for path in HERE / script, HERE / "common.sh", os.environ["VSLUICE_PEER"]:
            shutil.copy(path, root / "usr/local/bin")
        return subprocess.run([HERE.parent / "lab" / "uml-systemd", "--deadline", "240", "--install", f"{root}:/",
                               *options, "--", "sh", f"/usr/local/bin/{script}"]).returncode
