"""Scheme A from fresh hosts on: deployed, left alone, changed, taken apart."""

import json
import os
import time

from cluster import VIP, assert_one_holder, outages

UNITS = ["etcd", "patroni", "pgbouncer", "pgcluster-vip"]


def fingerprint(cluster):
    """What a restart of anything would change."""
    asked = "for u in " + " ".join(UNITS) + "; do systemctl show -p Id,MainPID,ActiveEnterTimestampMonotonic $u; done; cat /var/lib/postgresql/17/main/postmaster.pid"
    return {host: cluster.inside(host, asked) for host in cluster.hosts}


def sessions(cluster, host):
    """(logins, commands) that sshd has seen since boot."""
    journal = cluster.journal(host, "sshd", "sshd-session")
    return journal.count("Accepted publickey"), journal.count("Starting session: ")


def leader_of(cluster):
    return cluster.status()["leader"]


def count_written(cluster):
    return {int(n) for n in cluster.psql(VIP, "select n from written").split()}


def assert_nothing_lost(cluster, lines):
    acknowledged = {line["n"] for line in lines if line.get("ok")}
    assert len(acknowledged) > 20, lines[-5:]
    lost = acknowledged - count_written(cluster)
    assert not lost, f"acknowledged, and not there: {sorted(lost)}"


def test_fresh_hosts_become_a_healthy_cluster(cluster):
    cluster.run("check")
    cluster.apply("--log", str(cluster.folder / "apply.log"))
    cluster.assert_endpoints_answer()
    events = [json.loads(line) for line in (cluster.folder / "apply.log").read_text().splitlines()]
    for host in cluster.hosts:
        told = [e["message"] for e in events if e["event"] == "step_progress" and e["host"] == host and e["message"].endswith(" %)")]
        assert len(told) > 3 and any("npacking" in message for message in told), (host, told, "apt tells how far it is")
    status = cluster.wait_healthy()
    assert sorted(member["role"] for member in status["members"]) == ["leader", "replica", "replica"]
    assert [member["state"] for member in status["members"] if member["role"] == "replica"] == ["streaming", "streaming"]
    assert status["leader"] == "pg1", "the first database host is preferred at bootstrap"
    assert status["dcs"]["healthy"] and len(status["dcs"]["members"]) == 3 and status["dcs"]["quorum"] == 2 and status["dcs"]["tolerates"] == 1
    assert status["vip"]["holder"] == "pg1"
    page = cluster.folder / "page.html"
    cluster.run("report", "--log", str(cluster.folder / "apply.log"), "-o", str(page))
    for words in ("none failed", "pg3/patroni/service", "The cluster is", "Nothing has to change"):
        assert words in page.read_text(), words
    assert cluster.password() not in page.read_text()


def test_a_write_arrives_everywhere(cluster):
    cluster.psql("10.77.0.11", "create table arrived (x int); insert into arrived values (42)")
    for host in ["10.77.0.12", "10.77.0.13"]:
        cluster.wait(lambda host=host: cluster.psql(host, "select x from arrived", check=False) == "42", 10, f"that the row is on {host}")
    cluster.psql(VIP, "insert into arrived values (43)")
    assert cluster.psql(VIP, "select current_user", user="app", database="app") == "app"


def test_a_second_apply_changes_nothing(cluster):
    for host in cluster.hosts:    # so that it tells each command
        cluster.inside(host, "echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/10-verbose.conf && systemctl reload ssh")
    before = fingerprint(cluster)
    seen = {host: sessions(cluster, host) for host in cluster.hosts}
    assert "No changes" in cluster.apply().stdout
    assert fingerprint(cluster) == before
    for host in cluster.hosts:
        logins, commands = (b - a for a, b in zip(seen[host], sessions(cluster, host)))
        assert logins == 1 and 1 <= commands <= 3, f"{host}: {logins} connections, {commands} execs"


def test_a_plan_that_changes_nothing_starts_few_processes(cluster):
    """Each kind of question is one process. A host numbers its processes in a row. Others that it starts meanwhile are not in every try, so the least counts."""
    def started(host):
        before = int(cluster.inside(host, "echo $$"))
        assert not cluster.plan()["changes"]
        return int(cluster.inside(host, "echo $$")) - before - 1

    # 17 or 18 are the plan's without a virtual IP. The others ask about the virtual IP, or are sshd's for the login, PostgreSQL's for psql, and threads.
    # The first member of etcd also lists etcd's users.
    assert min(started("pg2") for _ in range(5)) <= 33
    assert min(started("pg1") for _ in range(5)) <= 40


