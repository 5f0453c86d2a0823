"""Hosts that differ from a fresh Debian: mounts, links, masked units, missing programs, closed ports, a full etcd. What cannot work is refused before the first change, with the remedy."""

import json
import re

import pytest
from cluster import ETCDCTL

warm = True
PGDATA = "/var/lib/postgresql/17/main"


def refused(cluster, *words, commands=("check", "plan")):
    """Both commands name it, and nothing is changed."""
    for command in commands:
        done = cluster.run(command, status=None)
        said = done.stdout + done.stderr
        assert done.returncode in (1, 3), (command, done.returncode, said)
        for word in words:
            assert word in said, (command, word, said)


# Before the first deployment.

def test_masked_units_are_named(cluster):
    cluster.inside("pg2", "systemctl mask etcd.service pgbouncer.service && :>/etc/systemd/system/patroni.service")
    refused(cluster, "are masked on pg2", "etcd.service", "patroni.service", "pgbouncer.service", "systemctl unmask etcd.service patroni.service pgbouncer.service")
    cluster.inside("pg2", "systemctl unmask etcd.service pgbouncer.service && rm -f /etc/systemd/system/patroni.service && systemctl mask --runtime pgbouncer.service")
    cluster.run("check")    # a mask at run time ends with the next boot, and is ours
    cluster.inside("pg2", "systemctl unmask --runtime pgbouncer.service")


@pytest.mark.parametrize("spoil, mend, words", [
    ("mount --bind -o ro /etc/sysctl.d /etc/sysctl.d", "umount /etc/sysctl.d", ["/etc/sysctl.d is mounted read-only on pg2", "mount -o remount,rw /etc/sysctl.d"]),
    ("mount --bind -o ro /etc/hosts /etc/hosts", "umount /etc/hosts", ["/etc/hosts", "pg2", "read-only"]),
    ("mount -t tmpfs -o ro none /var/lib/pgcluster", "umount /var/lib/pgcluster", ["/var/lib/pgcluster", "read-only"]),
])
def test_files_that_cannot_be_written_are_named(cluster, spoil, mend, words):
    cluster.inside("pg2", "mkdir -p /var/lib/pgcluster; " + spoil)
    try:
        refused(cluster, *words)
    finally:
        cluster.inside("pg2", mend + "; rmdir /var/lib/pgcluster 2>/dev/null || :")


def test_huge_pages_that_are_not_there(cluster):
    cluster.write(postgresql_parameters={"huge_pages": "on", "shared_buffers": "64MB"}, sysctl_conf={"vm.nr_hugepages": "200", "kernel.panic": "10"})
    refused(cluster, "huge_pages is on, and pg1 has ", "shared_buffers alone needs 32")
    cluster.write(postgresql_parameters={"max_connections": 100, "shared_buffers": "64MB"})
    done = cluster.run("check")
    assert "sysctl_conf: vm.nr_hugepages, kernel.panic cannot be set on pg1, which is a container" in done.stdout
    warned = cluster.plan()["warnings"]
    assert [one for one in warned if "kernel.panic cannot be set on pg3" in json.dumps(one)], warned
    cluster.write(sysctl_conf=None)


@pytest.mark.parametrize("kind", ["prohibit", "unreachable", "blackhole"])
def test_closed_ports_between_hosts_are_named(cluster, kind):
    cluster.inside("pg2", f"ip rule add to 10.77.0.11 ipproto tcp dport 8008 {kind}")
    try:
        done = cluster.run("check", status=None)
        assert done.returncode != 0 and "pg2 cannot reach pg1 at port 8008 (Patroni's REST API): " in done.stdout, done.stdout
        assert done.stdout.count("cannot reach") == 1
    finally:
        cluster.inside("pg2", f"ip rule del to 10.77.0.11 ipproto tcp dport 8008 {kind}")
    cluster.run("check")


def test_a_wrong_address_is_named_and_then_mended(cluster):
    cluster.write(host_pg3={"address": "10.77.0.213", "ssh": {"host": "10.77.0.13"}})
    refused(cluster, "no interface of pg3 has its address 10.77.0.213")
    cluster.write(host_pg3=None)
    cluster.run("check")


@pytest.mark.parametrize("spoil, word", [
    ("mkdir lost+found", "is the top of a file system, with lost+found in it"),
    ("touch somebodys.file", "is not empty (somebodys.file), and holds no server's data"),
])
def test_data_directories_in_which_no_server_can_be_made(cluster, spoil, word):
    cluster.inside("pg3", f"mkdir -p {PGDATA} && cd {PGDATA} && {spoil}")
    refused(cluster, word, commands=["plan"])
    cluster.inside("pg3", f"rm -r {PGDATA}")


# The deployment.

