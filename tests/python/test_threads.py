"""Threads, signals, asyncio, and an interpreter that ends in the middle: no crash, no deadlock, and the next apply goes on."""

import asyncio
import concurrent.futures
import socket
import threading

import pgcluster
import pgcluster.aio
import pytest
from pgcluster.testing import simulated_fleet, small_spec


def test_an_exception_in_a_callback_arrives_and_the_next_apply_goes_on():
    for nth in (1, 2, 5, 40):
        spec, fleet, seen = small_spec(), simulated_fleet(), []

        def on_event(event):
            seen.append(event)
            if len(seen) == nth:
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine") as raised:
            pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, on_event=on_event)
        assert raised.traceback[-1].name == "on_event" and len(seen) == nth
        assert all(fleet.host(name).lock is None for name in fleet.hosts())
        pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet).check()
        assert not pgcluster.plan_deploy(spec, fleet)


def test_exceptions_in_poll():
    def wrong():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pgcluster.plan_deploy(small_spec(), simulated_fleet(), poll=wrong)
    hosts = {"h1": pgcluster.HostAccess("h1", "192.0.2.1")}
    with pytest.raises(KeyError, match="mine"):
        pgcluster.make_plan(hosts, pgcluster.packages("h1/x/p", "h1", ["x"]), simulated_fleet(), poll=wrong)


def test_a_controller_that_is_killed_at_any_moment():
    spec = small_spec()
    for nth in (1, 7, 23):
        fleet = simulated_fleet()

        def killed():
            raise MemoryError("killed")

        fleet.interrupt(nth, True, killed)
        with pytest.raises(MemoryError, match="killed"):
            pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet)
        fleet.advance(60)
        pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet).check()
        assert not pgcluster.plan_deploy(spec, fleet)


def test_two_clusters_from_two_threads_at_once():
    meet = threading.Barrier(2, timeout=60)

    def work(name):
        spec, fleet, first = small_spec(patroni_cluster_name=name), simulated_fleet(), []
        plan = pgcluster.plan_deploy(spec, fleet)

        def on_event(event):
            if not first:
                first.append(meet.wait())  # both are in the middle of their apply

        pgcluster.apply(plan, fleet, on_event=on_event).check()
        return pgcluster.read_status(spec, fleet)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert [(status.cluster, status.healthy) for status in pool.map(work, ["one", "two"])] == [("one", True), ("two", True)]


def test_an_executor_serves_one_call_at_a_time():
    spec, fleet = small_spec(), simulated_fleet()
    with pytest.raises(RuntimeError, match="executor: it is at work for another call"):
        pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, on_event=lambda event: pgcluster.read_status(spec, fleet))
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet).check()


def test_the_gil_is_released_while_hosts_are_waited_for(tmp_path):
    """A host that never answers, and a thread that has to run meanwhile for the call to end."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        (tmp_path / "known_hosts").touch()
        ssh = pgcluster.SshSpec(port=silent.getsockname()[1], known_hosts=tmp_path / "known_hosts", host="127.0.0.1", config="none")
        spec = pgcluster.Spec(hosts=[pgcluster.HostSpec("pg1", "192.0.2.1", ssh=pgcluster.SshSpec(host="127.0.0.1"))])
        spec.ssh = pgcluster.SshSpec(port=ssh.port, known_hosts=ssh.known_hosts, config="none")
        stop, executor = pgcluster.StopSource(), pgcluster.SshExecutor()

        def other_thread():
            silent.accept()
            stop.request_stop()
            executor.cancel()

        thread = threading.Thread(target=other_thread)
        thread.start()
        with pytest.raises(pgcluster.Error) as raised:
            pgcluster.plan_deploy(spec, executor, stop=stop)
        thread.join()
        assert raised.value.code in ("cancelled", "host_unreachable", "connection_lost")


def test_ctrl_c_cancels_cleanly(script):
    assert "interrupted after the change, locks are free" in script("""
spec, fleet = small_spec(), simulated_fleet()
seen = []
def on_event(event):
    seen.append(event)
    if event.step == "pg1/etcd/config" and event.kind == "step_done": os.kill(os.getpid(), signal.SIGINT)
