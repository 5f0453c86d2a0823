"""All database hosts are lost, and with them the DCS and the secrets. New hosts and the repository are there: one command rebuilds the cluster."""

import contextlib
import os
import signal
import subprocess
import time

import pytest
from cluster import KEEPER, VIP, address

warm = True
REPOSITORY = "/var/lib/pgbackrest"
NOTE = "/var/lib/pgcluster/restore"


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.deploy_with_backups(postgresql_users=[{"name": "app", "flags": "LOGIN", "password": "given"}, {"name": "other", "flags": "LOGIN"}])
    cluster.psql(VIP, "create table numbers (n int primary key)")
    return cluster


def write(cluster, upto):
    """Inserts rows up to this number, each in a transaction of its own."""
    cluster.psql(VIP, f"do $$ begin for i in (select coalesce(max(n), 0) + 1 from numbers) .. {upto} loop insert into numbers values (i); commit; end loop; end $$")


def archive(cluster):
    """Archives all that was written until now."""
    segment = cluster.psql(VIP, "select pg_walfile_name(pg_switch_wal())")
    cluster.wait(lambda: cluster.inside(KEEPER, f"find {REPOSITORY}/archive -name '{segment}-*'"), 60, f"that {segment} is archived")


def lose_all(cluster):
    for host in cluster.databases():
        cluster.lab("remove", host)
    for host in cluster.databases():
        cluster.lab("add", host, "--warm")


def restore(cluster, *args, status=0):
    started = time.monotonic()
    done = cluster.run("restore", "--yes", *args, status=status)
    print(f"restore {' '.join(args)}: {time.monotonic() - started:.1f} s")
    return done


def assert_rebuilt(cluster, count, former):
    cluster.wait_healthy(120)
    for host in cluster.databases():
        assert cluster.psql(address(host), "select count(*) || ' ' || max(n) from numbers") == f"{count} {count}", host
        assert "restore" not in cluster.inside(host, "ls /var/lib/pgcluster /usr/local/lib/pgcluster"), host
        assert cluster.inside(host, "cat /var/lib/pgcluster/secrets/pgbackrest_repos*") == former["passphrase"]
    cluster.assert_converged()
    assert cluster.inside(KEEPER, f"cat {REPOSITORY}.passphrase") == former["passphrase"]
    # A password that the spec does not give is a new one. Each role logs in by its present password.
    assert cluster.password("other") != former["other"]
    assert all(cluster.psql(VIP, "select 1", user=role) == "1" for role in ("app", "other"))
    newest = cluster.backups()["backups"][-1]
    assert newest["type"] == "full" and newest["label"] != former["label"]
    archive(cluster)


def known(cluster):
    return {"passphrase": cluster.inside(KEEPER, f"cat {REPOSITORY}.passphrase"), "other": cluster.password("other"), "label": cluster.backups()["backups"][-1]["label"]}


def test_one_command_rebuilds_the_cluster(deployed):
    cluster = deployed
    write(cluster, 150)
    archive(cluster)
    write(cluster, 200)
    former = known(cluster)
    lose_all(cluster)
    # An ordinary apply would begin an empty cluster, which could not archive to this repository.
    configured = cluster.inside(KEEPER, "sha256sum /etc/pgbackrest.conf /etc/pgcluster/tls/*")
    refused = cluster.apply(status=3).stderr
    assert "pgcluster restore rebuilds it" in refused, refused
    assert all(not cluster.inside(host, "ls -A /var/lib/pgcluster /etc/patroni/config.yml 2>/dev/null || :") for host in cluster.databases())
    assert cluster.inside(KEEPER, "sha256sum /etc/pgbackrest.conf /etc/pgcluster/tls/*") == configured
    assert "the hosts are new" in restore(cluster, "--name", "point", status=3).stderr
    assert "no former data to keep" in restore(cluster, "--keep-data", status=3).stderr
    assert "is before the end of the oldest backup" in restore(cluster, "--time", "2001-01-01 00:00:00Z", status=3).stderr
    told = restore(cluster).stdout
    assert "the cluster is built anew" in told and "WAL was archived last at" in told
    assert_rebuilt(cluster, 150, former)


def test_the_same_command_completes_a_restore_that_was_killed(deployed):
    cluster = deployed
    write(cluster, 250)
    time.sleep(1.1)
    at = cluster.psql(VIP, "select clock_timestamp() at time zone 'UTC'") + "Z"
    time.sleep(1.1)
    write(cluster, 300)
    archive(cluster)
    former = known(cluster)
    lose_all(cluster)
    args = ("--time", at)
    process = subprocess.Popen(cluster.argv("restore", "--yes", *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    begun = cluster.inside("pg1", f"for i in $(seq 4000); do grep -qs '^[cr]' {NOTE}.progress && echo seen && exit; sleep 0.05; done")
    if process.poll() is not None or not begun:
        raise AssertionError(process.communicate(timeout=5))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # Patroni does not start, so no host begins an empty cluster meanwhile.
    for host in cluster.databases():
        assert cluster.inside(host, f"tail -1 {NOTE}; systemctl start patroni; sleep 1; systemctl is-active patroni || :").split() == ["hold", "inactive"], host
    cluster.wait_unlocked()
    refused = cluster.apply(status=3).stderr
    assert "was interrupted" in refused and "pgcluster restore --time" in refused, refused
    assert "was interrupted" in restore(cluster, status=3).stderr
    restore(cluster, *args)
    assert_rebuilt(cluster, 250, former)
