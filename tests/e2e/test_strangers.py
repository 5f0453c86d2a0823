"""What a stranger in the network gets: every port that answers on any host is found by looking, and is tried in the clear, with TLS, and with a certificate of
another authority. The tables in docs/security.md are what these tests saw. And how far each unit is confined on the same hosts."""

import json
import os
import re
import subprocess
import sys

from balancing import confd
from cluster import SOURCE, address

warm = True

DOCS = SOURCE / "docs/security.md"
STRANGER = str(SOURCE / "tests/e2e/stranger.py")
HEAD = "| port | service | without TLS | TLS without a certificate | TLS with a certificate of another authority | reason |\n|---|---|---|---|---|---|\n"

# Why a port may answer at all. A port that is not here must refuse a stranger in all three ways.
REASONS = {
    "sshd": "ssh has its own encryption and keys",
    "PostgreSQL": "clients log in by password (SCRAM), encrypted only",
    "PgBouncer": "clients log in by password (SCRAM), encrypted only",
    "Consul's gossip": "answers are encrypted with a key that the client does not have",
    "Patroni": "health checks need no certificate; requests that change something need a certificate of the cluster and the password",
    "HAProxy": "forwards to PgBouncer or PostgreSQL, which handle TLS and the password",
    "HAProxy's statistics": "without a certificate of the cluster, a client gets only /haproxy-ok, for health checks",
}
NO_STANDBY = "forwards to synchronous replicas: this cluster has none, so HAProxy closes the connection"
# Ports that another kind of client uses than the program's other ports.
APART = {("HAProxy", 7000): "HAProxy's statistics", ("Consul", 8301): "Consul's gossip", ("Consul", 8302): "Consul's gossip"}
PROGRAMS = {"sshd": "sshd", "systemd": "sshd", "postgres": "PostgreSQL", "pgbouncer": "PgBouncer", "patroni": "Patroni", "etcd": "etcd", "haproxy": "HAProxy", "consul": "Consul"}
# An answer that gives a stranger nothing.
REFUSALS = re.compile(r"closes|says nothing|no TLS|wants a certificate|refuses.*|HTTP 400 \(it wants TLS\)|HTTP 403.*")
ALLOWED = {
    "sshd": re.compile("SSH"),
    "PostgreSQL": re.compile(r"asks for a password \(SCRAM\) \(TLSv1\.[23]\)"),
    "PgBouncer": re.compile(r"asks for a password \(SCRAM\) \(TLSv1\.[23]\)"),
    "HAProxy": re.compile(r"asks for a password \(SCRAM\) \(TLSv1\.[23]\)"),
    "Consul's gossip": re.compile("an encrypted message of the gossip"),
    "Patroni": re.compile(r"HTTP \d+ \(TLSv1\.[23]\)"),
}


def listeners(cluster, host):
    """{port: who listens}, as the host itself knows it."""
    found = {}
    for line in cluster.inside(host, "ss -Hltnp").splitlines():
        port = int(line.split()[3].rsplit(":", 1)[1])
        name = re.search(r'users:\(\("([^"]+)"', line)
        who = PROGRAMS.get(name[1] if name else "", name[1] if name else "?")
        found[port] = APART.get((who, port), who)
    return found


def tried(cluster, folder):
    """A row of the table for each kind of port, over all hosts."""
    key, certificate = str(folder / "stranger.key"), str(folder / "stranger.crt")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=stranger",
                    "-days", "2"], check=True, capture_output=True)
    found = json.loads(cluster.lab("run", sys.executable, STRANGER, certificate, key, *map(address, cluster.hosts), stderr=None).splitlines()[-1])
    rows = {}
    for host in cluster.hosts:
        who = listeners(cluster, host)
        for port, answers in found[address(host)].items():
            row = (int(port), who.get(int(port), "?"))
            for way, answer in answers.items():
                answer = re.sub(r'host "[^"]*"', 'host "…"', answer)
                rows.setdefault(row, {}).setdefault(way, set()).add(answer)
    return rows


def table(rows):
    text = HEAD
    for (port, who), ways in sorted(rows.items()):
        reason = NO_STANDBY if who == "HAProxy" and set.union(*ways.values()) == {"closes"} else REASONS.get(who, "refused")
        text += f"| {port} | {who} | " + " | ".join(" or ".join(sorted(ways[way])) for way in ("clear", "tls", "stranger")) + f" | {reason} |\n"
    return text


