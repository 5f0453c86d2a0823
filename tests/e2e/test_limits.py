"""Answers that are long, and waits: each says what it sees, and ends with the cause in the service's own words."""

import re
import subprocess
import time

import pytest
from cluster import SILENCE, VIP, Log, address

warm = True
PEER, SQL = 2380, 5432


def refuse(cluster, host, to, port):
    """The host cannot open connections to the port of another one."""
    cluster.inside(host, f"ip rule add to 10.77.0.{10 + int(to[2:])} ipproto tcp dport {port} prohibit")


def admit(cluster):
    for host in cluster.hosts:
        cluster.inside(host, "while ip rule show | grep -q prohibit; do ip rule del $(ip rule show | sed -n '/prohibit/{s/^[0-9]*:\\s*//;p;q}'); done")


def read_only(cluster, host, unit, path):
    """The unit alone cannot write below the path: nothing that a look at the host would tell."""
    folder = f"/run/systemd/system/{unit}.service.d"
    cluster.inside(host, f"mkdir -p {folder} {path} && printf '[Service]\\nReadOnlyPaths={path}\\n' >{folder}/read-only.conf && systemctl daemon-reload")


def writable(cluster, host, unit):
    cluster.wait_unlocked()
    cluster.inside(host, f"rm /run/systemd/system/{unit}.service.d/read-only.conf && systemctl daemon-reload")


def by_query(cluster, query):
    """Runs on the leader each statement that the query makes."""
    leader = cluster.status()["leader"]
    cluster.inside(leader, f"setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtq -v ON_ERROR_STOP=1 -d postgres <<'END'\n{query} \\gexec\nEND")


@pytest.fixture
def fresh(cluster):
    """Hosts on which nothing was ever done: what an apply that failed has started goes on, and may come up as soon as it can."""
    cluster.fresh(warm=True)
    return cluster


def test_an_etcd_that_cannot_write_ends_the_apply_with_its_own_words(fresh):
    cluster = fresh
    for host in cluster.hosts:
        read_only(cluster, host, "etcd", "/var/lib/etcd")
    log = Log(cluster)
    done = cluster.apply("--log", str(log.file), status=1)
    assert "read-only file system" in done.stderr.lower(), done.stderr
    report = log.events()[-1]
    assert {failure["step"].split("/", 1)[1] for failure in report["failures"]} == {"etcd/service"}, "one error for each host, and none for what waited"
    assert done.stderr.count("Run the same command again") == 1


def test_a_majority_of_etcd_that_is_lost_ends_the_waits_of_the_others(fresh):
    cluster = fresh
    for host in ("pg2", "pg3"):
        read_only(cluster, host, "etcd", "/var/lib/etcd")
    log = Log(cluster)
    started = time.monotonic()
    cluster.apply("--log", str(log.file), status=1)
    assert time.monotonic() - started < 90
    report = log.events()[-1]
    assert sorted(failure["step"] for failure in report["failures"]) == ["pg2/etcd/service", "pg3/etcd/service"], report["failures"]


def test_a_wait_for_peers_and_a_replica_that_cannot_clone_say_what_they_see(fresh):
    cluster = fresh
    for host in cluster.hosts:
        for to in cluster.hosts:
            if to != host:
                refuse(cluster, host, to, PEER)
    log = Log(cluster)
    process = cluster.start_apply("--log", str(log.file))
    first = log.expect("2380", 60, "etcd")    # etcd's own words about its peers
    assert first["took_ms"] < 11500, first
    admit(cluster)
    refuse(cluster, "pg3", "pg1", SQL)
    refuse(cluster, "pg3", "pg2", SQL)
    waits = log.expect("PostgreSQL on pg3", 90, "pg3/patroni")
    assert waits["took_ms"] < 11500 and waits.get("seen"), waits
    out = process.communicate(timeout=400)[0]
    assert process.returncode == 1, out
    assert "Patroni repeatedly fails to create the data directory on pg3" in out and "pg_basebackup" in out or "connection to server at" in out, out
    report = log.events()[-1]
    assert [failure["step"] for failure in report["failures"]] == ["pg3/patroni/created"], report["failures"]
    log.assert_no_silence()
    admit(cluster)
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.fresh(warm=True)
    cluster.apply()
    cluster.wait_healthy()
    return cluster


