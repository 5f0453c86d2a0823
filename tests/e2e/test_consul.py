"""Scheme C on three database hosts and an application host: names, who they lead to when the leader changes, and what is refused."""

import base64
import json
import secrets
import time

import pytest
from cluster import address, outages
from names import API, CONSUL, CURL, SERVICE, TLS, assert_names, assert_nothing_lost, freeze_and_thaw, ip_set, lookup, prepare_client, raft_leader, watch, writer

warm = True
DATABASES = ["pg1", "pg2", "pg3"]
APP = "pg4"
TTL = 20


@pytest.fixture(scope="module")
def consul(cluster):
    cluster.hosts = [*DATABASES, APP]
    cluster.fresh(warm=True)
    cluster.inside(APP, "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install systemd-resolved libnss-resolve >/dev/null 2>&1")
    cluster.write(dcs_type="consul", cluster_vip=None, patroni_ttl=TTL, patroni_loop_wait=5, patroni_retry_timeout=5, host_pg4={"roles": ["consul_client"]},
                  host_pg2={"datacenter": "dc2"}, host_pg3={"datacenter": "dc3"})
    return cluster


@pytest.fixture(scope="module")
def deployed(consul):
    consul.apply()
    consul.assert_endpoints_answer(on=APP)
    consul.wait_healthy()
    prepare_client(consul, APP)
    return consul


def replicas(leader):
    return ip_set(host for host in DATABASES if host != leader)


def names_are_right(cluster, leader):
    assert_names(cluster, APP, {f"master.{SERVICE}": ip_set([leader]), f"replica.{SERVICE}": replicas(leader)}, 30)


def test_taken_ports_are_refused_before_anything_is_touched(consul):
    def holds(host, *words):
        consul.inside(host, f"systemd-run -q --unit taken {' '.join(words)}")
        consul.wait(lambda: consul.inside(host, "ss -Hlntu 'sport = :8600 or sport = :53' | grep -v 127.0.0.5", check=False), 10, "that the port is taken")

    holds("pg2", "python3", "-c", "'import socket,time; s=socket.socket(); s.bind((\"127.0.0.1\",8600)); s.listen(); time.sleep(999)'")
    done = consul.run("plan", status=3)
    assert "port 8600 on pg2, wanted for Consul, is taken by python3" in done.stderr and "stop it" in done.stderr, done.stderr
    consul.inside("pg2", "systemctl stop taken")
    consul.inside(APP, "systemctl stop systemd-resolved")
    holds(APP, "python3", "-c", "'import socket,time; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"0.0.0.0\",53)); time.sleep(999)'")
    done = consul.run("plan", status=3)
    assert f"port 53 of {APP} is taken by python3, which is neither systemd-resolved nor dnsmasq" in done.stderr and "consul_dns: none" in done.stderr, done.stderr
    consul.inside(APP, "systemctl stop taken; systemctl start systemd-resolved")
    for host in consul.hosts:
        assert consul.inside(host, "ls -d /var/lib/pgcluster 2>&1 || true").startswith("ls: cannot access")


def test_agents_speak_tls_only(deployed):
    """Port 8500 is closed, nothing is answered without a certificate, no agent takes another's words in the clear, and only servers can be a server."""
    for host in deployed.hosts:
        assert deployed.inside(host, "curl -s -m 5 http://127.0.0.1:8500/v1/status/leader; echo $?") == "7"
        assert deployed.inside(host, f"curl -s -m 5 --cacert {TLS}/authority.crt {API}/v1/status/leader; echo $?") == "56"
        assert deployed.inside(host, f"{CURL} {API}/v1/status/leader").endswith(':8300"')
        assert "Gossip: true, TLS-Outgoing: true, TLS-Incoming: true" in deployed.journal(host, "consul")
        assert ("server.dc1.consul" in deployed.inside(host, f"openssl x509 -in {TLS}/consul.crt -noout -ext subjectAltName")) == (host in DATABASES)
    # A request as the protocol has it, without TLS: the first byte tells its kind.
    deployed.inside("pg2", "python3 -c 'import socket; s = socket.create_connection((\"10.77.0.11\", 8300)); s.sendall(b\"\\x00\"); assert s.recv(1) == b\"\"'")
    assert "Non-TLS connection attempted with VerifyIncoming set" in deployed.journal("pg1", "consul")


