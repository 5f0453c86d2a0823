"""Scheme C goes over from plain to TLS, and back, under a client that writes and one that looks up names."""

import pytest
from cluster import outages
from names import API, CONSUL, CURL, SERVICE, assert_names, assert_nothing_lost, ip_set, prepare_client, watch, writer

warm = True
DATABASES = ["pg1", "pg2", "pg3"]
APP = "pg4"


@pytest.fixture(scope="module")
def plain(cluster):
    cluster.hosts = [*DATABASES, APP]
    cluster.fresh(warm=True)
    cluster.inside(APP, "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install systemd-resolved libnss-resolve >/dev/null 2>&1")
    cluster.write(dcs_type="consul", cluster_vip=None, patroni_ttl=20, patroni_loop_wait=5, patroni_retry_timeout=5, tls_cert_generate=False,
                  host_pg4={"roles": ["consul_client"]})
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    prepare_client(cluster, APP)
    return cluster


def goes_over(cluster, tls):
    """Nothing acknowledged is lost, one leader at a time, and the leader's name leads to it before and after."""
    cluster.write(tls_cert_generate=tls)
    # At PostgreSQL's own port: a PgBouncer that is stopped waits for its clients.
    with watch(cluster, APP, DATABASES) as seen, writer(cluster, APP, f"master.{SERVICE}", 5432) as lines:
        cluster.apply()
        cluster.wait_healthy()
    seen.assert_one_leader()
    gaps = [round(gap, 2) for gap in outages(lines, 1)]
    print("writer was down for", gaps, "s")
    assert_nothing_lost(cluster, lines)
    assert max(gaps, default=0) < 15
    cluster.assert_converged()
    leader = cluster.status()["leader"]
    assert_names(cluster, APP, {f"master.{SERVICE}": ip_set([leader]), f"replica.{SERVICE}": ip_set(set(DATABASES) - {leader})})


def listening(cluster, host):
    return cluster.inside(host, "ss -Hlnt 'sport = :8500 or sport = :8501' | awk '{print $4}'").split()


def test_from_plain_to_tls(plain):
    for host in plain.hosts:
        assert listening(plain, host) == ["127.0.0.1:8500"]
    goes_over(plain, True)
    for host in plain.hosts:
        assert listening(plain, host) == ["127.0.0.1:8501"]
        assert plain.inside(host, f"{CURL} {API}/v1/status/leader").endswith(':8300"')
        assert "TLS-Outgoing: true, TLS-Incoming: true" in plain.journal(host, "consul")
    assert "alive" in plain.inside("pg1", f"{CONSUL} members")


def test_and_back(plain):
    goes_over(plain, False)
    for host in plain.hosts:
        assert listening(plain, host) == ["127.0.0.1:8500"]
    assert "alive" in plain.inside("pg1", "consul members")
    assert plain.inside("pg1", "ls /etc/pgcluster/tls 2>/dev/null || true") == ""


def test_an_apply_that_is_killed_on_the_way_is_continued(plain):
    plain.write(tls_cert_generate=True)
    process = plain.start_apply()
    plain.wait(lambda: "127.0.0.1:8501" in listening(plain, "pg1") + listening(plain, "pg2"), 120, "that an agent serves both ways")
    process.kill()
    process.wait()
    plain.wait_unlocked()
    plain.apply()
    plain.wait_healthy()
    plain.assert_converged()
    for host in plain.hosts:
        assert listening(plain, host) == ["127.0.0.1:8501"]
    # A cluster that began without tokens stays without them.
    done = plain.run("plan")
    assert "Consul has no tokens" in done.stdout + done.stderr
    assert plain.inside("pg1", "ls /etc/pgcluster/consul.* 2>/dev/null; :") == ""