def test_many_roles_databases_and_users_are_one_apply(deployed):
    cluster = deployed
    by_query(cluster, "select format('create role tenant_%s login password %L', n, repeat('x', 20)) from generate_series(1, 2000) n")
    before = dict(cluster.spec)
    users = [{"name": f"user_with_a_rather_long_name_{n}", "flags": "LOGIN", "password": f"password {n}"} for n in range(1500)]
    databases = [{"db": f"database_{n}", "owner": "app"} for n in range(200)]
    lines = [f"host database_{n} app 10.1.{n // 250}.{n % 250}/32 scram-sha-256" for n in range(200)]
    parameters = {**before["postgresql_parameters"], **{f"app.setting_{n}": str(n) for n in range(200)}}
    cluster.write(postgresql_users=before["postgresql_users"] + users, postgresql_databases=before["postgresql_databases"] + databases, postgresql_pg_hba=lines,
                  postgresql_parameters=parameters)
    log = Log(cluster)
    cluster.apply("--log", str(log.file))
    for event in log.waits("Patroni has read", "pg1/patroni/loaded"):
        assert "pg1 is busy with cluster/patroni/" in event["seen"] or "in its next round" in event["seen"], event
    assert cluster.psql("10.77.0.11", "select count(*) from pg_database where datname like 'database_%'", port=SQL) == "200"
    assert cluster.psql("10.77.0.11", "select count(*) from pg_authid where rolname like 'user_with%' and rolpassword is not null", port=SQL) == "1500"
    cluster.assert_converged()
    assert cluster.status()["healthy"]
    by_query(cluster, "select format('drop database %I', datname) from pg_database where datname like 'database_%'")
    by_query(cluster, "select format('drop role %I', rolname) from pg_authid where rolname like 'tenant_%' or rolname like 'user_with%'")
    cluster.write(**{"postgresql_pg_hba": None, **before})
    cluster.apply()
    cluster.assert_converged()


def test_six_hundred_databases_and_two_thousand_roles_are_one_plan_and_one_apply(deployed, long):
    """On 2 cores with a load average of 22: 15 s for the plan, 490 s for the apply (PostgreSQL takes 0.7 s for each database), and 8 s for a plan after it."""
    if not long:
        pytest.skip("--long: it takes some minutes; 200 databases and 1,500 roles are tested above")
    cluster = deployed
    before = cluster.described()
    users = [{"name": f"tenant_{n}", "flags": "LOGIN", "password": f"password {n}"} for n in range(2000)]
    databases = [{"db": f"database_{n}", "owner": f"tenant_{n}"} for n in range(600)]
    cluster.write(postgresql_users=before["postgresql_users"] + users, postgresql_databases=before["postgresql_databases"] + databases)
    began = time.monotonic()
    changes = cluster.plan()["changes"]
    planned = time.monotonic()
    cluster.apply()
    applied = time.monotonic()
    assert cluster.psql("10.77.0.11", "select count(*) from pg_database join pg_roles on pg_roles.oid = datdba where datname like 'database_%' and rolname like 'tenant_%'", port=SQL) == "600"
    assert cluster.psql("10.77.0.11", "select count(*) from pg_authid where rolname like 'tenant_%' and rolcanlogin and rolpassword like 'SCRAM-SHA-256$%'", port=SQL) == "2000"
    again = time.monotonic()
    cluster.assert_converged()
    print(f"600 databases, 2,000 roles: a plan of {len(changes)} changes {planned - began:.1f} s, the apply {applied - planned:.1f} s, a plan after it {time.monotonic() - again:.1f} s")
    began = time.monotonic()
    assert cluster.status()["healthy"]
    print(f"status: {time.monotonic() - began:.1f} s")
    by_query(cluster, "select format('drop database %I', datname) from pg_database where datname like 'database_%'")
    by_query(cluster, "select format('drop role %I', rolname) from pg_authid where rolname like 'tenant_%'")
    cluster.back_to(before)


