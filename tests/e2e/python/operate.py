"""A cluster's life from Python alone, on the hosts of the spec: operate.py cluster.yaml. Prints a JSON document of what it saw; raises where it is not so."""

import asyncio
import json
import os
import signal
import sys
import time

import pgcluster
import pgcluster.aio

spec = pgcluster.load_spec(sys.argv[1])
ssh = pgcluster.SshExecutor()
seen = {}


def deploy(**options):
    began = time.monotonic()
    report = pgcluster.apply(pgcluster.plan_deploy(spec, ssh), ssh, **options).check()
    print(report, f"{time.monotonic() - began:.1f} s", file=sys.stderr)
    return report


assert pgcluster.check_hosts(spec, ssh).ok()

# Ctrl-C while a host works: the first one that begins to write.
plan = pgcluster.plan_deploy(spec, ssh)
interrupted_after = []
signal.signal(signal.SIGINT, signal.default_int_handler)  # a caller in the background may have it ignored


def interrupt(event):
    interrupted_after.append(event)
    if event.kind == pgcluster.Event.Kind.step_done and event.host:
        os.kill(os.getpid(), signal.SIGINT)


try:
    pgcluster.apply(plan, ssh, on_event=interrupt)
    raise AssertionError("Ctrl-C did not arrive")
except KeyboardInterrupt:
    left = pgcluster.plan_deploy(spec, ssh)
    assert left and len(left.changes()) < len(plan.changes()), (len(left.changes()), len(plan.changes()))
    seen["interrupted"] = len(plan.changes()) - len(left.changes())

# The next apply goes on, its events watched.
events = []
seen["changed"] = deploy(on_event=events.append).changed
assert events[0].kind == "lock_taken" and events[-1].kind == "apply_done"
done = [event.step for event in events if event.kind == pgcluster.Event.Kind.step_done]
assert len(done) == len(set(done)) and "pg1/patroni/service" in done
assert all(one.at <= other.at for one, other in zip(events, events[1:]))
assert not pgcluster.plan_deploy(spec, ssh)



def healthy():
    """The status when it is healthy, which after a change a replica may need a moment for."""
    end = time.monotonic() + 60
    while not (now := pgcluster.read_status(spec, ssh)).healthy and time.monotonic() < end:
        time.sleep(0.5)
    return now


status = healthy()
assert status.healthy and status.leader == "pg1" and {member.role for member in status.members} <= {"leader", "replica"}, status.text()
assert status.vip and status.vip.holders == ("pg1",), status.text()
assert len(pgcluster.read_password(spec, ssh, "app")) > 10

pgcluster.apply(pgcluster.plan_switchover(spec, ssh, to="pg2"), ssh).check()
assert pgcluster.read_status(spec, ssh).leader == "pg2"

# A parameter that is reloaded, with asyncio; its events in the loop.
spec.postgresql_parameters["work_mem"] = "8MB"


async def change():
    running = pgcluster.aio.apply(await pgcluster.aio.plan_deploy(spec, ssh), ssh)
    kinds = [event.kind async for event in running]
    assert kinds[-1] == "apply_done"
    return (await running).check()


seen["changed_parameter"] = asyncio.run(change()).changed
assert not pgcluster.plan_deploy(spec, ssh) and pgcluster.read_status(spec, ssh).leader == "pg2"

# One that needs a restart is announced with it.
spec.postgresql_parameters["max_connections"] = "110"
plan = pgcluster.plan_deploy(spec, ssh)
assert max(change.impact for change in plan.changes()) >= pgcluster.Impact.restart
pgcluster.apply(plan, ssh).check()
assert not pgcluster.plan_deploy(spec, ssh)
assert healthy().healthy

pgcluster.apply(pgcluster.plan_destroy(spec, ssh), ssh).check()
after = pgcluster.read_status(spec, ssh)
assert not after.healthy and not after.leader and all(host.reachable for host in after.hosts), after.text()
print(json.dumps(seen))
