"""A host leaves the spec: it goes on as a member until it is pruned, which takes its data along, and never the cluster's only copy."""

import json

import pytest
from cluster import VIP, Cluster

FOUR, THREE = ["pg1", "pg2", "pg3", "pg4"], ["pg1", "pg2", "pg3"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster("e2e-leaving", tmp_path_factory.mktemp("lab"))
    made.hosts = FOUR
    try:
        made.up(warm=True)
        made.write(**{"host_" + host: {"roles": ["postgres", "etcd"]} for host in THREE}, host_pg4={"roles": ["postgres"]})
        made.apply()
        made.wait_healthy()
        made.psql(VIP, "create table kept (n int); insert into kept values (1)")
        yield made
    finally:
        made.down()


def described(cluster, hosts):
    cluster.hosts = hosts
    cluster.write()


def move(cluster, to):
    """With the description of all four: a host that is not described is given no leadership."""
    described(cluster, FOUR)
    cluster.run("switchover", "--to", to, "--yes")
    cluster.wait(lambda: (lambda status: status["healthy"] and status["leader"] == to)(cluster.status()), 90, f"that {to} leads")


def refusal(cluster, *args):
    error = json.loads(cluster.run(*args, "--json", status=3).stdout.splitlines()[-1])["error"]
    assert error["code"] == "refused", error
    return error["message"]


def test_it_goes_on_as_a_member_until_it_is_pruned(cluster):
    described(cluster, THREE)
    assert [warning["path"] for warning in cluster.plan()["warnings"] if "still belongs" in warning["message"]] == ["hosts.pg4"]
    assert "No changes" in cluster.apply().stdout
    cluster.inside("pg4", "systemctl restart patroni")    # it asks its leader anew whether it may replicate
    described(cluster, FOUR)
    cluster.wait(lambda: {member["name"]: member["state"] for member in cluster.status()["members"]}.get("pg4") == "streaming", 60, "that pg4 streams")


def test_where_it_leads_it_is_not_pruned(cluster):
    move(cluster, "pg4")
    described(cluster, THREE)
    assert "pg4 leads the cluster" in refusal(cluster, "apply", "--prune", "--yes")
    assert cluster.inside("pg4", "cat /var/lib/postgresql/17/main/PG_VERSION") == "17"
    move(cluster, "pg1")


def test_pruned_it_is_empty_and_forgotten(cluster):
    described(cluster, THREE)
    cluster.apply("--prune")
    left = cluster.inside("pg4", "ls -d /var/lib/postgresql/17/main /var/lib/postgresql/.pgpass_patroni /var/lib/pgcluster /etc/patroni/config.yml "
                          "/etc/systemd/system/patroni.service.d 2>/dev/null; systemctl is-active patroni pgbouncer pgcluster-vip", check=False)
    assert left.split() == ["inactive"] * 3, left
    status = cluster.wait_healthy()
    assert [member["name"] for member in status["members"]] == THREE
    plan = cluster.plan()
    assert plan["changes"] == [] and not [warning for warning in plan["warnings"] if warning.get("path") == "hosts.pg4"], plan
    for host in THREE:
        assert cluster.inside(host, "grep -c 10.77.0.14 /etc/hosts /etc/patroni/config.yml || :").split() == ["/etc/hosts:0", "/etc/patroni/config.yml:0"]
    assert cluster.psql(VIP, "select n from kept") == "1"
