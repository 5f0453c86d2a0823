"""Runs all parts of the tests one after the other, says how long each took, and closes with `N passed, N failed, N skipped`."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

SOURCE = pathlib.Path(__file__).resolve().parents[1]
BUILD = SOURCE / "build/release"
parts = []


def part(name, run):
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    passed, failed, skipped = run()
    parts.append((name, passed, failed, skipped, time.monotonic() - began))
    return failed == 0


def build():
    for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        if subprocess.run(command, cwd=SOURCE).returncode != 0:
            return 0, 1, 0
    return 1, 0, 0


def doctest(program):
    done = subprocess.run([program], cwd=SOURCE, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    counts = re.search(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped", done.stdout)
    passed, failed, skipped = (int(counts[i]) for i in (2, 3, 4)) if counts else (0, 1, 0)
    if done.returncode != 0:
        print(done.stdout[-20000:])
        failed = max(failed, 1)
    print(f"{program.name}: {passed} passed, {failed} failed, {skipped} skipped")
    return passed, failed, skipped


def unit():
    programs = sorted(path for path in (BUILD / "tests").rglob("*_test") if path.is_file() and os.access(path, os.X_OK))
    return tuple(sum(column) for column in zip((0, 1 if not programs else 0, 0), *(doctest(program) for program in programs)))


def pytest(folder, *options):
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--durations=8", f"--junitxml={report.name}", folder, *options], cwd=SOURCE)
        try:
            suite = xml.parse(report.name).getroot().find("testsuite")
            total, failed, errors, skipped = (int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))
        except (xml.ParseError, AttributeError):
            return 0, 1, 0
        bad = failed + errors if done.returncode != 0 else 0
        return total - failed - errors - skipped, max(bad, done.returncode != 0), skipped


def lab_selftest():
    done = subprocess.run([SOURCE / "tests/lab/selftest"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    print(done.stdout)
    counts = re.findall(r"(\d+) passed, (\d+) failed, (\d+) skipped", done.stdout)
    passed, failed, skipped = map(int, counts[-1]) if counts else (0, 1, 0)
    if os.environ.get("PGCLUSTER_REQUIRE_LAB") == "1":
        failed, skipped = failed + skipped, 0
    return passed, failed, skipped


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--long", action="store_true", help="more moments and faults; takes hours")
    options.add_argument("--only", choices=["unit", "command", "consumer", "lab", "e2e"], help="one part")
    chosen = options.parse_args()
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")

    def wanted(name):
        return chosen.only in (None, name)

    if part("build", build):
        if wanted("unit"):
            part("unit, golden and simulated", unit)
        if wanted("command"):
            os.environ.update(PGCLUSTER_BINARY=str(BUILD / "bin/pgcluster"), PGCLUSTER_DRIVER=str(BUILD / "tests/command/command_driver"))
            part("command", lambda: pytest("tests/command"))
            part("structure", lambda: pytest("tests/structure"))
        if wanted("consumer"):
            part("examples", lambda: pytest("tests/examples"))
            part("consumers, packages, docs", lambda: pytest("tests/consumer"))
        if wanted("lab"):
            part("the lab itself", lab_selftest)
        if wanted("e2e"):
            part("end to end", lambda: pytest("tests/e2e", *(["--long"] if chosen.long else [])))
    print("\n== how long each part took")
    for name, passed, failed, skipped, took in parts:
        print(f"{name:30} {took:7.0f} s   {passed} passed, {failed} failed, {skipped} skipped")
    passed, failed, skipped = (sum(column) for column in list(zip(*parts))[1:4])
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
