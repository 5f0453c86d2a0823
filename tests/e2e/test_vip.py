"""Scheme A's virtual IP: a cluster of an older release goes over to the present program, another address, what the program sees on its host, what it costs."""

import pathlib
import time

import pytest
from cluster import HOSTS, VIP, address, assert_one_holder, shares, vip_intervals

warm = True
PROGRAMS = ["pgcluster-vip", "pgcluster-etcd-leader"]
USED = {}

FORMER = pathlib.Path(__file__).with_name("former-vip-manager.sh")    # as release 0.1 wrote it
UNIT = """[Unit]
Description=Virtual IP address of the PostgreSQL cluster (pgcluster)
BindsTo=patroni.service
After=patroni.service network-online.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=-/bin/sh -c 'ip address delete {vip}/32 dev host0 2>/dev/null'
ExecStart=/usr/local/lib/pgcluster/vip-manager {vip}/32 host0 http://{address}:8008/leader
ExecStopPost=-/bin/sh -c 'ip address delete {vip}/32 dev host0 2>/dev/null'
Restart=always
RestartSec=1
TimeoutStopSec=2
NotifyAccess=all
WatchdogSec=15
WatchdogSignal=SIGKILL

[Install]
WantedBy=patroni.service
"""
NOTES = """[Service]
ExecStartPre=+/bin/sh -c 'mkdir -p /run/pgcluster/units; sha256sum -- /etc/systemd/system/vip-manager.service /usr/local/lib/pgcluster/vip-manager >/run/pgcluster/units/vip-manager.service.start 2>&1; :'
"""


def put(cluster, host, path, text):
    cluster.lab("exec", host, "sh", "-c", f"mkdir -p $(dirname {path}) && cat >{path}", input=text)


def as_release_0_1(cluster, host):
    """Our unit under the name that Debian's vip-manager2 has."""
    cluster.inside(host, "systemctl -q disable --now pgcluster-vip && rm -r /etc/systemd/system/pgcluster-vip.service* /usr/local/lib/pgcluster/pgcluster-vip")
    put(cluster, host, "/usr/local/lib/pgcluster/vip-manager", FORMER.read_text())
    put(cluster, host, "/etc/systemd/system/vip-manager.service", UNIT.format(vip=VIP, address=address(host)))
    put(cluster, host, "/etc/systemd/system/vip-manager.service.d/50-pgcluster.conf", NOTES)
    cluster.inside(host, "chmod 755 /usr/local/lib/pgcluster/vip-manager && systemctl daemon-reload && systemctl -q enable --now vip-manager && "
                   "sed -i 's#pgcluster/pgcluster-vip\\b#pgcluster/vip-manager#; s#pgcluster-vip\\.service#vip-manager.service#' /var/lib/pgcluster/owned")


def holder(cluster):
    return cluster.status()["vip"]["holder"]


def test_an_older_releases_program_gives_way_without_two_holders(cluster):
    cluster.write(tls_cert_generate=False)    # which that release did not know
    cluster.apply()
    leader = cluster.wait_healthy()["leader"]
    for host in HOSTS:
        as_release_0_1(cluster, host)
    cluster.wait(lambda: holder(cluster) == leader, 60, "that the older program holds the VIP")
    plan = cluster.plan()
    assert [change["host"] for change in plan["changes"] if change["impact"] == "restart"][-1] == leader, plan["changes"]
    with cluster.vip_watch() as samples:
        time.sleep(2)
        cluster.apply()
        time.sleep(6)
    intervals = assert_one_holder(samples)
    assert {host for host, _, _ in intervals} == {leader}
    gaps = [after[1] - before[2] for before, after in zip(intervals, intervals[1:])]
    print("the VIP was on nobody for", [round(gap, 2) for gap in gaps], "s")
    assert sum(gaps) < 5, gaps
    for host in HOSTS:
        left = cluster.inside(host, "systemctl is-active vip-manager pgcluster-vip; ls -d /etc/systemd/system/vip-manager* /usr/local/lib/pgcluster/vip-manager "
                              "/etc/systemd/system/patroni.service.wants/vip-manager* 2>/dev/null; grep -F unit:vip-manager /var/lib/pgcluster/owned", check=False)
        assert left.split() == ["inactive", "active"], f"{host}: {left}"
    cluster.wait_healthy()
    cluster.assert_converged()
    USED.update(cluster.processor(*PROGRAMS))


@pytest.mark.parametrize("parameters, words", [({"ssl": "on"}, "server.crt"), ({"ssl": "on", "ssl_cert_file": "/nope.pem"}, "/nope.pem")])
def test_ssl_without_a_certificate_is_refused(cluster, parameters, words):
    former = cluster.described()
    cluster.write(postgresql_parameters={**former["postgresql_parameters"], **parameters})
    done = cluster.apply(status=1)
    assert f'could not load server certificate file "{words}"' in done.stdout + done.stderr, done.stdout + done.stderr
    cluster.back_to(former)
    assert cluster.status()["healthy"]


def test_the_programs_cost_little(cluster):
    """Since the first test, and a minute at least."""
    leader = cluster.wait_healthy()["leader"]
    time.sleep(max(0, 60 - (time.monotonic() - next(iter(USED[PROGRAMS[0]].values()))[0])))
    used = shares(USED, cluster.processor(*PROGRAMS))
    print("percent of a core:", used, "with the VIP on", leader)
    assert all(share < 0.3 for share in used[PROGRAMS[0]].values()), used


def test_the_program_sets_what_was_removed_and_takes_over_no_address_for_good(cluster):
    leader = cluster.wait_healthy()["leader"]
    replica = next(host for host in HOSTS if host != leader)
    with cluster.vip_watch() as samples:
        time.sleep(2)
        cluster.inside(leader, f"ip address delete {VIP}/32 dev host0")
        time.sleep(3)
    intervals = assert_one_holder(samples)
    gaps = [after[1] - before[2] for before, after in zip(intervals, intervals[1:])]
    assert len(intervals) == 2 and gaps[0] < 2, intervals    # half a second, and what a busy machine adds
    assert "took" not in cluster.inside(leader, "journalctl --sync; journalctl -u pgcluster-vip -o cat --since -5s")
    cluster.inside(replica, f"systemctl stop pgcluster-vip && ip address add {VIP}/32 dev host0 && systemctl start pgcluster-vip")
    assert not cluster.inside(replica, f"ip -o address show to {VIP}")
    assert "it was there for good" in cluster.inside(replica, "journalctl --sync; journalctl -u pgcluster-vip -o cat -n 20")
    cluster.wait_healthy()


def test_another_address_that_somebody_has_is_refused(cluster):
    leader = cluster.wait_healthy()["leader"]
    cluster.write(cluster_vip="10.77.0.1")    # the controller's
    with cluster.vip_watch() as samples:
        refused = cluster.run("apply", "--yes", status=None)
        time.sleep(5)
    assert refused.returncode not in (0, 2) and "cluster_vip 10.77.0.1 is in use already" in refused.stdout + refused.stderr, refused
    assert [host for host, _, _ in vip_intervals(samples)] == [leader]
    cluster.write(cluster_vip="10.77.0.101")
    cluster.apply()
    cluster.wait_healthy()
    assert [cluster.inside(host, f"ip -o address show to {VIP}") for host in HOSTS] == ["", "", ""]
    cluster.assert_converged()
    cluster.write(cluster_vip=VIP)
    cluster.apply()
    cluster.wait_healthy()
