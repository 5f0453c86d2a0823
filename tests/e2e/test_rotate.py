"""Passwords, keys and certificates are replaced under a client that writes and one that logs in again and again."""

import contextlib
import json
import subprocess

import pytest
from cluster import LAB, VIP, address, outages

warm = True
SERVED = {"etcd": (2379, ""), "patroni": (8008, ""), "postgresql": (5432, "postgres"), "pgbouncer": (6432, "postgres")}


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.apply()
    cluster.wait_healthy()
    return cluster


@contextlib.contextmanager
def clients(cluster):
    """None of them notices anything."""
    with cluster.client("logins", VIP, "6432", "app", environment={"PGPASSWORD": cluster.password("app")}) as logins, cluster.writer() as writes:
        yield
    bad = [one for one in logins + writes if not one["ok"]]
    if bad:
        for host in cluster.hosts:
            print(host, bad[:2], cluster.inside(host, "journalctl --sync; journalctl -b --no-pager -o short-precise --since -40s -u pgcluster-vip -u patroni -u etcd | tail -60"))
    print(f"{len(logins)} logins, the slowest took {max(one.get('took', 0) for one in logins):.2f} s; {len(writes)} writes, longest gaps {outages(writes, 0.3)}")
    assert len(logins) > 10 and len(writes) > 20
    assert not [one for one in logins + writes if not one["ok"]]


def served(cluster):
    """The fingerprints of what a new connection is shown, by host and purpose."""
    found = {}
    for host in cluster.hosts:
        for name, (port, starttls) in SERVED.items():
            how = f"-starttls {starttls}" if starttls else ""
            found[host, name] = cluster.inside(host, f"openssl s_client -connect {address(host)}:{port} {how} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint")
    return found


def can_log_in(cluster, user, password):
    environment = {"PGPASSWORD": password, "PATH": "/usr/bin:/bin", "PGCONNECT_TIMEOUT": "5"}
    done = subprocess.run([LAB, "-n", cluster.name, "run", "psql", "-XAtq", "-h", VIP, "-p", "6432", "-U", user, "-d", "postgres", "-c", "select 1"], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0 or "password" in done.stderr or "auth" in done.stderr, done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("role", ["superuser", "replication", "restapi", "pgbouncer"])
def test_a_password_under_clients(deployed, role):
    cluster = deployed
    before = cluster.password(role)
    with clients(cluster):
        print(cluster.run("rotate", role, "--yes").stdout)
    assert cluster.password(role) != before
    cluster.assert_converged()
    cluster.wait_healthy()


def test_all_at_once_and_every_program_knows_the_new_ones(deployed):
    cluster = deployed
    before = {role: cluster.password(role) for role in ("superuser", "replication", "restapi", "pgbouncer")}
    with clients(cluster):
        cluster.run("rotate", *before, "--yes")
    assert all(cluster.password(role) != old for role, old in before.items())
    cluster.assert_converged()
    # A replica and its PgBouncer start anew, and another member leads: each logs in with what it knows.
    replica = next(host for host in cluster.hosts if host != cluster.status()["leader"])
    cluster.inside(replica, "systemctl restart patroni pgbouncer")
    cluster.wait_healthy()
    cluster.run("switchover", "--to", replica, "--yes")
    cluster.wait_healthy()
    assert can_log_in(cluster, "postgres", cluster.password()) and not can_log_in(cluster, "postgres", before["superuser"])
    cluster.assert_converged()


def test_a_users_password(deployed):
    cluster = deployed
    before = cluster.password("app")
    assert can_log_in(cluster, "app", before)
    assert "pgcluster password app prints it" in cluster.run("rotate", "app", "--yes").stdout
    assert cluster.password("app") != before
    assert can_log_in(cluster, "app", cluster.password("app")) and not can_log_in(cluster, "app", before)
    cluster.assert_converged()


def test_certificates_under_clients(deployed):
    cluster = deployed
    before = served(cluster)
    assert all(before.values()), before
    with clients(cluster):
        print(cluster.run("rotate", "certificates", "--yes").stdout)
    after = served(cluster)
    assert not {one for one in before if before[one] == after[one]}
    cluster.assert_converged()
    cluster.wait_healthy()
    keys = {host: set(cluster.inside(host, "sha256sum /etc/pgcluster/tls/*.key | cut -d' ' -f1").split()) for host in cluster.hosts}
    assert all(len(one) == 5 for one in keys.values()) and len(set().union(*keys.values())) == 15
    # Every program starts anew, one host after the other: each with its new key.
    for host in cluster.hosts:
        cluster.inside(host, "systemctl restart etcd patroni pgbouncer")
        cluster.wait_healthy()


def authorities(cluster):
    """By host, the digests of the certificates that it trusts."""
    digest = "openssl crl2pkcs7 -nocrl -certfile /etc/pgcluster/tls/authority.crt | openssl pkcs7 -print_certs | sed -n '/BEGIN/,/END/p' | sha256sum"
    return {host: cluster.inside(host, digest).split()[0] for host in cluster.hosts}


def test_the_authority_under_clients(deployed):
    cluster = deployed
    before, keys = authorities(cluster), {host: cluster.inside(host, "sha256sum /etc/pgcluster/tls/*.key") for host in cluster.hosts}
    with clients(cluster):
        done = cluster.run("rotate", "ca", "--yes")
    print(done.stdout)
    for told in ("first of three plans", "second of three plans", "last of three plans"):
        assert told in done.stdout
    after = authorities(cluster)
    assert len(set(before.values())) == len(set(after.values())) == 1 and before != after
    assert {host: cluster.inside(host, "sha256sum /etc/pgcluster/tls/*.key") for host in cluster.hosts} == keys
    cluster.assert_converged()
    cluster.wait_healthy()
    # Each port is served by a certificate that the one authority has signed: a program that still had the former one would show that here.
    for host in cluster.hosts:
        for name, (port, starttls) in SERVED.items():
            how = f"-starttls {starttls}" if starttls else ""
            shown = cluster.inside(host, f"openssl s_client -connect {address(host)}:{port} {how} -CAfile /etc/pgcluster/tls/authority.crt </dev/null 2>&1 | grep 'Verify return code'; true")
            assert "Verify return code: 0 (ok)" in shown, (host, name, shown)
    # Nobody lets in a client of the former authority, and no program needs it to start.
    cluster.run("switchover", "--yes")
    for host in cluster.hosts:
        cluster.inside(host, "systemctl restart etcd patroni pgbouncer")
        cluster.wait_healthy()


def test_what_cannot_be_replaced(deployed):
    cluster = deployed
    assert "there is no role nobody" in cluster.run("rotate", "nobody", "--yes", status=3).stderr
    cluster.write(postgresql_users=[{"name": "app", "flags": "LOGIN", "password": "of the spec"}])
    cluster.apply()
    assert "stands in the spec" in cluster.run("rotate", "app", "--yes", status=3).stderr
    assert json.loads(cluster.run("plan", "--json").stdout)["changes"] == []