def test_an_answer_that_is_too_long_says_so_at_once(deployed):
    cluster = deployed
    before = dict(cluster.spec)
    cluster.inside("pg2", "printf '#!/bin/sh\\nhead -c 9437184 /dev/zero | tr \"\\\\0\" x\\n' >/usr/local/bin/locale; chmod 755 /usr/local/bin/locale")
    cluster.write(postgresql_databases=before["postgresql_databases"] + [{"db": "sorted", "owner": "app", "lc_collate": "C.UTF-8", "lc_ctype": "C.UTF-8"}])
    for command in ("plan", "apply"):
        started = time.monotonic()
        done = cluster.run(command, *(["--yes"] if command == "apply" else []), status=1)
        assert "the answer of `locale -a` on pg2 is longer than 8 MiB (it has 9.0 MiB)" in done.stderr, done.stderr
        assert time.monotonic() - started < 30
    cluster.inside("pg2", "rm /usr/local/bin/locale")
    cluster.write(**before)
    cluster.assert_converged()


def test_a_switchover_that_waits_for_a_fit_replica_says_why(deployed):
    cluster = deployed
    leader = cluster.status()["leader"]
    replicas = [host for host in cluster.hosts if host != leader]
    for replica in replicas:
        refuse(cluster, replica, leader, SQL)
        cluster.inside(replica, "systemctl restart patroni")
    cluster.wait(lambda: all(m["state"] not in ("streaming", "stopped", "unknown") for m in cluster.status()["members"] if m["name"] in replicas), 60, "that no replica streams")
    process = subprocess.Popen(cluster.argv("switchover", "--yes"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = ""
    while not re.search(r"fit to lead.* \(\d+(\.\d)? s\)", told):
        line = process.stderr.readline()
        assert line, told + process.communicate()[0]
        told += line
    assert "not streaming" in told, told
    admit(cluster)
    out, more = process.communicate(timeout=200)
    assert process.returncode == 0, out + told + more
    cluster.wait_healthy()


def test_a_host_that_does_not_answer_is_named_while_it_is_asked(deployed):
    cluster = deployed
    leader = cluster.status()["leader"]
    cluster.lab("freeze", leader)
    try:
        started = time.monotonic()
        status = cluster.status()    # before another one leads
        assert time.monotonic() - started < SILENCE
        done = cluster.run("plan", status=1)
    finally:
        cluster.lab("thaw", leader)
    assert {member["name"]: member["state"] for member in status["members"]} == {host: "unreachable" if host == leader else "streaming" for host in cluster.hosts}, status
    assert [problem["cause"] for problem in status["problems"] if problem["cause"].startswith("vip")] == ["vip_unknown"], status
    assert status["vip"] == {"address": VIP, "holder": None, "holders": []}
    assert f"asking 3 hosts (10 s); {leader} connects to root@{address(leader)}:22" in done.stderr, done.stderr
    cluster.wait_healthy()


def test_where_the_first_member_cannot_begin_nobody_else_waits(fresh):
    cluster = fresh
    read_only(cluster, "pg1", "patroni", "/var/lib/postgresql/17")
    log = Log(cluster)
    done = cluster.apply("--log", str(log.file), status=1)
    events = log.events()
    report = events[-1]
    assert [(failure["host"], failure["message"]) for failure in report["failures"]] == [("pg1", "patroni.service on pg1 has died")], report["failures"]
    assert "read-only file system" in done.stderr.lower(), done.stderr
    failed = next(e for e in events if e["event"] == "step_failed")
    ended = next(e for e in events if e["event"] == "apply_done")
    assert ended["at_ms"] - failed["at_ms"] < 10000, "the waits of the others end with it"
    writable(cluster, "pg1", "patroni")
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
