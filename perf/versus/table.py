"""Medians, ratios and tables of what was measured. Knows nothing of how."""
import statistics

from workloads import METRICS


def summarise(runs):
    """{metric: {"median", "min", "max", "values"}} of a rival's runs."""
    names = [name for name in METRICS if any(name in run for run in runs)]
    summary = {}
    for name in names:
        values = [run[name] for run in runs if name in run]
        summary[name] = {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}
    return summary


def median(results, rival, metric):
    """None where it was not measured."""
    return results.get(rival, {}).get("summary", {}).get(metric, {}).get("median")


def best_of(results, rivals, metric):
    """(rival, median) of the one with the least, or (None, None)."""
    found = [(median(results, rival, metric), rival) for rival in rivals]
    found = [(value, rival) for value, rival in found if value is not None]
    value, rival = min(found, default=(None, None))
    return rival, value


def contenders(workload, results):
    """Whom vsluice is compared with: the others; where only its own ways were to run, those."""
    ours = all(rival.startswith("vsluice") for rival in workload.rivals)
    return [rival for rival in results
            if rival not in ("direct", "vsluice") and (ours or not rival.startswith("vsluice"))]


def ratio(value, other):
    return value / other if value is not None and other else None


def verdicts(workload, results):
    """What the targets ask and what was reached: dictionaries, one a target."""
    found = []
    for target in workload.targets:
        metric = target.metric or workload.metrics[0]
        value, against, other = median(results, "vsluice", metric), "", 1
        if target.rivals:
            against, other = best_of(results, target.rivals, metric)
        reached = ratio(value, other)
        found.append({
            "metric": metric, "at_most": target.factor, "of": list(target.rivals), "best": against, "is": reached,
            "reached": None if reached is None else reached <= target.factor})
    return found


def _number(value, metric):
    shown = METRICS[metric]
    return "-" if value is None else f"{value * shown.scale:,.{shown.digits}f}"


def _row(workload, results, rival, best):
    result, first = results[rival], workload.metrics[0]
    spread = result["summary"].get(first)
    compared = ratio(median(results, "vsluice", first), median(results, rival, first))
    invalid = sum(not run.get("valid", True) for run in result["runs"])
    notes = ["best rival"] if rival == best else []
    notes += [f"{invalid} runs bound by the generator"] if invalid else []
    notes += [f"skipped: {result['skipped']}"] if result.get("skipped") else []
    notes += [f"{len(result['failures'])} failed: {result['failures'][-1]}"] if result["failures"] else []
    return [
        rival, _number(median(results, rival, first), first),
        f"{_number(spread['min'], first)}..{_number(spread['max'], first)}" if spread else "-",
        "-" if compared is None or rival == "vsluice" else f"{compared:.2f}",
        *(_number(median(results, rival, metric), metric) for metric in workload.metrics[1:]),
        str(len(result["runs"])), "; ".join(notes)]


def _align(rows):
    """Lines; the first and last column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        cells[0], cells[-1] = row[0].ljust(widths[0]), row[-1]
        yield "  ".join(cells).rstrip()


def describe(verdict):
    shown = METRICS[verdict["metric"]]
    value = "not measured" if verdict["is"] is None else f"{verdict['is']:.{2 if verdict['of'] else shown.digits}f}"
    wanted = f"{verdict['at_most']:g}" + (f" x {' / '.join(verdict['of'])}" if verdict["of"] else "")
    word = {True: "reached", False: "MISSED", None: ""}[verdict["reached"]]
    return [f"{shown.title} at most {wanted}", value, word]


def workload_table(workload, results):
    """Lines: a row for each rival, and what the targets say."""
    first = METRICS[workload.metrics[0]].title
    best, _ = best_of(results, contenders(workload, results), workload.metrics[0])
    rows = [["", first, "min..max", "vsluice/it", *(METRICS[name].title for name in workload.metrics[1:]), "runs", ""]]
    rows += [_row(workload, results, rival, best) for rival in results]
    yield f"{workload.name}: {workload.title}"
    if not any(results[rival]["runs"] or results[rival]["failures"] for rival in results):
        yield f"  skipped: {results['vsluice']['skipped']}"
        return
    yield from (f"  {line}" for line in _align(rows))
    for verdict in verdicts(workload, results):
        wanted, value, word = describe(verdict)
        yield f"  target: {wanted}: {value} {word}".rstrip()


def overview(workloads, measured):
    """Lines: vsluice against the best rival of each workload, and the targets."""
    rows = [["", "", "vsluice", "best rival", "", "vsluice/best rival", "target", "is", ""]]
    for workload in workloads:
        if median(measured[workload.name], "vsluice", workload.metrics[0]) is None:
            rows.append([workload.name, "not measured", *[""] * 7])
            continue
        results, metric = measured[workload.name], workload.metrics[0]
        best, value = best_of(results, contenders(workload, results), metric)
        ours = median(results, "vsluice", metric)
        compared = ratio(ours, value)
        head = [workload.name, METRICS[metric].title, _number(ours, metric), _number(value, metric), best or "-",
                "-" if compared is None else f"{compared:.2f}"]
        for verdict in verdicts(workload, results) or [None]:
            rows.append([*head, *(describe(verdict) if verdict else ["", "", ""])])
            head = [""] * len(head)
    yield from _align(rows)
