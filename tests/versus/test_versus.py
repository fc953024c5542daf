"""perf/versus from inside: what it says of figures, what it reads of processes, and that it leaves none."""
import os
import pathlib
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf" / "versus"))
import measure  # noqa: E402
import table  # noqa: E402
import workloads  # noqa: E402
from processes import Endpoints, Failed, Program, Programs, Scheduling, wait_listening  # noqa: E402

ANYHOW = Scheduling()


def results(**medians):
    """Of rivals, with these CPU seconds."""
    runs = {name.replace("_", "-"): [{"cpu_s_per_gib": value}] * 3 if value else [] for name, value in medians.items()}
    return {name: {"runs": each, "failures": [], "summary": table.summarise(each)} for name, each in runs.items()}


def workload(*targets, rivals=workloads.RIVALS):
    return workloads.Workload("w", "title", ("tcp", "unix"), (), ("cpu_s_per_gib",), targets, rivals)


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not become so")
        time.sleep(0.01)


class Table(unittest.TestCase):
    def test_median_and_spread(self):
        summary = table.summarise([{"p50_us": 3}, {"p50_us": 9}, {"p50_us": 4}])
        self.assertEqual(summary["p50_us"], {"median": 4, "min": 3, "max": 9, "values": [3, 9, 4]})

    def test_a_target_is_reached_at_its_bound(self):
        target = workloads.Target(0.5, ("haproxy",))
        for ours, reached in ((0.49, True), (0.5, True), (0.51, False)):
            verdict, = table.verdicts(workload(target), results(vsluice=ours, haproxy=1.0))
            self.assertEqual((verdict["reached"], verdict["is"]), (reached, ours))

    def test_a_target_against_several_takes_the_best_that_ran(self):
        target = workloads.Target(0.95, ("socat", "nginx", "socket-proxyd"))
        verdict, = table.verdicts(workload(target), results(vsluice=1.0, socat=4.0, nginx=2.0, socket_proxyd=None))
        self.assertEqual((verdict["best"], verdict["is"]), ("nginx", 0.5))

    def test_what_did_not_run_is_not_reached(self):
        target = workloads.Target(0.5, ("haproxy",))
        for found in (results(vsluice=1.0, haproxy=None), results(vsluice=None, haproxy=1.0)):
            verdict, = table.verdicts(workload(target), found)
            self.assertIsNone(verdict["reached"])

    def test_the_best_rival_is_neither_us_nor_the_limit(self):
        found = results(direct=0.1, vsluice=1.0, vsluice_copy=0.5, haproxy=3.0, nginx=2.0)
        lines = list(table.workload_table(workload(), found))
        self.assertEqual([line.split()[0] for line in lines if "best rival" in line], ["nginx"])

    def test_ways_are_rivals_where_only_ways_ran(self):
        found = results(vsluice=1.0, vsluice_copy=0.5, vsluice_small=0.8)
        self.assertEqual(table.contenders(workload(rivals=workloads.WAY_RIVALS), found), ["vsluice-copy", "vsluice-small"])

    def test_failures_are_said(self):
        found = results(vsluice=1.0, haproxy=None)
        found["haproxy"]["failures"] = ["it ended"]
        self.assertIn("1 failed: it ended", "\n".join(table.workload_table(workload(), found)))


class Choice(unittest.TestCase):
    def names(self, *patterns):
        return [each.name for each in workloads.chosen(patterns)]

    def test_a_name_is_not_the_beginning_of_another(self):
        self.assertEqual(self.names("bulk-tcp-unix-1"), ["bulk-tcp-unix-1"])

    def test_first_words_and_patterns(self):
        self.assertEqual(self.names("rr"), ["rr-64", "rr-512", "rr-1"])
        self.assertEqual(self.names("*-16"), ["bulk-tcp-unix-16", "bulk-unix-tcp-16"])
        self.assertEqual(self.names("nothing"), [])

    def test_every_pair_and_size_of_ways(self):
        self.assertEqual(len(self.names("size")), 4 * 6)


class Measure(unittest.TestCase):
    def start(self, script):
        program = Program([sys.executable, "-c", script], None, ANYHOW)
        self.addCleanup(program.end)
        return program

    def test_cpu_of_children_that_run_and_that_have_ended(self):
        spin = "import time\nwhile time.process_time() < 0.3: pass\n"
        program = self.start(f"import subprocess, sys, time\nfor i in 1, 2: subprocess.run([sys.executable, '-c', '''{spin}'''])\n"
                             f"subprocess.run([sys.executable, '-c', '''{spin}time.sleep(60)'''])")
        until(lambda: measure.cpu_seconds(program.pid) > 0.85, 30)
        time.sleep(0.2)
        self.assertLess(measure.cpu_seconds(program.pid), 1.6)

    def test_memory_that_is_used_and_descriptors_of_the_tree(self):
        program = self.start("import os, time\nif os.fork() == 0: mine = b'x' * (64 << 20)\nfiles = [os.dup(0) for _ in range(50)]\n"
                             "time.sleep(60)")
        until(lambda: measure.descriptors(program.pid) >= 100)
        self.assertLess(measure.descriptors(program.pid), 130)
        self.assertGreater(measure.private_bytes(program.pid), 64 << 20)
        self.assertLess(measure.private_bytes(program.pid), 96 << 20)

    def test_a_process_that_is_gone_costs_nothing(self):
        program = self.start("")
        program.wait(10)
        self.assertEqual((measure.cpu_seconds(program.pid), measure.private_bytes(program.pid)), (0, 0))


class Processes(unittest.TestCase):
    def test_the_whole_group_ends_also_orphans_and_the_deaf(self):
        orphan = ("import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                  "if os.fork() == 0:\n os.fork()\n time.sleep(60)\n")
        with Programs() as programs:
            program = programs.start([sys.executable, "-c", orphan])
            program.wait(10)
            deaf = programs.start([sys.executable, "-c", orphan + "else: time.sleep(60)"])
            until(lambda: len(measure.tree(deaf.pid)) == 3)
            pids = measure.tree(deaf.pid)
        until(lambda: not any(os.path.exists(f"/proc/{pid}") and "Z" not in state(pid) for pid in pids))
        self.assertRaises(ProcessLookupError, os.killpg, program.pid, 0)

    def test_an_end_that_comes_by_itself_is_told_with_its_words(self):
        program = Program([sys.executable, "-c", "print('no'); print('sorry'); raise SystemExit(3)"], None, ANYHOW)
        self.addCleanup(program.end)
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(Failed, "sorry"):
            wait_listening(program, Endpoints(folder).new("unix"))
        self.assertEqual(program.wait(1), 3)

    def test_vsock_only_in_the_lab(self):
        if os.environ.get("VSLUICE_LAB") == "uml":
            self.skipTest("in the lab")
        self.assertRaises(Failed, Endpoints("/nowhere").new, "vsock")


def state(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


if __name__ == "__main__":
    unittest.main()
