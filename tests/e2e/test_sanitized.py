"""The life of a cluster with a command of another build, from PGCLUSTER_COMMAND: the sanitizers end it at what they find, and the exit status tells."""

import json

warm = True


def test_a_cluster_from_its_beginning_to_its_end(cluster):
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    assert "No changes" in cluster.apply().stdout

    cluster.spec["postgresql_parameters"] |= {"work_mem": "7MB", "max_connections": 110}
    cluster.write()
    planned = cluster.run("plan", "--diff").stdout
    assert "work_mem: 7MB" in planned and "max_connections: 110" in planned, planned
    events = [json.loads(line) for line in cluster.apply("--json").stdout.splitlines()]
    assert len(events) > 3
    cluster.wait_healthy()
    cluster.assert_converged()

    leader = cluster.status()["leader"]
    target = next(host for host in cluster.hosts if host != leader)
    cluster.run("switchover", "--to", target, "--yes")
    cluster.run("check")
    cluster.run("plan", "--no-such-option", status=64)
    cluster.run("destroy", "--yes")