def test_the_same_after_a_reboot_and_a_restart_by_hand(cluster):
    replica = next(m["name"] for m in cluster.status()["members"] if m["role"] == "replica")
    cluster.lab("reboot", replica)
    cluster.wait_healthy()
    cluster.inside(replica, "systemctl restart pgbouncer etcd")
    cluster.wait_healthy()
    cluster.assert_converged()


def test_another_user_by_sudo(cluster):
    cluster.write(ssh={**cluster.spec["ssh"], "user": "admin"})
    assert {change["step"] for change in cluster.plan()["changes"]} == {"cluster"}, "only the list of the cluster's hosts tells of the user"
    cluster.apply()
    cluster.assert_converged()
    cluster.write(ssh={**cluster.spec["ssh"], "user": "nobody"})
    refused = json.loads(cluster.run("plan", "--json", status=1).stdout)
    assert refused["error"]["code"] == "auth_failed" and refused["error"]["hint"], refused
    cluster.write(ssh={**cluster.spec["ssh"], "user": "root"})
    cluster.apply()


def test_work_mem_goes_live_without_a_restart(cluster):
    cluster.spec["postgresql_parameters"]["work_mem"] = "7MB"
    cluster.write()
    before = fingerprint(cluster)
    changes = cluster.plan()["changes"]
    assert len(changes) == 1 and "work_mem" in changes[0]["diff"], changes
    assert changes[0]["impact"] in ("none", "reload")
    cluster.apply()
    for host in ["10.77.0.11", "10.77.0.12", "10.77.0.13"]:
        assert cluster.psql(host, "show work_mem", port=5432) == "7MB"
    assert fingerprint(cluster) == before
    cluster.assert_converged()
    applies = json.loads(cluster.run("history", "--json").stdout)["applies"]
    assert applies[-1]["result"] == "done" and [change["id"] for change in applies[-1]["changes"]] == [change["id"] for change in changes]
    assert "work_mem" in applies[-1]["changes"][0]["diff"] and f"@{os.uname().nodename} pid " in applies[-1]["who"]
    for host in cluster.hosts:
        assert cluster.inside(host, "stat -c '%a %U' /var/lib/pgcluster/history") == "600 root"


def restarted_in_order(cluster, plan):
    return [(change["host"], change["action"]) for change in plan["changes"] if change["action"] in ("restart", "switchover")]


def test_max_connections_rises(cluster):
    leader = leader_of(cluster)
    cluster.spec["postgresql_parameters"]["max_connections"] = 120
    cluster.spec["postgresql_parameters"]["shared_buffers"] = "80MB"
    cluster.spec["postgresql_parameters"] |= {"archive_mode": "off", "archive_command": "test ! -f /mnt/%f && cp \"%p\" /mnt/%f"}    # which the server then shows as "(disabled)"
    cluster.write()
    order = restarted_in_order(cluster, cluster.plan())
    assert [action for _, action in order] == ["restart", "restart", "switchover", "restart"], order
    assert order[-1][0] == leader and leader not in (order[0][0], order[1][0])
    with cluster.vip_watch() as samples, cluster.writer() as lines:
        time.sleep(2)
        cluster.apply()
        time.sleep(2)
    assert_one_holder(samples)
    assert_nothing_lost(cluster, lines)
    print("writer was down for", [round(gap, 2) for gap in outages(lines)], "s")
    # Each end of a server is a write that fails: PgBouncer keeps no session over it.
    assert len(outages(lines, 1, failed=True)) <= 1, "only the switchover interrupts"
    for host in ["10.77.0.11", "10.77.0.12", "10.77.0.13"]:
        assert cluster.psql(host, "select current_setting('max_connections') || current_setting('shared_buffers') || current_setting('archive_command')", port=5432) == "12080MB(disabled)"
    assert leader_of(cluster) != leader
    cluster.wait_healthy()
    cluster.assert_converged()


def test_max_connections_is_lowered_leader_first(cluster):
    leader = leader_of(cluster)
    cluster.spec["postgresql_parameters"]["max_connections"] = 90
    for name in ("archive_mode", "archive_command"):
        del cluster.spec["postgresql_parameters"][name]
    cluster.write()
    plan = cluster.plan()
    order = restarted_in_order(cluster, plan)
    assert [action for _, action in order] == ["restart"] * 3 and order[0][0] == leader, order
    assert "outage" in [change["impact"] for change in plan["changes"]]
    with cluster.writer() as lines:
        time.sleep(2)
        cluster.apply()
        time.sleep(2)
    assert_nothing_lost(cluster, lines)
    print("writer was down for", [round(gap, 2) for gap in outages(lines)], "s")
    for host in ["10.77.0.11", "10.77.0.12", "10.77.0.13"]:
        assert cluster.psql(host, "show max_connections", port=5432) == "90"
    cluster.wait_healthy()
    cluster.assert_converged()


