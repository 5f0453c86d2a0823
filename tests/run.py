"""Runs the parts of the tests side by side, says how long each took, and closes with `N passed, N failed, N skipped`."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

import lanes

SOURCE = pathlib.Path(__file__).resolve().parents[1]
BUILD = SOURCE / "build/release"
ASAN = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "LSAN_OPTIONS": f"print_suppressions=0:suppressions={SOURCE / 'tests/leaks.txt'}"}
TSAN = {"TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}
COMPILING = 15    # a niceness: hosts and whatever looks at a clock come first

# Seconds that files of tests/e2e take alone. The long ones begin first.
SECONDS = {f"test_{name}.py": seconds for name, seconds in {
    "going_over": 800, "faults": 680, "every_key": 600, "every_fault": 540, "consul": 440, "consul_sites": 415, "limits": 350, "balancing": 345, "running": 340,
    "who_may_connect": 325, "strangers": 300, "restore": 290, "scheme_a": 280, "hosts_that_differ": 275, "settings": 265, "ipv6": 250, "backups": 230, "consul_tls": 225, "balancers_apart": 200, "firewall": 200,
    "random_faults": 195, "interrupted": 190, "nothing_in_the_clear": 160, "consul_access": 230, "dcs_users": 200, "total_loss": 150, "objects": 120, "rotate": 165, "values": 160, "vip": 150, "prove": 140, "ways_in": 130, "membership": 170, "without": 110, "python": 105, "leaving": 100, "cloud": 60, "secrets": 55,
    "keys_and_tickets": 45, "examples": 40}.items()}


def build(preset="release", *targets):
    for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, *(["--target", *targets] if targets else [])]):
        if subprocess.run(command, cwd=SOURCE).returncode != 0:
            return 0, 1, 0
    return 1, 0, 0


def doctest(program):
    environment = dict(os.environ)
    # Which leaks are libssh2's own only whole stacks tell, and those are slow.
    if program.name == "executor_test" and "LSAN_OPTIONS" in environment:
        environment["ASAN_OPTIONS"] += ":fast_unwind_on_malloc=0"
    try:
        done = subprocess.run([program], cwd=SOURCE, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
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
            if subprocess.run(command).returncode != 0:
                return 0, 1, 0
        made.write_text(wanted)
    return pytest("tests/cloud", python=folder / "bin/python")


def lab_selftest():
    done = subprocess.run([SOURCE / "tests/lab/selftest"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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
    os.environ.update(options, PGCLUSTER_COMMAND=str(folder / "bin/pgcluster"))
    return tuple(sum(column) for column in zip(unit(folder), pytest("tests/e2e/test_sanitized.py")))


def python_package(long=False):
    """The wheel, installed into a fresh virtual environment: what is tested is what was installed. The sdist has all that the wheel is built of."""
    folder, project = SOURCE / "build/python", SOURCE / "bindings/python"
    environment, wheels, python = folder / "venv", folder / "dist", folder / "venv/bin/python"
    for old in (environment, wheels):
        shutil.rmtree(old, ignore_errors=True)
    # As the library's own build, and beside it: so the compiler cache has its objects.
    settings = [f"--config-settings=build-dir={SOURCE}/build/wheel",
                *(f"--config-settings=cmake.define.{name}={value}" for name, value in {
                    "CMAKE_CXX_COMPILER_LAUNCHER": "ccache", "CMAKE_CXX_COMPILER": "/usr/bin/c++", "CMAKE_CXX_FLAGS_RELEASE": "-O2 -DNDEBUG", "PGCLUSTER_UNITY": "ON"}.items())]
    needed = ["build", "jsonschema", "mypy", "pytest", "rich", "distributed"]

    def do(*words):
        print("+", *map(str, words), flush=True)
        return subprocess.run([*map(str, words)], cwd=SOURCE).returncode == 0

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
    """Each fuzzer for PGCLUSTER_FUZZ_SECONDS (60) of processor time, two at a time. What they have found interesting stays in build/fuzz/corpus, and is where
    they go on."""
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
        used, inputs, status = 0.0, 0, 0
        # libFuzzer counts the clock's seconds, of which it does not get all while other parts run.
        while status == 0 and seconds - used > seconds / 20:
            process = subprocess.Popen(
                [folder / f"tests/fuzz/fuzz_{target}", f"-max_total_time={max(1, round(seconds - used))}", "-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1",
                 f"-exact_artifact_path={crash}", corpus, seeds], text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status = os.waitstatus_to_exitcode(status)
            used += usage.ru_utime + usage.ru_stime
            counted = re.search(r"stat::number_of_executed_units: *(\d+)", output)
            inputs += int(counted[1]) if counted else 0
            if not counted:
                break
        return target, crash, used, inputs, status, output

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for target, crash, used, inputs, status, output in pool.map(run, targets):
            print(f"{target}: {inputs} inputs in {used:.0f} s, {'nothing found' if status == 0 else f'status {status}, the input is {crash}'}", flush=True)
            if status != 0 or inputs == 0:
                print(output[-6000:])
                failed += 1
    return len(targets) - failed, failed, 0


def lab_base():
    """What all labs stand on, made once; a lab that cannot run here is for the parts that need one to tell."""
    lab = SOURCE / "tests/lab/lab"
    if subprocess.run([lab, "doctor"], stdout=subprocess.DEVNULL).returncode == 0:
        subprocess.run([lab, "base", "--warm"])
    return 0, 0, 0


def command(folder):
    os.environ.update(PGCLUSTER_BINARY=str(BUILD / "bin/pgcluster"), PGCLUSTER_DRIVER=str(BUILD / "tests/command/command_driver"))
    return pytest(folder)


def e2e_files():
    """Without that of another build's command."""
    files = [path.name for path in (SOURCE / "tests/e2e").glob("test_*.py") if path.stem != "test_sanitized"]
    return sorted(files, key=lambda name: (-SECONDS.get(name, 1000), name))