try:
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, on_event=on_event)
except KeyboardInterrupt:
    assert fleet.host("pg1").read("/etc/default/etcd") and all(fleet.host(name).lock is None for name in fleet.hosts())
    assert not fleet.host("pg3").active("patroni.service")
    print("interrupted after the change, locks are free")
whole_again(spec, fleet)
""")


def test_ctrl_c_while_no_python_runs(script):
    """The signal comes while the library is at work; nothing of Python's is called but by its poll."""
    assert "interrupted" in script("""
spec, fleet = small_spec(60), simulated_fleet()
plan = pgcluster.plan_deploy(spec, fleet)
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.06)
    while True:
        pgcluster.plan_deploy(spec, fleet)
except KeyboardInterrupt:
    print("interrupted")
assert pgcluster.apply(plan, fleet).ok()
""")


def test_ctrl_c_on_hosts_that_do_not_answer(script, tmp_path):
    (tmp_path / "known_hosts").touch()
    assert "interrupted" in script(f"""
import socket
silent = socket.socket(); silent.bind(("127.0.0.1", 0)); silent.listen()
spec = small_spec(2)
spec.ssh = pgcluster.SshSpec(port=silent.getsockname()[1], known_hosts={str(tmp_path / "known_hosts")!r}, config="none")
for host in spec.hosts: host.ssh = pgcluster.SshSpec(host="127.0.0.1")
def interrupt():
    silent.accept(); os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
executor = pgcluster.SshExecutor()
try:
    pgcluster.plan_deploy(spec, executor)
except KeyboardInterrupt:
    print("interrupted")
""")


def test_a_deadline_is_no_cancelling(tmp_path):
    (tmp_path / "known_hosts").touch()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        spec = small_spec(2, ssh=pgcluster.SshSpec(port=silent.getsockname()[1], known_hosts=tmp_path / "known_hosts", config="none"))
        for host in spec.hosts:
            host.ssh = pgcluster.SshSpec(host="127.0.0.1")
        with pytest.raises(pgcluster.TimedOut, match="pg1 did not answer within 1 s") as raised:
            pgcluster.plan_deploy(spec, pgcluster.SshExecutor(), deadline=0.9)
        assert raised.value.host == "pg1" and raised.value.retryable and "pg2" in str(raised.value)


def test_ctrl_c_while_a_program_runs(script, tmp_path):
    """The same for the calls of Executor itself; the host never answers."""
    (tmp_path / "known_hosts").touch()
    assert script(f"""
import socket
silent = socket.socket(); silent.bind(("127.0.0.1", 0)); silent.listen()
executor = pgcluster.SshExecutor()
host = pgcluster.HostAccess("pg1", "127.0.0.1", port=silent.getsockname()[1], known_hosts=[{str(tmp_path / "known_hosts")!r}], connect_timeout=300)
for call in (lambda: executor.run(host, pgcluster.Program()), lambda: executor.lock(host, pgcluster.LockHolder("me", 1, "token"))):
    held = []
    def interrupt():
        held.append(silent.accept()); os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted")
    except pgcluster.Error as error:
        print("too late", error)
    thread.join()
""") == "interrupted\ninterrupted\n"


def test_an_interpreter_whose_callback_never_returns_exits_all_the_same(script):
    """15 s: ten until the connections are cut, five more until nobody is waited for."""
    assert script("""
fleet, begun = simulated_fleet(), threading.Event()
def on_event(event):
    begun.set()
    threading.Event().wait()
threading.Thread(target=lambda: pgcluster.apply(pgcluster.plan_deploy(small_spec(), fleet), fleet, on_event=on_event), daemon=True).start()
begun.wait()
sys.exit(3)
""", status=3) == ""


def test_a_child_that_is_forked_during_an_apply_exits_and_may_apply(script):
    assert script("""
import warnings
warnings.simplefilter("ignore")
fleet, other, begun, goes_on = simulated_fleet(), simulated_fleet(), threading.Event(), threading.Event()
def on_event(event):
    begun.set()
    goes_on.wait()
thread = threading.Thread(target=lambda: pgcluster.apply(pgcluster.plan_deploy(small_spec(), fleet), fleet, on_event=on_event).check(), daemon=True)
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    pgcluster.apply(pgcluster.plan_deploy(small_spec(), other), other).check()
    sys.exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
print("the child has ended")
goes_on.set()
thread.join()
""") == "the child has ended\n"


