"""Runs all parts of the tests one after the other, says how long each took, and closes with `N passed, N failed, N skipped`."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

SOURCE = pathlib.Path(__file__).resolve().parents[1]
BUILD = SOURCE / "build/release"
ASAN = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "LSAN_OPTIONS": f"print_suppressions=0:suppressions={SOURCE / 'tests/leaks.txt'}"}
TSAN = {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}
parts = []


def part(name, run):
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    passed, failed, skipped = run()
    parts.append((name, passed, failed, skipped, time.monotonic() - began))
    return failed == 0


def build(preset="release"):
    for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset]):
        if subprocess.run(["nice", "-n", "10", *command], cwd=SOURCE).returncode != 0:
            return 0, 1, 0
    return 1, 0, 0


def doctest(program):
    environment = dict(os.environ)
    # Which leaks are libssh2's own only whole stacks tell, and those are slow.
    if program.name == "executor_test" and "LSAN_OPTIONS" in environment:
        environment["ASAN_OPTIONS"] += ":fast_unwind_on_malloc=0"
    try:
        done = subprocess.run(["nice", "-n", "10", program], cwd=SOURCE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
    except subprocess.TimeoutExpired as hung:
        print(f"{program.name}: not through after 30 minutes\n{(hung.stdout or b'')[-4000:]}")
        return 0, 1, 0
    counts = re.search(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped", done.stdout)
    passed, failed, skipped = (int(counts[i]) for i in (2, 3, 4)) if counts else (0, 1, 0)
    if done.returncode != 0:
        print(done.stdout[-20000:])
        failed = max(failed, 1)
    # doctest cannot skip from within a test: it says so in a message. What only IPv6 lacks is nobody's to install.
    for why in re.findall(r"MESSAGE: skipped: (.*)", done.stdout):
        print(f"{program.name}: a test was skipped: {why}")
        passed -= 1
        if os.environ.get("PGCLUSTER_REQUIRE_LAB") == "1" and "IPv6" not in why:
            failed += 1
        else:
            skipped += 1
    print(f"{program.name}: {passed} passed, {failed} failed, {skipped} skipped")
    return passed, failed, skipped


def unit(folder=BUILD):
    programs = sorted(path for path in (folder / "tests").rglob("*_test") if path.is_file() and os.access(path, os.X_OK))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return tuple(sum(column) for column in zip((0, 1 if not programs else 0, 0), *pool.map(doctest, programs)))


def pytest(folder, *options, python=sys.executable):
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        done = subprocess.run([python, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--durations=8", f"--junitxml={report.name}", folder, *options], cwd=SOURCE)
        try:
            suite = xml.parse(report.name).getroot().find("testsuite")
            total, failed, errors, skipped = (int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))
        except (xml.ParseError, AttributeError):
            return 0, 1, 0
        bad = failed + errors if done.returncode != 0 else 0
        return total - failed - errors - skipped, max(bad, done.returncode != 0), skipped


def clouds():
    """moto, which plays AWS, is no Debian package: it stands in an environment of its own."""
    folder = SOURCE / "build/cloud-python"
    wanted = (SOURCE / "tests/cloud/requirements.txt").read_text()
    made = folder / "made-of"
    if not made.exists() or made.read_text() != wanted:
        for command in (["/usr/bin/python3", "-m", "venv", "--clear", "--system-site-packages", folder],
                        [folder / "bin/python", "-m", "pip", "install", "--quiet", "-r", SOURCE / "tests/cloud/requirements.txt"]):
            if subprocess.run(["nice", "-n", "10", *command]).returncode != 0:
                return 0, 1, 0
        made.write_text(wanted)
    return pytest("tests/cloud", python=folder / "bin/python")


def lab_selftest():
    done = subprocess.run([SOURCE / "tests/lab/selftest"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    print(done.stdout)
    counts = re.findall(r"(\d+) passed, (\d+) failed, (\d+) skipped", done.stdout)
    passed, failed, skipped = map(int, counts[-1]) if counts else (0, 1, 0)
    if os.environ.get("PGCLUSTER_REQUIRE_LAB") == "1":
        failed, skipped = failed + skipped, 0
    return passed, failed, skipped


def sanitized(preset, options):
    """All unit tests under sanitizers, and a deployment on hosts of the lab; a finding ends the program that it is in."""
    if build(preset)[1]:
        return 0, 1, 0
    folder = SOURCE / "build" / preset
    before = dict(os.environ)
    os.environ.update(options, PGCLUSTER_COMMAND=str(folder / "bin/pgcluster"))
    try:
        return tuple(sum(column) for column in zip(unit(folder), pytest("tests/e2e/test_sanitized.py")))
    finally:
        os.environ.clear()
        os.environ.update(before)


def python_package(long=False):
    """The wheel, installed into a fresh virtual environment: what is tested is what was installed. The sdist has all that the wheel is built of."""
    folder, project = SOURCE / "build/python", SOURCE / "bindings/python"
    environment, wheels, python = folder / "venv", folder / "dist", folder / "venv/bin/python"
    for old in (environment, wheels):
        shutil.rmtree(old, ignore_errors=True)
    # As the library's own build, whose objects the compiler cache has.
    settings = [f"--config-settings=build-dir={folder}/cmake", "--config-settings=cmake.define.CMAKE_CXX_COMPILER_LAUNCHER=ccache",
                "--config-settings=cmake.define.CMAKE_CXX_COMPILER=/usr/bin/c++", "--config-settings=cmake.define.CMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG"]
    needed = ["build", "mypy", "pytest", "rich", "distributed"]

    def do(*words):
        print("+", *map(str, words), flush=True)
        return subprocess.run(["nice", "-n", "10", *map(str, words)], cwd=SOURCE).returncode == 0

    if not (do("/usr/bin/python3", "-m", "venv", environment)
            and do(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *needed)
            and do(python, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", wheels, *settings, project)
            and do(python, "-m", "build", "--sdist", "-o", wheels, project)
            and do(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wheels.glob("*.whl"))):
        return 0, 1, 0
    if long:    # from the sdist: the whole library once more
        [sdist] = wheels.glob("*.tar.gz")
        if not do(python, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", folder / "from_sdist", sdist):
            return 0, 1, 0
    os.environ["PGCLUSTER_DIST"] = str(wheels)
    return pytest("tests/python", python=python)


def fuzz():
    """Each fuzzer for PGCLUSTER_FUZZ_SECONDS (60), two at a time. What they have found interesting stays in build/fuzz/corpus, and is where they go on."""
    seconds = max(1, int(os.environ.get("PGCLUSTER_FUZZ_SECONDS", "60")))
    if build("fuzz")[1]:
        return 0, 1, 0
    folder = SOURCE / "build/fuzz"
    targets = sorted(path.stem for path in (SOURCE / "tests/fuzz").glob("*.cpp"))

    def run(target):
        seeds = SOURCE / "tests/fuzz/seeds" / target
        if target == "spec":    # the golden cases
            seeds = folder / "seeds"
            seeds.mkdir(exist_ok=True)
            for case in (SOURCE / "tests/cases/spec").glob("*/cluster.yaml"):
                (seeds / case.parent.name).write_bytes(case.read_bytes())
        corpus = folder / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        crash = folder / f"crash-{target}"
        return target, crash, subprocess.run(
            ["nice", "-n", "10", folder / f"tests/fuzz/fuzz_{target}", f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1",
             f"-exact_artifact_path={crash}", corpus, seeds], text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for target, crash, done in pool.map(run, targets):
            inputs = re.search(r"stat::number_of_executed_units: *(\d+)", done.stdout)
            print(f"{target}: {inputs[1] if inputs else 0} inputs, {'nothing found' if done.returncode == 0 else f'status {done.returncode}, the input is {crash}'}", flush=True)
            if done.returncode != 0 or not inputs or inputs[1] == "0":
                print(done.stdout[-6000:])
                failed += 1
    return len(targets) - failed, failed, 0


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--long", action="store_true", help="more moments and faults; takes hours")
    options.add_argument("--only", choices=["unit", "command", "cloud", "consumer", "python", "lab", "e2e", "fuzz", "sanitizers"], help="one part")
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
        if wanted("cloud"):
            part("clouds' load balancers", clouds)
        if wanted("consumer"):
            part("examples", lambda: pytest("tests/examples"))
            part("consumers, packages, docs", lambda: pytest("tests/consumer"))
        # Before the tests end to end, one of which is of the package that this installs.
        if wanted("python"):
            part("python", lambda: python_package(chosen.long))
        if wanted("lab"):
            part("the lab itself", lab_selftest)
        if wanted("e2e"):
            part("end to end", lambda: pytest("tests/e2e", *(["--long"] if chosen.long else [])))
        if wanted("fuzz"):
            part("fuzzers", fuzz)
        if chosen.only == "sanitizers" or (chosen.long and wanted("sanitizers")):
            part("address and undefined behaviour", lambda: sanitized("asan", ASAN))
            part("threads", lambda: sanitized("tsan", TSAN))
    print("\n== how long each part took")
    for name, passed, failed, skipped, took in parts:
        print(f"{name:30} {took:7.0f} s   {passed} passed, {failed} failed, {skipped} skipped")
    passed, failed, skipped = (sum(column) for column in list(zip(*parts))[1:4])
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
