"""The firewall on real hosts: what it closes is closed, also for a stranger who tries every port; new rules cut no connection; and rules that keep us out are taken back."""

import re
import sys

from balancing import confd
from cluster import SOURCE, VIP, address, outages
from test_strangers import listeners

warm = True

STRANGER = "192.168.99.9"    # routed to the hosts by the controller's side, and in none of their networks
# Who may connect to what: by the names of test_strangers.
FOR_CLIENTS = {"PostgreSQL", "PgBouncer", "HAProxy"}
TRY = """
import concurrent.futures, socket, sys
sys.path.insert(0, sys.argv[1])
import stranger
source, stranger.PATIENCE = sys.argv[2], 1
plain = socket.socket
class Bound(plain):
    def __init__(self, *args):
        super().__init__(*args)
        self.bind((source, 0))
stranger.socket.socket = Bound
def tried(target):
    address, port = target.split("/")
    return target, stranger.is_open(address, int(port))
with concurrent.futures.ThreadPoolExecutor(64) as pool:
    for found in pool.map(tried, sys.argv[3:]):
        print(*found)
"""


def reached(cluster, source, targets):
    """Which of {(address, port)} accept a connection from this address of the controller's side."""
    told = cluster.lab("run", sys.executable, "-c", TRY, str(SOURCE / "tests/e2e"), source, *(f"{where}/{port}" for where, port in sorted(targets)))
    return {(line.split("/")[0], int(line.split("/")[1].split()[0])) for line in told.splitlines() if line.endswith("True")}


def every_port(cluster):
    """{(address, port): who listens} of all hosts, but for what only the host itself reaches."""
    found = {}
    for host in cluster.hosts:
        everywhere = {int(line.split()[3].rsplit(":", 1)[1]) for line in cluster.inside(host, "ss -Hltn").splitlines() if not re.search(r"127\.\d|\[::1\]", line.split()[3])}
        found |= {(address(host), port): who for port, who in listeners(cluster, host).items() if port in everywhere}
    return found


def rules(cluster, host):
    return cluster.inside(host, "nft list table inet pgcluster 2>&1 || :")


def turned_on(cluster, tmp_path_factory):
    program, _ = confd(tmp_path_factory.mktemp("confd"))
    cluster.write(with_haproxy_load_balancing=True, confd_binary=program)
    cluster.apply()
    cluster.wait_healthy()
    before = every_port(cluster)
    cluster.lab("run", "ip", "address", "add", STRANGER + "/32", "dev", "lo")
    for host in cluster.hosts:
        cluster.inside(host, f"ip route replace {STRANGER} via 10.77.0.1")
    assert {"etcd", "Patroni", "HAProxy", "HAProxy's statistics"} <= set(before.values())
    assert reached(cluster, STRANGER, before) == set(before)
    cluster.write(firewall_enabled_at_boot=True)
    assert {change["impact"] for change in cluster.plan()["changes"]} == {"none"}
    with cluster.writer(VIP, 5000) as lines:
        cluster.apply()
    assert not [line for line in lines if not line["ok"]] and not outages(lines, 2.0), outages(lines, 2.0)
    cluster.wait_healthy()
    cluster.assert_converged()
    return before


def test_only_what_is_declared_is_open(cluster, tmp_path_factory):
    listening = turned_on(cluster, tmp_path_factory)
    ssh = {target for target, who in listening.items() if who == "sshd"}
    assert reached(cluster, STRANGER, listening) == ssh
    # The controller's own address is in the network of the hosts.
    clients = {target for target, who in listening.items() if who in FOR_CLIENTS}
    assert reached(cluster, "10.77.0.1", listening) == ssh | clients
    assert reached(cluster, "10.77.0.1", {(VIP, 5000), (VIP, 8008)}) == {(VIP, 5000)}
    # A service that nobody declared.
    cluster.inside("pg2", "systemd-run -q --unit=foreign systemd-socket-activate -l 9100 sleep infinity")
    cluster.wait(lambda: ":9100 " in cluster.inside("pg2", "ss -Hltn"), 10, "that a port is open")
    assert not reached(cluster, "10.77.0.1", {(address("pg2"), 9100)})


def test_the_cluster_works_behind_it(cluster):
    leader = cluster.status()["leader"]
    cluster.run("switchover", "--yes")
    status = cluster.wait_healthy()
    assert status["leader"] != leader
    assert cluster.psql(VIP, "select 1", port=5000) == "1"


def test_a_reboot_brings_the_rules_back(cluster):
    before = rules(cluster, "pg3")
    cluster.lab("reboot", "pg3")
    cluster.wait_healthy(120)
    assert rules(cluster, "pg3") == before
    cluster.assert_converged()


def test_rules_that_somebody_removed_are_a_problem_that_apply_mends(cluster):
    before = rules(cluster, "pg2")
    cluster.inside("pg2", "nft add table inet theirs && nft insert rule inet pgcluster input tcp dport 9100 accept")
    assert [problem["cause"] for problem in cluster.status()["problems"]] == ["firewall_changed"]
    cluster.inside("pg2", "nft delete table inet pgcluster")
    status = cluster.status()
    assert not status["healthy"] and [problem["cause"] for problem in status["problems"]] == ["firewall_down"]
    cluster.apply()
    cluster.wait_healthy()
    assert rules(cluster, "pg2") == before
    assert "table inet theirs" in cluster.inside("pg2", "nft list tables")


def test_rules_that_keep_us_out_are_taken_back(cluster):
    """Established connections go on and no new one comes in, as with rules that would lock us out."""
    cluster.write(database_allowed_networks=["10.77.0.1/32"])
    assert cluster.plan()["changes"]
    # Shuts as soon as the trial begins.
    cluster.inside("pg2", """systemd-run -q --unit=shut sh -c 'until [ -e /run/pgcluster/firewall/former.nft ]; do sleep 0.01; done
        nft "add table inet shut; add chain inet shut input { type filter hook input priority -1; }; add rule inet shut input tcp dport 22 tcp flags syn drop"'""")
    failed = cluster.apply(status=1)
    assert "pg2 accepts no new connection" in failed.stdout + failed.stderr, failed.stdout + failed.stderr
    cluster.inside("pg2", "nft delete table inet shut")
    # A trial lasts 45 s, and began before the apply failed.
    cluster.wait(lambda: "10.77.0.0/24" in rules(cluster, "pg2"), 45, "that the former rules are back")
    cluster.wait_healthy()
    assert cluster.lab("ssh", "pg2", "echo", "in").strip() == "in"
    assert "/32" not in cluster.inside("pg2", "cat /etc/pgcluster/firewall.nft") and "10.77.0.0/24" in cluster.inside("pg2", "cat /etc/pgcluster/firewall.nft")
    assert "pg2/firewall/rules" in [change["id"] for change in cluster.plan()["changes"]]
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    assert "10.77.0.0/24" not in rules(cluster, "pg2")


def test_turned_off_it_leaves_nothing(cluster):
    cluster.write(firewall_enabled_at_boot=None, database_allowed_networks=None)
    with cluster.writer(VIP, 5000) as lines:
        cluster.apply()
    assert not [line for line in lines if not line["ok"]], lines
    cluster.assert_converged()
    for host in cluster.hosts:
        left = cluster.inside(host, f"ls /etc/pgcluster /usr/local/lib/pgcluster /etc/systemd/system /run/pgcluster; systemctl list-units --all --no-legend 'pgcluster-firewall*'; "
                              "command -v nft && nft list tables; :")
        assert "firewall" not in left and "inet pgcluster" not in left, left
