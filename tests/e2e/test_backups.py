"""Backups in a repository on a host of their own: made, scheduled, shown, switched off and on again."""

import datetime

import pytest
from cluster import KEEPER, VIP

warm = True
REPOSITORY = "/var/lib/pgbackrest"


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.deploy_with_backups(retention_full=2, full="Sun 01:00")
    return cluster


def moment(text):
    found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert found.tzinfo
    return found


def started(cluster):
    """When each PostgreSQL was started."""
    return {host: cluster.inside(host, "head -3 /var/lib/postgresql/17/main/postmaster.pid | tail -1") for host in cluster.databases()}


def test_a_deployment_is_done_when_a_backup_stands(deployed):
    cluster = deployed
    cluster.assert_converged()
    found = cluster.backups()
    assert found["format"] == 1 and found["repos"] == [{"name": "repo1", "type": "posix", "host": KEEPER, "ok": True, "problem": None}]
    [first] = found["backups"]
    assert first["type"] == "full" and first["repo"] == "repo1" and first["label"].endswith("F") and first["size_bytes"] > 1_000_000
    assert first["error"] is False and first["proven"] is False and moment(first["start"]) <= moment(first["stop"])
    assert moment(found["window"]["from"]) == moment(first["stop"]) <= moment(found["window"]["to"])
    assert moment(found["archived"]["last"]) and 0 <= found["archived"]["age_s"] < 300 and found["archived"]["failed"] >= 0
    assert found["proven"] is None
    status = cluster.status()
    assert status["backup"]["last"] == first["stop"] and status["backup"]["archived_age_s"] < 300 and status["backup"]["proven_age_s"] is None
    assert first["label"] in cluster.run("backups").stdout and "backup" in cluster.run("status").stdout


def test_the_passphrase_is_where_the_repository_is_and_with_the_secrets(deployed):
    cluster = deployed
    passphrase = cluster.inside(KEEPER, f"cat {REPOSITORY}.passphrase")
    assert len(passphrase) == 32 and cluster.inside(KEEPER, f"stat -c '%a %U' {REPOSITORY}.passphrase") == "600 root"
    assert cluster.inside(KEEPER, "stat -c '%a %U' /etc/pgbackrest.conf") == "640 postgres"
    for host in cluster.databases():
        assert passphrase not in cluster.inside(host, "cat /etc/pgbackrest.conf")
        assert passphrase == cluster.inside(host, "cat /var/lib/pgcluster/secrets/pgbackrest_repos*")
    label = cluster.backups()["backups"][0]["label"]
    assert "Salted__" == cluster.inside(KEEPER, f"head -c 8 {REPOSITORY}/backup/postgres-cluster/{label}/backup.manifest")
    # Its server has never died for want of a configuration.
    for host in cluster.hosts:
        assert cluster.inside(host, "systemctl show -p NRestarts,ActiveState pgbackrest").split() == ["NRestarts=0", "ActiveState=active"]


def test_backups_of_each_type_on_demand(deployed):
    cluster = deployed
    cluster.psql(VIP, "create table kept as select generate_series(1, 1000) as n")
    for kind, letter in (("diff", "D"), ("incr", "I"), ("full", "F")):
        cluster.run("backup", "--type", kind, "--yes")
        newest = cluster.backups()["backups"][-1]
        assert newest["type"] == kind and newest["label"].endswith(letter)
    assert [one["type"] for one in cluster.backups()["backups"]] == ["full", "diff", "incr", "full"]
    cluster.run("backup", "--type", "full", "--yes")
    assert [one["type"] for one in cluster.backups()["backups"]] == ["full", "full"], "retention_full is 2"
    assert "no terminal to ask" in cluster.run("backup", status=3).stderr
    cluster.assert_converged()


def test_the_schedule_makes_a_backup_by_itself(deployed):
    cluster = deployed
    before = len(cluster.backups()["backups"])
    cluster.write(pgbackrest_schedule={"full": "Sun 01:00", "diff": "", "incr": "*:*:0/5"})
    cluster.apply()
    cluster.assert_converged()
    cluster.wait(lambda: len(cluster.backups()["backups"]) >= before + 2, 60, "that two more backups stand")
    assert cluster.backups()["backups"][-1]["type"] == "incr"
    cluster.write(pgbackrest_schedule={"full": "Sun 01:00", "diff": "Mon..Sat 01:00", "incr": ""})
    cluster.apply()
    cluster.assert_converged()
    assert cluster.inside(KEEPER, "systemctl list-timers --no-legend 'pgcluster-*' | wc -l") == "2"
    assert "Mon..Sat *-*-* 01:00:00" in cluster.inside(KEEPER, "systemctl show -p TimersCalendar pgcluster-backup-repo1-diff.timer")


