"""Every way to a host: passwords, sudo, hops, the system's ssh, a strict sshd, and a host that deploys itself."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest
from cluster import COMMAND, LAB, address
from ways import PASSWORD, check, describe, journal, sshd, sudoers, two_hosts

TRANSPORTS = ["libssh2", "openssh"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with two_hosts("e2e-ways", tmp_path_factory.mktemp("lab")) as made:
        subprocess.run([LAB, "-n", made.name, "exec", "pg1", "chpasswd"], input=f"admin:{PASSWORD}\n", text=True, check=True)
        yield made


def stranger(cluster):
    """A key that no host accepts."""
    path = cluster.folder / "stranger"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, stdin=subprocess.DEVNULL)
    return str(path)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_password_logins(cluster, transport, method):
    settings = ["PasswordAuthentication yes", "KbdInteractiveAuthentication no"] if method == "password" else ["PasswordAuthentication no", "KbdInteractiveAuthentication yes"]
    sshd(cluster, "pg1", *settings, "UsePAM yes")
    sudoers(cluster, "pg1", "admin ALL=(ALL) NOPASSWD: ALL")
    describe(cluster, pg1={"user": "admin", "password": PASSWORD, "transport": transport})
    assert check(cluster) == []
    accepted = journal(cluster, "pg1")
    assert f"Accepted {'password' if method == 'password' else 'keyboard-interactive/pam'} for admin" in accepted
    describe(cluster, pg1={"user": "admin", "password": "wrong", "transport": transport})
    (wrong,) = check(cluster, status=1)
    assert wrong["code"] == "auth_failed" and wrong["host"] == "pg1"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_key_and_a_password_together(cluster, transport):
    sshd(cluster, "pg1", "AuthenticationMethods publickey,password")
    sudoers(cluster, "pg1", "admin ALL=(ALL) NOPASSWD: ALL")
    key = cluster.lab("run", "sh", "-c", "echo $PGCLUSTER_LAB_KEY").strip()
    describe(cluster, pg1={"user": "admin", "private_key": key, "password": PASSWORD, "transport": transport})
    assert check(cluster) == []
    describe(cluster, pg1={"user": "admin", "private_key": key, "transport": transport})
    assert check(cluster, status=1)[0]["code"] == "auth_failed"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("way", ["after a key", "after a refused key", "after a banner"])
def test_keyboard_interactive_answers_with_the_password_and_nothing_else(cluster, transport, way):
    key = {"after a key": cluster.lab("run", "sh", "-c", "echo $PGCLUSTER_LAB_KEY").strip(), "after a refused key": stranger(cluster)}.get(way)
    more = {"after a key": "AuthenticationMethods publickey,keyboard-interactive", "after a banner": "Banner /etc/ssh/sshd_config"}.get(way)
    sshd(cluster, "pg1", "PasswordAuthentication no", "KbdInteractiveAuthentication yes", "UsePAM yes", *([more] if more else []))
    sudoers(cluster, "pg1", "admin ALL=(ALL) NOPASSWD: ALL")
    describe(cluster, pg1={"user": "admin", "password": PASSWORD, "transport": transport, **({"private_key": key} if key else {})})
    assert check(cluster) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sudo_with_a_password(cluster, transport):
    sshd(cluster, "pg1")
    sudoers(cluster, "pg1", "admin ALL=(ALL) ALL")
    way = {"user": "admin", "transport": transport}
    describe(cluster, pg1={**way, "sudo_password": PASSWORD})
    assert check(cluster) == []
    planned = json.loads(cluster.run("plan", "--json").stdout)
    assert planned["changes"]
    describe(cluster, pg1={**way, "sudo_password": "wrong"})
    (wrong,) = check(cluster, status=1)
    assert wrong["code"] == "sudo_denied" and "does not accept ssh.sudo_password" in wrong["message"]
    # One guess, not three: accounts are locked for that.
    attempts = cluster.journal("pg1", "sudo")
    assert "incorrect password attempt" in attempts and "incorrect password attempts" not in attempts, attempts
    describe(cluster, pg1=way)
    (none,) = check(cluster, status=1)
    assert none["code"] == "sudo_denied" and "ssh.sudo_password" in none["hint"]
    # sudo that asks for none must not let the password become the program.
    sudoers(cluster, "pg1", "admin ALL=(ALL) NOPASSWD: ALL")
    describe(cluster, pg1={**way, "sudo_password": PASSWORD})
    assert check(cluster) == []
    sudoers(cluster, "pg1", "# nobody")
    (stranger,) = check(cluster, status=1)
    assert stranger["code"] == "sudo_denied" and "sudoers" in stranger["hint"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_through_a_hop(cluster, transport):
    sshd(cluster, "pg1")
    sshd(cluster, "pg2")
    sudoers(cluster, "pg2", "admin ALL=(ALL) NOPASSWD: ALL")
    before = journal(cluster, "pg2").count(f"from {address('pg1')}")
    describe(cluster, pg2={"jump": f"admin@{address('pg1')}:22", "transport": transport})
    assert check(cluster) == []
    assert journal(cluster, "pg2").count(f"from {address('pg1')}") > before
    sshd(cluster, "pg1", "AllowTcpForwarding no")
    (forbidden,) = check(cluster, status=1)
    assert forbidden["code"] == "host_unreachable" and forbidden["host"] == "pg2"


def test_an_sshd_that_punishes_failed_logins(cluster):
    """A wrong key, then the right one: sshd takes no connection of ours for a while."""
    def punish(seconds):
        sshd(cluster, "pg1", f"PerSourcePenalties authfail:{seconds}s noauth:0s crash:0s grace-exceeded:0s min:1s")
        describe(cluster, pg1={"private_key": stranger(cluster)})
        assert check(cluster, status=1)[0]["code"] == "auth_failed"
        describe(cluster, pg1={})

    punish(5)
    assert check(cluster) == [], "it is tried again until the penalty is over"
    assert "penalty" in journal(cluster, "pg1")
    punish(3600)
    (refused,) = check(cluster, status=1)
    assert refused["code"] == "host_unreachable" and "4 times" in refused["message"] and "PerSourcePenalties" in refused["hint"]
    sshd(cluster, "pg1")


WATCH = "for f in /proc/[0-9]*/cmdline; do cat $f 2>/dev/null; echo; done"


def test_a_cluster_by_password_sudo_hop_and_the_systems_ssh(cluster):
    sshd(cluster, "pg1")
    sshd(cluster, "pg2")
    sudoers(cluster, "pg1", "admin ALL=(ALL) ALL")
    describe(cluster, pg1={"user": "admin", "password": PASSWORD, "sudo_password": PASSWORD}, pg2={"jump": f"admin@{address('pg1')}", "transport": "openssh"})
    document = cluster.folder / "plan.json"
    cluster.run("plan", "--out", str(document))
    assert PASSWORD not in document.read_text()
    seen, end = [], threading.Event()

    def watch():
        while not end.is_set():
            seen.append(subprocess.run(["bash", "-c", WATCH], capture_output=True, errors="replace", text=True).stdout.replace("\0", " "))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        applied = cluster.apply()
    finally:
        end.set()
        watcher.join()
    assert PASSWORD not in applied.stdout + applied.stderr
    assert any("sudo -S" in text for text in seen), "the watcher has seen no sudo"
    assert PASSWORD not in "\n".join(seen)
    cluster.wait_healthy()
    cluster.assert_converged()
    for host in cluster.hosts:
        kept = cluster.inside(host, "cat /var/lib/pgcluster/cluster")
        assert PASSWORD not in kept
        assert json.loads(kept)["hosts"][1]["access"]["jump"] == [f"admin@{address('pg1')}"]
    search = [LAB, "-n", cluster.name, "exec", "pg1", "grep", "-rslF", "-f", "-", "/etc", "/var/lib/pgcluster", "/run", "/tmp", "/var/log"]
    assert subprocess.run(search, input=PASSWORD + "\n", capture_output=True, text=True).stdout == ""


def test_a_host_that_deploys_itself(cluster):
    """The command runs on pg1: there without ssh, to pg2 by ssh."""
    sshd(cluster, "pg1")
    sshd(cluster, "pg2")
    root = pathlib.Path("/opt/pgcluster")
    bundle = cluster.folder / "bundle"
    bundle.mkdir()
    # With its libraries: the host is another release of Debian.
    needed = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", COMMAND], capture_output=True, text=True, check=True).stdout)
    loader = next(path for path in needed if "ld-linux" in path)
    for path in [*needed, COMMAND]:
        shutil.copy(path, bundle / os.path.basename(path))
    key, known = cluster.lab("run", "sh", "-c", "echo $PGCLUSTER_LAB_KEY $PGCLUSTER_LAB_KNOWN_HOSTS").split()
    shutil.copy(key, bundle / "key")
    shutil.copy(known, bundle / "known_hosts")
    describe(cluster, pg1={"transport": "local"}, pg2={})
    spec = json.loads(cluster.file.read_text())
    spec["ssh"] = {"private_key": f"{root}/key", "known_hosts": f"{root}/known_hosts"}
    spec["hosts"]["pg1"]["ssh"], spec["hosts"]["pg2"]["ssh"] = {"transport": "local"}, {}
    (bundle / "cluster.yaml").write_text(json.dumps(spec))
    archive = subprocess.run(["tar", "-C", bundle, "-c", "."], capture_output=True, check=True).stdout
    subprocess.run([LAB, "-n", cluster.name, "exec", "pg1", "sh", "-c", f"mkdir -p {root} && tar -C {root} -x"], input=archive, check=True)

    def on_pg1(*words, host="pg1"):
        return subprocess.run([LAB, "-n", cluster.name, "exec", host, f"{root}/{os.path.basename(loader)}", "--library-path", str(root), f"{root}/pgcluster", *words,
                               "-f", f"{root}/cluster.yaml"], capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def logins():
        return journal(cluster, "pg1").count("Accepted")

    before = logins()
    applied = on_pg1("apply", "--yes")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    planned = on_pg1("plan", "--json")
    assert json.loads(planned.stdout)["changes"] == [], planned.stdout
    cluster.wait(lambda: json.loads(on_pg1("status", "--json").stdout).get("healthy"), 90, "that the cluster is healthy, seen from pg1")
    assert logins() == before
    assert journal(cluster, "pg2").count(f"from {address('pg1')}") > 0
    # The same spec on another machine does not deploy that one.
    subprocess.run([LAB, "-n", cluster.name, "exec", "pg2", "sh", "-c", f"mkdir -p {root} && tar -C {root} -x"], input=archive, check=True)
    elsewhere = on_pg1("plan", "--json", host="pg2")
    assert elsewhere.returncode == 3
    error = json.loads(elsewhere.stdout)["error"]
    assert error["code"] == "refused" and error["host"] == "pg1" and "transport: local" in error["message"]
