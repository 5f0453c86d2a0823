"""What the system's ssh is there for: keys of FIDO devices, and Kerberos' tickets by GSSAPI. libssh2 says that it can do neither, and who can."""

import os
import pathlib
import subprocess
import time

import pytest
from cluster import LAB, address
from ways import check, describe, journal, need, sshd, two_hosts

# OpenSSH's own, of its regression tests: an authenticator that is a library, and no device.
AUTHENTICATOR = pathlib.Path("/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so")
REALM = "LAB.TEST"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with two_hosts("e2e-keys", tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, tmp_path):
    """No agent, device or ticket of who runs the test, and no keys that libssh2 would find."""
    for name in ("SSH_AUTH_SOCK", "SSH_SK_PROVIDER", "KRB5CCNAME", "KRB5_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def put(cluster, host, path, content):
    subprocess.run([LAB, "-n", cluster.name, "exec", host, "sh", "-c", f"cat >{path}"], input=content, check=True)


def only(findings):
    """The one login that failed: what is said of it, and what to do."""
    (finding,) = findings
    assert (finding["code"], finding["host"]) == ("auth_failed", "pg1"), finding
    return "\n".join([finding["message"], *finding.get("causes", [])]), finding["hint"]


# Keys of FIDO devices.


@pytest.fixture(params=["ed25519-sk", "ecdsa-sk"])
def device_key(request, cluster, tmp_path, monkeypatch):
    """The path of a key whose secret half only the authenticator can use; pg1 lets it in."""
    need("ssh-keygen", AUTHENTICATOR)
    monkeypatch.setenv("SSH_SK_PROVIDER", str(AUTHENTICATOR))
    key = tmp_path / request.param
    subprocess.run(["ssh-keygen", "-q", "-t", request.param, "-N", "", "-f", key], check=True, stdin=subprocess.DEVNULL)
    sshd(cluster, "pg1")
    put(cluster, "pg1", "/root/.ssh/authorized_keys", key.with_suffix(".pub").read_bytes())
    return str(key)


def used(cluster, key):
    """How often the host took this very key."""
    fingerprint = subprocess.run(["ssh-keygen", "-lf", key + ".pub"], check=True, capture_output=True, text=True).stdout.split()[1]
    return journal(cluster, "pg1").count(f"{'ED25519' if 'ed25519' in key else 'ECDSA'}-SK {fingerprint}")


def test_a_fido_key(cluster, device_key, monkeypatch):
    describe(cluster, pg1={"private_key": device_key, "transport": "openssh"})
    assert check(cluster) == []
    assert used(cluster, device_key) > 0

    monkeypatch.delenv("SSH_SK_PROVIDER")
    said, _ = only(check(cluster, status=1))
    assert "signing failed" in said and "device not found" in said, said

    describe(cluster, pg1={"private_key": device_key, "transport": "libssh2"})
    said, hint = only(check(cluster, status=1))
    assert f"{device_key} is a FIDO key (sk-" in said, said
    assert "set ssh.transport: openssh" in hint, hint


def test_a_fido_key_with_a_passphrase(cluster, device_key):
    passphrase = os.urandom(10).hex()
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", device_key], check=True, stdout=subprocess.DEVNULL)
    describe(cluster, pg1={"private_key": device_key, "transport": "openssh", "passphrase": passphrase})
    assert check(cluster) == []
    assert used(cluster, device_key) > 0


def test_a_fido_key_by_ssh_config(cluster, device_key, tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_SK_PROVIDER")
    config = tmp_path / "ssh_config"
    config.write_text(f"Host first\n  HostName {address('pg1')}\n  HostKeyAlias pg1\n  IdentityFile {device_key}\n  SecurityKeyProvider {AUTHENTICATOR}\n")
    describe(cluster, pg1={"host": "first", "config": str(config), "private_key": None, "transport": "openssh"})
    assert check(cluster) == []
    assert used(cluster, device_key) > 0


# Tickets.


@pytest.fixture(scope="module")
def realm(cluster):
    """A KDC at the controller's side of the lab's network; pg1 has its key of a host, and lets the operator in as root. Gives the folder."""
    need("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
    folder = cluster.folder / "realm"
    folder.mkdir()
    # Names are taken as they are written: nobody resolves any here.
    config = f"""[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  qualify_shortname = ""
[realms]
  {REALM} = {{
    kdc = 10.77.0.1
  }}
"""
    (folder / "krb5.conf").write_text(config)
    (folder / "kdc.conf").write_text(f"""[kdcdefaults]
  kdc_listen = 10.77.0.1:88
  kdc_tcp_listen = 10.77.0.1:88
[realms]
  {REALM} = {{
    database_name = {folder}/principals
    key_stash_file = {folder}/stash
  }}
[logging]
  kdc = FILE:{folder}/kdc.log
""")
    environment = dict(os.environ, KRB5_CONFIG=str(folder / "krb5.conf"), KRB5_KDC_PROFILE=str(folder / "kdc.conf"), PATH=os.environ["PATH"] + ":/usr/sbin")

    def run(*words, said):
        done = subprocess.run(words, env=environment, input=said, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr

    master = os.urandom(16).hex() + "\n"
    run("kdb5_util", "create", "-s", said=master + master)
    run("kadmin.local", said=f"addprinc -randkey host/pg1\naddprinc -randkey operator\nktadd -k {folder}/host host/pg1\nktadd -k {folder}/operator operator\n")
    kdc = subprocess.Popen([LAB, "-n", cluster.name, "run", "setpriv", "--pdeathsig", "KILL", "krb5kdc", "-n"], env=environment, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while not (folder / "kdc.log").exists() or "commencing operation" not in (folder / "kdc.log").read_text():
            assert kdc.poll() is None and time.monotonic() < end, "the KDC does not start"
            time.sleep(0.05)
        put(cluster, "pg1", "/etc/krb5.conf", config.encode())
        put(cluster, "pg1", "/etc/krb5.keytab", (folder / "host").read_bytes())
        put(cluster, "pg1", "/root/.k5login", f"operator@{REALM}\n".encode())
        yield folder
    finally:
        kdc.kill()
        kdc.wait()


@pytest.fixture
def names(cluster, realm, tmp_path, monkeypatch):
    """A ticket is for a name: the hosts have theirs in a /etc/hosts that only the command sees. Gives what gets the operator's ticket."""
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{address('pg1')} pg1\n{address('pg2')} pg2\n")
    monkeypatch.setattr(cluster, "under", ["unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"])
    monkeypatch.setenv("KRB5_CONFIG", str(realm / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/tickets")
    return lambda: cluster.lab("run", "kinit", "-k", "-t", str(realm / "operator"), "operator")


def by_ticket(cluster):
    return journal(cluster, "pg1").count("Accepted gssapi-with-mic for root")


@pytest.mark.parametrize("keys", ["no", "yes"])
def test_a_ticket(cluster, names, keys):
    sshd(cluster, "pg1", "GSSAPIAuthentication yes", f"PubkeyAuthentication {keys}")
    way = {"host": "pg1", "private_key": None}
    describe(cluster, pg1={**way, "transport": "openssh"})
    said, hint = only(check(cluster, status=1))
    assert "Permission denied" in said and "gssapi-with-mic" in said, said
    assert "klist" in hint, hint

    names()
    before = by_ticket(cluster)
    assert check(cluster) == []
    assert by_ticket(cluster) > before

    describe(cluster, pg1={**way, "transport": "libssh2"})
    said, hint = only(check(cluster, status=1))
    assert "libssh2 has no GSSAPI" in said + hint and "gssapi-with-mic" in said + hint, said + hint
    assert "ssh.transport: openssh" in hint, hint


def test_a_ticket_for_a_hop(cluster, names):
    sshd(cluster, "pg1", "GSSAPIAuthentication yes", "PubkeyAuthentication no")
    sshd(cluster, "pg2")
    names()
    before = by_ticket(cluster)
    describe(cluster, pg2={"jump": "root@pg1", "transport": "openssh"})
    assert check(cluster) == []
    assert by_ticket(cluster) > before


@pytest.mark.parametrize("device_key", ["ed25519-sk"], indirect=True)
def test_a_cluster_by_a_ticket_and_a_fido_key(cluster, names, device_key):
    sshd(cluster, "pg1", "GSSAPIAuthentication yes", "PubkeyAuthentication no")
    sshd(cluster, "pg2")
    put(cluster, "pg2", "/root/.ssh/authorized_keys", pathlib.Path(device_key + ".pub").read_bytes())
    names()
    describe(cluster, pg1={"host": "pg1", "private_key": None, "transport": "openssh"}, pg2={"private_key": device_key, "transport": "openssh"})
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
