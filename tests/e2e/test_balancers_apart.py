"""Scheme B on three database hosts and two hosts that only balance; without confd on the way."""

import subprocess
import time

import pytest
from balancing import TIMES, Ports, assert_nothing_lost, confd, holder, leftovers, servers
from cluster import LAB, VIP, Cluster, assert_one_holder, outages

DATABASE, BALANCERS = ["pg1", "pg2", "pg3"], ["pg4", "pg5"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster("e2e-balancers", tmp_path_factory.mktemp("lab"))
    made.hosts = DATABASE + BALANCERS
    try:
        made.up(warm=True)
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return confd(tmp_path_factory.mktemp("confd"))[0]


def test_balancers_have_nothing_of_the_database(cluster, program):
    cluster.write(with_haproxy_load_balancing=True, confd_binary=program, confd_interval=2, **TIMES, **{"host_" + host: {"roles": ["balancer"]} for host in BALANCERS})
    cluster.apply()
    cluster.assert_endpoints_answer()
    status = cluster.wait_healthy()
    assert [member["name"] for member in status["members"]] == DATABASE and status["vip"]["holder"] in BALANCERS
    for host in BALANCERS:
        active = cluster.inside(host, "systemctl is-active haproxy confd keepalived patroni etcd pgbouncer; ls /etc/patroni/config.yml 2>/dev/null", check=False)
        assert active.split() == ["active"] * 3 + ["inactive"] * 3, active
        assert servers(cluster, host)["master"] == DATABASE
    for host in DATABASE:
        assert leftovers(cluster, host) == ""
        assert cluster.inside(host, "systemctl is-active haproxy keepalived", check=False).split() == ["inactive"] * 2
    assert Ports(cluster).right() == ""
    cluster.assert_converged()


def test_the_active_balancer_is_killed(cluster):
    at = holder(cluster)
    with cluster.vip_watch() as samples, cluster.client("writer", VIP, "5000", environment={"PGPASSWORD": cluster.password()}) as lines:
        time.sleep(2)
        cluster.lab("kill", at)
        time.sleep(10)
    assert_one_holder(samples)
    assert_nothing_lost(cluster, lines)
    print(f"the active balancer killed: no write for {[round(gap, 2) for gap in outages(lines)]} s")
    cluster.lab("start", at)
    cluster.wait(lambda: all(not host["problems"] for host in cluster.status()["hosts"]), 60, "that nothing is missing")
    assert holder(cluster) != at, "who has the VIP keeps it"
    cluster.assert_converged()


def test_without_confd_the_servers_are_those_of_the_spec(cluster):
    cluster.write(confd_install=False, confd_binary=None)
    with cluster.client("writer", VIP, "5000", environment={"PGPASSWORD": cluster.password()}) as lines:
        time.sleep(1)
        cluster.apply()
        time.sleep(1)
        cluster.write(haproxy_maxconn={"global": 300, "master": 150, "replica": 150})
        cluster.apply()
        time.sleep(1)
    assert all(line["ok"] for line in lines) and len(lines) > 40, "no connection is dropped by a reload"
    assert "confd" not in leftovers(cluster, "pg4")
    assert Ports(cluster).right() == ""
    cluster.assert_converged()


def test_to_scheme_a_without_the_balancers(cluster):
    cluster.hosts = DATABASE
    cluster.write(with_haproxy_load_balancing=False, confd_install=None, confd_interval=None, haproxy_maxconn=None, **{"host_" + host: None for host in BALANCERS})
    cluster.hosts = DATABASE + BALANCERS
    with cluster.vip_watch() as samples:
        cluster.apply("--prune")
    assert_one_holder(samples)
    status = cluster.wait_healthy()
    assert status["vip"]["holder"] == status["leader"]
    for host in BALANCERS:
        left = cluster.inside(host, "ls /var/lib/pgcluster 2>/dev/null; systemctl is-active haproxy keepalived; ls /etc/systemd/system/*haproxy* 2>/dev/null", check=False)
        assert left.split() == ["inactive"] * 2, left
    cluster.assert_converged()


def test_the_same_with_consul(cluster, tmp_path):
    """With Consul's program from here instead of a package."""
    cluster.hosts = DATABASE + BALANCERS
    cluster.fresh(warm=True)
    program = tmp_path / "consul"
    with program.open("wb") as file:
        subprocess.run([LAB, "-n", cluster.name, "exec", "pg1", "cat", "/usr/bin/consul"], stdout=file, check=True)
    for host in cluster.hosts:
        cluster.inside(host, "rm /usr/bin/consul")
    cluster.write(dcs_type="consul", consul_binary=str(program), with_haproxy_load_balancing=True, **{"host_" + host: {"roles": ["balancer"]} for host in BALANCERS})
    cluster.apply()
    cluster.assert_endpoints_answer()
    status = cluster.wait_healthy()
    assert status["vip"]["holder"] in BALANCERS
    assert Ports(cluster).right() == ""
    cluster.assert_converged()
