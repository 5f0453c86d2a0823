"""A lab and the pgcluster command on it; clients and watchers that run inside the lab's network."""

import contextlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LAB = str(SOURCE / "tests/lab/lab")
COMMAND = os.environ.get("PGCLUSTER_COMMAND", str(SOURCE / "build/release/bin/pgcluster"))
VIP = "10.77.0.100"
HOSTS = ["pg1", "pg2", "pg3"]
KEEPER = "pg4"    # the backup host, where a test has one
# Asks the etcd of the host itself, as an operator does: as its root.
ETCDCTL = ("ETCDCTL_CACERT=/etc/pgcluster/tls/authority.crt ETCDCTL_CERT=/etc/pgcluster/tls/etcd-root.crt ETCDCTL_KEY=/etc/pgcluster/tls/etcd-root.key "
           "etcdctl --endpoints=https://127.0.0.1:2379")
SILENCE = 11.5    # s: a command that waits prints what it sees every 8 s, and a busy machine adds some
LONG = 1200    # s: what is waited for ends by itself, and how long it takes is not what is shown


def address(host):
    return f"10.77.0.{10 + int(host[2:])}"


SPEC = {
    "patroni_cluster_name": "postgres-cluster",
    "postgresql_version": 17,
    "postgresql_parameters": {"max_connections": 100, "shared_buffers": "64MB"},
    "cluster_vip": VIP,
    "ssh": {"user": "root"},
    "postgresql_users": [{"name": "app", "flags": "LOGIN"}],
    "postgresql_databases": [{"db": "app", "owner": "app"}],
    "postgresql_superuser_remote": True,    # the tests look at servers from the controller
}