@pytest.mark.parametrize("how", ["daemon", "thread", "exit in a callback", "exception at module level"])
def test_an_interpreter_that_exits_during_an_apply(script, how):
    program = """
fleet, spec = simulated_fleet(), small_spec(60)
begun = threading.Event()
def on_event(event):
    begun.set()
    HOW
def work():
    try:
        report = pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, on_event=on_event)
        os.write(1, b"cancelled" if report.cancelled else b"done")
    except pgcluster.Cancelled:
        os.write(1, b"cancelled")
thread = threading.Thread(target=work, daemon=DAEMON)
"""
    if how == "exit in a callback":
        assert script(program.replace("HOW", "sys.exit(7)").replace("DAEMON", "True") + "work()\n", status=7) == ""
    elif how == "thread":
        assert script(program.replace("HOW", "pass").replace("DAEMON", "False") + "thread.start(); begun.wait(); sys.exit(0)\n") == "done"
    elif how == "daemon":
        # The interpreter waits for apply to end, and not for what a daemon thread does after it: on a busy machine it says nothing more.
        assert script(program.replace("HOW", "time.sleep(0.001)").replace("DAEMON", "True") + "thread.start(); begun.wait(); sys.exit(0)\n") in ("cancelled", "")
    else:
        out = script(program.replace("HOW", "time.sleep(0.001)").replace("DAEMON", "True") + "thread.start(); begun.wait(); raise SystemExit(3)\n", status=3)
        assert out in ("cancelled", "")


def test_many_interpreters_that_exit_somewhere(script):
    """At different moments each; none crashes, hangs or says anything."""
    for milliseconds in range(0, 48, 8):
        assert script(f"""
fleet, spec = simulated_fleet(), small_spec(20)
def work():
    while True:
        plan = pgcluster.plan_deploy(spec, fleet)
        pgcluster.apply(plan, fleet, on_event=lambda event: None)
        pgcluster.apply(pgcluster.plan_destroy(spec, fleet), fleet)
def quiet():
    try:
        work()
    except pgcluster.Cancelled:
        pass
threading.Thread(target=quiet, daemon=True).start()
time.sleep({milliseconds / 1000})
""") == ""


def test_asyncio():
    async def main():
        spec, fleet = small_spec(), simulated_fleet()
        plan = await pgcluster.aio.plan_deploy(spec, fleet)
        running, kinds, threads = pgcluster.aio.apply(plan, fleet), [], set()
        async for event in running:
            kinds.append(event.kind)
            threads.add(threading.get_ident())
        report = await running
        assert report.ok() and kinds[0] == "lock_taken" and kinds[-1] == "apply_done" and threads == {threading.get_ident()}
        status = await pgcluster.aio.read_status(spec, fleet)
        assert status.healthy
        with pytest.raises(TypeError, match="spec must be Spec"):
            await pgcluster.aio.read_status({}, fleet)
        both = await asyncio.gather(*(pgcluster.aio.plan_deploy(small_spec(patroni_cluster_name=name), simulated_fleet()) for name in ("one", "two")))
        assert all(both)

    asyncio.run(main())


def test_asyncio_is_cancellable():
    async def main():
        spec, fleet, begun = small_spec(30), simulated_fleet(), asyncio.Event()
        plan = await pgcluster.aio.plan_deploy(spec, fleet)
        task = asyncio.ensure_future(waiting(pgcluster.aio.apply(plan, SlowFleet.models(fleet), on_event=lambda event: begun.set())))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        SlowFleet.pause = 0
        assert all(fleet.host(name).lock is None for name in fleet.hosts())
        report = await pgcluster.aio.apply(await pgcluster.aio.plan_deploy(spec, fleet), fleet)
        assert report.ok()

        def wrong(event):
            raise KeyError("mine")

        again = simulated_fleet()
        with pytest.raises(KeyError, match="mine"):
            await pgcluster.aio.apply(await pgcluster.aio.plan_deploy(spec, again), again, on_event=wrong)

    async def waiting(running):
        return await running

    asyncio.run(main())


class SlowFleet:
    """Holds an apply back until its cancelling has come through."""

    pause = 0.002

    @staticmethod
    def models(fleet):
        import time
        fleet.meanwhile(lambda host, do: time.sleep(SlowFleet.pause))
        return fleet