# What each part runs, in the order in which they begin.
WORK = {
    "the command": lambda long: build("release", "pgcluster_command"),
    "build": lambda long: build(),
    "unit, golden and simulated": lambda long: unit(),
    "command": lambda long: command("tests/command"),
    "structure": lambda long: pytest("tests/structure"),
    "examples": lambda long: pytest("tests/examples"),
    "python": python_package,
    "consumers, packages, docs": lambda long: pytest("tests/consumer"),
    "clouds' load balancers": lambda long: clouds(),
    "fuzzers": lambda long: fuzz(),
    "address and undefined behaviour": lambda long: sanitized("asan", ASAN),
    "threads": lambda long: sanitized("tsan", TSAN),
    "the labs' base": lambda long: lab_base(),
    "the lab itself": lambda long: lab_selftest(),
    **{f"e2e {name}": lambda long, name=name: pytest(f"tests/e2e/{name}", *(["--long"] if long else [])) for name in e2e_files()},
}
ONLY = {
    "unit": ["unit, golden and simulated"],
    "command": ["command", "structure"],
    "cloud": ["clouds' load balancers"],
    "consumer": ["examples", "consumers, packages, docs"],
    "python": ["python"],
    "lab": ["the lab itself"],
    "e2e": ["the labs' base", *(f"e2e {name}" for name in e2e_files())],
    "fuzz": ["fuzzers"],
    "sanitizers": ["address and undefined behaviour", "threads"],
}
AFTER = {
    "the command": (),
    "build": ("the command",),
    "the labs' base": (),
    "the lab itself": (),
    "fuzzers": (),
    "e2e test_examples.py": ("the labs' base", "build"),
    "e2e test_python.py": ("the labs' base", "python"),    # which installs the package that this one uses
}


def chosen_parts(only, long):
    names = ["the command", "build", *([name for name in WORK if long or name not in ONLY["sanitizers"]] if only is None else ONLY[only])]
    for name in dict.fromkeys(names):
        of_labs = name.startswith("e2e ") or name in ("the lab itself", "the labs' base")
        after = AFTER.get(name, ("the command", "the labs' base") if of_labs else ("build",))
        compiles = name in ("the command", "build", "fuzzers") or name in ONLY["sanitizers"]
        yield lanes.Part(name, [sys.executable, __file__, "--part", name, *(["--long"] if long else [])], "labs" if of_labs else "work", after,
                         COMPILING if compiles else 0)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--long", action="store_true", help="more moments and faults; takes hours")
    options.add_argument("--only", choices=ONLY, help="one part")
    options.add_argument("--labs", type=int, help="how many labs of hosts run at a time (2, and 3 where nothing compiles any more)")
    options.add_argument("--part", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    # Everywhere as the presets have it, so that all builds of this tree find each other's objects.
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", CCACHE_BASEDIR=str(SOURCE), CCACHE_NOHASHDIR="1")
    if chosen.long:
        os.environ["PGCLUSTER_LONG"] = "1"
    if chosen.part:
        signal.signal(signal.SIGINT, lambda *_: None)    # it is for the programs below, which clean up
        counts = WORK[chosen.part](chosen.long)
        lanes.leave(counts)
        sys.exit(1 if counts[1] else 0)

    parts = list(chosen_parts(chosen.only, chosen.long))
    began = time.monotonic()
    lanes.Lanes(SOURCE / "build/parts", heir=None if chosen.labs else "labs", work=1, labs=chosen.labs or 2).run(parts)
    print("\n== how long each part took, slowest first")
    for part in sorted(parts, key=lambda part: -part.took):
        passed, failed, skipped = part.counts
        print(f"{part.name:32} {part.took:6.0f} s   {passed} passed, {failed} failed, {skipped} skipped")
    passed, failed, skipped = (sum(column) for column in zip(*(part.counts for part in parts)))
    print(f"{'all, side by side':32} {time.monotonic() - began:6.0f} s")
    for part in parts:
        if part.counts[1]:
            print(f"failed: {part.name} ({part.counts[1]})")
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
