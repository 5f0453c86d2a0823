"""A running cluster goes over from plain to TLS by one apply, and back, while a client writes; and an apply that is killed on the way."""

import time

import pytest
from balancing import confd
from cluster import HOSTS, VIP, address

warm = True

# A line of the progress at which the controller is killed.
MOMENTS = {True: ["pg2  etcd/service  done", "pg2  etcd/close  done"], False: ["pg2  patroni/reload  done", "pg3  patroni/service  done"]}


def test_nothing_is_left_in_the_clear_and_nothing_is_lost(cluster, port=6432):
    cluster.write(tls_cert_generate=False)
    cluster.apply()
    cluster.wait_healthy()
    for encrypted in (True, False):
        cluster.write(tls_cert_generate=encrypted)
        before = cluster.status()["leader"]
        with cluster.writer(port=port) as lines:
            time.sleep(1)
            cluster.apply()
            time.sleep(1)
        cluster.wait_healthy()
        cluster.assert_converged()
        gone_over(cluster, encrypted)
        assert_kept(cluster, lines, port, f"to {'TLS' if encrypted else 'plain'}: leader {before} -> {cluster.status()['leader']}")


def assert_kept(cluster, lines, port, what):
    acknowledged = {line["n"] for line in lines if line.get("ok")}
    assert len(acknowledged) > 20, lines[-5:]
    lost = acknowledged - {int(n) for n in cluster.psql(VIP, "select n from written", port=port).split()}
    assert not lost, f"acknowledged, and not there: {sorted(lost)}"
    failed = [line for line in lines if not line.get("ok")]
    print(f"{what}; {len(acknowledged)} writes acknowledged, {len(failed)} failed")


def gone_over(cluster, encrypted):
    """By what each service answers: etcd, Patroni and PostgreSQL speak one way only."""
    for host in HOSTS:
        at = address(host)
        plain = cluster.inside(host, f"curl -s -m 3 -o /dev/null -w '%{{http_code}} ' http://{at}:2379/version; curl -s -m 3 -o /dev/null -w '%{{http_code}}' http://{at}:8008/liveness; :")
        assert plain == ("000 000" if encrypted else "200 200"), f"{host}: {plain}"
        peers = cluster.inside(host, "grep LISTEN_PEER /etc/default/etcd")
        assert ("https://" in peers) == encrypted, peers
        assert cluster.inside(host, "ls /etc/pgcluster/tls 2>/dev/null || :") != "" if encrypted else cluster.inside(host, "ls /etc/pgcluster/tls 2>/dev/null || :") == ""
    ssl = cluster.psql(address(cluster.status()["leader"]), "select count(*) filter (where ssl), count(*) from pg_stat_ssl join pg_stat_replication using (pid)")
    assert ssl == ("2|2" if encrypted else "0|2"), ssl


@pytest.mark.parametrize("encrypted", [True, False], ids=["to TLS", "to plain"])
@pytest.mark.parametrize("number", range(2))
def test_killed_on_the_way_the_next_apply_ends_it(cluster, encrypted, number, long):
    if number and not long:
        pytest.skip("a second moment is tried with --long")
    cluster.write(tls_cert_generate=not encrypted)
    cluster.apply()
    cluster.write(tls_cert_generate=encrypted)
    moment = MOMENTS[encrypted][number]
    process = cluster.start_apply()
    cluster.kill_at(process, moment)
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    gone_over(cluster, encrypted)
    print(f"killed after {moment!r}: healthy after one more apply")


@pytest.mark.parametrize("with_confd", [False, True], ids=["HAProxy", "HAProxy and confd"])
def test_with_load_balancing(cluster, tmp_path_factory, with_confd):
    cluster.fresh(warm=True)
    cluster.write(tls_cert_generate=False, with_haproxy_load_balancing=True)
    if with_confd:
        cluster.write(confd_binary=confd(tmp_path_factory.mktemp("confd"))[0], confd_interval=2)
    test_nothing_is_left_in_the_clear_and_nothing_is_lost(cluster, port=5000)