def test_names_lead_to_the_leader_and_to_the_replicas(deployed):
    before = deployed.inside(APP, "cat /etc/hosts; readlink /etc/resolv.conf; cat /etc/nsswitch.conf")
    status = deployed.status()
    leader = status["leader"]
    names_are_right(deployed, leader)
    assert_names(deployed, APP, {f"primary.{SERVICE}": ip_set([leader]), "postgres-cluster-master.query.consul": ip_set([leader]), f"sync-replica.{SERVICE}": set(),
                                 **{f"replica.{site}.{SERVICE}": ip_set([host]) if host != leader else set() for host, site in {"pg2": "dc2", "pg3": "dc3"}.items()}})
    for name, recovery in (("master", "f"), ("replica", "t")):
        asked = f"psql -XAtw -h {name}.{SERVICE} -p 6432 -U postgres -d postgres -c 'select pg_is_in_recovery()'"
        deployed.wait(lambda asked=asked, recovery=recovery: deployed.inside(APP, asked, check=False) == recovery, 20, f"that {name} leads where it should")
    assert {one["kind"]: one["address"] for one in status["endpoints"]} == {"read-write": f"master.{SERVICE}", "read-only": f"replica.{SERVICE}"}
    assert {"type": "consul", "members": DATABASES, "healthy": True, "quorum": 2, "tolerates": 1}.items() <= status["dcs"].items()
    deployed.assert_converged()
    deployed.apply()
    assert deployed.inside(APP, "cat /etc/hosts; readlink /etc/resolv.conf; cat /etc/nsswitch.conf") == before
    graph = deployed.run("graph").stdout
    assert f"master.{SERVICE} port 6432" in graph and "consul" in graph


def test_the_hosts_other_names_are_looked_up_as_before(deployed):
    """Another name server on the link, and one that says NXDOMAIN for all of *.consul: the first is asked for everything else, and not for *.consul."""
    deployed.inside("pg3", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install dnsmasq >/dev/null 2>&1 || true; systemctl stop dnsmasq; "
                           "systemd-run -q --unit named dnsmasq -k -C /dev/null --no-resolv --listen-address=10.77.0.13 --bind-interfaces --address=/corp.example/192.0.2.7 --local=/consul/")
    deployed.inside(APP, "resolvectl dns host0 10.77.0.13")
    deployed.wait(lambda: deployed.inside(APP, "getent ahostsv4 db.corp.example || true").startswith("192.0.2.7"), 20, "that the link's server is asked")
    assert_names(deployed, APP, {f"master.{SERVICE}": ip_set([deployed.status()["leader"]])})
    deployed.inside(APP, "resolvectl revert host0")
    deployed.inside("pg3", "systemctl stop named")
    deployed.assert_converged()


def test_names_after_a_switchover(deployed):
    old = deployed.status()["leader"]
    new = next(host for host in DATABASES if host != old)
    with watch(deployed, APP, DATABASES) as seen, writer(deployed, APP, f"master.{SERVICE}") as lines:
        time.sleep(2)
        deployed.run("switchover", "--to", new, "--yes")
        deployed.wait_healthy()
        names_are_right(deployed, new)
        time.sleep(1)
    seen.assert_one_leader()
    promoted = seen.promoted(new)
    master = seen.right_from("master", lambda who: who == ip_set([new])) - promoted
    replica = seen.right_from("replica", lambda who: address(new) not in who) - promoted
    print(f"after the promotion: master is right {master:.2f} s, replica {replica:.2f} s; all replicas are back "
          f"{seen.right_from('replica', lambda who: who == replicas(new)) - promoted:.2f} s; two masters for {seen.both('master'):.1f} s")
    print("writer was down for", [round(gap, 2) for gap in outages(lines, 0.5)], "s")
    assert max(master, replica) <= 2 + 2
    assert_nothing_lost(deployed, lines)


@pytest.mark.parametrize("of_raft", [False, True], ids=["a follower of Raft's", "Raft's leader"])
def test_names_after_the_death_of_the_leaders_host(deployed, of_raft):
    first = raft_leader(deployed)
    old = first if of_raft else next(host for host in DATABASES if host != first)
    if deployed.status()["leader"] != old:
        deployed.run("switchover", "--to", old, "--yes")
        deployed.wait_healthy()
    with watch(deployed, APP, DATABASES) as seen, writer(deployed, APP, f"master.{SERVICE}") as lines:
        time.sleep(2)
        killed = time.time()
        deployed.lab("kill", old)
        new = deployed.wait(lambda: (lambda s: s["leader"] if s["leader"] not in (None, old) else None)(deployed.status()), 90, f"that another than {old} leads")
        deployed.wait(lambda: lookup(deployed, APP, f"master.{SERVICE}") == ip_set([new]), 30, f"that the master is {new}")
        deployed.wait(lambda: lookup(deployed, APP, f"replica.{SERVICE}") == replicas(new) - ip_set([old]), 30, "that the replica is the third host")
        time.sleep(1)
        back = time.time()
        deployed.lab("start", old)
        deployed.wait_healthy(120)
        names_are_right(deployed, new)
        time.sleep(1)
    seen.assert_one_leader()
    promoted = seen.promoted(new, killed)
    master = seen.right_from("master", lambda who: who == ip_set([new]), until=back) - killed
    print(f"{old} died: {new} takes writes {promoted - killed:.1f} s after that, the name leads there {master:.1f} s after that; "
          f"the old one's last word makes two of it for {seen.both('master'):.1f} s, most of that when its host is back")
    print("writer was down for", [round(gap, 2) for gap in outages(lines, 0.5)], "s")
    assert master <= TTL + 8 + 4
    deployed.assert_converged()


