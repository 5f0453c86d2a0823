"""The Python examples, run as they are."""

import json
import re
import signal
import socket
import subprocess
import sys

import pytest
from conftest import SOURCE

FOLDER = SOURCE / "examples/python"
SPEC = SOURCE / "examples/minimal.yaml"


def run(name, *words, status=0):
    done = subprocess.run([sys.executable, FOLDER / name, *map(str, words)], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_every_example_is_tested():
    assert sorted(path.name for path in FOLDER.glob("*.py")) == ["fleet.py", "own_component.py", "provision.py", "watch_events.py"]


def test_provision(tmp_path):
    out, _ = run("provision.py", "--simulated")
    assert "3/3 members healthy" in out and "postgresql://" in out
    wrong = tmp_path / "cluster.json"
    wrong.write_text(json.dumps({"hosts": {"pg1": {"adress": "10.0.0.1"}}, "postgresql_port": "many"}))
    _, err = run("provision.py", wrong, status=65)
    assert "did you mean address" in err and "postgresql_port" in err


def test_watch_events():
    out, _ = run("watch_events.py", SPEC, "--simulated")
    rows = re.findall(r"^(pg1|pg2|pg3|cluster) .*?(\d+)/(\d+)", out, re.M)
    assert {name for name, _, _ in rows} == {"pg1", "pg2", "pg3", "cluster"} and all(done == total for _, done, total in rows), out
    assert "Applied " in out


def test_own_component():
    out, _ = run("own_component.py", SPEC, "--simulated")
    assert "node_exporter/config" in out and "Applied " in out


@pytest.mark.parametrize("pool", ["threads", "dask"])
def test_fleet(tmp_path, pool):
    for i in range(4):
        (tmp_path / f"{i}.yaml").write_text(f"patroni_cluster_name: c{i}\nhosts:\n  pg1: {{ address: 10.77.{i}.11 }}\n")
    out, _ = run("fleet.py", *(["--dask"] if pool == "dask" else []), "--simulated", *sorted(tmp_path.glob("*.yaml")))
    assert re.findall(r"^(c\d): Applied \d+ changes", out, re.M) == ["c0", "c1", "c2", "c3"], out


def test_fleet_is_interrupted_in_order(tmp_path):
    """Ctrl-C while its threads wait for hosts that never answer: all of them are told to stop."""
    (tmp_path / "known_hosts").touch()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for i in range(3):
            (tmp_path / f"{i}.yaml").write_text(f"patroni_cluster_name: c{i}\nssh: {{ port: {silent.getsockname()[1]}, known_hosts: {tmp_path}/known_hosts, config: none }}\n"
                                                "hosts:\n  pg1: { address: 192.0.2.1, ssh: { host: 127.0.0.1 } }\n")
        running = subprocess.Popen([sys.executable, FOLDER / "fleet.py", *sorted(tmp_path.glob("*.yaml"))], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL)
        held = [silent.accept() for _ in range(3)]    # all three are at work
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        for connection, _ in held:
            connection.close()
    assert running.returncode == 1 and "Traceback" not in err, out + err
    assert re.findall(r"^(c\d): .*cancelled", out, re.M) == ["c0", "c1", "c2"], out + err


def test_hosts_that_do_not_answer(tmp_path):
    (tmp_path / "known_hosts").touch()
    spec = tmp_path / "cluster.yaml"
    spec.write_text(f"ssh: {{ port: 1, known_hosts: {tmp_path}/known_hosts }}\nhosts:\n  pg1: {{ address: 192.0.2.1, ssh: {{ host: 127.0.0.1 }} }}\n")
    out, _ = run("fleet.py", spec, status=1)
    assert "pg1" in out and "127.0.0.1" in out
    for name in ("own_component.py", "watch_events.py"):
        _, err = run(name, spec, status=1)
        assert "HostUnreachable" in err and "127.0.0.1" in err
