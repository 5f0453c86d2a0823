"""Scheme C over sites that are 20 ms apart each way: stretched over three and over two, then federated."""

import json
import time

import pytest
from cluster import address, outages
from names import API, CONSUL, CURL, SERVICE, assert_names, assert_nothing_lost, ip_set, lookup, prepare_client, watch, writer

warm = True
DATABASES = ["pg1", "pg2", "pg3"]
APP, FAR_APP = "pg4", "pg5"
FOLLOWS = "postgres-cluster-master.query.consul"


@pytest.fixture(scope="module")
def sites(cluster):
    cluster.hosts = [*DATABASES, APP, FAR_APP]
    cluster.fresh(warm=True)
    for host in (APP, FAR_APP):
        cluster.inside(host, "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install systemd-resolved libnss-resolve >/dev/null 2>&1")
    cluster.lab("site", "2", "20", "pg2", FAR_APP)
    cluster.lab("site", "3", "20", "pg3")
    cluster.write(dcs_type="consul", cluster_vip=None, patroni_ttl=20, patroni_loop_wait=5, patroni_retry_timeout=5, synchronous_mode=True,
                  host_pg2={"datacenter": "dc2"}, host_pg3={"datacenter": "dc3"}, host_pg4={"roles": ["consul_client"]},
                  host_pg5={"datacenter": "dc2", "roles": ["consul_client"]})
    cluster.apply()
    cluster.wait_healthy()
    prepare_client(cluster, APP)
    return cluster


def leads(cluster, host):
    if cluster.status()["leader"] != host:
        # Patroni chooses who is synchronous, and only that one may take over.
        cluster.write(synchronous_mode=False)
        cluster.apply()
        cluster.run("switchover", "--to", host, "--yes")
        cluster.write(synchronous_mode=True)
        cluster.apply()
    cluster.wait_healthy()
    cluster.wait(lambda: any(one["role"] == "sync_standby" for one in cluster.status()["members"]), 60, "that a replica is synchronous")


def takes_writes(cluster, host):
    return cluster.inside(host, "setpriv --reuid postgres --regid postgres --clear-groups psql -XAtq -d postgres -c 'create temporary table t (x int)' "
                                "-c 'select not pg_is_in_recovery()' 2>&1 || true").endswith("t")


def site_is_cut_off(cluster, site, alone, others):
    """While the site is cut off the others have a leader that takes writes, and it has none; then everything is healthy again by itself."""
    with watch(cluster, APP, DATABASES) as seen, writer(cluster, APP, f"master.{SERVICE}") as lines:
        time.sleep(2)
        cut = time.time()
        cluster.lab("cutsite", site)
        leader = cluster.wait(lambda: (lambda s: s["leader"] if s["leader"] in others else None)(cluster.status()), 90, f"that one of {others} leads")
        cluster.wait(lambda: lookup(cluster, APP, f"master.{SERVICE}") == ip_set([leader]), 30, f"that the master is {leader}")
        cluster.wait(lambda: not takes_writes(cluster, alone), 40, f"that {alone} takes no writes")
        cluster.wait(lambda: takes_writes(cluster, leader), 40, f"that {leader} takes writes")
        cluster.wait(lambda: lookup(cluster, APP, f"replica.{SERVICE}") == ip_set(set(others) - {leader}), 30, "that the replica is one of this side")
        time.sleep(8)    # the writer may need several tries
        healed = time.time()
        cluster.lab("healsite", site)
        cluster.wait_healthy(120)
        time.sleep(2)
    seen.assert_one_leader()
    print(f"cut off for {healed - cut:.1f} s; the name is right {max(0, seen.right_from('master', lambda who: who == ip_set([leader]), until=healed) - cut):.1f} s after the cut; "
          f"all healthy {time.time() - healed:.1f} s after it was healed; writer was down for {[round(gap, 2) for gap in outages(lines, 0.5)]} s")
    assert [line for line in lines if line.get("ok") and healed - 2 < line["at"] < healed], "the majority's side took no writes"
    assert_nothing_lost(cluster, lines)
    cluster.assert_converged()


def test_three_sites_have_names_of_their_own(sites):
    leader = sites.status()["leader"]
    for asking in (APP, FAR_APP):
        wanted = {f"replica.{SERVICE}": ip_set(set(DATABASES) - {leader}), f"master.{SERVICE}": ip_set([leader]), FOLLOWS: ip_set([leader])}
        for host, site in {"pg1": "dc1", "pg2": "dc2", "pg3": "dc3"}.items():
            wanted[f"replica.{site}.{SERVICE}"] = ip_set([host]) if host != leader else set()
            wanted[f"master.{site}.{SERVICE}"] = ip_set([host]) if host == leader else set()
        assert_names(sites, asking, wanted, 30)
    sites.assert_converged()