def test_a_repository_that_is_down_is_told_and_catches_up(deployed):
    cluster = deployed
    leader = cluster.status()["leader"]
    cluster.inside(KEEPER, "systemctl stop pgbackrest")
    cluster.psql(VIP, "insert into kept values (1001); select pg_switch_wal()")
    told = cluster.wait(lambda: [one for one in cluster.status()["problems"] if one["cause"] == "archive_failing"], 60, "that the failure is told")
    assert told[0]["host"] == leader
    cluster.apply()    # starts the server again
    cluster.psql(VIP, "insert into kept values (1002); select pg_switch_wal()")
    cluster.wait_healthy(120)


def test_a_switchover_and_then_a_backup(deployed):
    cluster = deployed
    before = cluster.backups()["backups"][-1]["label"]
    cluster.run("switchover", "--yes")
    cluster.wait_healthy()
    cluster.run("backup", "--type", "diff", "--yes")
    assert cluster.backups()["backups"][-1]["label"] != before
    cluster.assert_converged()


def test_another_stanza_and_back(deployed):
    """The backups of the former stanza stay where they are, and count again when the spec goes back."""
    cluster = deployed
    cluster.wait_healthy()
    labels, since = [one["label"] for one in cluster.backups()["backups"]], started(cluster)
    cluster.write(pgbackrest_stanza="another")
    cluster.apply()
    cluster.assert_converged()
    [first] = cluster.backups()["backups"]
    assert first["type"] == "full" and first["label"] not in labels, "its first backup is part of the change"
    assert cluster.inside(KEEPER, f"ls {REPOSITORY}/backup/postgres-cluster/{labels[-1]}/backup.manifest")
    cluster.write(pgbackrest_stanza=None)
    cluster.apply()
    cluster.assert_converged()
    assert [one["label"] for one in cluster.backups()["backups"]][:len(labels)] == labels and started(cluster) == since


def test_off_and_on_again_restarts_nothing_and_keeps_the_backups(deployed):
    cluster = deployed
    cluster.wait_healthy()
    label, since = cluster.backups()["backups"][-1]["label"], started(cluster)
    cluster.write(pgbackrest_install=None, pgbackrest_repos=None, pgbackrest_schedule=None)
    assert f"{KEEPER} makes no backups any more; the repositories there stay" in cluster.apply().stdout
    cluster.assert_converged()
    assert cluster.psql(VIP, "select current_setting('archive_mode') || ' ' || current_setting('archive_command')") == "on /bin/true"
    assert cluster.inside(KEEPER, f"ls {REPOSITORY}/backup/postgres-cluster/{label}/backup.manifest")
    assert cluster.inside(KEEPER, "systemctl list-unit-files 'pgcluster-backup*' --no-legend | wc -l") == "0"
    for host in cluster.hosts:    # the lab's hosts have the package anyway
        assert cluster.inside(host, "systemctl show -p ActiveState,UnitFileState pgbackrest").split() == ["ActiveState=inactive", "UnitFileState=disabled"]
    assert "is not backed up" in cluster.run("backups", status=3).stderr
    cluster.write(pgbackrest_install=True, pgbackrest_repos=[{"host": KEEPER}])
    cluster.apply()
    cluster.assert_converged()
    cluster.wait_healthy()
    assert label in [one["label"] for one in cluster.backups()["backups"]] and started(cluster) == since


def test_the_repository_outlives_the_cluster_and_takes_no_other(deployed):
    cluster = deployed
    label = cluster.backups()["backups"][-1]["label"]
    cluster.run("destroy", "--yes")
    assert cluster.inside(KEEPER, f"ls {REPOSITORY}/backup/postgres-cluster/{label}/backup.manifest && ls {REPOSITORY}.passphrase")
    assert cluster.inside(KEEPER, "ls -d /etc/pgbackrest* /var/log/pgbackrest /var/spool/pgbackrest /etc/systemd/system/pgcluster* 2>/dev/null | wc -l") == "0"
    # A new cluster has a new passphrase.
    assert "has another passphrase than this cluster" in cluster.run("plan", status=3).stderr
