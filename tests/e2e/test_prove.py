"""A backup is restored to see whether it can be; damage in the repository and missing WAL are found and named."""

import contextlib
import os
import signal
import subprocess
import time

import pytest
from cluster import KEEPER, VIP

warm = True
REPOSITORY = "/var/lib/pgbackrest"


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.deploy_with_backups()
    cluster.psql(VIP, "create table kept as select generate_series(1, 20000) as n; create index on kept (n); checkpoint")
    return cluster


def prove(cluster, *args, status=0):
    started = time.monotonic()
    done = cluster.run("prove", *args, status=status)
    print(f"prove {' '.join(args)}: {time.monotonic() - started:.1f} s")
    return done


def assert_nothing_left(cluster):
    for host in cluster.hosts:
        assert ".pgcluster" not in cluster.inside(host, "ls -A /var/lib/postgresql"), host
    cluster.assert_converged()


def test_the_newest_backup_is_proven(deployed):
    cluster = deployed
    assert cluster.backups()["proven"] is None and cluster.status()["backup"]["proven_age_s"] is None
    cluster.run("backup", "--type", "incr", "--yes")
    started = cluster.psql(VIP, "select pg_postmaster_start_time()")
    prove(cluster)
    found = cluster.backups()
    newest = found["backups"][-1]
    assert newest["proven"] and not found["backups"][0]["proven"] and found["proven"]["label"] == newest["label"] and 0 < found["proven"]["seconds"] < 120
    assert "proven" in cluster.run("backups").stdout
    assert cluster.status()["backup"]["proven_age_s"] < 300
    assert cluster.psql(VIP, "select pg_postmaster_start_time()") == started
    assert_nothing_left(cluster)
    assert "there is no backup 20200101-000000F" in prove(cluster, "--backup", "20200101-000000F", status=3).stderr


def test_a_database_host_proves_the_newest_backup_when_that_is_due(deployed):
    cluster = deployed
    cluster.run("backup", "--type", "incr", "--yes")
    label = cluster.backups()["backups"][-1]["label"]
    former = cluster.spec["pgbackrest_schedule"]
    cluster.write(pgbackrest_schedule={**former, "prove": "*:*:0/10"})
    cluster.apply()
    cluster.wait(lambda: (cluster.backups()["proven"] or {}).get("label") == label, 90, "that the newest backup is proven")
    proven_by = [host for host in cluster.databases() if cluster.inside(host, f"grep -c {label} /var/lib/pgcluster/proven-repo1 2>/dev/null || true") == "1"]
    leader = cluster.status()["leader"]
    assert proven_by == [min(set(cluster.databases()) - {leader})], "one replica does it, and no other host"
    assert cluster.backups()["backups"][-1]["proven"] and cluster.status()["backup"]["proven_age_s"] < 120
    # What is wrong is told: by the unit's state, and with the label.
    manifest = f"{REPOSITORY}/backup/postgres-cluster/{label}/backup.manifest"
    cluster.inside(KEEPER, f"mv {manifest} {manifest}.away; mv {manifest}.copy {manifest}.copy.away")
    cluster.wait(lambda: any(one["cause"] == "proof_failed" for one in cluster.status()["problems"]), 60, "that a proof which failed is told")
    cluster.inside(KEEPER, f"mv {manifest}.away {manifest}; mv {manifest}.copy.away {manifest}.copy")
    cluster.wait(lambda: not any(one["cause"] == "proof_failed" for one in cluster.status()["problems"]), 60, "that the next one is good")
    cluster.write(pgbackrest_schedule=former)
    cluster.apply()
    for host in cluster.databases():
        assert cluster.inside(host, "systemctl list-unit-files 'pgcluster-prove-due*' --no-legend | wc -l") == "0"
    assert_nothing_left(cluster)


def test_one_that_is_killed_leaves_nothing(deployed):
    cluster = deployed
    label = cluster.backups()["backups"][0]["label"]
    process = subprocess.Popen(cluster.argv("prove", "--backup", label), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    busy = cluster.wait(lambda: [host for host in cluster.hosts if "pgcluster-prove" in cluster.inside(host, "ls -A /var/lib/postgresql")], 30, "that it begins")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    cluster.inside(busy[0], "systemctl kill --kill-whom=main -s KILL 'pgcluster-prove-*'")
    cluster.wait(lambda: "pgcluster-prove" not in cluster.inside(busy[0], "ls -A /var/lib/postgresql"), 30, "that its data has gone")
    cluster.wait_unlocked()
    # While another one runs on the host, a proof takes nothing from it, and says nothing of the backup.
    cluster.inside(busy[0], "mkdir /var/lib/postgresql/.pgcluster-prove; systemd-run -q --unit other-proof flock /run/pgcluster-prove.lock sleep 600; sleep 0.5")
    assert "did not begin" in prove(cluster, "--backup", label, status=1).stderr
    assert "pgcluster-prove" in cluster.inside(busy[0], "systemctl stop other-proof; ls -A /var/lib/postgresql")
    assert "cannot be restored" not in cluster.run("backups").stdout
    prove(cluster, "--backup", label)
    assert cluster.backups()["backups"][0]["proven"]
    assert_nothing_left(cluster)


def test_a_wal_file_that_is_missing_is_named(deployed):
    cluster = deployed
    for _ in range(3):
        cluster.psql(VIP, "insert into kept values (0); select pg_switch_wal()")
    cluster.wait_healthy()
    time.sleep(5)
    gone = cluster.inside(KEEPER, f"cd {REPOSITORY}/archive/postgres-cluster/17-1 && ls */* | sort | tail -2 | head -1")
    cluster.inside(KEEPER, f"mv {REPOSITORY}/archive/postgres-cluster/17-1/{gone} /root/")
    name = gone.split("/")[1][:24]
    assert f"the WAL file {name} is missing" in prove(cluster, status=1).stderr
    assert name in " ".join(problem["message"] for problem in cluster.status()["problems"])
    assert not cluster.backups()["backups"][-1]["proven"]
    assert f"the WAL file {name} is missing" in cluster.run("restore", "--yes", status=3).stderr
    cluster.inside(KEEPER, f"mv /root/{gone.split('/')[1]} {REPOSITORY}/archive/postgres-cluster/17-1/{gone}")
    prove(cluster)
    cluster.wait_healthy()


def test_a_damaged_backup_is_found_and_named(deployed):
    cluster = deployed
    cluster.run("backup", "--type", "full", "--yes")
    label = cluster.backups()["backups"][-1]["label"]
    bundle = cluster.inside(KEEPER, f"find {REPOSITORY}/backup/postgres-cluster/{label}/bundle -type f -printf '%s %p\\n' | sort -n | tail -1 | cut -d' ' -f2")
    cluster.inside(KEEPER, f"printf '\\377\\0\\377' | dd of={bundle} bs=1 seek=$(($(stat -c %s {bundle}) / 2)) conv=notrunc 2>/dev/null")
    told = prove(cluster, status=1).stderr
    assert f"the backup {label} in repo1 on {KEEPER} cannot be restored: pgBackRest: " in told
    found = cluster.backups()
    assert not found["backups"][-1]["proven"] and found["proven"]["label"] != label and "cannot be restored" in cluster.run("backups").stdout
    assert [problem for problem in cluster.status()["problems"] if problem["cause"] == "proof_failed" and label in problem["message"]]
    cluster.run("backup", "--type", "full", "--yes")
    prove(cluster)
    cluster.wait_healthy()
    assert_nothing_left(cluster)