class Cluster:
    def __init__(self, name, folder):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.spec = json.loads(json.dumps(SPEC))
        self.hosts = list(HOSTS)
        self.file = self.folder / "cluster.yaml"
        self.under = []    # a program and its arguments, under which the command runs
        self.touched = False    # since its hosts were made

    # The lab.

    def lab(self, *args, check=True, **options):
        self.touched |= args[0] not in ("base", "up", "run")
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.STDOUT)
        done = subprocess.run([LAB, "-n", self.name, *args], text=True, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"lab {' '.join(args)}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def up(self, warm=False, options=()):
        self.down()
        self.make_hosts(warm, options)

    def make_hosts(self, warm, options):
        self.lab("base", *(["--warm"] if warm else []))
        self.lab("up", "--hosts", str(len(self.hosts)), "--owner", str(os.getpid()), *(["--warm"] if warm else []), *options)
        folder = self.lab("run", "sh", "-c", "echo $PGCLUSTER_LAB_KEY; echo $PGCLUSTER_LAB_KNOWN_HOSTS").split()
        self.spec["ssh"]["private_key"], self.spec["ssh"]["known_hosts"] = folder
        self.write()

    def fresh(self, warm=False, options=()):
        """The same lab with hosts on which nothing was ever done."""
        if self.touched:
            self.lab("down")
        self.touched = False
        self.make_hosts(warm, options)

    def down(self):
        self.lab("down", check=False)
        self.touched = False

    def inside(self, host, script, check=True):
        """A shell script in the host, also when its network is cut."""
        return self.lab("exec", host, "sh", "-c", script, check=check).strip()

    def journal(self, host, *tags):
        """The messages since boot of these programs; what was said before this call is in it."""
        return self.inside(host, "journalctl --sync && journalctl -b -o cat --no-pager -t " + " -t ".join(tags))

    def processor(self, *units):
        """{unit: {host: (now, seconds of processor that it has used)}}, its children included."""
        return {unit: {host: (time.monotonic(), int(self.inside(host, f"systemctl show -P CPUUsageNSec {unit}")) / 1e9) for host in self.hosts} for unit in units}

    def deploy_with_backups(self, retention_full=9, full="", **changes):
        """Deploys the database hosts, and a repository on a host of its own. `full`: the schedule of full backups; without it only the first is made."""
        self.lab("add", KEEPER, "--warm")
        self.hosts.append(KEEPER)
        self.write(**{"host_" + KEEPER: {"roles": ["backup"]}}, pgbackrest_install=True,
                   pgbackrest_repos=[{"type": "posix", "host": KEEPER, "retention_full": retention_full}],
                   pgbackrest_schedule={"full": full, "diff": "", "incr": ""}, **changes)
        self.apply()
        self.wait_healthy()

    def databases(self):
        return [host for host in self.hosts if host != KEEPER]

    def backups(self):
        return json.loads(self.run("backups", "--json").stdout)

    # The spec and the command.

    def write(self, **changes):
        self.spec.update(changes)
        spec = {key: value for key, value in self.spec.items() if value is not None}
        spec["hosts"] = {host: {"address": address(host), "datacenter": "dc1", **(self.spec.get("host_" + host) or {})} for host in self.hosts}
        self.file.write_text(json.dumps({k: v for k, v in spec.items() if not k.startswith("host_")}, indent=2))

    def described(self):
        """A copy of what the spec says now, for back_to()."""
        return json.loads(json.dumps(self.spec))

    def back_to(self, former):
        """Applies a former spec. Whatever was tried in between, nothing is left to do after it."""
        self.spec = json.loads(json.dumps(former))
        self.write()
        self.apply()
        self.assert_converged()

    def restart_a_replica(self):
        """It comes back with what its files say by now."""
        replica = next(member["name"] for member in self.status()["members"] if member["role"] != "leader")
        self.inside(replica, "systemctl restart patroni")
        self.wait_healthy()

    def argv(self, *args):
        self.touched = True
        return [LAB, "-n", self.name, "run", *self.under, COMMAND, *args, "-f", str(self.file)]

    def run(self, *args, status=0):
        """Whatever the command is, it is never silent for long."""
        done, spoken = run_timed(self.argv(*args))
        if status is not None and done.returncode != status:
            raise AssertionError(f"pgcluster {' '.join(args)}: exit {done.returncode}, wanted {status}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
        assert_no_silence(f"pgcluster {' '.join(args)}", spoken)
        return done

    def apply(self, *args, status=0):
        """With a log of its events, which are never far apart either."""
        log = Log(self, *([args[args.index("--log") + 1]] if "--log" in args else []))
        started = time.monotonic()
        done = self.run("apply", "--yes", *args, *([] if "--log" in args else ["--log", str(log.file)]), status=status)
        print(f"apply {' '.join(args)}: {time.monotonic() - started:.1f} s")
        log.assert_no_silence()
        return done

    def kill_apply_while(self, begun, making, host="pg1"):
        """Starts an apply. When pgrep -f finds `begun` on the host, kills all that `making` finds there, and the apply."""
        process = self.start_apply()
        # A shell may start another one between two calls of pgrep, so kill until pgrep finds none.
        killer = f"""until pgrep -f -- '{begun}' >/dev/null; do :; done
            while making=$(pgrep -f '{making}'); do kill -9 $making 2>/dev/null; done; echo killed"""
        said = self.inside(host, f"cat >/root/killer <<'EOF'\n{killer}\nEOF\ntimeout 200 sh /root/killer")
        process.kill()
        process.wait()
        assert "killed" in said

    def kill_at(self, process, moment):
        """Kills a command, as start_apply() begins it, at the line of its output that begins so; the hosts are unlocked afterwards."""
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith(moment):
                break
        assert process.poll() is None, f"never: {moment}\n{''.join(seen[-60:])}"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        self.wait_unlocked()

    def start_apply(self, *args):
        return subprocess.Popen(self.argv("apply", "--yes", *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                start_new_session=True)

    def wait_for_lock(self, process, seconds=120):
        """An apply that was started has the cluster's lock, which it takes on the first host first, and is in its midst."""
        end = time.monotonic() + seconds
        while "lock.info" not in self.inside(self.hosts[0], "ls /run/pgcluster 2>/dev/null || :"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, f"no lock after {seconds} s"
            time.sleep(0.1)
        time.sleep(0.5)
        assert process.poll() is None, process.communicate()

    def wait_unlocked(self, seconds=60):
        """The hosts let a lock go 30 s after the last sign of life of an apply that ended while a program of its own still ran there."""
        self.wait(lambda: all("lock.info" not in self.inside(host, "ls /run/pgcluster 2>/dev/null || :") for host in self.hosts), seconds, "that no host is locked")

    def plan(self):
        return json.loads(self.run("plan", "--json").stdout)

    def assert_converged(self):
        """Nothing is to be changed. A gate that does not hold yet has a minute for it: a plan rightly tells of what needs a moment by itself."""
        end = time.monotonic() + 60
        while changes := self.plan()["changes"]:
            told = "\n".join(f"{c['id']} {c['action']} {c['reason']}\n{c['diff'] or ''}" for c in changes)
            assert all(c["action"] == "wait" for c in changes) and time.monotonic() < end, told
            time.sleep(0.5)

    def status(self):
        return json.loads(self.run("status", "--json", status=None).stdout)

    def wait(self, condition, seconds=60, what="the condition"):
        end = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < end, f"after {seconds} s {what} does not hold\n{json.dumps(self.status(), indent=1)}"
            time.sleep(0.5)

    def wait_healthy(self, seconds=90):
        return self.wait(lambda: (lambda s: s if s.get("healthy") else None)(self.status()), seconds, "that the cluster is healthy")

    def assert_endpoints_answer(self, on=None):
        """Each endpoint of status answers as its kind, now, when libpq reads it as it stands, for the superuser. `on`: the host that connects. Without it,
        Consul's names are left out, because they resolve only on hosts of the cluster."""
        endpoints, password = [one for one in self.status()["endpoints"] if on or not one["address"].endswith(".consul")], self.password()
        assert endpoints
        for endpoint in endpoints:
            asked = ["psql", endpoint["uri"].replace("postgresql://", "postgresql://postgres@", 1), "-XAtqwc", "select pg_is_in_recovery()"]
            if on:
                answer = self.inside(on, f"PGPASSWORD={shlex.quote(password)} {shlex.join(asked)} 2>&1", check=False)
            else:
                answer = self.lab("run", *asked, env=dict(os.environ, PGPASSWORD=password), check=False).strip()
            assert answer == ("f" if endpoint["kind"] == "read-write" else "t"), f"{endpoint}: {answer}"

    def password(self, role="superuser"):
        return self.run("password", role).stdout.strip()

    # Clients.

    def psql(self, host, sql, port=6432, user="postgres", database="postgres", check=True):
        environment = dict(os.environ, PGPASSWORD=self.password("superuser" if user == "postgres" else user), PGCONNECT_TIMEOUT="15")
        return self.lab("run", "psql", "-XAtq", "-h", host, "-p", str(port), "-U", user, "-d", database, "-c", sql, env=environment, check=check).strip()

    @contextlib.contextmanager
    def client(self, name, *args, environment=None):
        """A program of tests/e2e/clients.py in the lab's network; its lines, read as JSON, are in what this gives, when it is through."""
        out = open(self.folder / f"{name}-{time.monotonic_ns()}.out", "w+")
        process = subprocess.Popen([LAB, "-n", self.name, "run", sys.executable, str(SOURCE / "tests/e2e/clients.py"), name, *args], stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.PIPE, env=dict(os.environ, **(environment or {})), start_new_session=True)
        lines = []
        try:
            yield lines
        finally:
            process.stdin.close()    # tells it to end
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            out.seek(0)
            for line in out:
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    print("client says:", line.rstrip())
            out.close()

    def writer(self, host=VIP, port=6432):
        """Writes 20 rows a second, each in a transaction of its own, and says of each whether it was acknowledged."""
        return self.client("writer", host, str(port), environment={"PGPASSWORD": self.password()})

    @contextlib.contextmanager
    def vip_watch(self, vip=VIP):
        """Which hosts hold the VIP, looked at every 50 ms in each host itself; gives a list of (a look's begin, its end, host, held)."""
        samples = []
        watchers = {}
        script = f"while :; do t=$EPOCHREALTIME; if [[ $(ip -o addr show to {vip}) ]]; then h=1; else h=0; fi; echo $t $EPOCHREALTIME $h; read -t 0.05 -u 9 _; done 9<> <(:)"
        for host in self.hosts:
            out = open(self.folder / f"vip-{host}-{time.monotonic_ns()}", "w+")
            watchers[host] = (subprocess.Popen([LAB, "-n", self.name, "exec", host, "bash", "-c", script], stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                               start_new_session=True), out)
        try:
            yield samples
        finally:
            for host, (process, out) in watchers.items():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                out.seek(0)
                for line in out:
                    words = line.split()
                    if len(words) == 3:
                        samples.append((float(words[0]), float(words[1]), host, words[2] == "1"))
                out.close()
            samples.sort()


def run_timed(argv):
    """(the command when it has ended, as subprocess.run gives it; [(when, line)] of what it printed, with its begin and its end)."""
    spoken, texts = [(time.monotonic(), "(begin)")], ([], [])

    def read(stream, lines):
        for line in stream:
            spoken.append((time.monotonic(), line.rstrip()))
            lines.append(line)

    with subprocess.Popen(argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        readers = [threading.Thread(target=read, args=pair, daemon=True) for pair in zip((process.stdout, process.stderr), texts)]
        try:
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
        except BaseException:
            process.kill()
            raise
    spoken.append((time.monotonic(), "(end)"))
    return subprocess.CompletedProcess(argv, process.returncode, *("".join(lines) for lines in texts)), sorted(spoken)


def assert_no_silence(what, spoken):
    for (since, last), (until, following) in zip(spoken, spoken[1:]):
        assert until - since < SILENCE, f"{what} was silent for {until - since:.1f} s, between\n{last}\nand\n{following}"


class Log:
    """The events of one command, as its --log has them."""

    def __init__(self, cluster, file=None):
        self.file = pathlib.Path(file or cluster.folder / f"{time.monotonic_ns()}.log")

    def events(self):
        lines = self.file.read_text().splitlines(keepends=True) if self.file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def waits(self, words, step=""):
        return [e for e in self.events() if e["event"] == "step_waiting" and step in e["step"] and words in e["message"] + " " + e.get("seen", "")]

    def expect(self, words, seconds, step=""):
        end = time.monotonic() + seconds
        while not (found := self.waits(words, step)):
            assert time.monotonic() < end, (words, [e for e in self.events() if e["event"] == "step_waiting"], self.events()[-3:])
            time.sleep(0.2)
        return found[0]

    def assert_no_silence(self):
        assert_no_silence(str(self.file), [(e["at_ms"] / 1000, json.dumps(e)) for e in self.events() if "at_ms" in e])


def shares(before, after):
    """Percent of a core between two looks of Cluster.processor, by unit and host."""
    return {unit: {host: round(100 * (used - before[unit][host][1]) / (at - before[unit][host][0]), 3) for host, (at, used) in hosts.items()} for unit, hosts in after.items()}


def vip_intervals(samples):
    """[(host, from, to)]: when each host surely had the VIP: from the end of the first look that saw it there to the begin of the last one. A look tells of some moment in it,
    and takes long on a busy machine; what this hides of an overlap is no longer than a look."""
    intervals, since, last = [], {}, {}
    for began, ended, host, held in samples:
        if held and host not in since:
            since[host] = ended
        if not held and host in since:
            intervals.append((host, since.pop(host), last[host]))
        if held:
            last[host] = began
    intervals += [(host, begin, last[host]) for host, begin in since.items()]
    return sorted(intervals, key=lambda one: one[1])


def assert_one_holder(samples):
    """Never on two hosts; prints the gaps."""
    intervals = vip_intervals(samples)
    assert intervals, "nobody ever held the VIP"
    for (a, a_from, a_to), (b, b_from, b_to) in zip(intervals, intervals[1:]):
        assert b_from > a_to, f"{a} and {b} both held the VIP for {a_to - b_from:.2f} s"
        print(f"VIP: {a} -> {b}, on nobody for {b_from - a_to:.2f} s")
    return intervals


def outages(lines, least=0.2, failed=False):
    """Times without an acknowledged write, in s, from a writer's lines; `failed`: those in which a write failed, and none merely took long."""
    acknowledged = [i for i, line in enumerate(lines) if line.get("ok")]
    return [lines[b]["at"] - lines[a]["at"] for a, b in zip(acknowledged, acknowledged[1:]) if lines[b]["at"] - lines[a]["at"] > least and (b > a + 1 or not failed)]
