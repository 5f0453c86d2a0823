"""Consul allows each token what its owner needs, and names resolve without one."""

import contextlib
import json
import subprocess
import time

import pytest
from cluster import address, outages
from names import API, CONSUL, CURL, SERVICE, assert_names, assert_nothing_lost, ip_set, prepare_client, watch, writer

warm = True
DATABASES = ["pg1", "pg2", "pg3"]
APP = "pg4"
NAME = "postgres-cluster"
HEADER = "/etc/pgcluster/consul.header"
TOKENS = {"patroni", "confd", *(f"agent {host}" for host in [*DATABASES, APP])}


@pytest.fixture(scope="module")
def consul(cluster):
    cluster.hosts = [*DATABASES, APP]
    cluster.fresh(warm=True)
    cluster.inside(APP, "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install systemd-resolved libnss-resolve >/dev/null 2>&1")
    cluster.write(dcs_type="consul", cluster_vip=None, patroni_ttl=20, patroni_loop_wait=5, patroni_retry_timeout=5, host_pg4={"roles": ["consul_client"]})
    return cluster


def ask(cluster, host, path, token="", method="GET", body=""):
    """(status, body) of the host's own agent. `token`: a header file for curl, or a shell command that prints the token."""
    header = f"-H @{token}" if token.startswith("/") else f'-H "X-Consul-Token: $({token})"' if token else ""
    said = cluster.inside(host, f"{CURL} -w '\\n%{{http_code}}' {header} -X {method} -d '{body}' {API}/v1/{path}" if method != "GET" else
                          f"{CURL} -w '\\n%{{http_code}}' {header} {API}/v1/{path}")
    text, status = said.rsplit("\n", 1) if "\n" in said else ("", said)
    return int(status), text


PATRONI = "sed -n 's/^  token: \"\\(.*\\)\"/\\1/p' /etc/patroni/config.yml"
AGENT = "sed -n 's/.*\"agent\": \"\\(.*\\)\".*/\\1/p' /etc/consul.d/pgcluster-tokens.json"


def made(cluster):
    """The owners of pgcluster's tokens in Consul."""
    status, text = ask(cluster, "pg1", "acl/tokens", HEADER)
    return {one["Description"].removeprefix("pgcluster: ") for one in json.loads(text) if one["Description"].startswith("pgcluster: ")} if status == 200 else set()


def names_are_right(cluster):
    leader = cluster.status()["leader"]
    assert_names(cluster, APP, {f"master.{SERVICE}": ip_set([leader]), f"replica.{SERVICE}": ip_set(set(DATABASES) - {leader}),
                                f"{NAME}-master.query.consul": ip_set([leader])}, 40)


def test_the_next_apply_completes_one_that_was_killed_while_it_made_the_tokens(consul):
    consul.kill_apply_while("-X PUT .*acl/[t]oken", "sh make [h]ttps")
    print("left behind:", left := made(consul))
    assert left < TOKENS
    consul.wait_unlocked()
    consul.apply()
    consul.wait_healthy()
    consul.assert_converged()
    assert made(consul) == TOKENS
    prepare_client(consul, APP)


def test_names_resolve_without_a_token(consul):
    names_are_right(consul)
    assert ask(consul, APP, "catalog/nodes")[0] == 200
    assert NAME in ask(consul, APP, "catalog/services")[1]
    nodes = json.loads(ask(consul, APP, "catalog/nodes")[1])
    assert {one["Node"] for one in nodes} == {*DATABASES, APP}


