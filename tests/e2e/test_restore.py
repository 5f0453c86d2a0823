"""A cluster goes back in time: to a time, an LSN, a restore point; twice; killed in its midst; and refused where it cannot."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from cluster import KEEPER, VIP, address

warm = True


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.deploy_with_backups(postgresql_parameters={"log_error_verbosity": "verbose"})
    cluster.psql(VIP, "create table numbers (n int primary key, at timestamptz default clock_timestamp())")
    cluster.marks = {}
    return cluster


def write(cluster, upto):
    """Rows are written one a commit, up to this number."""
    cluster.psql(VIP, f"do $$ begin for i in (select coalesce(max(n), 0) + 1 from numbers) .. {upto} loop insert into numbers values (i); commit; end loop; end $$")


def mark(cluster, name):
    """This moment as a time, an LSN and a restore point, and the rows that are there."""
    time.sleep(1.1)
    count = int(cluster.psql(VIP, "select count(*) from numbers"))
    at = cluster.psql(VIP, "select clock_timestamp() at time zone 'UTC'") + "Z"
    lsn = cluster.psql(VIP, "select pg_current_wal_insert_lsn()")
    cluster.psql(VIP, f"select pg_create_restore_point('{name}')")
    time.sleep(1.1)
    cluster.marks[name] = {"count": count, "time": at, "lsn": lsn, "name": name}
    cluster.psql(VIP, "select pg_switch_wal()")


def rows(cluster):
    """By the leader and by each replica."""
    cluster.wait_healthy(120)
    found = {host: cluster.psql(address(host), "select count(*) || ' ' || coalesce(max(n), 0) from numbers") for host in cluster.databases()}
    assert len(set(found.values())) == 1, found
    count, last = next(iter(found.values())).split()
    assert count == last, found
    return int(count)


def restore(cluster, *args, status=0):
    started = time.monotonic()
    done = cluster.run("restore", "--yes", *args, status=status)
    print(f"restore {' '.join(args)}: {time.monotonic() - started:.1f} s")
    return done


def assert_restored(cluster, count):
    assert rows(cluster) == count
    cluster.assert_converged()
    for host in cluster.hosts:
        assert "restore" not in cluster.inside(host, "ls /var/lib/pgcluster /usr/local/lib/pgcluster 2>/dev/null || :"), host
    assert cluster.psql(VIP, "select current_setting('archive_mode') || ' ' || (current_setting('archive_command') like '%archive-push%')") == "on true"
    backups = cluster.backups()
    assert backups["backups"][-1]["type"] == "full"
    return backups


def test_to_a_time(deployed):
    cluster = deployed
    for upto, name in ((100, "first"), (200, "second"), (300, "third")):
        write(cluster, upto)
        mark(cluster, name)
    write(cluster, 400)
    mark(cluster, "lost")
    # The restored data has the former ones.
    cluster.run("rotate", "superuser", "replication", "app", "--yes")
    password = cluster.password("app")
    before = len(cluster.backups()["backups"])
    told = restore(cluster, "--time", cluster.marks["third"]["time"]).stdout
    assert "the cluster goes back to" in told and "is lost" in told and "on timeline 1" in told
    assert len(assert_restored(cluster, 300)["backups"]) == before + 1
    assert password == cluster.password("app") and cluster.psql(VIP, "select 1", user="app") == "1"


def test_to_an_lsn_before_the_first_restore_in_synchronous_mode(deployed):
    cluster = deployed
    cluster.write(synchronous_mode=True)
    cluster.apply()
    write(cluster, 350)
    mark(cluster, "later")
    restore(cluster, "--lsn", cluster.marks["second"]["lsn"])
    assert_restored(cluster, 200)


def test_to_a_name_on_a_timeline_that_was_left(deployed):
    cluster = deployed
    write(cluster, 250)
    restore(cluster, "--name", "later", "--keep-data")
    assert_restored(cluster, 350)
    assert all(cluster.inside(host, "ls -d /var/lib/postgresql/17/main.before-*") for host in cluster.databases())
    cluster.inside("pg1", "rm -rf /var/lib/postgresql/17/main.before-*")


def test_what_cannot_be_reached_is_refused_before_anything_is_stopped(deployed):
    cluster = deployed
    started = cluster.psql(VIP, "select pg_postmaster_start_time()")
    refusals = {
        ("--time", "2026-11-30 09:00:00"): "has no zone",
        ("--time", "yesterday"): "is no time",
        ("--time", "2001-01-01 00:00:00Z"): "before the end of the oldest backup",
        ("--time", "2101-01-01 00:00:00Z"): "after the last WAL",
        ("--lsn", "0/1"): "before the end of the oldest backup",
        ("--lsn", "FF/0"): "after the last WAL",
        ("--lsn", "nowhere"): "is no LSN",
        ("--backup", "20200101-000000F"): "there is no backup 20200101-000000F",
        ("--name", "nobody's"): "with ' or",
        ("--xid", "4000000"): "is not in the WAL",
        ("--xid", "one"): "is no transaction",
        ("--timeline", "77"): "there is no timeline 77",
        ("--lsn", cluster.marks["lost"]["lsn"]): "stands on two timelines",
        ("--time", cluster.marks["lost"]["time"]): "is a time of two timelines",
    }
    for args, words in refusals.items():
        done = restore(cluster, *args, status=3)
        assert words in done.stderr, (args, done.stderr)
    assert cluster.run("restore", "--time", "2026-11-30 09:00:00Z", "--name", "both", status=64)
    assert cluster.psql(VIP, "select pg_postmaster_start_time()") == started


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("phase", ["copying", "recovering", "done", "clear"])
def test_killed_the_next_command_goes_on(deployed, phase, long):
    if phase in ("copying", "done") and not long:
        pytest.skip("with --long")
    cluster = deployed
    count = rows(cluster)
    mark(cluster, "killed_" + phase)
    write(cluster, count + 50)
    leader = cluster.status()["leader"]
    # The last restore has ended with a backup of these rows.
    target = "backup" if phase == "clear" else "name"
    value = cluster.backups()["backups"][-1]["label"] if phase == "clear" else "killed_" + phase
    args = ("restore", "--yes", "--" + target, value)
    process = subprocess.Popen(cluster.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    note = "/var/lib/pgcluster/restore"
    reached = f"grep -q '^id ' {note} && ! grep -qx hold {note}" if phase == "clear" else f"grep -q ^{phase} {note}.progress"
    seen = cluster.inside(leader, f"for i in $(seq 900); do {{ {reached}; }} 2>/dev/null && echo seen && exit; sleep 0.05; done")
    if process.poll() is not None or not seen:
        raise AssertionError(process.communicate(timeout=5))
    kill(process)
    # The old data is never started beside the new.
    for host in cluster.hosts:
        if host not in (KEEPER, leader) and "hold" in cluster.inside(host, f"tail -1 {note}"):
            assert "inactive" in cluster.inside(host, "systemctl start patroni; sleep 1; systemctl is-active patroni || :")
    cluster.wait_unlocked()
    refused = cluster.run("apply", "--yes", status=3).stderr
    assert f"a restore to {target} {value} was interrupted" in refused and f"pgcluster restore --{target}" in refused
    assert "was interrupted" in restore(cluster, "--time", "2026-01-01 00:00:00Z", status=3).stderr
    restore(cluster, *args[2:])
    assert_restored(cluster, count)
