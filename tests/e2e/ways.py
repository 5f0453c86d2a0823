"""How hosts are made to take a way in, and what `check` says of it."""

import contextlib
import json
import os
import secrets
import shutil

import pytest
from cluster import Cluster

PASSWORD = "w" + secrets.token_hex(10)


@contextlib.contextmanager
def two_hosts(name, folder):
    """A lab of two warm hosts, gone in the end."""
    made = Cluster(name, folder)
    made.hosts = ["pg1", "pg2"]
    try:
        made.up(warm=True)
        made.spec["cluster_vip"] = None
        yield made
    finally:
        made.down()


def sshd(cluster, host, *lines):
    """sshd with these settings before all others; failed logins of a test are no reason to lock it out."""
    settings = "\n".join(lines if any(line.startswith("PerSourcePenalties") for line in lines) else [*lines, "PerSourcePenalties no"])
    # systemd counts starts, and would have no more than five of them in ten seconds.
    cluster.inside(host, f"printf '%s\\n' '{settings}' >/etc/ssh/sshd_config.d/00-test.conf && sshd -t && systemctl reset-failed ssh && systemctl restart ssh")


def sudoers(cluster, host, line):
    cluster.inside(host, f"printf '%s\\n' '{line}' >/etc/sudoers.d/admin && chmod 440 /etc/sudoers.d/admin && visudo -qc")


def describe(cluster, **hosts):
    """The spec with these hosts only, each with its own `ssh`; where that has a password, or None as its key, no key is given."""
    cluster.hosts = sorted(hosts)
    key = cluster.lab("run", "sh", "-c", "echo $PGCLUSTER_LAB_KEY").strip()
    cluster.spec["ssh"] = {"known_hosts": cluster.spec["ssh"]["known_hosts"]}
    for host, ssh in hosts.items():
        way = ssh if "password" in ssh else {"private_key": key, **ssh}
        cluster.spec["host_" + host] = {"ssh": {name: value for name, value in way.items() if value is not None}}
    cluster.write()


def check(cluster, status=0):
    """The findings that are errors, of `check`; what it printed never has the password."""
    done = cluster.run("check", "--json", status=status)
    assert PASSWORD not in done.stdout + done.stderr
    return [one for one in json.loads(done.stdout)["findings"] if one["severity"] == "error"]


def journal(cluster, host):
    return cluster.journal(host, "sshd", "sshd-session")


def need(*files):
    """Programs by name, or paths, that tools/dependencies installs: without them the test is skipped, or fails where PGCLUSTER_REQUIRE_LAB=1."""
    missing = [str(file) for file in files if not shutil.which(file, path=os.environ["PATH"] + ":/usr/sbin") and not os.path.exists(file)]
    if missing:
        (pytest.fail if os.environ.get("PGCLUSTER_REQUIRE_LAB") == "1" else pytest.skip)(f"tools/dependencies e2e installs what is missing here: {', '.join(missing)}")
