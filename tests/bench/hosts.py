"""What is measured on hosts of the lab."""

import json
import os
import pathlib
import re
import secrets
import statistics
import subprocess
import sys
import tempfile

import measure

HERE = pathlib.Path(__file__).resolve().parent
BUILD = measure.BUILD
sys.path.insert(0, str(HERE.parent / "e2e"))
import cluster as labs  # noqa: E402


class Bench:
    """A lab; commands in its network, with the time and the processor that they take: theirs, and the hosts'."""

    def __init__(self, name, count=3):
        self.folder = tempfile.TemporaryDirectory()
        self.lab = labs.Cluster(f"bench-{name}-{os.getpid()}", self.folder.name)
        self.lab.hosts = [f"pg{i}" for i in range(1, count + 1)]
        self.lab.spec["cluster_vip"] = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.down()
        self.folder.cleanup()

    def up(self, *flavour):
        self.lab.lab("down", check=False)
        self.lab.lab("base", *(["--warm"] if "--warm" in flavour else []))
        self.lab.lab("up", "--hosts", str(len(self.lab.hosts)), "--owner", str(os.getpid()), *flavour)
        lines = self.lab.lab("run", "sh", "-c", "readlink /proc/self/ns/net; echo $PGCLUSTER_LAB_KEY; echo $PGCLUSTER_LAB_KNOWN_HOSTS").split()
        self.lab.spec["ssh"]["private_key"], self.lab.spec["ssh"]["known_hosts"] = lines[1:]
        self.lab.write()
        status = json.loads(self.lab.lab("status", "--json"))
        self.namespace = status["namespace"]

    def environment(self, **more):
        return dict(os.environ, KEY=self.lab.spec["ssh"]["private_key"], KNOWN_HOSTS=self.lab.spec["ssh"]["known_hosts"], SOCKETS=self.folder.name, **more)

    def inside(self, argv):
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, argv)]

    def hosts_cpu(self):
        """Milliseconds that all hosts have used so far."""
        return sum(int(re.search(r"usage_usec (\d+)", path.read_text())[1]) for path in pathlib.Path("/sys/fs/cgroup").glob(f"**/{self.namespace}/pg*/cpu.stat")) / 1000

    def time(self, argv, **more):
        """(wall, processor of the controller, of the hosts) in ms, memory in kB."""
        hosts = self.hosts_cpu()
        done = subprocess.run(self.inside([BUILD / "tests/bench/bench_child", *argv]), env=self.environment(**more), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{argv[0]} ended with status {done.returncode}:\n{done.stdout[-3000:]}")
        wall, cpu, memory = map(float, done.stdout.splitlines()[-1].split())
        return wall, cpu, self.hosts_cpu() - hosts, memory

    def processes(self):
        """How many processes each host has started so far: its namespace numbers them in a row."""
        return [int(self.lab.inside(host, "echo $$")) for host in self.lab.hosts]

    def questions(self):
        """A folder with a script for each host, which asks what a plan asks."""
        folder = pathlib.Path(self.folder.name) / "questions"
        folder.mkdir()
        self.time([BUILD / "tests/bench/bench_questions", self.lab.file, folder])
        return folder

    def addresses(self):
        return [f"root@{labs.address(host)}" for host in self.lab.hosts]


def questions(bench):
    """What the floor asks for: what pgcluster has put on the first host."""
    lines = [line.split("\t")[0].split(":", 1) for line in bench.lab.inside("pg1", "cat /var/lib/pgcluster/owned").splitlines()]
    found = {kind: " ".join(value for key, value in lines if key == kind) for kind in ("package", "file", "unit")}
    return {"PACKAGES": found["package"], "FILES": found["file"], "UNITS": found["unit"]}


def noop(rounds):
    rounds = rounds or 15
    with Bench("noop") as bench:
        bench.up("--warm")
        bench.time([BUILD / "bin/pgcluster", "apply", "--yes", "-f", bench.lab.file])
        asked = questions(bench)
        floor = [HERE / "floor_noop.sh"]
        plan = [BUILD / "bin/pgcluster", "plan", "-f", bench.lab.file]
        kept = subprocess.Popen(bench.inside([BUILD / "tests/bench/bench_plan", bench.lab.file]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def plan_again():
            hosts = bench.hosts_cpu()
            kept.stdin.write("again\n")
            kept.stdin.flush()
            took, changes = kept.stdout.readline().split()
            assert changes == "0", "the plan is not empty"
            return float(took), bench.hosts_cpu() - hosts

        plan_again()
        bench.time([*floor, "kept", *bench.addresses()], **asked)
        same = [HERE / "floor_questions.sh", bench.questions(), *(f"{host}={address}" for host, address in zip(bench.lab.hosts, bench.addresses()))]
        ours, floors, ours_kept, floors_kept, floors_same, processes, their_processes = [], [], [], [], [], [], []

        def started(work):
            """The result of work(), and how many processes it starts on each host, without the one that counts them."""
            before = bench.processes()
            found = work()
            return found, [after - one - 1 for after, one in zip(bench.processes(), before)]

        for _ in range(rounds):
            floors.append(bench.time([*floor, "fresh", *bench.addresses()], **asked))
            ours.append(bench.time(plan))
            floors_kept.append(bench.time([*floor, "kept", *bench.addresses()], **asked))
            (kept_now, count), (same_now, same_count) = started(plan_again), started(lambda: bench.time(same))
            ours_kept.append(kept_now)
            floors_same.append(same_now)
            processes.append(count)
            their_processes.append(same_count)
        bench.time([*floor, "close", *bench.addresses()], **asked)
        kept.stdin.close()
        kept.wait(30)
    column = lambda samples, i: [sample[i] for sample in samples]  # noqa: E731
    both = lambda samples: [sample[1] + sample[2] for sample in samples]  # noqa: E731
    measure.table(measure.VERSUS, [
        measure.versus("fresh connections, wall", column(ours, 0), column(floors, 0), "1.0"),
        measure.versus("fresh connections, processor of all", both(ours), both(floors), ""),
        measure.versus("  of the controller", column(ours, 1), column(floors, 1), ""),
        measure.versus("  of the hosts", column(ours, 2), column(floors, 2), ""),
        measure.versus("kept connections, wall", column(ours_kept, 0), column(floors_kept, 0), "1.2"),
        measure.versus("kept connections, processor of the hosts", column(ours_kept, 1), column(floors_kept, 2), ""),
        measure.versus("the same questions, wall", column(ours_kept, 0), column(floors_same, 0), "1.3"),
        measure.versus("the same questions, processor of the hosts", column(ours_kept, 1), column(floors_same, 2), "1.3"),
    ])
    # Other processes that a host starts meanwhile are in most rounds, so take the round with the fewest.
    fewest = lambda counts: ", ".join(f"{host} {min(one)}" for host, one in zip(bench.lab.hosts, zip(*counts)))  # noqa: E731
    print(f"Processes and threads that a plan starts over kept connections, including sshd's for one session: {fewest(processes)}. The floor with the same "
          f"questions starts {fewest(their_processes)}.")
    print(f"{rounds} rounds. Peak memory of the command: {max(column(ours, 3)) / 1024:.1f} MB (aim 20).")


def deploy(rounds, aim, *flavour):
    ours, floors = [], []
    with Bench("deploy") as bench:
        for _ in range(rounds):
            bench.up(*flavour)
            floors.append(bench.time([HERE / "floor_deploy.sh", *map(labs.address, bench.lab.hosts)], PASSWORD=secrets.token_hex(16)))
            bench.up(*flavour)
            ours.append(bench.time([BUILD / "bin/pgcluster", "apply", "--yes", "-f", bench.lab.file]))
    seconds = lambda samples: [sample[0] / 1000 for sample in samples]  # noqa: E731
    measure.table(measure.VERSUS, [measure.versus("wall", seconds(ours), seconds(floors), aim, " s")])
    print(f"{rounds} rounds.")


def warm(rounds):
    deploy(rounds or 5, "1.5", "--warm")


def cold(rounds):
    deploy(rounds or 3, "1.10")


def tls(rounds):
    """The same cluster with TLS, which is the default, and without."""
    rounds = rounds or 5
    deployments, plans = {True: [], False: []}, {True: [], False: []}
    with Bench("tls") as bench:
        for _ in range(rounds):
            for on in (False, True):
                bench.lab.spec["tls_cert_generate"] = on
                bench.up("--warm")
                deployments[on].append(bench.time([BUILD / "bin/pgcluster", "apply", "--yes", "-f", bench.lab.file]))
                bench.lab.assert_converged()
                plan = [bench.time([BUILD / "bin/pgcluster", "plan", "-f", bench.lab.file]) for _ in range(7)]
                plans[on].append([statistics.median(one[i] for one in plan) for i in range(3)])
    rows = [("deployment, wall", deployments, 0), ("deployment, processor of the hosts", deployments, 2), ("no-op plan, wall", plans, 0),
            ("no-op plan, processor of the controller", plans, 1), ("no-op plan, processor of the hosts", plans, 2)]
    measure.table(["", "with TLS", "without", "ratio", "aim"], [
        measure.versus(name, [one[i] for one in samples[True]], [one[i] for one in samples[False]], "1.10" if i == 0 else "") for name, samples, i in rows])
    print(f"{rounds} rounds of a deployment of each and 7 plans.")


def many(rounds):
    rounds = rounds or 5
    with Bench("many", 50) as bench:
        bench.up("--bare")
        asked = {"PACKAGES": "etcd-server etcd-client patroni python3-etcd curl postgresql-17 pgbouncer", "UNITS": "etcd patroni pgbouncer",
                 "FILES": "/etc/default/etcd /etc/patroni/config.yml /etc/pgbouncer/pgbouncer.ini /etc/hosts"}
        ours, floors = [], []
        for _ in range(rounds):
            floors.append(bench.time([HERE / "floor_noop.sh", "fresh", *bench.addresses()], PARALLEL="32", **asked))
            ours.append(bench.time([BUILD / "bin/pgcluster", "plan", "-f", bench.lab.file]))
        memory = {}
        everybody = bench.lab.hosts
        for count in (3, 10, 25, 50):
            bench.lab.hosts = everybody[:count]
            bench.lab.write()
            memory[count] = statistics.median(bench.time([BUILD / "bin/pgcluster", "plan", "-f", bench.lab.file])[3] for _ in range(3))
    column = lambda samples, i: [sample[i] for sample in samples]  # noqa: E731
    measure.table(measure.VERSUS, [
        measure.versus("wall", column(ours, 0), column(floors, 0), "0.8"),
        measure.versus("processor of the controller", column(ours, 1), column(floors, 1), "0.8"),
        measure.versus("processor of the hosts", column(ours, 2), column(floors, 2), ""),
    ])
    print(f"{rounds} rounds; the floor by xargs -P 32, as many as pgcluster asks at once.")
    measure.table(["hosts", "peak memory MB"], [[count, f"{kb / 1024:.1f}"] for count, kb in memory.items()])
    print(f"{(memory[50] - memory[3]) / 47:.0f} kB for each further host (aim 100).")
