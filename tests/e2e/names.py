"""Scheme C in the end-to-end tests: what an application host sees of Consul's names, who takes writes, and writers that go by a name."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

from cluster import LAB, SOURCE, address, vip_intervals

SERVICE = "postgres-cluster.service.consul"
TLS = "/etc/pgcluster/tls"
API = "https://127.0.0.1:8501"
CURL = f"curl -s --cacert {TLS}/authority.crt --cert {TLS}/consul.crt --key {TLS}/consul.key"
CONSUL = (f"env CONSUL_HTTP_ADDR={API} CONSUL_CACERT={TLS}/authority.crt CONSUL_CLIENT_CERT={TLS}/consul.crt CONSUL_CLIENT_KEY={TLS}/consul.key "
          "$(ls /etc/pgcluster/consul.token >/dev/null 2>&1 && echo CONSUL_HTTP_TOKEN_FILE=/etc/pgcluster/consul.token) consul")


def ip_set(hosts):
    return {address(host) for host in hosts}


def lookup(cluster, host, name):
    """What the host's own resolver says."""
    return set(cluster.inside(host, f"getent ahostsv4 {name}", check=False).split()[::3]) & {address(f"pg{i}") for i in range(1, 20)}


def assert_names(cluster, host, wanted, seconds=20):
    """The host's resolver says all of this at once, {name: addresses}; soon: a role is registered in a moment, and one lookup may fail on a busy machine."""
    end = time.monotonic() + seconds
    while (found := {name: lookup(cluster, host, name) for name in wanted}) != wanted:
        assert time.monotonic() < end, f"{host} finds {found}, wanted {wanted}"
        time.sleep(0.5)


def raft_leader(cluster, host="pg1"):
    said = json.loads(cluster.inside(host, f"{CURL} {API}/v1/status/leader"))
    return next(f"pg{i}" for i in range(1, 20) if address(f"pg{i}") == said.split(":")[0])


@contextlib.contextmanager
def scripts(cluster, name, by_host):
    """Bash scripts in hosts; gives a list in which their lines are in the end, split into words, each with the host before them."""
    running, lines = [], []
    for host, script in by_host.items():
        out = open(cluster.folder / f"{name}-{host}-{time.monotonic_ns()}", "w+")
        running.append((host, subprocess.Popen([LAB, "-n", cluster.name, "exec", host, "bash", "-c", script], stdout=out, stderr=subprocess.DEVNULL,
                                               stdin=subprocess.DEVNULL, start_new_session=True), out))
    try:
        yield lines
    finally:
        for host, process, out in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.seek(0)
            lines += [[host, *line.split()] for line in out]
            out.close()


@contextlib.contextmanager
def watch(cluster, asking, databases, names=("master", "replica")):
    """Who the names are on the host `asking`, some ten times a second, and which of `databases` take writes."""
    seen = Seen()
    look = " ".join(f"{name}.{SERVICE}" for name in names)
    resolver = (f"while :; do for n in {look}; do t=$EPOCHREALTIME; a=$(getent ahostsv4 $n); set -- $a; s=; while [ $# -gt 0 ]; do [[ $s == *\"$1,\"* ]] || s+=$1,; shift; "
                "[[ $1 == [A-Z]* ]] && shift; [[ $1 == *.consul ]] && shift; done; echo $t $EPOCHREALTIME ${n%%.postgres*} ${s:--}; done; read -t 0.05 -u 9 _; done 9<> <(:)")
    role = ("while :; do printf 'select extract(epoch from clock_timestamp()), not pg_is_in_recovery() \\\\watch 0.1\\n' | "
            "setpriv --reuid postgres --regid postgres --clear-groups psql -XAtq -F ' ' -d postgres; read -t 0.1 -u 9 _; done 9<> <(:)")
    with scripts(cluster, "names", {asking: resolver}) as answers, scripts(cluster, "roles", {host: role for host in databases}) as roles:
        yield seen
    for _, began, ended, name, who in (line for line in answers if len(line) == 5):
        seen.answers.append((float(began), float(ended), name, set(who.split(",")) - {"", "-"}))
    seen.roles = sorted((float(line[1]), line[0], line[2] == "t") for line in roles if len(line) == 3 and line[2] in ("t", "f"))


