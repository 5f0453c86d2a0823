"""The simulated fleet as an object of Python: other threads, and hosts that are kept."""

import threading

import pgcluster
import pytest
from pgcluster.testing import simulated_fleet, small_spec


@pytest.fixture
def at_work():
    """A fleet that a thread applies to, held in the middle; gives the fleet and one of its hosts."""
    spec, fleet = small_spec(), simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet)
    host, begun, go, reports = fleet.host("pg1"), threading.Event(), threading.Event(), []

    def on_event(event):
        assert fleet.hosts() and host.name == fleet.host("pg1").name and fleet.host("pg1").read("/nowhere") is None    # its own thread may look
        begun.set()
        assert go.wait(60)

    thread = threading.Thread(target=lambda: reports.append(pgcluster.apply(plan, fleet, on_event=on_event)))
    thread.start()
    assert begun.wait(60)
    yield fleet, host
    go.set()
    thread.join()
    assert reports and reports[0].ok()
    assert fleet.trace() and fleet.hosts() and host.read("/etc/default/etcd")    # and everybody when it has ended


def test_nobody_looks_into_a_fleet_that_another_thread_works_on(at_work):
    fleet, host = at_work
    for touch in (lambda: fleet.trace(), lambda: fleet.hosts(), lambda: fleet.host("pg1"), lambda: fleet.advance(1), lambda: fleet.finished(), lambda: fleet.clear_trace(),
                  lambda: fleet.install("pg1", "curl"), lambda: fleet.start_unit("pg1", "x.service"), lambda: fleet.stop_unit("pg1", "x.service"),
                  lambda: fleet.fail_unit("pg1", "x.service"), lambda: fleet.reload_unit("pg1", "x.service"), lambda: fleet.reboot("pg1"), lambda: fleet.fail(None),
                  lambda: fleet.meanwhile(None), lambda: fleet.interrupt(1, True, print), lambda: fleet.lose_connection("pg1", 1, "before"),
                  lambda: fleet.add(pgcluster.ServiceModel()), lambda: pgcluster.add_service_models(fleet), lambda: fleet.now(),
                  lambda: host.read("/etc/default/etcd"), lambda: host.files, lambda: setattr(host, "down", True), lambda: host.write("/x", "x"),
                  lambda: host.active("x.service")):
        with pytest.raises(RuntimeError, match="another thread|another call"):
            touch()
    assert repr(host) == "<SimulatedHost pg1>"


def test_an_apply_does_not_begin_on_a_fleet_that_is_being_changed():
    """advance() calls a model, which lets other threads run."""
    spec, fleet, refused = small_spec(), simulated_fleet(), []

    class Model(pgcluster.ServiceModel):
        def passed(self, now):
            if not refused:
                thread = threading.Thread(target=self.other)
                thread.start()
                thread.join()

        def other(self):
            try:
                pgcluster.plan_deploy(spec, fleet)
            except RuntimeError as error:
                refused.append(error)

    fleet.add(Model())
    fleet.advance(1)
    assert "another" in str(refused[0])


def test_a_host_keeps_its_fleet(script):
    assert "x\n" in script("""
import gc
kept = []
class Model(pgcluster.ServiceModel):
    def unit_started(self, host, unit, now): kept.append(host)
fleet = simulated_fleet()
fleet.add(Model())
fleet.meanwhile(lambda host, do: kept.append(host))
pgcluster.apply(pgcluster.plan_deploy(small_spec(), fleet), fleet).check()
fleet.meanwhile(None)
del fleet
gc.collect()
others = [simulated_fleet() for _ in range(20)]
for other in others: pgcluster.plan_deploy(small_spec(), other)
assert len(kept) > 10
for host in kept: host.write("/etc/mine", "x\\n")
print(kept[0].read("/etc/mine"), sorted({host.name for host in kept}))
""")


def test_a_fleet_goes_with_its_last_host():
    """Neither kept for ever nor mixed up with a later one in the same place."""
    for nth in range(50):
        fleet, names = simulated_fleet(), []
        for one in (f"a{nth}", f"b{nth}"):
            assert fleet.host(one) is fleet.host(one)
            names.append(fleet.host(one).name)
        host = fleet.host(f"a{nth}")
        del fleet
        assert host.name == f"a{nth}" and names == [f"a{nth}", f"b{nth}"] and host.read("/x") is None
