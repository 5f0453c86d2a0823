"""Applies that are killed, and applies that meet."""

import contextlib
import json
import os
import random
import signal
import time

from cluster import LONG

warm = True


def kill(process):
    with contextlib.suppress(ProcessLookupError):    # it may be through
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def apply_when_free(cluster, seconds=35):
    """After the end of another's apply: its lock is free once sshd has seen the connection's end, or 30 s after its last heartbeat."""
    end = time.monotonic() + seconds
    while True:
        done = cluster.run("apply", "--yes", "--json", status=None)
        error = json.loads(done.stdout.strip().splitlines()[-1]).get("error") or {}
        if error.get("code") != "locked":
            break
        assert time.monotonic() < end, f"locked {seconds} s after the end of who had the lock\n{done.stdout}"
        time.sleep(0.5)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"


def test_killed_at_any_moment_the_next_apply_ends_healthy(cluster, long):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    moments = random.Random(seed)
    cluster.fresh(warm=True)
    started = time.monotonic()
    cluster.apply()
    whole = time.monotonic() - started
    cluster.wait_healthy()
    for number in range(20 if long else 4):
        cluster.fresh(warm=True)
        moment = moments.uniform(0.1, whole)
        process = cluster.start_apply()
        time.sleep(moment)
        ended = process.poll()
        kill(process)
        apply_when_free(cluster)
        cluster.wait_healthy()
        cluster.assert_converged()
        print(f"{number}: killed after {moment:.2f} s of {whole:.1f} s" + (" (it was through)" if ended is not None else "") + ": healthy after one more apply")


def test_a_second_apply_is_refused_and_told_why(cluster):
    cluster.fresh(warm=True)
    first = cluster.start_apply()
    cluster.wait_for_lock(first)
    refused = cluster.run("apply", "--yes", "--json", status=3)
    error = json.loads(refused.stdout.strip().splitlines()[-1])["error"]
    assert error["code"] == "locked" and "pid" in error["message"] and "took the lock" in error["message"], error
    assert first.wait(LONG) == 0, first.communicate()
    first.communicate()


def test_a_dead_controllers_lock_is_free_within_30_s(cluster):
    cluster.fresh(warm=True)
    first = cluster.start_apply()
    cluster.wait_for_lock(first)
    kill(first)
    died = time.monotonic()
    while cluster.run("apply", "--yes", status=None).returncode == 3:
        assert time.monotonic() - died < 60
        time.sleep(0.5)
    print(f"one more apply was through {time.monotonic() - died:.1f} s after the first one's death")
    assert "locked" not in cluster.run("status", "--json", status=None).stdout
    cluster.wait_healthy()


def test_ctrl_c_ends_what_runs_and_the_next_apply_goes_on(cluster):
    cluster.fresh(warm=True)
    process = cluster.start_apply()
    cluster.wait_for_lock(process)    # before that it may not even know what to do with a signal
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    cluster.apply()
    cluster.wait_healthy()
