#!/usr/bin/env python3
"""The README's routes to a Firecracker guest, ssh among them, and its configurations for a guest and for that guest's
host, as printed, against a real guest's vsock-mux socket.

Run with no arguments it boots the guest and runs itself inside tests/lab/guest, in namespaces of its own: the paths
of the README are made there, and its TCP ports are free.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from blocks import blocks

HERE = pathlib.Path(__file__).resolve().parent
VSLUICE = pathlib.Path(os.environ["VSLUICE"]).resolve()
PEER = pathlib.Path(os.environ["VSLUICE_PEER"]).resolve()
PATIENCE_S = 60
SSH_CONFIG = """Host fc7
  IdentityFile ~/.ssh/id_ed25519
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  BatchMode yes
"""


def until(what, attempt):
    """What attempt() returns, once it is not None."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        answer = attempt()
        if answer is not None:
            return answer
        time.sleep(0.3)
    sys.exit(f"{what}: not within {PATIENCE_S} s")


def page(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return None


def ssh(command):
    """Runs README's command as printed, with a script on its standard input."""
    done = subprocess.run(["sh", "-c", command], input="echo from $((6 * 7)) && cat /etc/passwd\n", text=True,
                          capture_output=True, timeout=PATIENCE_S)
    sys.stderr.write(done.stderr)
    return done.stdout if done.returncode == 0 else None


def make_paths(keys):
    """The README's paths. What the guest dials arrives beside the VMM's own socket, under that one's name."""
    for target in ("/run", "/root/.ssh"):
        os.makedirs(target, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", target], check=True)
    mux = pathlib.Path(os.environ["VSLUICE_LAB_MUX"])
    os.mkdir("/run/fc7")
    os.mkdir("/run/vsluice")
    subprocess.run(["mount", "--bind", mux.parent, "/run/fc7"], check=True)
    os.symlink(mux.name, "/run/fc7/v.sock")
    os.symlink("v.sock_3128", f"/run/fc7/{mux.name}_3128")
    shutil.copy(f"{keys}/id_ed25519", "/root/.ssh/id_ed25519")
    os.chmod("/root/.ssh/id_ed25519", 0o600)
    pathlib.Path("/root/.ssh/config").write_text(SSH_CONFIG)
    pathlib.Path("/run/host.conf").write_text(blocks()["guest-host"])


def to_unix_service():
    done = subprocess.run([PEER, "exchange", "unix:/run/vsluice/fc7.pgsql", "--bytes", "4M", "--half-close", "none"],
                          text=True, stdout=subprocess.PIPE, timeout=PATIENCE_S)
    return done.stdout if done.returncode == 0 else None


def said_by_guest(word):
    lines = pathlib.Path(os.environ["VSLUICE_LAB_CONSOLE"]).read_text(errors="replace").splitlines()
    return next((line for line in lines if word in line), None)


def check():
    assert until("page", lambda: page("http://127.0.0.1:8081/")) == "the guest's page\n"
    print("firecracker: the page came through the route as printed")
    answer = until("ssh", lambda: ssh(blocks()["ssh"]))
    assert answer == "from 42\nroot:x:0:0:root:/root:/bin/sh\n", answer
    print("ssh: a command ran in the guest through the ProxyCommand as printed")
    print("guest-conf, guest-host: a Unix service of the guest:", until("postgresql", to_unix_service).strip())
    print("guest-conf, guest-host:", until("proxy", lambda: said_by_guest("through the host's proxy: session 0 ok")))


def inside(keys):
    """In the namespaces, while the guest is up."""
    make_paths(keys)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ["PATH"] = f"{VSLUICE.parent}:{os.environ['PATH']}"
    running = [subprocess.Popen(command) for command in (
        [PEER, "serve", "tcp:127.0.0.1:3128"],
        ["vsluice", "run", "-c", "/run/host.conf"],
        ["sh", "-c", "exec " + blocks()["firecracker"]],
    )]
    try:
        check()
    finally:
        for process in running:
            process.terminate()
            process.wait()


def boot():
    for tool, package in (("ssh", "openssh-client"), ("ssh-keygen", "openssh-client"), ("dropbear", "dropbear-bin"),
                          ("ip", "iproute2")):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin"):
            print(f"SKIP: {tool} is missing: apt-get install {package}")
            return 77
    with tempfile.TemporaryDirectory() as keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{keys}/id_ed25519"], check=True)
        pathlib.Path(f"{keys}/guest.conf").write_text(blocks()["guest-conf"])
        return subprocess.run([
            HERE.parent / "lab" / "guest", "--deadline", "150",
            "--install", f"{VSLUICE}:/usr/bin/vsluice",
            "--install", f"{shutil.which('dropbear', path=os.environ['PATH'] + ':/usr/sbin')}:/usr/sbin/dropbear",
            "--install", f"{keys}/id_ed25519.pub:/etc/authorized_keys",
            "--install", f"{PEER}:/usr/bin/peer",
            "--install", f"{keys}/guest.conf:/etc/vsluice/guest.conf",
            "--init", HERE / "guest-side",
            "--", "unshare", "--net", "--mount", "--propagation", "private", sys.executable, __file__, keys,
        ]).returncode


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1]) if len(sys.argv) > 1 else boot())
