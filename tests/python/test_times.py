"""How long things may take: seconds of any kind of number, or a timedelta. Rounded up, and never something else in silence."""

import datetime
import math

import pgcluster
import pytest
from pgcluster.testing import simulated_fleet, small_spec


def gate(settle):
    return pgcluster.GateWish(asks=[], decide=lambda answers: pgcluster.Done(), settle=settle)


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan, datetime.timedelta.max, datetime.timedelta.min, 10**400, -(10**400), 10**12, 1e300, -1, -0.5,
                                   datetime.timedelta(seconds=-1)],
                         ids=["inf", "-inf", "nan", "timedelta.max", "timedelta.min", "10**400", "-10**400", "10**12", "1e300", "-1", "-0.5", "-1 s"])
def test_what_is_no_time_is_refused_with_its_name(wrong):
    spec, fleet = small_spec(), simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet)
    with pytest.raises(ValueError, match=r"plan_deploy\(\): deadline"):
        pgcluster.plan_deploy(spec, fleet, deadline=wrong)
    with pytest.raises(ValueError, match=r"apply\(\): reconnect"):
        pgcluster.apply(plan, fleet, reconnect=wrong)
    with pytest.raises(ValueError, match="by"):
        fleet.advance(wrong)
    with pytest.raises(ValueError, match="SimulatedExecutor.*install"):
        pgcluster.SimulatedExecutor(install=wrong)
    with pytest.raises(ValueError, match="settle"):
        gate(wrong)


def test_what_is_no_number_is_refused():
    for wrong in ("1", True, None, [1]):
        with pytest.raises(TypeError, match="deadline"):
            pgcluster.plan_deploy(small_spec(), simulated_fleet(), deadline=wrong)


def test_rounded_up_to_what_the_library_counts_in():
    fleet = simulated_fleet()
    for given, milliseconds in ((0.9, 900), (1.1, 1100), (0.0001, 1), (datetime.timedelta(microseconds=1), 1), (3, 3000), (1e-9, 1), (0, 0), (0.0, 0), (4.35, 4350)):
        assert pgcluster.SimulatedExecutor(install=given).options().install == datetime.timedelta(milliseconds=milliseconds)
        before = fleet.now()
        fleet.advance(given)
        assert fleet.now() - before == datetime.timedelta(milliseconds=milliseconds)
    for given, seconds in ((0.9, 1), (1, 1), (1.000001, 2), (datetime.timedelta(milliseconds=1), 1), (datetime.timedelta(days=2), 172800)):
        assert gate(given).settle == datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("settle, kind", [(math.inf, ValueError), (-1, ValueError), (10**400, ValueError), ("soon", TypeError)], ids=["inf", "-1", "10**400", "soon"])
def test_the_settle_of_an_own_step(settle, kind):
    class Waits(pgcluster.Step):
        def name(self):
            return "h1/x/y"

        def asks(self):
            return []

        def decide(self, answers):
            return pgcluster.Done()

        def settle(self):
            return self.time

    step, host, fleet = Waits(), {"h1": pgcluster.HostAccess("h1", "192.0.2.1")}, simulated_fleet()
    before = pgcluster.file("h1/x/before", "h1", pgcluster.WriteFile("/etc/x", "x\n"))    # a change, so that the apply reaches the step
    step.time = settle
    with pytest.raises(kind, match=r"settle\(\) of step h1/x/y"):
        pgcluster.apply(pgcluster.make_plan(host, pgcluster.sequence(before, step), fleet), fleet)