def test_a_further_application_host_touches_nobody_else(deployed):
    deployed.lab("add", "pg5", "--warm")
    deployed.inside("pg5", "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install dnsmasq >/dev/null 2>&1 || true; systemctl start dnsmasq")
    deployed.inside("pg5", "rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 > /etc/resolv.conf")
    resolv = deployed.inside("pg5", "cat /etc/resolv.conf; cat /etc/nsswitch.conf")
    deployed.hosts = [*DATABASES, APP, "pg5"]
    deployed.write(host_pg5={"roles": ["consul_client"]})
    changes = deployed.plan()["changes"]
    assert {change["component"] for change in changes if change["host"] != "pg5"} == {"pgcluster", "consul"}, changes    # the list of all hosts, the agent's token, and no more
    assert {change["id"] for change in changes if change["host"] != "pg5" and change["component"] == "consul"} == {"cluster/consul/tokens-dc1"}, changes
    pids = {host: deployed.inside(host, "systemctl show -P MainPID consul patroni pgbouncer") for host in DATABASES}
    deployed.apply()
    assert {host: deployed.inside(host, "systemctl show -P MainPID consul patroni pgbouncer") for host in DATABASES} == pids
    leader = deployed.status()["leader"]
    deployed.wait(lambda: address(leader) in deployed.inside("pg5", f"getent hosts master.{SERVICE}", check=False), 20, f"that {leader} is the master")
    assert deployed.inside("pg5", "cat /etc/resolv.conf; cat /etc/nsswitch.conf") == resolv
    deployed.assert_converged()


def test_a_frozen_leader_that_wakes_up_with_synchronous_mode(deployed):
    deployed.write(synchronous_mode=True)
    deployed.apply()
    deployed.wait(lambda: any(one["role"] == "sync_standby" for one in deployed.status()["members"]), 60, "that a replica is synchronous")
    deployed.assert_converged()
    sync = next(one["name"] for one in deployed.status()["members"] if one["role"] == "sync_standby")
    assert_names(deployed, APP, {f"sync-replica.{SERVICE}": ip_set([sync]), f"async-replica.{SERVICE}": replicas(deployed.status()["leader"]) - ip_set([sync])})
    _, _, lines, late, _ = freeze_and_thaw(deployed, APP, DATABASES)
    assert late == []
    assert_nothing_lost(deployed, lines)


def test_a_frozen_leader_that_wakes_up_without_synchronous_mode(deployed):
    deployed.write(synchronous_mode=False)
    deployed.apply()
    deployed.wait_healthy()
    _, _, _, late, thawed = freeze_and_thaw(deployed, APP, DATABASES)
    assert all(at - thawed < 10 for at in late)    # the README states what was measured


def test_servers_are_restarted_one_at_a_time(deployed):
    """What every agent must be restarted for: the quorum is never lost, and no leader."""
    for host in DATABASES:
        deployed.inside(host, "echo ' ' >>/etc/consul.d/pgcluster.json")
    plan = deployed.plan()
    assert {(change["host"], change["action"]) for change in plan["changes"] if change["impact"] == "restart"} == {(host, "restart") for host in DATABASES}, plan["changes"]
    leader, timeline = deployed.status()["leader"], deployed.status()["members"][0]["timeline"]
    deployed.apply()
    status = deployed.wait_healthy()
    assert (status["leader"], status["members"][0]["timeline"]) == (leader, timeline)
    deployed.assert_converged()


def test_another_kind_of_dcs_is_refused(deployed):
    deployed.write(dcs_type="etcd", host_pg4={"roles": ["balancer"]}, host_pg5={"roles": ["balancer"]}, with_haproxy_load_balancing=True)
    done = deployed.run("plan", status=3)
    assert "runs consul for this cluster, and dcs_type is etcd" in done.stderr and "pause" in done.stderr, done.stderr
    deployed.write(dcs_type="consul", host_pg4={"roles": ["consul_client"]}, host_pg5={"roles": ["consul_client"]}, with_haproxy_load_balancing=False)
    deployed.assert_converged()


