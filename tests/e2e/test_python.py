"""The Python package on real hosts: what tests/run.py --only python has installed."""

import json
import os
import pathlib
import subprocess

import pytest
from cluster import LAB, LONG, SOURCE

warm = True
PYTHON = pathlib.Path(os.environ.get("PGCLUSTER_PYTHON", SOURCE / "build/python/venv/bin/python"))


def test_from_deployment_to_destruction(cluster):
    if not PYTHON.exists():
        pytest.fail("the Python package is not installed: python3 tests/run.py --only python")
    cluster.write()
    done = subprocess.run([LAB, "-n", cluster.name, "run", PYTHON, SOURCE / "tests/e2e/python/operate.py", cluster.file], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=LONG)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stderr)
    seen = json.loads(done.stdout)
    assert seen["interrupted"] > 0 and seen["changed"] > 10 and seen["changed_parameter"] > 0
    # One connection, kept over all operations; a second for the apply that was interrupted.
    logins = {host: cluster.inside(host, "journalctl --sync; journalctl -u ssh -o cat --no-pager | grep -c ^Accepted") for host in cluster.hosts}
    print("ssh connections:", logins)
    assert all(int(count) <= 2 for count in logins.values()), logins
    for host in cluster.hosts:
        assert cluster.inside(host, "ls -A /var/lib/pgcluster 2>/dev/null; pgrep -x patroni || true") == ""
