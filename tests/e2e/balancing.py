"""What the tests of load balancing share: a confd, and what each port leads to."""

import concurrent.futures
import fcntl
import hashlib
import os
import shutil
import subprocess

from cluster import SOURCE, VIP

CONFD = "github.com/abtreece/confd/cmd/confd@v0.33.1"
TIMES = {"patroni_ttl": 20, "patroni_loop_wait": 5, "patroni_retry_timeout": 5}


def confd(folder):
    """(path, whether it is confd itself): $PGCLUSTER_CONFD, or what Go's module proxy has; else the stand-in beside this file, said aloud."""
    if os.environ.get("PGCLUSTER_CONFD"):
        return os.environ["PGCLUSTER_CONFD"], True
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    assert go, "no Go here, to build confd with: tools/dependencies installs one"
    environment = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-buildvcs=false", GOPATH=str(folder / "go"), GOCACHE=str(folder / "cache"))
    kept = SOURCE / "build/confd" / CONFD.rsplit("@")[1]
    kept.mkdir(parents=True, exist_ok=True)
    # Once for all tests, which may run side by side.
    with open(kept / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (kept / "confd").exists():
            return str(kept / "confd"), True
        done = subprocess.run(["nice", go, "install", CONFD], env=dict(environment, GOBIN=str(folder / "bin")), text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=1800)
        if done.returncode == 0:
            shutil.copy(folder / "bin/confd", kept / "new")
            (kept / "new").rename(kept / "confd")
            return str(kept / "confd"), True
        print(f"\n*** confd itself cannot be had here ({done.stdout.strip().splitlines()[-1]}): a stand-in takes its place, tests/e2e/confd/main.go ***", flush=True)
        source = SOURCE / "tests/e2e/confd/main.go"
        found = kept / f"stand-in-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
        if not found.exists():
            subprocess.run([go, "build", "-o", str(kept / "new"), str(source)], env=environment, check=True)
            (kept / "new").rename(found)
        return str(found), False


class Ports:
    """Asks the cluster through HAProxy's ports, at the VIP or at one balancer."""

    def __init__(self, cluster, host=VIP):
        self.cluster = cluster
        self.host = host
        self.environment = dict(os.environ, PGPASSWORD=cluster.password(), PGCONNECT_TIMEOUT="15")

    def ask(self, port, sql="show primary_slot_name", check=False):
        return self.cluster.lab("run", "psql", "-XAtq", "-h", self.host, "-p", str(port), "-U", "postgres", "-d", "postgres", "-c", sql,
                                env=self.environment, check=check).strip()

    def role(self, port):
        """leader, or the name of the replica; refused where the port leads nowhere."""
        told = self.ask(port, "select case when pg_is_in_recovery() then current_setting('primary_slot_name') else 'leader' end")
        return told if told in ("leader", *self.cluster.hosts) else "refused"

    def roles(self, port, times=6):
        with concurrent.futures.ThreadPoolExecutor(times) as pool:
            return set(pool.map(self.role, [port] * times))

    def right(self, sync=False):
        """Why the ports are not what the members are; empty where they are."""
        members = {member["name"]: member["role"] for member in self.cluster.status()["members"] if member["state"] in ("streaming", "running")}
        replicas = {name for name, role in members.items() if role != "leader"}
        synchronous = {name for name, role in members.items() if role == "sync_standby"}
        wanted = {5000: {"leader"}, 5001: replicas, 5002: synchronous or {"refused"}, 5003: replicas - synchronous or {"refused"}}
        if sync and not synchronous:
            return "no replica is synchronous yet"
        with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
            found = dict(zip(wanted, pool.map(self.roles, wanted)))
        return "" if found == wanted else f"{found}, wanted {wanted}"


def assert_nothing_lost(cluster, lines):
    acknowledged = {line["n"] for line in lines if line.get("ok")}
    assert len(acknowledged) > 20, lines[-5:]
    lost = acknowledged - {int(n) for n in cluster.psql(VIP, "select n from written", port=5000).split()}
    assert not lost, f"acknowledged, and not there: {sorted(lost)}"


def processes(cluster, host, units):
    return cluster.inside(host, "for u in " + " ".join(units) + "; do systemctl show -p Id,MainPID,ActiveEnterTimestampMonotonic $u; done")


def holder(cluster):
    return cluster.status()["vip"]["holder"]


def servers(cluster, host):
    """HAProxy's own word: {section: [server]}."""
    found = {}
    for line in cluster.inside(host, "curl -s --cacert /etc/pgcluster/tls/authority.crt 'https://127.0.0.1:7000/;csv'").splitlines():
        words = line.split(",")
        if len(words) > 17 and words[1] not in ("FRONTEND", "BACKEND", "svname"):
            found.setdefault(words[0], []).append(words[1])
    return found


def leftovers(cluster, host):
    """Files and processes of scheme B; packages that a host had before stay."""
    return cluster.inside(host, "ls -d /etc/confd /etc/keepalived/keepalived.conf /usr/local/bin/confd /usr/local/lib/pgcluster/vip-check "
                          "/etc/systemd/system/confd.service /etc/systemd/system/*haproxy* /etc/systemd/system/*keepalived* 2>/dev/null; "
                          "grep -l pgcluster /etc/haproxy/haproxy.cfg 2>/dev/null; pgrep -a 'haproxy|keepalived|confd'", check=False)