def test_each_gets_what_it_needs_and_no_more(consul):
    own, neighbour = f"kv/service/{NAME}/x", f"kv/service/{NAME}2/leader"
    register = json.dumps({"Node": "pg9", "Address": "10.77.0.99"})
    stranger = json.dumps({"Name": "another", "Port": 1})
    assert ask(consul, "pg1", neighbour, HEADER, "PUT", "secret") == (200, "true")

    def refused(host, token, *requests):
        for path, method, body in requests:
            status, said = ask(consul, host, path, token, method, body)
            assert status == 403 or said.endswith(("denied by ACLs", "must run against a server node")), (host, token, path, method, status, said)

    everybodys = [(neighbour, "GET", ""), (neighbour, "PUT", "x"), (own[:-2], "PUT", "x"), ("acl/tokens", "GET", ""), ("acl/policies", "GET", ""),
                  ("operator/autopilot/configuration", "GET", ""), ("operator/keyring", "GET", ""), ("catalog/register", "PUT", register),
                  ("agent/service/register", "PUT", stranger), ("acl/bootstrap", "PUT", ""), ("agent/leave", "PUT", "")]
    for host in consul.hosts:
        # Without a token, with an unknown one, and with the agent's.
        refused(host, "", *everybodys, (own, "GET", ""), (own, "PUT", "x"), ("session/create", "PUT", ""))
        refused(host, "echo 7067636c-0000-4000-8000-000000000000", *everybodys)
        assert ask(consul, host, "kv/?keys") == (200, "[]")
        refused(host, AGENT, *everybodys, (own, "GET", ""), (own, "PUT", "x"), ("session/create", "PUT", ""))
    for host in DATABASES:
        refused(host, PATRONI, *everybodys)
        assert ask(consul, host, own, PATRONI, "PUT", "y") == (200, "true")
        assert ask(consul, host, own, PATRONI, "DELETE") == (200, "true")
        assert json.loads(ask(consul, host, "kv/?keys", PATRONI)[1])
        assert all(key.startswith(f"service/{NAME}/") for key in json.loads(ask(consul, host, "kv/?keys", PATRONI)[1]))
        assert ask(consul, host, "acl/tokens", HEADER)[0] == 200
    # Root of a host without a server has the agent's token.
    refused(APP, HEADER, *everybodys, (own, "GET", ""))
    assert ask(consul, "pg1", neighbour, HEADER, "DELETE")[0] == 200