def test_the_gossip_key_is_replaced_without_a_restart(deployed):
    started = {host: deployed.inside(host, "systemctl show -P ActiveEnterTimestampMonotonic consul") for host in deployed.hosts}
    keys = lambda: {json.loads(deployed.inside(host, "cat /var/lib/consul/serf/local.keyring"))[0] for host in deployed.hosts}
    before = keys()
    deployed.run("rotate", "gossip-key", "--yes")
    deployed.assert_converged()
    assert not keys() & before
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    deployed.write(consul_encrypt_key=key)
    assert key not in deployed.run("plan", "--diff").stdout
    deployed.apply()
    deployed.assert_converged()
    for host in deployed.hosts:
        assert json.loads(deployed.inside(host, "cat /var/lib/consul/serf/local.keyring")) == [key], host
    # The agents still hear each other, and one that starts anew joins them.
    assert started == {host: deployed.inside(host, "systemctl show -P ActiveEnterTimestampMonotonic consul") for host in deployed.hosts}
    everybody = lambda: deployed.inside("pg1", f"{CONSUL} members").count("alive") == len(deployed.hosts)
    deployed.inside("pg3", "systemctl restart consul")
    deployed.wait(everybody, 60, "that every agent is alive")
    deployed.wait_healthy()
    # One that was away meanwhile has only the former key, and nobody understands it.
    former = json.dumps(sorted(before)[:1])
    deployed.inside(APP, f"systemctl stop consul; echo '{former}' >/var/lib/consul/serf/local.keyring; systemctl start consul")
    deployed.wait(lambda: not everybody(), 60, "that the agent is alone")
    assert "so this one is alone" in deployed.run("plan").stdout
    deployed.apply()
    deployed.wait(everybody, 60, "that every agent is alive again")
    deployed.assert_converged()


def test_names_are_switched_off_and_on_again(deployed):
    """Only the resolver of the hosts with the role consul_client changes: nothing that serves is restarted."""
    units = {host: deployed.inside(host, "systemctl show -P ActiveEnterTimestampMonotonic consul patroni pgbouncer") for host in deployed.hosts}
    looked_up = lambda: deployed.inside(APP, f"getent ahostsv4 master.{SERVICE} || true")
    deployed.wait(looked_up, 20, "that names are looked up")
    deployed.write(consul_dns="none")
    assert {one["host"] for one in deployed.plan()["changes"]} == set(deployed.hosts) - set(DATABASES)
    deployed.apply()
    deployed.wait(lambda: not looked_up(), 20, "that names are looked up no more")
    assert not deployed.inside(APP, "ls /etc/systemd/resolved.conf.d/pgcluster-consul.conf 2>/dev/null || true")
    deployed.assert_converged()
    deployed.write(consul_dns=None)
    deployed.apply()
    names_are_right(deployed, deployed.status()["leader"])
    deployed.assert_converged()
    assert units == {host: deployed.inside(host, "systemctl show -P ActiveEnterTimestampMonotonic consul patroni pgbouncer") for host in deployed.hosts}


def test_balancers_beside_the_names(deployed):
    deployed.write(with_haproxy_load_balancing=True, confd_install=False)
    deployed.apply()
    deployed.assert_converged()
    assert deployed.psql("10.77.0.11", "select pg_is_in_recovery()", port=5000) == "f"
    kinds = [one["kind"] for one in deployed.status()["endpoints"] if one["address"].endswith(".consul")]
    assert kinds == ["read-write", "read-only"]
    deployed.write(with_haproxy_load_balancing=False)
    deployed.apply()


def test_nothing_is_left_after_destroy(deployed):
    deployed.run("destroy", "--yes")
    for host in deployed.hosts:
        left = deployed.inside(host, "ls -d /var/lib/pgcluster /var/lib/consul /etc/systemd/resolved.conf.d/pgcluster-consul.conf /etc/dnsmasq.d/pgcluster-consul.conf "
                                     "/etc/consul.d/pgcluster*.json /etc/systemd/system/consul.service* 2>/dev/null || true")
        assert left == "", f"{host}: {left}"
        assert deployed.inside(host, "systemctl is-active consul || true") == "inactive"
    assert deployed.inside(APP, "systemctl is-active systemd-resolved") == "active"
    deployed.apply()
    deployed.wait_healthy()
    plan = json.loads(deployed.run("plan", "--json").stdout)
    assert plan["changes"] == []
