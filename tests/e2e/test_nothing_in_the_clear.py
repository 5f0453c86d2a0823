"""What crosses the network, what stands in files, and what happens to certificates that others have changed."""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys

import pytest
from cluster import LAB, SOURCE, VIP, address

warm = True
ROLES = ["superuser", "replication", "restapi", "pgbouncer", "app"]
NAMES = ["etcd", "patroni", "pgbouncer", "postgresql"]
KEYS = "/etc/pgcluster/tls"

# The access to files that pgcluster writes: (path, mode, owner, group). Any other file must be readable by all, and writable by root only.
ACCESS = [
    (r"/var/lib/pgcluster/secrets/.*", "600", "root", "root"),
    (r"/etc/pgcluster/tls/etcd(-root)?\.key", "600", "etcd", "etcd"),
    (r"/etc/pgcluster/tls/(patroni|postgresql|pgbouncer)\.key", "600", "postgres", "postgres"),
    (r"/etc/patroni/config\.yml", "600|640", "postgres|root", "postgres|root"),
    (r"/etc/pgbouncer/.*", "640", "postgres", "postgres"),
]


class Capture:
    def __init__(self, cluster):
        self.process = subprocess.Popen([LAB, "-n", cluster.name, "run", sys.executable, str(SOURCE / "tests/e2e/capture.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, start_new_session=True)
        assert json.loads(self.process.stdout.readline()) == {"ready": True}

    def find(self, words):
        self.process.stdin.write(json.dumps({"find": words}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def capture(cluster):
    taken = Capture(cluster)
    yield taken
    taken.end()


@pytest.fixture(scope="module")
def deployed(cluster, capture):
    cluster.apply()
    cluster.wait_healthy()
    return cluster


def kept(cluster):
    """The passwords, and a line of each private key, of which the base64 is what a key's file has."""
    found = {f"password of {role}": cluster.password(role) for role in ROLES}
    for host in cluster.hosts:
        for name in NAMES:
            found[f"{name}'s key of {host}"] = cluster.inside(host, f"sed -n 2p {KEYS}/{name}.key")
    found["the authority's key"] = cluster.inside("pg1", "grep -A1 'PRIVATE KEY' /var/lib/pgcluster/secrets/tls_ca | sed -n 2p")
    assert all(len(words) >= 20 for words in found.values()), found.keys()
    return found


def test_nothing_secret_crosses_the_network(deployed, capture):
    cluster = deployed
    marker = "row-" + secrets.token_hex(12)
    words = {"a row": marker, **kept(cluster)}
    cluster.psql(VIP, f"create table marked (words text); insert into marked values ('{marker}')", user="app", database="app")
    leader = cluster.status()["leader"]
    replica = next(host for host in cluster.hosts if host != leader)
    cluster.wait(lambda: cluster.psql(address(replica), "select words from marked", user="app", database="app") == marker, 30, "that the row is on a replica")
    cluster.run("switchover", "--to", replica, "--yes")
    cluster.wait_healthy()
    cluster.run("rotate", "superuser", "replication", "restapi", "pgbouncer", "app", "--yes")
    cluster.run("rotate", "certificates", "--yes")
    cluster.wait_healthy()
    words.update({f"{one}, the new one": value for one, value in kept(cluster).items() if one != "the authority's key"})
    # A marker in the clear shows that the search finds what there is.
    clear = "clear-" + secrets.token_hex(12)
    listening = subprocess.Popen([LAB, "-n", cluster.name, "exec", "pg1", "perl", "-MIO::Socket::INET", "-e",
                                  "my $s = IO::Socket::INET->new(Listen => 1, LocalPort => 7777) or die; alarm 20; my $c = $s->accept; <$c>"])
    cluster.wait(lambda: cluster.inside("pg1", "ss -Hltn 'sport = :7777'"), 20, "that somebody listens")
    cluster.inside("pg2", f"perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"10.77.0.11:7777\") or die; print $s \"{clear}\\n\"'")
    listening.wait(30)
    words["in the clear"] = clear
    seen = capture.find(words)
    print(f"{seen['connections']} connections, {seen['bytes'] >> 20} MiB, {seen['lost']} packets lost")
    assert seen["found"].pop("in the clear"), "the search finds nothing at all"
    assert not {one: where for one, where in seen["found"].items() if where}
    assert seen["connections"] > 100 and seen["bytes"] > 10 << 20


def test_a_hosts_private_keys_are_on_that_host_only(deployed):
    cluster = deployed
    lines = {(host, name): cluster.inside(host, f"sed -n 2p {KEYS}/{name}.key") for host in cluster.hosts for name in NAMES}
    assert len(set(lines.values())) == len(lines) and all(len(line) == 64 for line in lines.values())
    for host in cluster.hosts:
        mine = [line for (owner, _), line in lines.items() if owner == host]
        others = [line for (owner, _), line in lines.items() if owner != host]
        for wanted, there in ((mine, True), (others, False)):
            found = subprocess.run([LAB, "-n", cluster.name, "exec", host, "grep", "-rslF", "-f", "-", "/etc", "/var", "/run", "/tmp", "/root", "/home", "/usr/local", "/opt"],
                                   input="\n".join(wanted) + "\n", capture_output=True, text=True).stdout.split()
            assert sorted(found) == (sorted(f"{KEYS}/{name}.key" for name in NAMES) if there else []), f"{host}: {found}"
    # Nor on the controller.
    for line in lines.values():
        assert not subprocess.run(["grep", "-rlF", line, str(cluster.folder)], capture_output=True, text=True).stdout


def test_modes_and_owners_of_all_that_is_written(deployed):
    cluster = deployed
    rows, wrong = {}, []
    for host in cluster.hosts:
        owned = [line.split("\t")[0] for line in cluster.inside(host, "cat /var/lib/pgcluster/owned").splitlines()]
        paths = [one.removeprefix("file:") for one in owned if one.startswith("file:")]
        assert len(paths) > 30, paths
        for line in cluster.inside(host, "stat -c '%n %a %U %G' " + " ".join(f"'{path}'" for path in paths)).splitlines():
            path, mode, owner, group = line.split()
            wanted = next((row[1:] for row in ACCESS if re.fullmatch(row[0], path)), ("644|755", "root", "root"))
            rows[re.sub(r"secrets/.*", "secrets/…", path)] = (mode, owner, group)
            if not all(re.fullmatch(want, is_) for want, is_ in zip(wanted, (mode, owner, group))):
                wrong.append(f"{host}: {line}, wanted {wanted}")
    for path, access in sorted(rows.items()):
        print(f"{access[0]} {access[1]}:{access[2]} {path}")
    assert not wrong, "\n".join(wrong)


def certify(cluster, host, name, options, authority="/var/lib/pgcluster/secrets/tls_ca"):
    """Somebody signs a certificate for the host's key, with the names of the present one."""
    cluster.inside(host, f"""set -e; cd {KEYS}; tail -n +2 {name}.csr >/tmp/csr
        names=$(openssl x509 -in {name}.crt -noout -ext subjectAltName | tail -1 | sed 's/IP Address:/IP:/g; s/ //g')
        usage=$(openssl x509 -in {name}.crt -noout -ext extendedKeyUsage | tail -1 | sed 's/TLS Web Server Authentication/serverAuth/; s/TLS Web Client Authentication/clientAuth/; s/ //g')
        printf 'subjectAltName=%s\\nextendedKeyUsage=%s\\n' "$names" "$usage" >/tmp/ext
        subject=$(openssl x509 -in {name}.crt -noout -subject -nameopt compat | sed 's/^subject=//')
        openssl x509 -req -in /tmp/csr -set_subject "$subject" -CA {authority} -CAkey {authority} -extfile /tmp/ext {options} -out /tmp/crt 2>/dev/null
        cp /tmp/crt {name}.crt; rm /tmp/crt /tmp/csr /tmp/ext""")


def heal(cluster, host, name, reason):
    """Status and plan say what is wrong with a certificate, and apply makes a good one, without an outage for clients."""
    planned = [one for one in cluster.plan()["changes"] if one["id"] == f"{host}/certificates/{name}"]
    assert planned and reason in planned[0]["reason"], planned
    before = cluster.inside(host, f"cat {KEYS}/{name}.crt")
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    assert cluster.inside(host, f"cat {KEYS}/{name}.crt") != before
    assert "Certificate will not expire" in cluster.inside(host, f"openssl x509 -in {KEYS}/{name}.crt -noout -checkend 86400")


@pytest.mark.parametrize("name", ["postgresql", "patroni", "etcd", "pgbouncer"])
def test_an_expired_certificate(deployed, name):
    cluster = deployed
    certify(cluster, "pg2", name, "-not_before 20200101000000Z -not_after 20200201000000Z")
    cluster.inside("pg2", "systemctl --no-block restart etcd; systemctl --no-block reload patroni pgbouncer; sleep 5")
    found = cluster.status()
    assert found["certificates"]["days_left"] < 0 and found["certificates"]["first_end"].startswith("2020-02-01"), found["certificates"]
    told = [one for one in found["problems"] + found["warnings"] if "certificate" in one["message"] and "2020-02-01" in one["message"]]
    assert told and told[0]["host"] == "pg2" and "apply" in told[0]["remedy"], found
    heal(cluster, "pg2", name, "less than a third of its time is left: it ends on 2020-02-01")


def test_a_certificate_of_another_authority(deployed):
    cluster = deployed
    cluster.inside("pg3", "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /tmp/k -out /tmp/c -subj '/CN=stranger' -days 2 2>/dev/null; cat /tmp/k /tmp/c >/tmp/stranger")
    certify(cluster, "pg3", "postgresql", "-days 300", "/tmp/stranger")
    cluster.inside("pg3", "rm /tmp/k /tmp/c /tmp/stranger; systemctl --no-block reload patroni; sleep 2")
    heal(cluster, "pg3", "postgresql", "another authority has signed it (CN=stranger)")


def test_a_man_in_the_middle_gets_nothing(deployed):
    """A server with a certificate of another authority, or a host with another key."""
    cluster = deployed
    cluster.inside("pg1", f"cp {KEYS}/authority.crt /tmp/authority.crt && chmod 644 /tmp/authority.crt")
    authority = cluster.folder / "authority.crt"
    authority.write_text(cluster.inside("pg1", f"cat {KEYS}/authority.crt") + "\n")
    key, certificate = cluster.folder / "other.key", cluster.folder / "other.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=pg1",
                    "-addext", "subjectAltName=IP:10.77.0.1,DNS:pg1", "-days", "2"], check=True, capture_output=True)
    # In the place of etcd and REST: what the cluster's own programs do when such a server answers them.
    with subprocess.Popen([LAB, "-n", cluster.name, "run", "openssl", "s_server", "-accept", "10.77.0.1:8443", "-cert", str(certificate), "-key", str(key), "-www", "-quiet"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            def asked():
                said = cluster.inside("pg2", f"curl -sS -m 5 --cacert {KEYS}/authority.crt https://10.77.0.1:8443/ 2>&1 || :")
                return said if "Could not connect" not in said else None

            said = cluster.wait(asked, 20, "that the other server answers")
            assert "self-signed certificate" in said or "unable to get local issuer" in said, said
            etcd = cluster.inside("pg2", f"ETCDCTL_API=3 etcdctl --endpoints https://10.77.0.1:8443 --cacert {KEYS}/authority.crt --cert {KEYS}/patroni.crt --key {KEYS}/patroni.key "
                                         "--command-timeout 3s get x 2>&1 || :")
            assert "certificate" in etcd or "deadline" in etcd, etcd
        finally:
            server.terminate()
    environment = dict(os.environ, PGPASSWORD=cluster.password("app"), PGSSLMODE="verify-full", PGSSLROOTCERT=str(certificate), PGCONNECT_TIMEOUT="5")
    refused = subprocess.run([LAB, "-n", cluster.name, "run", "psql", "-XAtq", "-h", address("pg1"), "-p", "6432", "-U", "app", "-d", "app", "-c", "select 1"], env=environment,
                             capture_output=True, text=True)
    assert refused.returncode != 0 and "certificate verify failed" in refused.stderr, refused.stderr
    # And with the cluster's own authority the same client trusts each server, by its address and by the virtual one.
    environment["PGSSLROOTCERT"] = str(authority)
    for host, port in ((address("pg1"), "5432"), (address("pg1"), "6432"), (VIP, "6432")):
        trusted = subprocess.run([LAB, "-n", cluster.name, "run", "psql", "-XAtq", "-h", host, "-p", port, "-U", "app", "-d", "app", "-c", "select 1"], env=environment,
                                 capture_output=True, text=True)
        assert trusted.stdout.strip() == "1", (host, port, trusted.stderr)
    # ssh: a host that shows another key.
    cluster.inside("pg3", "mkdir /tmp/keys && cp -p /etc/ssh/ssh_host_* /tmp/keys/ && rm /etc/ssh/ssh_host_* && ssh-keygen -qA && systemctl restart ssh")
    try:
        done = cluster.run("plan", "--json", status=1)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "host_key_changed" and error["host"] == "pg3", error
    finally:
        cluster.inside("pg3", "rm /etc/ssh/ssh_host_* && cp -p /tmp/keys/* /etc/ssh/ && rm -r /tmp/keys && systemctl restart ssh")
    cluster.assert_converged()
