"""A cluster of hosts that have IPv6 addresses only: deployed, left alone, switched over, and its leader killed."""

import json
import time

import pytest
from cluster import Cluster, assert_one_holder
from names import API, CURL

VIP = "fd00:77::a0"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster("e2e-ipv6", tmp_path_factory.mktemp("lab"))
    made.spec["cluster_vip"] = VIP
    for host in made.hosts:
        made.spec[f"host_{host}"] = {"address": address(host)}
    try:
        made.up(warm=True, options=["--ipv6"])
        yield made
    finally:
        made.down()


def address(host):
    return f"fd00:77::{10 + int(host[2:])}"


def test_ipv6_hosts_become_a_healthy_cluster(cluster):
    for host in cluster.hosts:
        assert not cluster.inside(host, "ip -4 -o address show dev host0"), "the hosts have no IPv4 address"
    cluster.run("check")
    cluster.apply()
    cluster.assert_endpoints_answer()
    status = cluster.wait_healthy()
    assert status["leader"] == "pg1" and status["vip"] == {"address": VIP, "holder": "pg1", "holders": ["pg1"]}
    assert status["dcs"]["healthy"] and [host["problems"] for host in status["hosts"]] == [[], [], []]
    cluster.assert_converged()


def test_clients_reach_each_postgresql_and_pgbouncer(cluster):
    cluster.psql(VIP, "create table arrived (x int); insert into arrived values (42)")
    for host in cluster.hosts:
        for port in (5432, 6432):
            cluster.wait(lambda host=host, port=port: cluster.psql(address(host), "select x from arrived", port=port, check=False) == "42", 10, f"the row on {host}:{port}")
    assert cluster.psql(address("pg2"), "select current_user", port=5432, user="app", database="app") == "app"


def test_a_file_that_drifted_is_written_again(cluster):
    cluster.inside("pg2", "sed -i s/fd00:77::12/fd00:77::99/ /etc/hosts")
    changes = cluster.plan()["changes"]
    assert [(change["host"], change["component"]) for change in changes] == [("pg2", "system")], changes
    cluster.apply()
    cluster.assert_converged()


def test_a_switchover_takes_the_vip_along(cluster):
    with cluster.vip_watch(VIP) as samples, cluster.writer(VIP) as lines:
        time.sleep(2)
        cluster.run("switchover", "--to", "pg2", "--yes")
        cluster.wait(lambda: cluster.status()["vip"]["holder"] == "pg2", 30, "that pg2 holds the VIP")
        time.sleep(3)
    assert [host for host, _, _ in assert_one_holder(samples)] == ["pg1", "pg2"]
    written = {int(n) for n in cluster.psql(VIP, "select n from written").split()}
    assert lines[-1]["ok"] and {line["n"] for line in lines if line["ok"]} <= written, "an acknowledged write is lost"
    assert cluster.status()["leader"] == "pg2"
    cluster.assert_converged()


def test_another_host_leads_when_the_leader_is_killed(cluster):
    with cluster.vip_watch(VIP) as samples:
        time.sleep(1)
        cluster.lab("kill", "pg2")
        status = cluster.wait(lambda: (lambda s: s if s["leader"] not in (None, "pg2") and s["vip"]["holder"] == s["leader"] else None)(cluster.status()), 90, "a new leader")
    assert [host for host, _, _ in assert_one_holder(samples)] == ["pg2", status["leader"]]
    assert cluster.psql(VIP, "select x from arrived") == "42"
    assert status["dcs"]["healthy_members"] == ["pg1", "pg3"]
    cluster.lab("start", "pg2")
    cluster.wait_healthy()
    cluster.assert_converged()


def test_load_balancing_over_ipv6(cluster):
    cluster.write(with_haproxy_load_balancing=True, synchronous_mode=True)
    cluster.apply()
    assert sorted(one["role"] for one in cluster.status()["members"]) == ["leader", "replica", "sync_standby"]
    cluster.assert_endpoints_answer()
    status = cluster.wait_healthy()
    cluster.assert_converged()
    holder = status["vip"]["holder"]
    with cluster.vip_watch(VIP) as samples:
        cluster.inside(holder, "systemctl stop haproxy")
        cluster.wait(lambda: cluster.status()["vip"]["holder"] not in (None, holder), 30, "that another balancer holds the VIP")
        cluster.inside(holder, "systemctl start haproxy")
    assert_one_holder(samples)
    cluster.wait_healthy()


def test_service_discovery_over_ipv6(cluster):
    cluster.fresh(warm=True, options=["--ipv6"])
    cluster.write(dcs_type="consul", cluster_vip=None, with_haproxy_load_balancing=None, synchronous_mode=None)
    cluster.apply()
    status = cluster.wait_healthy()
    cluster.assert_converged()

    def found(tag):
        url = f"{API}/v1/health/service/postgres-cluster?passing&tag={tag}"
        return sorted(one["Service"]["Address"] for one in json.loads(cluster.inside("pg3", f"{CURL} -f '{url}' || echo []")))

    cluster.wait(lambda: found("master") == [address("pg1")] and found("replica") == [address("pg2"), address("pg3")], 30, "that Consul has found each member by its checks")
    assert status["leader"] == "pg1"
    cluster.lab("kill", "pg1")
    cluster.wait(lambda: found("master") in ([address("pg2")], [address("pg3")]), 90, "that Consul leads to the new leader")
    cluster.lab("start", "pg1")
    cluster.wait_healthy()
    cluster.assert_converged()
