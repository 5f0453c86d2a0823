"""What goes wrong on hosts while they are deployed: no harm, a clear error with its evidence, the right exit status, and the next apply goes on."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from cluster import LAB, LONG, VIP

warm = True

PGCLUSTER_OF_HOST = "/var/lib/pgcluster"


def stranger(port):
    """perl that listens on a port, until it is told to end."""
    return f"exec perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => \"0.0.0.0\", LocalPort => {port}, Listen => 5) or die; sleep 600'"


@contextlib.contextmanager
def running(cluster, host, script, ready):
    """A process in the host, once `ready` says something there."""
    process = subprocess.Popen([LAB, "-n", cluster.name, "exec", host, "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        cluster.wait(lambda: process.poll() is not None or cluster.inside(host, f"{ready} || :"), 60, f"that it is ready: {script}")
        assert process.poll() is None, f"it does not run: {script}"
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def error_of(done):
    """The error document, or the failures of a report: one text, and the codes in it."""
    last = json.loads(done.stdout.strip().splitlines()[-1])
    failures = last.get("failures") or [last["error"]]
    return json.dumps(failures), {failure["code"] for failure in failures}


def failing(cluster, status, *words):
    """An apply that fails in this way; prints what the user saw."""
    done = cluster.run("apply", "--yes", "--json", status=status)
    text, codes = error_of(done)
    print(f"exit {status}: {text}")
    for word in words:
        assert word in text, text
    return codes


def untouched(cluster, host):
    return cluster.inside(host, f"[ ! -e {PGCLUSTER_OF_HOST} ] && echo untouched", check=False) == "untouched"


def wait_for_process(cluster, host, pattern, seconds=60):
    end = time.monotonic() + seconds
    while not cluster.inside(host, f"pgrep -f '{pattern}' || :"):
        assert time.monotonic() < end, f"no {pattern} on {host}"
        time.sleep(0.1)


# Before anything is deployed, on the same fresh hosts.


@pytest.mark.parametrize("port", [5432, 8008, 2379, 6432])
def test_a_strangers_port(cluster, port):
    with running(cluster, "pg2", stranger(port), f"ss -Hltn 'sport = :{port}'"):
        assert failing(cluster, 3, "pg2", str(port), "perl") == {"refused"}
        report = json.loads(cluster.run("check", "--json", status=3).stdout)
        assert str(port) in json.dumps(report) and "perl" in json.dumps(report)
    assert all(untouched(cluster, host) for host in cluster.hosts), "nothing was changed anywhere"


def test_somebody_elses_data_directory(cluster):
    cluster.inside("pg3", "install -d -o postgres -g postgres -m 700 /var/lib/postgresql/17 /var/lib/postgresql/17/main && "
                   "su postgres -c '/usr/lib/postgresql/17/bin/initdb -D /var/lib/postgresql/17/main >/dev/null && echo keep > /var/lib/postgresql/17/main/mine'")
    assert failing(cluster, 3, "pg3", "/var/lib/postgresql/17/main", "never overwrites") == {"refused"}
    assert cluster.inside("pg3", "cat /var/lib/postgresql/17/main/mine") == "keep"
    assert all(untouched(cluster, host) for host in cluster.hosts)
    cluster.inside("pg3", "rm -r /var/lib/postgresql/17/main")


def test_a_clock_minutes_off(cluster):
    # The lab's hosts share this machine's clock: the host's date tells another.
    cluster.inside("pg2", "printf '#!/bin/sh\\necho $(( $(/usr/bin/date +%%s) - 300 ))\\n' > /usr/local/sbin/date && chmod 755 /usr/local/sbin/date")
    report = json.loads(cluster.run("check", "--json", status=1).stdout)
    assert "behind" in json.dumps(report) and "clock" in json.dumps(report), report
    cluster.inside("pg2", "rm /usr/local/sbin/date")


def test_a_disk_that_is_full_under_etcd(cluster):
    cluster.inside("pg2", "mount -t tmpfs -o size=1m tmpfs /var/lib/etcd && chown etcd:etcd /var/lib/etcd")
    codes = failing(cluster, 1, "pg2", "etcd", "no space left on device")
    assert codes <= {"not_converged", "command_failed", "timed_out"}, codes
    cluster.inside("pg2", "systemctl stop etcd; umount /var/lib/etcd")


def test_a_disk_that_is_full_under_the_data_directory(cluster):
    cluster.inside("pg3", "mount -t tmpfs -o size=20m tmpfs /var/lib/postgresql && chown postgres:postgres /var/lib/postgresql")
    codes = failing(cluster, 1, "pg3", "/var/lib/postgresql", "full")
    assert codes <= {"not_converged", "command_failed"}, codes
    cluster.inside("pg3", "systemctl stop patroni; umount /var/lib/postgresql")


def test_a_data_directory_that_cannot_be_made(cluster):
    cluster.inside("pg3", "chown root:root /var/lib/postgresql/17")
    codes = failing(cluster, 1, "pg3", "Permission denied")
    assert codes == {"not_converged"}, codes
    cluster.inside("pg3", "chown postgres:postgres /var/lib/postgresql/17")
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()


# apt, on a host from which a package was taken.


def without_pgbouncer(cluster, host):
    cluster.inside(host, "systemctl stop pgbouncer; dpkg --remove --force-remove-reinstreq pgbouncer >/dev/null 2>&1")


def test_a_broken_mirror(cluster):
    without_pgbouncer(cluster, "pg2")
    cluster.inside("pg2", "mkdir -p /root/apt && mv /etc/apt/sources.list* /root/apt/; echo 'deb [trusted=yes] file:/nowhere trixie main' > /etc/apt/sources.list; rm -rf /var/lib/apt/lists/*")
    assert failing(cluster, 1, "pg2", "pgbouncer", "file:/nowhere") == {"command_failed"}
    cluster.inside("pg2", "rm -r /etc/apt/sources.list*; mv /root/apt/* /etc/apt/")


def test_a_package_that_is_gone(cluster):
    cluster.inside("pg2", "printf 'Package: pgbouncer\\nPin: release *\\nPin-Priority: -1\\n' > /etc/apt/preferences.d/gone")
    assert failing(cluster, 1, "pg2", "pgbouncer") == {"command_failed"}
    cluster.inside("pg2", "rm /etc/apt/preferences.d/gone")


def test_apt_that_somebody_else_uses(cluster, long):
    lock = ("exec perl -MFcntl -e 'open my $f, \">>\", \"/var/lib/dpkg/lock-frontend\" or die; "
            "my $l = pack(\"s s l! l! i\", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; sleep 600'")
    taken = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep lock-frontend"
    if long:    # as long as we wait for it
        with running(cluster, "pg2", lock, taken):
            assert failing(cluster, 1, "pg2", "lock-frontend", "perl") <= {"command_failed", "timed_out"}
    with running(cluster, "pg2", lock, taken):
        process = cluster.start_apply()
        wait_for_process(cluster, "pg2", "[a]pt-get.*install")
        time.sleep(3)
        assert process.poll() is None, process.communicate()
    output, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, output
    cluster.wait_healthy()
    cluster.assert_converged()


# In the middle of an apply.


def one_without_packages(cluster, host):
    """Fresh hosts, on one of which apt has something to do."""
    cluster.fresh(warm=True)
    cluster.inside(host, "DEBIAN_FRONTEND=noninteractive apt-get -qq -y purge postgresql-17 postgresql-common patroni etcd-server pgbouncer >/dev/null 2>&1; "
                   "rm -rf /var/lib/postgresql /var/lib/etcd")


def test_a_connection_that_is_cut_for_20_s_in_the_middle_of_apt(cluster):
    one_without_packages(cluster, "pg2")
    process = cluster.start_apply()
    wait_for_process(cluster, "pg2", "[a]pt-get.*install")
    cluster.lab("cut", "pg2")
    time.sleep(20)
    cluster.lab("heal", "pg2")
    output, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0, output
    print(output.splitlines()[-1])
    cluster.wait_healthy()
    cluster.assert_converged()


def test_a_host_that_reboots_in_the_middle_of_apt(cluster):
    one_without_packages(cluster, "pg3")
    process = cluster.start_apply()
    wait_for_process(cluster, "pg3", "[d]pkg.*(--unpack|--configure)")
    cluster.lab("reboot", "pg3")
    output, _ = process.communicate(timeout=LONG)
    print(f"exit {process.returncode}:", "\n".join(line for line in output.splitlines() if "pg3" in line)[-1500:])
    assert process.returncode in (0, 1), output
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()


def suspended_apply(cluster):
    """In the middle of a deployment on fresh hosts."""
    cluster.fresh(warm=True)
    process = cluster.start_apply()
    cluster.wait_for_lock(process)
    os.killpg(process.pid, signal.SIGSTOP)
    return process


def test_a_controller_that_is_suspended_for_longer_than_its_lock_lasts(cluster):
    process = suspended_apply(cluster)
    time.sleep(35)
    os.killpg(process.pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=LONG)
    print(f"exit {process.returncode}:", output[-800:])
    assert process.returncode in (0, 1), output
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()


def test_a_suspended_controller_does_not_act_beside_another(cluster):
    process = suspended_apply(cluster)
    time.sleep(35)    # its lock ends 30 s after its last heartbeat
    second = cluster.start_apply()
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGCONT)
    output, _ = process.communicate(timeout=LONG)
    other, _ = second.communicate(timeout=LONG)
    print(f"the suspended one: exit {process.returncode}", output[-800:], f"the other: exit {second.returncode}", other[-300:])
    # They may not both work: who comes second is told who has the lock.
    told = [text for text in (output, other) if "is locked by" in text or "was taken over by" in text]
    assert told and (process.returncode, second.returncode) != (0, 0), output + other
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()


def test_a_disk_that_is_full(cluster):
    cluster.lab("kill", "pg3")
    cluster.lab("down")
    cluster.lab("up", "--hosts", "2", "--warm", "--owner", str(os.getpid()))
    cluster.lab("add", "pg3", "--warm", "--disk=600M")
    cluster.apply()
    cluster.wait_healthy()
    before = cluster.inside("pg3", "cat /etc/pgbouncer/pgbouncer.ini")
    cluster.inside("pg3", "dd if=/dev/zero of=/filler bs=64k 2>/dev/null; dd if=/dev/zero of=/filler2 bs=1 2>/dev/null; :")
    cluster.write(pgbouncer_default_pool_size=33, cluster_vip=VIP)
    assert failing(cluster, 1, "pg3", "No space left on device") <= {"command_failed", "not_converged"}
    assert cluster.inside("pg3", "cat /etc/pgbouncer/pgbouncer.ini") == before, "the old file is whole"
    cluster.inside("pg3", "rm /filler /filler2")
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
