"""What is killed, frozen or cut off: another leads, the VIP is never on two hosts, nothing acknowledged is lost. With synchronous_mode."""

import json
import time

import pytest
from cluster import ETCDCTL, HOSTS, VIP, address, assert_one_holder, outages
from names import freeze_and_thaw, prepare_client
from test_scheme_a import assert_nothing_lost

warm = True


@pytest.fixture(scope="module")
def synchronous(cluster):
    cluster.write(synchronous_mode=True, patroni_ttl=20, patroni_loop_wait=5, patroni_retry_timeout=5)
    cluster.apply()
    cluster.wait_healthy()
    return cluster


def another_leads(cluster, old, seconds=90):
    return cluster.wait(lambda: (lambda s: s["leader"] if s["leader"] not in (None, old) and s["vip"]["holder"] == s["leader"] else None)(cluster.status()), seconds,
                        f"that another than {old} leads and holds the VIP")


def disturbed(cluster, disturb, mend, during=0.0):
    """The leader is disturbed, another takes over, the old one is mended and comes back as a replica."""
    cluster.wait(lambda: any(m["role"] == "sync_standby" for m in cluster.status()["members"]), 60, "that a replica is synchronous")
    old = cluster.status()["leader"]
    with cluster.vip_watch() as samples, cluster.writer() as lines:
        time.sleep(2)
        began = time.monotonic()
        disturb(old)
        new = another_leads(cluster, old)
        print(f"{new} leads and holds the VIP {time.monotonic() - began:.1f} s after {old} was disturbed")
        time.sleep(max(3.0, began + during - time.monotonic()))
        mend(old)
        cluster.wait_healthy(120)
        time.sleep(2)
    assert_one_holder(samples)
    print("writer was down for", [round(gap, 2) for gap in outages(lines, 0.5)], "s")
    assert_nothing_lost(cluster, lines)
    assert next(m["role"] for m in cluster.status()["members"] if m["name"] == old) in ("replica", "sync_standby")
    cluster.assert_converged()


def test_the_leaders_host_is_killed(synchronous):
    disturbed(synchronous, lambda host: synchronous.lab("kill", host), lambda host: synchronous.lab("start", host))


def test_patroni_is_frozen_for_a_minute(synchronous):
    def signal(name):
        return lambda host: synchronous.inside(host, f"systemctl kill --kill-whom=main -s {name} patroni")

    disturbed(synchronous, signal("STOP"), signal("CONT"), during=60)


def test_the_leader_is_cut_off_with_its_carrier_up(synchronous):
    disturbed(synchronous, lambda host: synchronous.lab("cut", host), lambda host: synchronous.lab("heal", host))


def test_the_vip_program_is_killed_and_frozen(synchronous):
    holder = synchronous.status()["vip"]["holder"]
    with synchronous.vip_watch() as samples:
        synchronous.inside(holder, "systemctl kill --kill-whom=main -s KILL pgcluster-vip")
        synchronous.wait(lambda: synchronous.status()["vip"]["holder"] == holder, 60, "that the VIP is back")
        before = time.time()
        synchronous.inside(holder, "systemctl kill -s STOP pgcluster-vip")
        frozen = time.time()
        synchronous.wait(lambda: synchronous.status()["vip"]["holder"] is None, 20, "that the kernel has ended the address")
        synchronous.inside(holder, "systemctl kill -s CONT pgcluster-vip")
        synchronous.wait(lambda: synchronous.status()["vip"]["holder"] == holder, 60, "that the VIP is back")
    held = [until for _, _, until in assert_one_holder(samples) if until > before][0] - frozen
    print(f"the kernel ended the address {held:.1f} s after its program was frozen")
    assert held < 8    # the README promises 4 s, of the program's last look


def test_patroni_is_killed(synchronous):
    leader = synchronous.status()["leader"]
    with synchronous.vip_watch() as samples, synchronous.writer() as lines:
        time.sleep(2)
        synchronous.inside(leader, "systemctl kill --kill-whom=main -s KILL patroni")
        time.sleep(3)
        synchronous.wait_healthy()
        time.sleep(2)
    assert_one_holder(samples)
    assert_nothing_lost(synchronous, lines)


