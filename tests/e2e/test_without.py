"""A host is down: --without plans and applies as if it were not there, and what it missed comes when it is back. Watched by status --watch."""

import json
import os
import signal
import subprocess
import threading

import pytest
from test_scheme_a import sessions

warm = True


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.write(cluster_vip=None)
    cluster.apply()
    cluster.wait_healthy()
    return cluster


class Watch:
    """status --watch --json; its documents as they come."""

    def __init__(self, cluster):
        self.documents, self.arrived = [], threading.Condition()
        self.process = subprocess.Popen(cluster.argv("status", "--watch", "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.arrived:
                self.documents.append(json.loads(line))
                self.arrived.notify_all()

    def until(self, condition, seconds=90):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.documents and condition(self.documents[-1]), seconds), self.documents[-1:]

    def end(self):
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(30)
        self.reader.join(10)
        return status, self.process.stderr.read()


def reachable(document):
    return [host["name"] for host in document["hosts"] if host["reachable"]]


def test_watch_keeps_its_connections(deployed):
    # So that sshd tells each command.
    deployed.inside("pg2", "echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/10-verbose.conf && systemctl reload ssh")
    logins, commands = sessions(deployed, "pg2")
    watch = Watch(deployed)
    try:
        deployed.wait(lambda: sessions(deployed, "pg2")[1] >= commands + 3, 60, "that the host was asked three times")
        assert sessions(deployed, "pg2")[0] == logins + 1
    finally:
        assert watch.end() == (130, "")


def test_a_host_is_down_and_comes_back(deployed):
    cluster = deployed
    leader = cluster.status()["leader"]
    lost = next(host for host in ("pg3", "pg2") if host != leader)
    rest = [host for host in cluster.hosts if host != lost]
    watch = Watch(cluster)
    try:
        watch.until(lambda status: status["healthy"])
        cluster.lab("kill", lost)
        watch.until(lambda status: reachable(status) == rest)

        cluster.spec["postgresql_parameters"]["work_mem"] = "24MB"
        cluster.write(pgbouncer_default_pool_size=33)
        done = cluster.run("plan", "--json", status=1)
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "host_unreachable" and error["host"] == lost and f"--without {lost}" in error["hint"]
        # The others told their time long before this one had been waited for.
        found = json.loads(cluster.run("check", "--json", status=1).stdout)["findings"]
        assert {finding["host"] for finding in found if finding["severity"] == "error"} == {lost}, found

        plan = json.loads(cluster.run("plan", "--json", "--without", lost).stdout)
        assert {change["host"] for change in plan["changes"]} == {None, *rest}
        assert any(warning.get("path") == f"hosts.{lost}" and "pending" in warning["message"] for warning in plan["warnings"])
        done = cluster.run("apply", "--yes", "--without", rest[0], "--without", lost, status=3)
        assert "quorum" in done.stderr

        done = cluster.apply("--without", lost)
        assert f"hosts.{lost}: is left out" in done.stdout
        for host in rest:
            assert cluster.psql(f"10.77.0.{10 + int(host[2:])}", "show work_mem", port=5432) == "24MB"
        assert json.loads(cluster.run("plan", "--json", "--without", lost).stdout)["changes"] == []

        cluster.lab("start", lost)
        watch.until(lambda status: status["healthy"])
        pending = cluster.plan()
        assert {change["host"] for change in pending["changes"]} == {lost}, pending["changes"]
        cluster.apply()
        cluster.assert_converged()
        assert cluster.psql(f"10.77.0.{10 + int(lost[2:])}", "show work_mem", port=5432) == "24MB"
        assert "default_pool_size = 33" in cluster.inside(lost, "cat /etc/pgbouncer/pgbouncer.ini")
    finally:
        ended = watch.end()
    assert ended == (130, "")
    assert [reachable(one) for one in watch.documents if one["healthy"]][0] == cluster.hosts
