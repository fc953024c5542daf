"""The output folder of a run: table.txt as it is printed, results.json after each workload, pictures."""
import json
import subprocess
import sys

import machine
import table


class Results:
    """`versions` and `skipped`: {rival: text}."""

    def __init__(self, folder, rounds, duration, versions, skipped):
        self.folder = folder
        self.saved = {
            "schema": "vsluice-versus/1", "machine": machine.describe(), "rounds": rounds, "duration_seconds": duration,
            "versions": versions, "skipped": skipped, "workloads": {}}
        self.workloads = []
        self.measured = {}
        self.file = open(folder / "table.txt", "w", encoding="utf-8")
        self._show(*machine.lines(self.saved["machine"]), f"{rounds} rounds of {duration:g} s",
                   *(f"{name}: {text}" for name, text in versions.items() if text),
                   *(f"{name}: SKIPPED: {why}" for name, why in skipped.items()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def add(self, workload, measured, names, failure=""):
        """`measured`: as of Bench.run; those of `names` that are not in it are said to be skipped."""
        results = {}
        for name in names:
            results[name] = measured.get(name, {"runs": [], "failures": []})
            results[name]["summary"] = table.summarise(results[name]["runs"])
            if name not in measured:
                results[name]["skipped"] = "see above" if name in self.saved["skipped"] else failure
        self.workloads.append(workload)
        self.measured[workload.name] = results
        self.saved["workloads"][workload.name] = {
            "title": workload.title, "metric": workload.metrics[0], "rivals": results,
            "targets": table.verdicts(workload, results)}
        self._show(*table.workload_table(workload, results))
        self._save()

    def overview(self):
        self._show(*table.overview(self.workloads, self.measured))

    def draw(self, workload, tool):
        """A page of this workload by vsluice-load report."""
        runs = sorted((self.folder / "runs" / workload.name).glob("*.json"))
        if runs:
            subprocess.run([tool, "report", *runs, "-o", self.folder / f"{workload.name}.html"],
                           stdout=subprocess.DEVNULL)

    def _show(self, *lines):
        for stream in (sys.stdout, self.file):
            print(*lines, "", sep="\n", file=stream, flush=True)

    def _save(self):
        part = self.folder / "results.json.part"
        part.write_text(json.dumps(self.saved, indent=1) + "\n", encoding="utf-8")
        part.replace(self.folder / "results.json")
