"""What `pgcluster check` finds about a cloud before anything is touched. The hosts are not there: nobody listens on port 1."""

import json
import os
import subprocess

import pytest
from conftest import HOSTS, SOURCE

COMMAND = os.environ.get("PGCLUSTER_BINARY", str(SOURCE / "build/release/bin/pgcluster"))


@pytest.fixture
def check(cloud, tmp_path):
    """The findings about the cloud, and all that was said."""
    (tmp_path / "id").write_text("no key\n")
    (tmp_path / "known").write_text("")

    def run(env=None, **changes):
        cloud.spec.setdefault("ssh", {"port": 1, "private_key": str(tmp_path / "id"), "known_hosts": str(tmp_path / "known"), "config": "none"})
        cloud.spec.update(changes)
        for host in cloud.spec["hosts"].values():
            host["ssh"] = {"host": "127.0.0.1"}
        done = subprocess.run([COMMAND, "check", "-f", cloud.write(), "--json"], capture_output=True, text=True, timeout=60, env=cloud.environment(env))
        cloud.no_secrets(done.stdout + done.stderr)
        assert done.returncode == 1, done    # the hosts are not reached
        document = json.loads(done.stdout)
        name = f"cloud:{cloud.mock.provider}"
        assert name in document["hosts"] and {one["host"] for one in document["findings"]} >= set(cloud.spec["hosts"])
        cloud.nothing_was_changed()
        return [one for one in document["findings"] if one["host"] == name]

    return run


def test_a_cloud_that_is_as_the_spec_says(check):
    assert check() == []


def test_what_a_cloud_does_not_know(cloud, check):
    if cloud.mock.knows_hosts:
        found, = check(hosts={"pg1": {"address": HOSTS["pg1"]}, "pg9": {"address": "10.0.0.99"}})
        assert found["code"] == "spec_invalid" and found["severity"] == "error" and "pg9 (10.0.0.99)" in found["message"] and "cloud_id" in found["hint"]
    wrong = {"aws": "subnet-0123456789abcdef0", "digitalocean": "c33931f2-a26a-4e61-b85c-4e95a2ec431b"}.get(cloud.mock.provider, "nowhere/sub")
    found, = check(server_network=wrong, hosts={name: {"address": HOSTS[name]} for name in ("pg1", "pg2")})
    assert found["code"] == "spec_invalid" and wrong.split("/")[0] in found["message"]


@pytest.mark.parametrize("status, word", [(401, "does not accept the credentials"), (403, "does not allow it")])
def test_who_may_not_ask(cloud, check, status, word):
    cloud.mock.fault(lambda method, path: "token" not in path, times=99, status=status)
    found, = check()
    assert found["code"] == "auth_failed" and word in found["message"] and found["hint"]


def test_without_credentials(cloud, check):
    found, = check(env={})
    assert found["code"] == "auth_failed" and any(name in found["hint"] for name in cloud.mock.env)


def test_a_balancer_of_somebody_else(cloud, check):
    cloud.mock.stranger("demo-primary")
    found = check()
    if cloud.mock.marked_by_name:    # it has another full name
        assert found == []
        return
    assert [one["code"] for one in found] == ["refused"] and "demo-primary" in found[0]["message"] and found[0]["hint"]
