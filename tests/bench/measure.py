"""Figures and their tables, and what needs no hosts."""

import json
import os
import pathlib
import statistics
import subprocess

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build/release"


def table(head, rows):
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def spread(values, unit):
    digits = 0 if max(values) >= 100 else 1
    return f"{statistics.median(values):.{digits}f}{unit} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def ratio(ours, floors):
    """Of the medians; in brackets the middle half of the ratios within a round."""
    pairs = sorted(a / b for a, b in zip(ours, floors))
    quarter = len(pairs) // 4
    return f"{statistics.median(ours) / statistics.median(floors):.2f} ({pairs[quarter]:.2f}..{pairs[-1 - quarter]:.2f})"


def versus(name, ours, floors, aim, unit=" ms"):
    return [name, spread(ours, unit), spread(floors, unit), ratio(ours, floors), aim]


VERSUS = ["", "pgcluster", "floor", "ratio", "aim"]


def python(rounds):
    """From the package that `tests/run.py --only python` installs; PGCLUSTER_PYTHON names another interpreter."""
    interpreter = pathlib.Path(os.environ.get("PGCLUSTER_PYTHON", BUILD.parent / "python/venv/bin/python"))
    if not interpreter.exists():
        return print("The Python package is not installed: python3 tests/run.py --only python")
    programs = {"C++": [BUILD / "tests/bench/bench_embedded"], "Python": [interpreter, pathlib.Path(__file__).parent / "embedded.py"],
                "Python, each event to a function": [interpreter, pathlib.Path(__file__).parent / "embedded.py", "--events"]}
    samples = {name: [] for name in programs}
    for _ in range(rounds or 5):
        for name, words in programs.items():
            done = subprocess.run([*words[:2], "334", "3", *words[2:]], capture_output=True, text=True, check=True)
            samples[name].append(json.loads(done.stdout))
    table(["CPU time of 334 x 3 hosts", *VERSUS[1:]], [
        versus(f"{name}: {work}", [one[work] * 1e3 for one in samples[name]], [one[work] * 1e3 for one in samples["C++"]], "1.20")
        for name in programs if name != "C++" for work in ("plan", "apply")])


def fleet(rounds):
    rows = []
    for clusters, size in ((1, 3), (33, 3), (333, 3), (3333, 3), (1, 30), (1, 100)):
        samples = []
        for _ in range(rounds or (5 if clusters * size < 1000 else 1)):
            done = subprocess.run([BUILD / "tests/bench/bench_fleet", str(clusters), str(size)], capture_output=True, text=True, check=True)
            samples.append(json.loads(done.stdout))
        best = {work: {key: statistics.median(sample[work][key] for sample in samples) for key in samples[0][work]} for work in ("plan", "apply", "noop")}
        rows.append([f"{clusters} x {size}", f"{best['plan']['ms_per_host']:.2f}", f"{best['apply']['ms_per_host']:.2f}", f"{best['noop']['ms_per_host']:.2f}",
                     f"{best['plan']['kept_kb_per_host']:.0f}", f"{best['noop']['kept_kb_per_host']:.0f}", f"{best['noop']['peak_kb'] / size:.0f}"])
    table(["clusters x hosts", "plan ms", "apply ms", "no-op ms", "plan kept kB", "no-op kept kB", "no-op peak kB"], rows)
    print("All per host; CPU time of the controller without the simulated hosts' own. Peak: of one cluster at work. Aim: level.")
