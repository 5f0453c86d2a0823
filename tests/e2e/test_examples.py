"""The example programs on a real host: what a reader of the README would try first."""

import subprocess

import pytest

from cluster import LAB, SOURCE, Cluster


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A warm lab with a single host."""
    made = Cluster("e2e-examples", tmp_path_factory.mktemp("lab"))
    made.hosts = ["pg1"]
    try:
        made.up(warm=True)
        made.write(cluster_vip=None)
        yield made
    finally:
        made.down()


def example(cluster, name):
    return subprocess.run([LAB, "-n", cluster.name, "run", SOURCE / "build/release/bin" / name, cluster.file], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL)


def test_minimal_deploys_and_the_next_one_finds_nothing_to_do(one):
    done = example(one, "minimal")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pg1/patroni/config done" in done.stderr and "1/1 members healthy" in done.stdout
    again = example(one, "watch_events")
    assert (again.returncode, again.stdout) == (0, "No changes.\n"), again.stdout + again.stderr
    one.assert_converged()