class Seen:
    def __init__(self):
        self.answers, self.roles = [], []    # (a look's begin, its end, name, addresses); (time, host, takes writes)

    def promoted(self, host, since=0.0):
        return next(at for at, one, writes in self.roles if one == host and writes and at >= since)

    def right_from(self, name, right, until=float("inf")):
        """From when on the name is nothing else any more, as long as one looks: the end of the last look that saw it wrong, so that a stall of who
        looks is none of the name's. A look that finds nothing between two that are right is a lookup that failed, and leads nobody to a wrong host; two of them are wrong."""
        looks = [(began, ended, who, right(who)) for began, ended, one, who in self.answers if one == name and began < until]

        def is_wrong(i):
            _, _, who, is_right = looks[i]
            return not is_right and (bool(who) or i == 0 or not all(look[3] for look in (looks[i - 1], *looks[i + 1:i + 2])))

        wrong = [i for i in range(len(looks)) if is_wrong(i)]
        assert looks and (not wrong or wrong[-1] + 1 < len(looks)), f"{name} is never right: {looks[-3:]}"
        return looks[wrong[-1]][1] if wrong else looks[0][0]

    def assert_one_leader(self):
        intervals = vip_intervals([(at, at, host, writes) for at, host, writes in self.roles])
        assert intervals, "nobody ever took writes"
        for (a, _, a_to), (b, b_from, _) in zip(intervals, intervals[1:]):
            assert b_from > a_to, f"{a} and {b} both took writes for {a_to - b_from:.2f} s"
            print(f"leader: {a} -> {b}, nobody took writes for {b_from - a_to:.2f} s")
        return intervals

    def both(self, name):
        """How long in all the name led to several."""
        return sum(0.1 for _, _, one, who in self.answers if one == name and len(who) > 1)


def prepare_client(cluster, host):
    """The writers of clients.py can run on the host: its own resolver, its own way to the servers."""
    script = pathlib.Path(SOURCE / "tests/e2e/clients.py").read_text()
    cluster.lab("exec", host, "sh", "-c", "cat >/root/clients.py", input=script)
    cluster.lab("exec", host, "sh", "-c", "umask 077; cat >/root/.pgpass", input=f"*:*:*:postgres:{cluster.password()}\n")


@contextlib.contextmanager
def writer(cluster, on, to, port=6432):
    """Writes 20 rows a second from the host `on`; says of each when and whether it was acknowledged. It may be told to end while it hangs."""
    out = open(cluster.folder / f"writer-{time.monotonic_ns()}", "w+")
    process = subprocess.Popen([LAB, "-n", cluster.name, "exec", on, "python3", "/root/clients.py", "writer", to, str(port)], stdout=out, stderr=subprocess.STDOUT,
                               stdin=subprocess.PIPE, start_new_session=True)
    lines = []
    try:
        yield lines
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        for line in out:
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        out.close()


def assert_nothing_lost(cluster, lines):
    acknowledged = {line["n"] for line in lines if line.get("ok")}
    assert len(acknowledged) > 20, lines[-5:]
    there = {int(n) for n in cluster.psql(address(cluster.status()["leader"]), "select n from written").split()}
    assert acknowledged <= there, f"acknowledged, and not there: {sorted(acknowledged - there)}"


def freeze_and_thaw(cluster, asking, hosts, longer=4.0):
    """The leader's host is frozen past its TTL and thawed, with a writer connected to its PostgreSQL. Gives (old, new, lines of the writer, late, thawed):
    late are the writes that the old one ran and acknowledged after the new one was promoted. One that had run when it froze may be acknowledged at the thaw."""
    old = cluster.status()["leader"]
    with watch(cluster, asking, hosts) as seen, writer(cluster, asking, address(old), 5432) as lines:
        time.sleep(2)
        awaited = cluster.psql(address(old), "show synchronous_standby_names", port=5432)
        cluster.lab("freeze", old)
        try:
            new = cluster.wait(lambda: (lambda s: s["leader"] if s["leader"] not in (None, old) else None)(cluster.status()), 90, f"that another than {old} leads")
            time.sleep(longer)
        finally:
            thawed = time.time()
            cluster.lab("thaw", old)
        cluster.wait_healthy(120)
        time.sleep(1)
    promoted = seen.promoted(new)
    late = [line["at"] for line in lines if line.get("ok") and min(line["at"], line["ran"]) > promoted]
    print(f"{old} was frozen, {new} leads; {old} ran and acknowledged {len(late)} writes after that, the last {max(late) - thawed if late else 0:.2f} s after its thaw; "
          f"commits waited for {awaited or 'nobody'} when it froze")
    return old, new, lines, late, thawed