def assert_refused(rows):
    wrong = []
    for (port, who), ways in sorted(rows.items()):
        for way, answers in ways.items():
            for answer in answers:
                allowed = who in ALLOWED and ALLOWED[who].fullmatch(answer) and (way != "clear" or who in ("sshd", "Consul's gossip"))
                if not REFUSALS.fullmatch(answer) and not allowed:
                    wrong.append(f"port {port} ({who}) {way}: {answer}")
    assert not wrong, "\n".join(wrong)


def check_docs(scheme, rows):
    begin, end = f"<!-- scheme {scheme}: begin -->\n", f"<!-- scheme {scheme}: end -->\n"
    text = DOCS.read_text()
    before, rest = text.split(begin)
    present, after = rest.split(end)
    if os.environ.get("PGCLUSTER_ACCEPT") == "1":
        DOCS.write_text(before + begin + table(rows) + end + after)
    else:
        assert present == table(rows), "docs/security.md says something else: run this test with PGCLUSTER_ACCEPT=1 and read the difference"


def check_confined(cluster):
    """No unit that has lines of ours is less confined than docs/security.md says."""
    promised = {unit: float(now) for unit, now in re.findall(r"^\| `([\w-]+)` \| [\d.]+ \| ([\d.]+) \|", DOCS.read_text(), re.MULTILINE)}
    found = {}
    for host in cluster.hosts:
        names = cluster.inside(host, "ls /etc/systemd/system/*.service.d/50-pgcluster.conf")
        for unit in re.findall(r"/([\w-]+)\.service\.d/", names):
            said = cluster.inside(host, f"systemd-analyze security --no-pager {unit}")
            found[unit] = max(found.get(unit, 0), float(re.search(r"exposure level for \S+: ([\d.]+)", said)[1]))
    print(found)
    wrong = {unit: (exposure, promised.get(unit)) for unit, exposure in found.items() if exposure > promised.get(unit, 0)}
    assert not wrong, f"unit: (exposure, in docs/security.md): {wrong}"


def check_users_commands(cluster):
    """Patroni's unit leaves PostgreSQL what users' commands need: sudo, directories anywhere, the host's own /tmp, and scripts in /usr/local that write there."""
    cluster.inside("pg1", "install -m 4755 /usr/bin/id /usr/local/bin/id-of-root; install -d -o postgres /home/archive /usr/local/archive")
    assert cluster.psql("10.77.0.11", "create temp table it (x text); copy it from program '/usr/local/bin/id-of-root -u'; select x from it", port=5432) == "0"
    for place in ("/home/archive/it", "/tmp/it", "/usr/local/archive/it"):
        cluster.psql("10.77.0.11", f"copy (select 42) to '{place}'", port=5432)
        assert cluster.inside("pg1", f"cat {place}") == "42"


def test_scheme_a(cluster, tmp_path):
    cluster.apply()
    cluster.wait_healthy()
    check_confined(cluster)
    check_users_commands(cluster)
    rows = tried(cluster, tmp_path)
    print(table(rows))
    assert {"etcd", "Patroni", "PostgreSQL", "PgBouncer", "sshd"} <= {who for _, who in rows}
    assert_refused(rows)
    check_docs("A", rows)


def test_scheme_b(cluster, tmp_path, tmp_path_factory):
    program, _ = confd(tmp_path_factory.mktemp("confd"))
    cluster.write(with_haproxy_load_balancing=True, confd_binary=program)
    cluster.apply()
    cluster.wait_healthy()
    check_confined(cluster)
    rows = tried(cluster, tmp_path)
    print(table(rows))
    assert {"HAProxy", "HAProxy's statistics"} <= {who for _, who in rows}
    assert_refused(rows)
    check_docs("B", rows)


def test_scheme_c(cluster, tmp_path):
    cluster.fresh(warm=True)
    cluster.write(with_haproxy_load_balancing=None, confd_binary=None, dcs_type="consul")
    cluster.apply()
    cluster.wait_healthy()
    check_confined(cluster)
    rows = tried(cluster, tmp_path)
    print(table(rows))
    assert "Consul" in {who for _, who in rows}
    assert_refused(rows)
    check_docs("C", rows)