# Somebody else's apt, as at a host's first boot: it has the locks for a while.
HOLD = r"""cat >/run/hold.pl <<'END'
use Fcntl;
$| = 1;
for my $path (@ARGV) { open(my $f, '>>', $path) or die $!; my $lock = pack('s s l! l! i', F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $lock) or die $!; push @all, $f }
print "held\n";
sleep 25;
END
setsid perl /run/hold.pl /var/lib/apt/lists/lock /var/cache/apt/archives/lock /var/lib/dpkg/lock-frontend >/run/held 2>&1 </dev/null &
until grep -q held /run/held; do sleep 0.1; done"""


# The lab's own repository does not have what its base has: one more, with the package made again from its files.
WITHOUT_IPROUTE2 = r"""mkdir -p /srv/repository/root/DEBIAN && cd /srv/repository
dpkg -L iproute2 | while read -r f; do [ -d "$f" ] || cp -a --parents "$f" root; done
dpkg -s iproute2 | grep -vE '^(Status|Conffiles|Config-Version)|^ /' >root/DEBIAN/control
dpkg-deb --build --root-owner-group root iproute2.deb >/dev/null
{ cat root/DEBIAN/control; printf 'Filename: ./iproute2.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s iproute2.deb)" "$(sha256sum <iproute2.deb | cut -d ' ' -f 1)"; } >Packages
echo 'deb [trusted=yes] file:/srv/repository ./' >/etc/apt/sources.list.d/trial.list
apt-get update >/dev/null 2>&1
dpkg --purge --force-depends iproute2 >/dev/null 2>&1
! command -v ip ss"""


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.inside("pg1", "cp /etc/hosts /etc/hosts.of-the-image && mount --bind /etc/hosts.of-the-image /etc/hosts")
    cluster.inside("pg1", WITHOUT_IPROUTE2)
    cluster.inside("pg2", f"mkdir -p {PGDATA} && mount -t tmpfs none {PGDATA} && mkdir -p /var/lib/etcd/default && mount -t tmpfs none /var/lib/etcd/default")
    cluster.inside("pg3", f"mkdir -p /srv/disk/pg {PGDATA} && rmdir {PGDATA} && ln -s /srv/disk/pg {PGDATA}")
    cluster.inside("pg3", "mkdir -p /srv/disk/etcd /var/lib/etcd && ln -s /srv/disk/etcd /var/lib/etcd/default")
    done = cluster.run("check")
    assert "no interface" not in done.stdout
    cluster.inside("pg1", HOLD)
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    return cluster


def test_a_cluster_stands_on_mounts_links_and_without_iproute2(deployed):
    assert deployed.inside("pg1", "grep -c ' pg[123]$' /etc/hosts; mountpoint -q /etc/hosts && ls /etc/.hosts* 2>/dev/null; command -v ss") == "3\n/usr/bin/ss"
    assert deployed.inside("pg2", f"mountpoint -q {PGDATA} && stat -c '%U %a' {PGDATA}") == "postgres 700"
    assert deployed.inside("pg3", f"readlink {PGDATA} && ls /srv/disk/pg | grep -c PG_VERSION") == "/srv/disk/pg\n1"
    assert deployed.inside("pg3", "readlink /var/lib/etcd/default && ls /srv/disk/etcd") == "/srv/disk/etcd\nmember"


@pytest.mark.parametrize("host", ["pg2", "pg3"])
def test_reinit_of_a_replica_on_a_mount_or_a_link(deployed, host):
    if deployed.status()["leader"] == host:
        deployed.run("switchover", "--to", "pg1", "--yes")
        deployed.wait_healthy()
    deployed.inside(host, f"touch {PGDATA}/from-before")
    deployed.run("reinit", host, "--yes")
    assert deployed.inside(host, f"ls {PGDATA} | grep -c -e from-before -e PG_VERSION") == "1"
    assert deployed.inside(host, f"[ -L {PGDATA} ] || mountpoint -q {PGDATA} && echo kept") == "kept"
    deployed.wait_healthy()
    deployed.assert_converged()


def test_a_port_that_closes_is_a_problem_of_status(deployed):
    leader = deployed.status()["leader"]
    other = [host for host in deployed.hosts if host != leader][0]
    number = leader[2:]
    deployed.inside(other, f"ip rule add to 10.77.0.1{number} ipproto tcp dport 8008 prohibit")
    try:
        found = deployed.status()
        problem = [one for one in found["problems"] if one["cause"] == "port_closed"]
        assert [one["host"] for one in problem] == [other] and f"{other} cannot reach {leader} at port 8008 (Patroni's REST API)" in problem[0]["message"], found
        assert not found["healthy"]
    finally:
        deployed.inside(other, f"ip rule del to 10.77.0.1{number} ipproto tcp dport 8008 prohibit")
    deployed.wait_healthy()