def test_switchover(cluster):
    target = next(m["name"] for m in cluster.status()["members"] if m["role"] == "replica")
    with cluster.vip_watch() as samples:
        cluster.run("switchover", "--to", target, "--yes")
        cluster.wait(lambda: cluster.status()["vip"]["holder"] == target, 60, "that the VIP has followed")
    assert_one_holder(samples)
    assert leader_of(cluster) == target
    cluster.wait_healthy()
    assert cluster.run("switchover", "--to", target, "--yes").returncode == 0, "it leads already"


def test_without_yes_nothing_is_changed(cluster):
    cluster.spec["postgresql_parameters"]["work_mem"] = "9MB"
    cluster.write()
    assert cluster.run("plan", "--detailed-exitcode", status=2)
    refused = cluster.run("apply", "--json", status=3)
    assert json.loads(refused.stdout.strip().splitlines()[-1])["error"]["code"] == "refused"
    cluster.spec["postgresql_parameters"]["work_mem"] = "7MB"
    cluster.write()
    cluster.assert_converged()


def test_a_written_plan_is_done_exactly_or_not_at_all(cluster):
    document = str(cluster.folder / "plan.json")
    cluster.spec["postgresql_parameters"]["work_mem"] = "8MB"
    cluster.write()
    cluster.run("plan", "--out", document)
    cluster.run("apply", document, "--yes")
    assert cluster.psql(VIP, "show work_mem") == "8MB"

    cluster.spec["postgresql_parameters"]["work_mem"] = "6MB"
    cluster.write()
    cluster.run("plan", "--out", document)
    cluster.inside("pg2", "echo '# by hand' >> /etc/pgbouncer/pgbouncer.ini")
    drifted = cluster.run("apply", document, "--yes", "--json", status=1)
    assert '"drifted"' in drifted.stdout, drifted.stdout
    assert cluster.psql(VIP, "show work_mem") == "8MB", "nothing else was touched"
    assert "by hand" in cluster.inside("pg2", "tail -n 1 /etc/pgbouncer/pgbouncer.ini")
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()


def test_what_leaves_the_spec_is_removed_and_nothing_else(cluster):
    cluster.inside("pg1", "echo mine > /etc/pgbouncer/somebody-elses")
    cluster.write(cluster_vip=None, pgbouncer_install=False)
    removed = [change for change in cluster.plan()["changes"] if change["action"] == "remove"]
    assert {change["component"] for change in removed} == {"vip-manager", "pgbouncer", "patroni", "certificates"}    # of Patroni its call of PgBouncer when the role changes
    cluster.apply()
    for host in cluster.hosts:
        gone = cluster.inside(host, "for u in pgbouncer pgcluster-vip; do systemctl is-active $u; done; ls /etc/pgbouncer /etc/systemd/system; ip -o addr show to " + VIP, check=False)
        assert gone.split()[:2] == ["inactive", "inactive"], gone
        assert "pgbouncer.ini" not in gone and "pgcluster-vip" not in gone and "pgbouncer.service" not in gone and VIP not in gone
    assert cluster.inside("pg1", "cat /etc/pgbouncer/somebody-elses") == "mine"
    assert cluster.psql("10.77.0.11", "select 1", port=5432) == "1"
    cluster.assert_converged()
    cluster.write(cluster_vip=VIP, pgbouncer_install=True)
    cluster.apply()
    cluster.wait_healthy()


def test_destroy_leaves_nothing_of_ours_and_a_new_apply_works(cluster):
    assert cluster.run("destroy", status=3)
    cluster.run("destroy", "--yes")
    for host in cluster.hosts:
        left = cluster.inside(host, "ls -d /var/lib/pgcluster /var/lib/postgresql/17/main/PG_VERSION /var/lib/etcd/default/member /etc/patroni/config.yml "
                              "/usr/local/lib/pgcluster 2>/dev/null; systemctl is-active etcd patroni pgbouncer pgcluster-vip; "
                              "grep pgcluster /etc/hosts; find /etc -name '*pgcluster*'", check=False)
        assert left.split() == ["inactive"] * 4, f"{host}: {left}"
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
