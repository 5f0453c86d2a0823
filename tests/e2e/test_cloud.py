"""Hosts behind the load balancers of a cloud: the cloud is a stand-in, all else is real. No HAProxy, no VIP; the health checks answer as the cloud would ask."""

import contextlib
import json
import os
import subprocess

import pytest
from cluster import LAB, SOURCE, address

warm = True


class Cloud:
    """tests/cloud's Hetzner in the lab's network, where the command finds it on loopback."""

    def __init__(self, cluster):
        words = [f"{host}={address(host)}" for host in cluster.hosts]
        self.process = subprocess.Popen([LAB, "-n", cluster.name, "run", "/usr/bin/python3", str(SOURCE / "tests/cloud/serve.py"), "hetzner", *words], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        told = json.loads(self.process.stdout.readline())
        self.url, self.env = told["url"], told["env"]

    def state(self):
        print(file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def cloud(cluster):
    made = Cloud(cluster)
    before = dict(os.environ)
    os.environ.update(made.env)
    cluster.write(cluster_vip=None, pgbouncer_default_pool_mode="transaction", cloud_provider="hetzner", cloud_api_endpoint=made.url, server_location="fsn1", server_network="private")
    try:
        yield made
        assert made.state()["violations"] == []
    finally:
        os.environ.clear()
        os.environ.update(before)
        made.close()


# As a probe of Hetzner's is: without a Host header, where `domain` is null.
PROBE = """
import socket, ssl, sys
trust = ssl._create_unverified_context()    # a balancer does not verify the certificate
with trust.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)) as probe:
    probe.sendall(f"GET {sys.argv[3]} HTTP/1.1\\r\\nUser-Agent: health-check\\r\\nConnection: close\\r\\n\\r\\n".encode())
    print(probe.makefile().readline().split()[1])
"""


def passes(cluster, cloud, name):
    """The hosts that pass a balancer's check."""
    check = cloud.state()["checks"][name]
    assert check["protocol"] == "http" and check["http"]["tls"] and check["http"]["domain"] is None
    found = []
    for host in cluster.hosts:
        status = cluster.lab("run", "/usr/bin/python3", "-c", PROBE, address(host), str(check["port"]), check["http"]["path"]).strip()
        if status in check["http"]["status_codes"]:
            found.append(host)
    return found


def test_a_cluster_behind_a_clouds_balancers(cluster, cloud):
    plan = cluster.plan()
    assert {change["id"] for change in plan["changes"] if change["component"] == "cloud"} == {"cluster/cloud/primary", "cluster/cloud/replica"}
    assert not [change["id"] for change in plan["changes"] if change["component"] in ("haproxy", "confd", "keepalived", "vip-manager")]
    cluster.apply()
    cluster.assert_converged()
    state = cloud.state()
    assert {name: (facts["port"], facts["targets"]) for name, facts in state["facts"].items()} == {
        "postgres-cluster-primary": (6432, cluster.hosts), "postgres-cluster-replica": (6432, cluster.hosts)}
    status = cluster.wait_healthy()
    assert [(one["kind"], one["port"]) for one in status["endpoints"]] == [("read-write", 6432), ("read-only", 6432)]
    assert all(one["address"].startswith("10.0.0.") for one in status["endpoints"]), status["endpoints"]
    for host in cluster.hosts:
        assert cluster.inside(host, "systemctl is-active haproxy keepalived pgcluster-vip || true").split() == ["inactive"] * 3


def test_the_health_checks_know_the_leader(cluster, cloud):
    leader = cluster.status()["leader"]
    assert passes(cluster, cloud, "postgres-cluster-primary") == [leader]
    assert passes(cluster, cloud, "postgres-cluster-replica") == [host for host in cluster.hosts if host != leader]


def test_clients_of_a_leader_that_leads_no_more_are_cut(cluster, cloud):
    leader = cluster.status()["leader"]
    environment = dict(os.environ, PGPASSWORD=cluster.password())
    client = subprocess.Popen([LAB, "-n", cluster.name, "run", "psql", "-XAtq", "-h", address(leader), "-p", "6432", "-U", "postgres", "-d", "postgres"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    print("select pg_is_in_recovery();", file=client.stdin, flush=True)
    assert client.stdout.readline().strip() == "f"
    cluster.run("switchover", "--yes")
    cluster.wait_healthy()
    assert cluster.status()["leader"] != leader
    # PgBouncer itself keeps a client that is between two transactions: it would now talk to a replica.
    clients = "psql -XAtqw -h /var/run/postgresql -p 6432 -U pgbouncer -d pgbouncer -c 'show clients' | grep -c '|postgres|postgres|' || true"
    cluster.wait(lambda: cluster.inside(leader, f"su postgres -s /bin/sh -c \"{clients}\"").splitlines()[-1] == "0", 30, "that the client is cut")
    with contextlib.suppress(BrokenPipeError):
        print("select 'still there';", file=client.stdin, flush=True)
        client.stdin.close()
    rest = client.stdout.read()
    assert client.wait(30) != 0 and "still there" not in rest, rest
    # New ones are served, by the new role.
    assert cluster.psql(address(leader), "select pg_is_in_recovery()") == "t"
    assert passes(cluster, cloud, "postgres-cluster-primary") == [cluster.status()["leader"]]


def test_it_is_all_taken_away(cluster, cloud):
    cluster.run("destroy", "--yes")
    assert cloud.state()["names"] == []
