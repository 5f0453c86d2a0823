"""pgcluster.aio beyond the plain way: errors, callbacks that raise, and options."""

import asyncio
import threading

import pgcluster
import pytest
from pgcluster import aio
from pgcluster.testing import simulated_fleet, small_spec


def locked(fleet):
    fleet.host("pg2").lock = pgcluster.LockHolder("somebody@else pid 1", 1, "token")
    fleet.host("pg2").beaten = fleet.now()
    return fleet


def run(main):
    async def limited():
        await asyncio.wait_for(main(), 60)

    asyncio.run(limited())


def test_an_exception_of_on_event_comes_when_the_apply_has_ended():
    async def main():
        spec, fleet, began, goes_on = small_spec(), simulated_fleet(), threading.Event(), threading.Event()
        plan = await aio.plan_deploy(spec, fleet)
        calls = []

        def at_work(host, do):
            began.set()
            goes_on.wait(60)

        def wrong(event):
            calls.append(event)
            assert began.wait(60)    # else the apply would end before its first change
            raise KeyError("mine")

        fleet.meanwhile(at_work)

        running = aio.apply(plan, fleet, on_event=wrong)
        while not calls:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not running._future.done()    # the apply still is at work, and holds its locks
        goes_on.set()
        with pytest.raises(KeyError, match="mine"):
            await running
        assert len(calls) == 1 and all(fleet.host(name).lock is None for name in fleet.hosts())
        fleet.meanwhile(None)
        assert (await aio.apply(await aio.plan_deploy(spec, fleet), fleet)).ok()

    run(main)


def test_async_for_alone_raises_what_the_apply_raises():
    async def main():
        spec, fleet = small_spec(), simulated_fleet()
        plan = await aio.plan_deploy(spec, fleet)
        with pytest.raises(pgcluster.Locked, match="somebody@else"):
            async for event in aio.apply(plan, locked(fleet)):
                pass

    run(main)


def test_a_second_async_for_ends_at_once():
    async def main():
        spec, fleet = small_spec(), simulated_fleet()
        running = aio.apply(await aio.plan_deploy(spec, fleet), fleet)
        assert len([event async for event in running]) > 10
        assert [event async for event in running] == []
        assert (await running).ok()

    run(main)


def test_all_that_waits_for_hosts_is_here():
    async def main():
        spec, fleet = small_spec(), simulated_fleet()
        plan = await aio.plan_deploy(spec, fleet)
        assert await aio.plan_from_document(plan.document(), spec, fleet) == plan
        hosts, ask = {"h1": pgcluster.HostAccess("h1", "192.0.2.1")}, pgcluster.Ask("h1", pgcluster.FileOf("/etc/x"))
        assert await aio.make_plan(hosts, pgcluster.packages("h1/x/p", "h1", ["x"]), fleet)
        assert (await aio.observe(hosts, {"h1": [ask]}, fleet)).answers["h1"]

    run(main)
    assert {name for name in pgcluster._api.__all__ if name.startswith(("plan_", "read_status", "read_password", "check_hosts", "make_plan", "observe", "apply"))} <= set(dir(aio))


def test_a_stop_source_and_a_poll_of_ones_own():
    async def main():
        spec, fleet, stop, polled = small_spec(), simulated_fleet(), pgcluster.StopSource(), []
        plan = await aio.plan_deploy(spec, fleet, stop=stop, poll=lambda: polled.append(threading.get_ident()))
        assert polled and threading.get_ident() not in polled
        running = aio.apply(plan, fleet, stop=stop)
        stop.request_stop()
        report = await running
        assert report.cancelled or report.ok()
        with pytest.raises(pgcluster.Cancelled):
            await aio.plan_deploy(spec, fleet, stop=stop)
        other = pgcluster.StopSource()
        aio.plan_deploy(spec, simulated_fleet(), stop=other).cancel()
        assert not other.stop_requested()    # it may be that of many calls

    run(main)


def test_arguments_are_typed(tmp_path):
    import subprocess
    import sys

    (tmp_path / "wrong.py").write_text("""
import pgcluster
from pgcluster import aio
async def main(spec: pgcluster.Spec, fleet: pgcluster.Executor, plan: pgcluster.Plan) -> pgcluster.Report:
    await aio.plan_deploy(spec, fleet, prune="yes")
    await aio.plan_switchover(spec, fleet, too="pg2")
    await aio.apply(plan, fleet, deadlin=3)
    return await aio.apply(await aio.plan_deploy(spec, fleet, prune=True), fleet, deadline=3)
""")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", tmp_path / "wrong.py"], text=True, capture_output=True, cwd=tmp_path)
    assert [line.split(":")[1] for line in done.stdout.splitlines() if " error: " in line] == ["5", "6", "7"], done.stdout + done.stderr
