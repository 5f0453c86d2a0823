"""One random fault after the other while a running cluster is changed: each apply may fail, the next one ends healthy, and no row is lost."""

import os
import random
import signal
import time

from cluster import LONG, VIP

warm = True


def signalled(name, number):
    def fault(cluster, dice, process):
        if process.poll() is None:
            os.killpg(process.pid, number)
        return name

    return fault


def suspended(cluster, dice, process):
    seconds = dice.choice([2, 10, 40])
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGCONT)
    return f"controller suspended for {seconds} s"


def host_fault(words, begin, end, longest):
    def fault(cluster, dice, process):
        host, seconds = dice.choice(cluster.hosts), dice.uniform(1, longest)
        cluster.lab(begin, host)
        time.sleep(seconds)
        cluster.lab(end, host)
        return f"{host} {words} for {seconds:.0f} s"

    return fault


def rebooted(cluster, dice, process):
    host = dice.choice(cluster.hosts)
    cluster.lab("reboot", host)
    return f"{host} rebooted"


def unit_killed(cluster, dice, process):
    host, unit = dice.choice(cluster.hosts), dice.choice(["etcd", "patroni", "pgbouncer", "pgcluster-vip"])
    cluster.inside(host, f"systemctl kill -s KILL {unit}", check=False)
    return f"{unit} killed on {host}"


def sessions_killed(cluster, dice, process):
    host = dice.choice(cluster.hosts)
    cluster.inside(host, "pkill -KILL -f '^sshd-session: root' || :")
    return f"ssh sessions killed on {host}"


FAULTS = [
    signalled("apply killed", signal.SIGKILL),
    signalled("apply interrupted", signal.SIGINT),
    suspended,
    host_fault("cut off", "cut", "heal", 30),
    host_fault("frozen", "freeze", "thaw", 20),
    host_fault("switched off", "kill", "start", 10),
    rebooted,
    unit_killed,
    sessions_killed,
]


def change(cluster, dice):
    """What the apply has to do: a reload, restarts with a switchover, a file and a restart of PgBouncer."""
    cluster.spec["postgresql_parameters"]["work_mem"] = f"{dice.randrange(4, 64)}MB"
    if dice.random() < 0.5:
        cluster.spec["postgresql_parameters"]["max_connections"] = dice.randrange(90, 140)
    if dice.random() < 0.3:
        cluster.spec["pgbouncer_default_pool_size"] = dice.randrange(20, 40)
    cluster.write()


def test_faults_at_random_moments(cluster, long):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    cluster.write(synchronous_mode=True, patroni_ttl=20, patroni_loop_wait=5, patroni_retry_timeout=5)
    cluster.apply()
    cluster.wait_healthy()
    cluster.psql(VIP, "create table kept (n int primary key)")
    for number in range(100 if long else 5):
        change(cluster, dice)
        cluster.psql(VIP, f"insert into kept values ({number})")
        moment = dice.uniform(0.2, 10)
        process = cluster.start_apply()
        time.sleep(moment)
        what = dice.choice(FAULTS)(cluster, dice, process)
        output, _ = process.communicate(timeout=LONG)
        # A signal may come before there is a handler for it.
        allowed = {0, 1, 3, 130} | {"apply killed": {-signal.SIGKILL}, "apply interrupted": {-signal.SIGINT}}.get(what, set())
        assert process.returncode in allowed and "internal" not in output, f"{what}: exit {process.returncode}\n{output[-3000:]}"
        after = f"exit {process.returncode}"
        if process.returncode not in (0, -signal.SIGKILL, -signal.SIGINT, 130):
            after += ": " + next((line for line in output.splitlines() if line.startswith("error:")), output[-200:])
        cluster.wait(lambda: cluster.run("apply", "--yes", status=None).returncode == 0, LONG, "that an apply is through")
        cluster.wait_healthy(120)
        cluster.assert_converged()
        rows = cluster.psql(VIP, "select count(*) from kept")
        assert int(rows) == number + 1, f"{number}: {what}: {rows} rows of {number + 1}"
        print(f"{number}: {moment:.1f} s after the start: {what}; that apply: {after}; then healthy, no row lost")
