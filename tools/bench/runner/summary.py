"""From measurements to medians, ratios and a table."""

from statistics import median

from . import kernel
from .programs import BEFORE, PEERS


def summarise(figures, measurements):
    """{figure: {"programs": {name: medians}, "ratio": .., "best_peer": ..}}.

    `measurements` is a list of {"figure", "program", "round", "values" or "failure"}.
    """
    summary = {}
    for figure in figures:
        programs = {}
        for entry in measurements:
            if entry["figure"] == figure.name:
                programs.setdefault(entry["program"], []).append(entry)
        programs = {name: _medians(entries) for name, entries in programs.items()}
        key = figure.columns[0].key
        peers = {name: programs[name][key] for name in PEERS if key in programs.get(name, {})}
        ours = programs.get("tlsbridge", {}).get(key)
        best = min(peers, key=peers.get) if peers else None
        ratio = ours / peers[best] if best and ours is not None and peers[best] > 0 else None
        before = programs.get(BEFORE, {}).get(key)
        ratio_before = ours / before if ours is not None and before else None
        summary[figure.name] = {"title": figure.title, "compared": key, "programs": programs,
                                "best_peer": best, "ratio": ratio, "ratio_before": ratio_before,
                                "kernel": kernel.ratios(programs)}
    return summary


def _medians(entries):
    good = [entry["values"] for entry in entries if "values" in entry]
    failures = [entry["failure"] for entry in entries if "failure" in entry]
    row = {"rounds": len(good), "failures": failures}
    for key in good[0] if good else ():
        numbers = [values[key] for values in good if isinstance(values.get(key), (int, float))]
        if numbers:
            row[key] = median(numbers)
    return row


def table(figures, summary):
    lines = []
    for figure in figures:
        entry = summary[figure.name]
        headings = "".join(f"{column.heading:>13}" for column in figure.columns)
        lines += ["", f"{figure.name}: {figure.title}", f"  {'':10}{headings}{'rounds':>8}{'failed':>8}"]
        for name, row in entry["programs"].items():
            cells = "".join(f"{cell(row.get(column.key)):>13}" for column in figure.columns)
            lines.append(f"  {name:10}{cells}{row['rounds']:>8}{len(row['failures']):>8}")
            lines += [f"    failed: {failure}" for failure in dict.fromkeys(row["failures"])]
        if entry["kernel"]:
            lines.append("  kernel / others: " + ", ".join(f"{name} {of:.2f}" for name, of in entry["kernel"].items()))
        if entry["ratio"] is not None:
            lines.append(f"  tlsbridge / best peer ({entry['best_peer']}): {entry['ratio']:.2f}")
        if entry["ratio_before"] is not None:
            lines.append(f"  tlsbridge / before: {entry['ratio_before']:.3f}")
    return "\n".join(lines)


def cell(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
