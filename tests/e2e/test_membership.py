"""etcd's members become those of the spec while a client writes: they grow, move to hosts of their own, and shrink."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from cluster import ETCDCTL, LAB, VIP, Cluster, outages

ALL = ["pg1", "pg2", "pg3", "pg4", "pg5"]
TLS = "/etc/pgcluster/tls"
# Each 0.2 s: whether the host's own member answers with a quorum, and how many members it tells.
SAMPLER = f"""ask() {{ curl -sf -m 1 --cacert {TLS}/authority.crt --cert {TLS}/etcd.crt --key {TLS}/etcd.key "$@"; }}
while :; do
  ok=0 members=$(ask -d '{{"linearizable":true}}' https://127.0.0.1:2379/v3/cluster/member/list | grep -o '"ID"' | wc -l)
  [ "$members" = 0 ] || ok=1
  echo "$(date +%s.%N) $ok $members"
  sleep 0.2
done"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster("e2e-membership", tmp_path_factory.mktemp("lab"))
    made.hosts = list(ALL)
    try:
        made.up(warm=True)
        made.spec["firewall_enabled_at_boot"] = True    # it lets nobody in but the cluster's hosts
        place(made, {host: ["postgres", "etcd"] for host in ALL[:3]})
        made.apply()
        made.wait_healthy()
        yield made
    finally:
        made.down()


def place(cluster, roles):
    cluster.hosts = list(roles)
    cluster.write(**{"host_" + host: {"roles": words} for host, words in roles.items()})


def members(cluster, at="pg1"):
    """{name: whether it has started}"""
    listed = json.loads(cluster.inside(at, f"{ETCDCTL} member list -w json 2>/dev/null"))["members"]
    return {one.get("name", ""): "clientURLs" in one for one in listed}


@contextlib.contextmanager
def watched(cluster, hosts=ALL):
    """A client writes; whoever runs a member samples it. No write is lost or refused, and never do fewer members answer than a quorum of them takes."""
    samplers = {}
    for host in hosts:
        out = open(cluster.folder / f"etcd-{host}-{time.monotonic_ns()}", "w+")
        samplers[host] = (subprocess.Popen([LAB, "-n", cluster.name, "exec", host, "sh", "-c", SAMPLER], stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                           start_new_session=True), out)
    cluster.psql(VIP, "select 1")
    try:
        with cluster.writer() as writes:
            time.sleep(2)
            yield
            time.sleep(2)
    finally:
        windows = {}
        for host, (process, out) in samplers.items():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.seek(0)
            for line in out:
                words = line.split()
                if len(words) == 3:
                    windows.setdefault(int(float(words[0])), []).append((host, words[1] == "1", int(words[2])))
            out.close()
    seen = set()
    for window in sorted(windows)[1:-1]:
        answering = {host for host, ok, _ in windows[window] if ok}
        told = max(number for _, _, number in windows[window])
        seen.add((len(answering), told))
        assert told and len(answering) >= told // 2 + 1, (window, windows[window])
    failed = [one for one in writes if not one["ok"]]
    print(f"{len(writes)} writes, {len(failed)} failed, longest gaps {outages(writes, 0.5)}; (members that answer, members): {sorted(seen)}")
    assert len(writes) > 20 and not failed


def test_it_grows_from_three_to_five(cluster):
    leader = cluster.status()["leader"]
    place(cluster, {**{host: ["postgres", "etcd"] for host in ALL[:3]}, "pg4": ["etcd"], "pg5": ["etcd"]})
    reasons = {change["id"]: change["reason"] for change in cluster.plan()["changes"]}
    print(reasons["pg4/etcd/added"], "|", reasons["pg5/etcd/added"])
    assert reasons["pg4/etcd/added"] == "pg4 joins etcd: now 3 members survive the loss of 1, then 4 members survive the loss of 1"
    assert reasons["pg5/etcd/added"] == "pg5 joins etcd: now 4 members survive the loss of 1, then 5 members survive the loss of 2"
    with watched(cluster):
        cluster.apply()
    assert members(cluster) == {host: True for host in ALL}
    cluster.assert_converged()
    status = cluster.wait_healthy()
    assert status["leader"] == leader and status["dcs"]["members"] == ALL, status
    assert cluster.inside("pg1", "grep -c ':2379' /etc/patroni/config.yml") == "5"


def test_it_shrinks_and_lives_on_hosts_of_its_own(cluster):
    """Two database hosts give their members up; the one that leads hands over first."""
    def leader():
        return next(host for host in ALL if "true" in cluster.inside(host, f"{ETCDCTL} endpoint status 2>/dev/null").split(", ")[4])

    number = next(one["ID"] for one in json.loads(cluster.inside("pg1", f"{ETCDCTL} member list -w json 2>/dev/null"))["members"] if one["name"] == "pg2")

    def moved():    # etcd gives up where the other one lags for a moment
        if leader() != "pg2":
            cluster.inside(leader(), f"{ETCDCTL} move-leader {number:x}", check=False)
        return leader() == "pg2"

    cluster.wait(moved, 30, "that pg2 leads etcd")
    place(cluster, {"pg1": ["postgres", "etcd"], "pg2": ["postgres"], "pg3": ["postgres"], "pg4": ["etcd"], "pg5": ["etcd"]})
    changes = {change["id"]: change for change in cluster.plan()["changes"]}
    for host in ("pg2", "pg3"):
        print(changes[f"cluster/etcd/left-{host}"]["reason"])
        assert changes[f"{host}/etcd/remove:tree:/var/lib/etcd/default"]["impact"] == "data"
    with watched(cluster):
        cluster.apply()
    assert members(cluster) == {host: True for host in ("pg1", "pg4", "pg5")}
    cluster.assert_converged()
    assert cluster.wait_healthy()["dcs"]["members"] == ["pg1", "pg4", "pg5"]
    for host in ("pg2", "pg3"):
        assert cluster.inside(host, f"ls -d /var/lib/etcd/default {TLS}/etcd.key 2>/dev/null; systemctl is-active etcd; :").split() == ["inactive"]
    cluster.inside("pg3", "systemctl restart patroni")    # it finds the members by its file
    cluster.wait_healthy()


def test_a_dead_member_and_one_that_is_pruned_are_replaced_by_an_apply_that_is_killed_and_the_next_one(cluster):
    cluster.lab("kill", "pg5")
    place(cluster, {host: ["postgres", "etcd"] for host in ALL[:3]})
    error = json.loads(cluster.run("apply", "--yes", "--json", status=3).stdout.splitlines()[-1])["error"]
    assert "pg4 is no longer in the spec, and is a member of the DCS" in error["message"] and "--prune" in error["hint"], error
    process = cluster.start_apply("--prune", "--without", "pg5")
    # The dead one is gone, and a new one is in the list, and has not started.
    cluster.wait(lambda: (lambda now: "" in now and "pg5" not in now)(members(cluster)), 120, "that a new member is in the list")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    print("left behind:", members(cluster))
    cluster.wait_unlocked()
    with watched(cluster, ALL[:4]):
        cluster.apply("--prune", "--without", "pg5")
    assert members(cluster) == {host: True for host in ALL[:3]}
    assert cluster.inside("pg4", "ls -d /var/lib/etcd/default /var/lib/pgcluster 2>/dev/null; systemctl is-active etcd; :").split() == ["inactive"]
    cluster.assert_converged()
    cluster.wait_healthy()