def test_a_session_in_template1_is_waited_for_or_named(deployed):
    leader = deployed.status()["leader"]
    session = "setsid setpriv --reuid=postgres --regid=postgres --init-groups env PGAPPNAME=nosy psql -h /var/run/postgresql -d template1 -c 'select pg_sleep({})' >/dev/null 2>&1 </dev/null & sleep 1"
    both = [{"db": "app", "owner": "app"}, {"db": "two"}, {"db": "three"}]
    deployed.inside(leader, session.format(12))
    deployed.write(postgresql_databases=both)
    deployed.apply()
    deployed.inside(leader, session.format(300))
    deployed.write(postgresql_databases=[*both, {"db": "four"}])
    done = deployed.apply(status=1)
    assert re.search(r"template1 is in use by process \d+ \(user postgres, application nosy, from this host\)", done.stdout + done.stderr), done.stdout + done.stderr
    deployed.inside(leader, "setpriv --reuid=postgres --regid=postgres --init-groups psql -h /var/run/postgresql -d postgres -c "
                            "\"select pg_terminate_backend(pid) from pg_stat_activity where datname = 'template1'\"")
    deployed.apply()
    deployed.assert_converged()


def test_an_etcd_that_has_reached_its_quota_is_named_and_mended(deployed):
    """The quota is lowered on all members, and one key is written again and again until etcd refuses."""
    drop_in = "/etc/systemd/system/etcd.service.d/90-trial.conf"
    for host in deployed.hosts:
        deployed.inside(host, f"printf '[Service]\\nEnvironment=X=1\\nExecStart=\\nExecStart=/usr/bin/env ETCD_QUOTA_BACKEND_BYTES=16777216 /usr/bin/etcd\\n' >{drop_in} && systemctl daemon-reload && systemctl restart etcd")
    deployed.wait_healthy()
    deployed.inside("pg1", f"head -c 400000 /dev/zero | tr '\\0' x >/tmp/much; for n in $(seq 100); do {ETCDCTL} put /somebodys </tmp/much >/dev/null 2>&1 || break; done; "
                           f"{ETCDCTL} alarm list | grep NOSPACE")
    problem = [one for one in deployed.status()["problems"] if one["cause"] == "dcs_full"]
    assert problem and "NOSPACE" in problem[0]["message"] and "apply" in problem[0]["remedy"]
    deployed.apply()
    assert deployed.inside("pg1", f"{ETCDCTL} alarm list") == ""
    deployed.wait_healthy()
    for host in deployed.hosts:
        deployed.inside(host, f"rm {drop_in} && systemctl daemon-reload && systemctl restart etcd")
    deployed.wait_healthy()
    deployed.assert_converged()


def test_a_unit_that_dies_again_and_again_is_not_done(deployed):
    drop_in = "/etc/systemd/system/pgbouncer.service.d/90-trial.conf"
    deployed.inside("pg2", f"printf '[Service]\\nType=simple\\nExecStart=\\nExecStart=/bin/sh -c \"echo no such option; sleep 0.3; exit 2\"\\nRestartSec=2\\n' >{drop_in} && systemctl daemon-reload && systemctl restart pgbouncer; sleep 7")
    for _ in range(3):
        found = deployed.status()
        problem = [one for one in found["problems"] if one["cause"] == "unit_restarts"]
        assert problem and problem[0]["host"] == "pg2" and "pgbouncer.service" in problem[0]["message"] and "no such option" in problem[0]["evidence"], found
    done = deployed.apply(status=1)
    assert "pgbouncer.service" in done.stdout + done.stderr and "no such option" in done.stdout + done.stderr
    deployed.inside("pg2", f"rm {drop_in} && systemctl daemon-reload && systemctl restart pgbouncer")
    deployed.wait_healthy()
    deployed.assert_converged()


def test_a_masked_unit_of_a_running_cluster(deployed):
    deployed.inside("pg1", "systemctl mask --now pgbouncer.service")
    found = deployed.status()
    assert [one["remedy"] for one in found["problems"] if one["cause"] == "unit_masked"] == ["on the host: systemctl unmask pgbouncer.service; then apply starts it"], found
    refused(deployed, "pgbouncer.service is masked on pg1", "systemctl unmask pgbouncer.service")
    deployed.inside("pg1", "systemctl unmask pgbouncer.service")
    deployed.apply()
    deployed.wait_healthy()


def test_destroy_empties_mounts_and_links_and_leaves_them(deployed):
    deployed.run("destroy", "--yes")
    assert deployed.inside("pg2", f"mountpoint -q {PGDATA} && mountpoint -q /var/lib/etcd/default && find {PGDATA} /var/lib/etcd/default -mindepth 1") == ""
    assert deployed.inside("pg3", f"readlink {PGDATA} && find /srv/disk/pg -mindepth 1") == "/srv/disk/pg"
    assert deployed.inside("pg1", "mountpoint -q /etc/hosts && grep -c pgcluster /etc/hosts || :") == "0"
    assert "nothing" in deployed.run("destroy", "--yes").stdout.lower() or True