def test_the_tokens_are_secret(consul):
    tokens = {consul.inside(host, show) for host in consul.hosts for show in (AGENT, f"cat {HEADER.replace('header', 'token')}")}
    tokens |= {consul.inside("pg1", PATRONI), consul.inside("pg1", "head -n1 /var/lib/pgcluster/secrets/consul_tokens_key")}
    assert len(tokens) == 4 + 1 + 1 + 1 and all(len(token) >= 32 for token in tokens)    # agents, management, Patroni, the secret
    for host in consul.hosts:
        modes = consul.inside(host, "stat -c '%a %U:%G %n' /etc/pgcluster/consul.token /etc/pgcluster/consul.header /etc/consul.d/pgcluster-tokens.json "
                                    "/etc/consul.d/pgcluster-services.json 2>/dev/null; :").splitlines()
        assert modes[:3] == ["600 root:root /etc/pgcluster/consul.token", "600 root:root /etc/pgcluster/consul.header",
                             "640 root:consul /etc/consul.d/pgcluster-tokens.json"]
        assert modes[3:] == (["640 root:consul /etc/consul.d/pgcluster-services.json"] if host in DATABASES else [])
        words = consul.inside(host, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; journalctl --no-pager -o cat")
        assert not [token for token in tokens if token in words]
    said = consul.run("plan", "--diff").stdout + consul.run("status", "--json").stdout
    for path in consul.folder.rglob("*"):
        said += path.read_text(errors="replace") if path.is_file() else ""
    assert not [token for token in tokens if token in said]


def test_names_are_right_after_a_switchover_and_a_restart_of_each_agent(consul):
    old = consul.status()["leader"]
    with watch(consul, APP, DATABASES) as seen, writer(consul, APP, f"master.{SERVICE}") as lines:
        time.sleep(2)
        consul.run("switchover", "--yes")
        consul.wait_healthy()
        names_are_right(consul)
        time.sleep(1)
    seen.assert_one_leader()
    assert consul.status()["leader"] != old
    print("writer was down for", [round(gap, 2) for gap in outages(lines, 0.5)], "s")
    assert_nothing_lost(consul, lines)
    for host in consul.hosts:
        consul.inside(host, "systemctl restart consul")
        consul.wait(lambda: consul.inside("pg1", f"{CONSUL} members", check=False).count("alive") == len(consul.hosts), 60, "that every agent is alive")
        consul.wait_healthy()
    names_are_right(consul)
    consul.assert_converged()


def test_tokens_that_somebody_has_deleted_or_changed_are_made_anew(consul):
    tokens = json.loads(ask(consul, "pg1", "acl/tokens", HEADER)[1])
    accessor = {one["Description"].removeprefix("pgcluster: "): one["AccessorID"] for one in tokens}
    for whose in ("patroni", "agent pg2"):
        assert ask(consul, "pg1", f"acl/token/{accessor[whose]}", HEADER, "DELETE") == (200, "true")
    everything = json.dumps({"AccessorID": accessor["agent pg4"], "Policies": [{"Name": "global-management"}]})
    assert ask(consul, "pg1", f"acl/token/{accessor['agent pg4']}", HEADER, "PUT", everything)[0] == 200
    ours = json.dumps({"AccessorID": "7067636c-0000-4000-8000-000000000001", "Description": "pgcluster: agent pg9"})
    assert ask(consul, "pg1", "acl/token", HEADER, "PUT", ours)[0] == 200
    consul.apply()
    assert made(consul) == TOKENS
    consul.wait_healthy()
    assert ask(consul, APP, "acl/tokens", HEADER)[0] == 403
    names_are_right(consul)
    consul.assert_converged()


@contextlib.contextmanager
def clients(cluster):
    """A client that writes by the leader's name, and one that logs in again and again: none of them notices anything."""
    leader = address(cluster.status()["leader"])
    with cluster.client("logins", leader, "6432", "app", environment={"PGPASSWORD": cluster.password("app")}) as logins, writer(cluster, APP, f"master.{SERVICE}") as writes:
        time.sleep(1)
        yield
    bad = [one for one in logins + writes if not one["ok"]]
    print(f"{len(logins)} logins, {len(writes)} writes, longest gaps {outages(writes, 0.3)}")
    assert len(logins) > 10 and len(writes) > 20 and not bad, bad[:3]


def tokens(cluster):
    """Each token by where it is."""
    where = {(host, what): show for host in cluster.hosts for what, show in (("agent", AGENT), ("root", f"cat {HEADER.replace('header', 'token')}"))}
    where |= {(host, "patroni"): PATRONI for host in DATABASES}
    return {(host, what): cluster.inside(host, show) for (host, what), show in where.items()}


def assert_replaced(cluster, before):
    after = tokens(cluster)
    assert not [one for one in before if before[one] == after[one]]
    assert made(cluster) == TOKENS | {"management"}
    for (host, what), token in before.items():
        assert ask(cluster, host, "acl/token/self", f"echo {token}")[0] == 403, (host, what)
        assert ask(cluster, host, "acl/token/self", f"echo {after[host, what]}")[0] == 200, (host, what)
    managing = [one for one in json.loads(ask(cluster, "pg1", "acl/tokens", HEADER)[1]) if any(policy["Name"] == "global-management" for policy in one["Policies"])]
    assert [one["Description"] for one in managing] == ["pgcluster: management"], managing


def test_all_tokens_are_replaced_under_clients(consul):
    before = tokens(consul)
    with clients(consul):
        print(consul.run("rotate", "consul", "--yes").stdout)
        time.sleep(6)    # each Patroni has gone through its loop
    assert_replaced(consul, before)
    consul.assert_converged()
    consul.wait_healthy()
    # Whichever server leads, it does not make the former token again.
    for host in DATABASES:
        consul.inside(host, "systemctl restart consul patroni")
        consul.wait_healthy()
    assert_replaced(consul, before)
    names_are_right(consul)


@pytest.mark.parametrize("moment", ["pg2  consul/service  done", "cluster  consul/tokens-dc1  done"])
def test_a_rotation_that_was_killed_is_ended_by_the_next_apply(consul, moment, long):
    if "tokens" in moment and not long:
        pytest.skip("a second moment is tried with --long")
    before = tokens(consul)
    with clients(consul):
        process = subprocess.Popen(consul.argv("rotate", "consul", "--yes"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   start_new_session=True)
        consul.kill_at(process, moment)
        consul.wait_healthy()
        consul.apply()
        time.sleep(6)
    assert_replaced(consul, before)
    consul.wait_healthy()
    consul.assert_converged()


def test_nothing_is_left_after_destroy(consul):
    consul.run("destroy", "--yes")
    for host in consul.hosts:
        left = consul.inside(host, "ls -d /etc/pgcluster/consul.* /etc/consul.d/pgcluster* /var/lib/consul /var/lib/pgcluster 2>/dev/null; :")
        assert left == "", f"{host}: {left}"