def test_patroni_starts_beside_a_server_that_hangs(synchronous):
    """Such a Patroni would not learn for whom the server's commits wait. It would drop that with the next reload, and a failover would lose writes."""
    leader = synchronous.status()["leader"]
    server = "$(head -n 1 /var/lib/postgresql/17/main/postmaster.pid)"
    synchronous.inside(leader, f"kill -STOP {server}; systemctl kill --kill-whom=main -s KILL patroni")
    try:
        time.sleep(8)
    finally:
        synchronous.inside(leader, f"kill -CONT {server}")
    synchronous.wait_healthy()
    assert synchronous.status()["leader"] == leader
    before = synchronous.spec["postgresql_parameters"]
    synchronous.write(postgresql_parameters={**before, "work_mem": "7MB"})
    synchronous.apply()
    synchronous.write(postgresql_parameters=before)
    synchronous.apply()
    said = synchronous.inside(leader, "journalctl -u patroni --since -90s -o cat --no-pager")
    assert 'parameter "work_mem" changed to "7MB"' in said
    assert 'parameter "synchronous_standby_names" removed' not in said, said
    synchronous.assert_converged()


def etcd_leader(cluster):
    endpoints = json.loads(cluster.inside("pg1", f"{ETCDCTL} endpoint status --cluster -w json"))
    return next(host for one in endpoints for host in HOSTS if address(host) in one["Endpoint"] and one["Status"]["leader"] == one["Status"]["header"]["member_id"])


def test_etcds_leader_leaves_the_leaders_host(synchronous):
    """Frozen together and thawed together, the two could take the lock from who leads by then."""
    leader = synchronous.status()["leader"]
    synchronous.wait(lambda: etcd_leader(synchronous) != leader, 30, "that etcd's leader is elsewhere")
    member = next(line.split(",")[0] for line in synchronous.inside("pg1", f"{ETCDCTL} member list").splitlines() if address(leader) in line)

    def moved():    # etcd gives up where the other one lags for a moment
        synchronous.inside(etcd_leader(synchronous), f"{ETCDCTL} move-leader {member}", check=False)
        return etcd_leader(synchronous) == leader

    synchronous.wait(moved, 30, "that etcd's leadership moves there")
    synchronous.wait(lambda: etcd_leader(synchronous) != leader, 30, "that etcd's leader has moved")
    assert synchronous.status()["leader"] == leader
    synchronous.assert_converged()


def wait_settled(cluster, mode):
    """For two of Patroni's rounds the leader's PostgreSQL has waited for whom the DCS names: a Patroni that was killed just now, as by the test before,
    is another fault, and has its own rounds to set that right."""
    since = None

    def settled():
        nonlocal since
        status = cluster.status()
        named = [member["name"] for member in status["members"] if member["role"] == "sync_standby"] if mode else [""]
        waits_for = cluster.psql(address(status["leader"]), "show synchronous_standby_names", port=5432)
        since = (since or time.monotonic()) if named == [waits_for] else None
        return since and time.monotonic() - since > 12

    cluster.wait(settled, 90, "that the leader waits for whom the DCS names")


@pytest.mark.parametrize("mode", [True, False], ids=["synchronous", "asynchronous"])
def test_the_leaders_host_is_frozen_past_its_ttl(synchronous, mode):
    """Clients that are connected to the old leader itself, not through the VIP; scheme C has the same in test_consul.py."""
    synchronous.write(synchronous_mode=mode)
    synchronous.apply()
    synchronous.wait(lambda: any(m["role"] == "sync_standby" for m in synchronous.status()["members"]) == mode, 60, "that the mode has changed")
    wait_settled(synchronous, mode)
    asking = next(m["name"] for m in synchronous.status()["members"] if m["role"] == "replica" or (not mode and m["role"] != "leader"))
    prepare_client(synchronous, asking)
    with synchronous.client("writer", VIP, "6432", "elsewhere", environment={"PGPASSWORD": synchronous.password()}) as elsewhere:
        _, new, lines, late, thawed = freeze_and_thaw(synchronous, asking, HOSTS)
    assert synchronous.status()["leader"] == new
    since = {line["n"] for line in elsewhere if line.get("ran", 0) > thawed - 3}    # acknowledged by the new leader before and after the thaw
    assert len(since) > 20 and since <= {int(n) for n in synchronous.psql(VIP, "select n from elsewhere").split()}
    if mode:
        assert late == []
        assert_nothing_lost(synchronous, lines)
    else:
        assert all(at - thawed < 10 for at in late)    # the README states what was measured
    synchronous.assert_converged()
