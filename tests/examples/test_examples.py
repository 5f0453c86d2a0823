"""The C++ examples, run: as they are against hosts where nothing listens, and on a fleet in memory that stands in for ssh (fleet.hpp)."""

import os
import pathlib
import pty
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build/release"
SPEC = SOURCE / "examples/minimal.yaml"
NAMES = ["minimal", "own_component", "watch_events"]


def run(program, *words, status=0):
    done = subprocess.run([program, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def on_fleet(name):
    return BUILD / f"tests/examples/{name}_on_fleet"


def test_every_example_is_tested():
    assert sorted(path.stem for path in (SOURCE / "examples").glob("*.cpp")) == sorted(NAMES + ["simulated"])


def test_minimal():
    done = run(on_fleet("minimal"), SPEC)
    assert "pg1/patroni/config done\n" in done.stderr
    assert re.search(r"^  pg1 .*leader", done.stdout, re.M) and "3/3 members healthy" in done.stdout


def test_own_component():
    done = run(on_fleet("own_component"), SPEC)
    # One block for what the hosts have in common.
    [block] = [one for one in done.stdout.split("\n\n") if "prometheus-node-exporter" in one]
    assert re.search(r"^  create +node_exporter/package:prometheus-node-exporter ", block, re.M)
    assert re.search(r"^  start +node_exporter/service:prometheus-node-exporter ", block, re.M)
    assert block.startswith("pg1 pg2 pg3\n"), block
    assert re.search(r"^Applied \d+ changes", done.stdout, re.M)


def test_simulated():
    done = run(BUILD / "bin/simulated", SPEC)
    assert "Planned again: no changes." in done.stdout


def test_watch_events_elsewhere_than_on_a_terminal():
    done = run(on_fleet("watch_events"), SPEC)
    assert "\x1b" not in done.stdout
    steps = re.findall(r"^step_done (\S+)", done.stdout, re.M)
    assert len(steps) == len(set(steps)) and {"pg1/etcd/config", "pg3/patroni/service"} <= set(steps)
    assert re.search(r"^Applied \d+ changes", done.stdout, re.M)


def test_watch_events_on_a_terminal():
    control, terminal = pty.openpty()
    program = subprocess.Popen([on_fleet("watch_events"), SPEC], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            data = os.read(control, 65536)
        except OSError:  # Linux' way of saying that the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(control)
    assert program.wait(timeout=60) == 0
    last = shown.decode().split("\x1b[4A")[-1]  # what stands there in the end: three hosts and the cluster
    for name in ("pg1", "pg2", "pg3", "cluster"):
        row = re.search(rf"^{name} +\[(#+)\] (\d+)/(\d+) ", last, re.M)
        assert row and len(row[1]) == 20 and row[2] == row[3], last
    assert "Applied " in last and "step_done" not in last


@pytest.mark.parametrize("name", NAMES)
def test_hosts_that_do_not_answer(name, tmp_path):
    (tmp_path / "known_hosts").touch()
    spec = tmp_path / "cluster.yaml"
    spec.write_text(f"ssh: {{ port: 1, known_hosts: {tmp_path}/known_hosts }}\n"
                    "hosts:\n  pg1: { address: 192.0.2.1, ssh: { host: 127.0.0.1 } }\n")
    done = run(BUILD / "bin" / name, spec, status=1)
    assert done.stdout == "" and "pg1" in done.stderr and "127.0.0.1" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_spec(name, tmp_path):
    spec = tmp_path / "cluster.yaml"
    spec.write_text("hosts:\n  pg1: { adress: 192.0.2.1 }\n")
    done = run(BUILD / "bin" / name, spec, status=1)
    assert f"{spec}:2:" in done.stderr and "address" in done.stderr
