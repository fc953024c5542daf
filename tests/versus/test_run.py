"""perf/versus/run from outside: its files, and that a run that is stopped leaves nothing.

VSLUICE_BUILD: the build folder. Exit status: 0 or 1.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RUN = pathlib.Path(__file__).resolve().parents[2] / "perf" / "versus" / "run"
BUILD = os.environ.get("VSLUICE_BUILD", "build-release")


def running(folder):
    """The programs that run with arguments which name the folder."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            arguments = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        if folder.encode() in arguments:
            found.append(os.path.basename(arguments.split(b"\0")[0].decode()))
    return found


class Run(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="vsluice-versus-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.temporary = os.path.join(self.folder, "tmp")
        self.output = pathlib.Path(self.folder, "output")
        os.mkdir(self.temporary)

    def start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, RUN, "--build", BUILD, "--output", self.output, "--no-install", *arguments],
            env={**os.environ, "TMPDIR": self.temporary}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def nothing_left(self):
        self.assertEqual(os.listdir(self.temporary), [])
        self.assertEqual(running(self.temporary), [])

    def test_figures_and_files(self):
        process = self.start("--quick", "--only", "rr-1", "bulk-tcp-unix-1", "idle", "mixed", "--rivals", "direct", "vsluice")
        text, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, text)
        saved = json.loads((self.output / "results.json").read_text())
        self.assertEqual(list(saved["workloads"]), ["bulk-tcp-unix-1", "rr-1", "idle", "mixed"])
        for name, workload in saved["workloads"].items():
            ours = workload["rivals"]["vsluice"]
            self.assertEqual((name, ours["failures"], len(ours["runs"])), (name, [], 2))
            # What an idle session takes is seen in a release build: a sanitizer's heap shrinks when it likes.
            if name != "idle":
                self.assertGreater(ours["summary"][workload["metric"]]["median"], 0)
            self.assertEqual(name == "idle", "direct" not in workload["rivals"])
        self.assertEqual(saved["workloads"]["idle"]["rivals"]["vsluice"]["summary"]["descriptors"]["median"], 2)
        self.assertNotIn("cpu_s_per_gib", saved["workloads"]["bulk-tcp-unix-1"]["rivals"]["direct"]["summary"])
        label = json.loads((self.output / "runs" / "rr-1" / "vsluice.1.json").read_text())["label"]
        self.assertEqual(label, "vsluice")
        self.assertTrue((self.output / "rr-1.html").exists())
        self.assertIn("rr-1: 64-byte", (self.output / "table.txt").read_text())
        self.nothing_left()

    def test_stopped_it_leaves_nothing(self):
        for number in signal.SIGTERM, signal.SIGINT:
            process = self.start("--only", "rr-64", "--duration", "30", "--rivals", "direct")
            deadline = time.monotonic() + 20
            # Its server, and behind that the proxy: what it starts before them ends by itself.
            while (found := set(running(self.temporary))) != {"vsluice-load", "vsluice"} and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(found, {"vsluice-load", "vsluice"})
            process.send_signal(number)
            self.assertEqual(process.wait(20), 128 + number)
            self.nothing_left()

    def test_mistakes_are_usage(self):
        for arguments in (["--only", "no-such"], ["--rivals", "no-such"], ["--rounds", "0"], ["--variant", "x"]):
            process = self.start(*arguments)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 2, arguments)


if __name__ == "__main__":
    unittest.main()