def test_the_leaders_site_is_cut_off_of_three(sites):
    leads(sites, "pg2")
    site_is_cut_off(sites, "2", "pg2", ["pg1", "pg3"])


def test_a_replicas_site_is_cut_off_of_two(sites):
    sites.lab("heal", "pg3")    # back to the first site
    sites.write(host_pg3={"datacenter": "dc1"})
    warnings = json.loads(sites.run("plan", "--json").stdout)["warnings"]
    assert any("the loss of datacenter dc1 stops the cluster: 2 of 3 consul members stand there" in json.dumps(one) for one in warnings), warnings
    sites.apply()
    leads(sites, "pg1")
    assert_names(sites, APP, {f"replica.dc2.{SERVICE}": ip_set(["pg2"])})
    site_is_cut_off(sites, "2", "pg2", ["pg1", "pg3"])


@pytest.fixture(scope="module")
def federated(sites):
    sites.run("destroy", "--yes")
    sites.write(consul_layout="federated", synchronous_mode=False, host_pg1={"roles": ["postgres", "consul"]}, host_pg3={"roles": ["postgres", "consul"]},
                host_pg4={"roles": ["consul", "consul_client"]}, host_pg2={"datacenter": "dc2", "roles": ["postgres", "consul"]})
    sites.apply()
    sites.wait_healthy()
    return sites


def test_federated_names(federated):
    leader = federated.status()["leader"]
    assert leader == "pg1"
    for asking, own in ((APP, "dc1"), (FAR_APP, "dc2")):
        assert_names(federated, asking, {"replica.postgres-cluster.service.dc2.consul": ip_set(["pg2"]), "replica.postgres-cluster.service.dc1.consul": ip_set(["pg3"]),
                                         "master.postgres-cluster.service.dc1.consul": ip_set(["pg1"]), f"master.{SERVICE}": ip_set(["pg1"]) if own == "dc1" else set(),
                                         FOLLOWS: ip_set(["pg1"])}, 30)
    assert federated.status()["endpoints"][0]["address"] == FOLLOWS
    federated.assert_converged()
    federated.run("switchover", "--to", "pg2", "--yes")
    federated.wait_healthy()
    for asking in (APP, FAR_APP):
        assert_names(federated, asking, {FOLLOWS: ip_set(["pg2"])}, 30)    # the name follows the leader
    federated.run("switchover", "--to", "pg1", "--yes")
    federated.wait_healthy()


def test_the_catalogs_external_node_is_mended(federated):
    federated.inside("pg1", CURL + " -H @/etc/pgcluster/consul.header -f -X PUT -d '{\"Datacenter\":\"dc1\",\"Node\":\"pg2\"}' " + API + "/v1/catalog/deregister")
    changes = federated.plan()["changes"]
    assert [change["id"] for change in changes] == ["cluster/consul/catalog"] and "does not know pg2" in changes[0]["reason"], changes
    federated.apply()
    federated.wait_healthy()
    federated.assert_converged()


def test_a_state_of_its_own_in_another_datacenter_is_refused(federated):
    federated.inside("pg2", f"{CONSUL} kv put service/postgres-cluster/leader pg2")
    done = federated.run("plan", status=3)
    assert "dc2 has a state of the cluster postgres-cluster of its own" in done.stderr and "do not share their KV" in done.stderr, done.stderr
    federated.inside("pg2", f"{CONSUL} kv delete -recurse service/postgres-cluster/")
    federated.assert_converged()


def test_the_other_datacenter_is_cut_off(federated):
    federated.lab("cutsite", "2")
    federated.wait(lambda: takes_writes(federated, "pg1"), 40, "that pg1 takes writes")
    time.sleep(25)    # longer than the TTL
    assert takes_writes(federated, "pg1") and not takes_writes(federated, "pg2")
    assert_names(federated, APP, {FOLLOWS: ip_set(["pg1"])})
    federated.lab("healsite", "2")
    federated.wait_healthy(120)
    federated.wait(lambda: federated.plan()["changes"] == [], 120, "that the datacenters' servers speak with each other again")
    assert federated.psql(address("pg2"), "select pg_is_in_recovery()") == "t"
