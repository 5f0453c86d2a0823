"""Steps, components and models of one's own, and what they raise."""

import json
import pickle
import threading
import traceback

import pgcluster
import pytest
from pgcluster.testing import simulated_fleet, small_spec


class Motd(pgcluster.Step):
    """/etc/motd has these words; all that a step needs, by hand."""

    def __init__(self, host, words):
        super().__init__()
        self.host, self.words = host, words
        self.threads = set()

    def name(self):
        return f"{self.host}/motd/file"

    def asks(self):
        return [pgcluster.Ask(self.host, pgcluster.FileOf("/etc/motd"))]

    def decide(self, answers):
        self.threads.add(threading.get_ident())
        ask = self.asks()[0]
        found = answers[ask]
        assert answers.get(ask, pgcluster.Package) is None and answers.out(ask) is None
        if isinstance(found, pgcluster.File) and found.content == self.words:
            return pgcluster.Done()
        return pgcluster.Change([pgcluster.Do(self.host, pgcluster.WriteFile("/etc/motd", self.words))], pgcluster.Action.create, reason="other words")

    def keeps(self):
        return ["file:/etc/motd"]


class MotdComponent(pgcluster.Component):
    def __init__(self, make=Motd):
        super().__init__()
        self.make = make

    def name(self):
        return "motd"

    def steps(self, node):
        assert node.facts.os_id == "debian" and node.has(pgcluster.Role.postgres) and node.cluster.facts.keys() >= {node.name()}
        return self.make(node.name(), f"{node.spec().patroni_cluster_name} on {node.host.address}\n")


def test_an_own_component_beside_the_others():
    spec, fleet = small_spec(), simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet, components=[MotdComponent()])
    assert {"pg1/motd/file", "pg2/motd/file", "pg3/motd/file"} <= {change.id for change in plan.changes()}
    pgcluster.apply(plan, fleet).check()
    assert fleet.host("pg2").read("/etc/motd") == "postgres-cluster on 10.77.0.12\n"
    assert not pgcluster.plan_deploy(spec, fleet, components=[MotdComponent()])
    assert any(change.action == "remove" and "motd" in change.id for change in pgcluster.plan_deploy(spec, fleet).changes())


class Exporter(pgcluster.Component):
    """Describes itself: a package, a port, a unit, a secret, a probe."""

    def __init__(self, port=9100):
        super().__init__()
        self.port = port

    def name(self):
        return "exporter"

    def steps(self, node):
        token = pgcluster.Text(node.cluster.secret("exporter_token"))
        return pgcluster.sequence(
            pgcluster.packages(node.step("exporter", "package"), node.name(), self.needs(node).packages),
            pgcluster.file(node.step("exporter", "token"), node.name(), pgcluster.WriteFile("/etc/exporter.token", token)),
            pgcluster.service(node.step("exporter", "service"), node.name(), pgcluster.ServiceWish("node-exporter.service")))

    def needs(self, node):
        return pgcluster.Needs(
            packages=["node-exporter"], ports=[pgcluster.PortNeed(number=self.port, purpose="the metrics exporter", unit="node-exporter.service")],
            units=["node-exporter.service"], secrets=[pgcluster.SecretNeed(name="exporter_token", roles=["exporter"])])

    def health(self, node):
        def read(answer):
            fine = isinstance(answer, pgcluster.File) and answer.content == "fine"
            return None if fine else pgcluster.Problem(cause="exporter_silent", message="the exporter does not answer", remedy="restart it")

        return [pgcluster.Probe(ask=pgcluster.Ask(node.name(), pgcluster.FileOf("/run/exporter")), read=read)]


class ExporterModel(pgcluster.ServiceModel):
    def package(self, name):
        return pgcluster.SimulatedPackage("1.9", units=["node-exporter.service"]) if name == "node-exporter" else None


def test_a_component_that_describes_itself_takes_part_in_everything():
    spec, fleet, own = small_spec(), simulated_fleet(), [Exporter()]
    fleet.add(ExporterModel())
    clash = [Exporter(port=6432)]
    with pytest.raises(pgcluster.SpecInvalid, match="the spec is not valid") as refused:
        pgcluster.plan_deploy(spec, fleet, components=clash)
    words = "port 6432 is wanted by both PgBouncer and the metrics exporter on pg1"
    assert [one.message for one in refused.value.diagnostics] == [words]
    assert words in {one.what.message for one in pgcluster.check_hosts(spec, fleet, components=clash).findings}
    plan = pgcluster.plan_deploy(spec, fleet, components=own)
    assert {"pg1/exporter/package", "pg1/exporter/service", "pg1/secrets/exporter_token"} <= {change.id for change in plan.changes()}
    pgcluster.apply(plan, fleet).check()
    token = pgcluster.read_password(spec, fleet, "exporter", components=own)
    assert len(token) == 32 and fleet.host("pg2").read("/etc/exporter.token") == token
    for host in ("pg1", "pg2", "pg3"):
        fleet.host(host).write("/run/exporter", "fine" if host != "pg3" else "ill")
    [problem] = pgcluster.read_status(spec, fleet, components=own).problems
    assert (problem.host, problem.component, problem.what.cause, problem.what.remedy) == ("pg3", "exporter", "exporter_silent", "restart it")
    pgcluster.apply(pgcluster.plan_destroy(spec, fleet, components=own), fleet).check()
    assert fleet.host("pg2").read("/etc/exporter.token") is None


def test_a_component_is_asked_for_its_data_on_hosts_that_left():
    looked = []

    class Data(MotdComponent):
        def steps(self, node):
            assert [host.name for host in node.cluster.known()] == ["pg1", "pg2", "pg3", "pg4"][:len(node.topology().hosts) + len(node.cluster.left)]
            return super().steps(node)

        def data(self, node):
            looked.append((node.name(), node.host.address, node.has("postgres"), bool(node.facts.owned)))
            return ["/srv/motd"]

    fleet = simulated_fleet()
    hosts = {f"pg{i}": {"address": f"10.77.0.1{i}", "roles": ["postgres"] if i == 4 else ["postgres", "etcd"]} for i in (1, 2, 3, 4)}
    spec = {count: pgcluster.parse_spec(json.dumps({"hosts": dict(list(hosts.items())[:count])})) for count in (3, 4)}
    pgcluster.apply(pgcluster.plan_deploy(spec[4], fleet, components=[Data()]), fleet).check()
    assert not pgcluster.plan_deploy(spec[3], fleet, components=[Data()]) and not looked  # who left stays as it is
    plan = pgcluster.plan_deploy(spec[3], fleet, components=[Data()], prune=True)
    assert looked == [("pg4", "10.77.0.14", True, True)]
    fleet.host("pg4").write("/srv/motd/1", "kept")
    pgcluster.apply(pgcluster.plan_deploy(spec[3], fleet, components=[Data()], prune=True), fleet).check()
    assert fleet.host("pg4").read("/srv/motd/1") is None
    assert "pg4/motd/remove:tree:/srv/motd" not in {change.id for change in plan.changes()}  # it was not there yet


def test_the_plan_keeps_what_it_was_made_of():
    spec, fleet = small_spec(1), simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet, components=[MotdComponent()])  # nobody else has the component or its steps
    import gc
    gc.collect()
    pgcluster.apply(plan, fleet).check()
    assert fleet.host("pg1").read("/etc/motd")


def test_own_steps_run_on_the_calling_thread():
    fleet, step = simulated_fleet(), Motd("h1", "words")
    hosts = {"h1": pgcluster.HostAccess("h1", "192.0.2.1")}
    results = []

    def work():
        results.append(threading.get_ident())
        results.append(pgcluster.apply(pgcluster.make_plan(hosts, step, fleet), fleet).check())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results[1].ok() and step.threads == {results[0]}


def test_combinators():
    fleet, hosts = simulated_fleet(), {name: pgcluster.HostAccess(name, "192.0.2.1") for name in ("h1", "h2")}
    install = {name: pgcluster.packages(f"{name}/x/package", name, ["x"]) for name in hosts}
    write = {name: pgcluster.file(f"{name}/x/config", name, pgcluster.WriteFile("/etc/x.conf", "a=1\n")) for name in hosts}
    gate = pgcluster.gate("cluster/x/ready", pgcluster.GateWish([pgcluster.Ask("h1", pgcluster.PackageOf("x"))],
                          lambda answers: pgcluster.Done() if isinstance(answers[pgcluster.Ask("h1", pgcluster.PackageOf("x"))], pgcluster.Package) else pgcluster.Later("x is there")))
    steps = pgcluster.sequence(pgcluster.parallel([pgcluster.sequence(install[name], write[name]) for name in hosts]), gate)
    assert len(steps) == 5 and steps and not steps.empty() and steps.before("h1/x/config") == ["h1/x/package"]
    assert not pgcluster.Steps() and pgcluster.host_of("h1/x/config") == "h1" and pgcluster.component_of("h1/x/config") == "x"
    plan = pgcluster.make_plan(hosts, steps, fleet)
    pgcluster.apply(plan, fleet).check()
    assert fleet.host("h2").read("/etc/x.conf") == "a=1\n" and fleet.host("h2").packages["x"]
    assert not pgcluster.make_plan(hosts, steps, fleet)
    trace = [(act.host, act.description) for act in fleet.trace()]
    assert trace.index(("h1", "apt install x")) < trace.index(("h1", "write /etc/x.conf"))


def test_an_order_in_python():
    fleet, hosts = simulated_fleet(), {name: pgcluster.HostAccess(name, "192.0.2.1") for name in ("h1", "h2", "h3")}
    wish = pgcluster.ServiceWish("x.service", start_files=["/etc/x.conf"])

    def member(name, words):
        drop_in = pgcluster.file(f"{name}/x/unit", name, pgcluster.unit_notes(wish))
        config = pgcluster.file(f"{name}/x/config", name, pgcluster.WriteFile("/etc/x.conf", words))
        return pgcluster.sequence(drop_in, config, pgcluster.service(f"{name}/x/service", name, wish))

    class Unit(pgcluster.ServiceModel):
        def unit_starts(self, host, unit, now):
            return pgcluster.ServiceModel.Start() if unit == "x.service" else None

    fleet.add(Unit())
    for name in hosts:
        fleet.host(name).units = {"x.service": pgcluster.SimulatedUnit(pgcluster.Unit())}
    order = pgcluster.Order(order=lambda answers: ["h2", "h3", "h1"])
    for words in ("1", "2"):
        steps = pgcluster.rolling({name: member(name, words) for name in hosts}, "x", order)
        fleet.clear_trace()
        pgcluster.apply(pgcluster.make_plan(hosts, steps, fleet), fleet).check()
    assert [act.host for act in fleet.trace() if act.disturbed] == ["h2", "h3", "h1"]


class Broken(Motd):
    """Raises at the nth look, counted over all hosts."""

    left = 0

    def decide(self, answers):
        Broken.left -= 1
        if Broken.left == 0:
            self.deep()
        return super().decide(answers)

    def deep(self):
        raise ZeroDivisionError("of my own making")


@pytest.mark.parametrize("nth", range(1, 9))
def test_an_exception_in_an_own_step_arrives_with_its_traceback(nth):
    spec, fleet = small_spec(), simulated_fleet()
    Broken.left = nth
    with pytest.raises(ZeroDivisionError, match="of my own making") as raised:
        pgcluster.apply(pgcluster.plan_deploy(spec, fleet, components=[MotdComponent(Broken)]), fleet)
        while True:    # later looks come in later plans
            fleet.host("pg1").write("/etc/motd", "other words")
            pgcluster.apply(pgcluster.plan_deploy(spec, fleet, components=[MotdComponent(Broken)]), fleet)
    assert [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)][-2:] == ["decide", "deep"]
    Broken.left = 0
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet, components=[MotdComponent()]), fleet).check()
    assert not pgcluster.plan_deploy(spec, fleet, components=[MotdComponent()]) and pgcluster.read_status(spec, fleet).healthy


def parts(**functions):
    ask = pgcluster.Ask("h1", pgcluster.FileOf("/etc/x"))
    return pgcluster.make_step("h1/x/y", pgcluster.StepParts([ask], functions["decide"]))


@pytest.mark.parametrize("make, kind, words", [
    (lambda: parts(decide=lambda answers: 1 / 0), ZeroDivisionError, "division"),
    (lambda: parts(decide=lambda answers: None), TypeError, "what parts.decide returned must be one of Done, Change, Later, Refused, not None"),
    (lambda: pgcluster.Step(), NotImplementedError, r"a subclass of Step must have \w+\(\)"),
])
def test_what_is_wrong_with_an_own_step(make, kind, words):
    with pytest.raises(kind, match=words):
        pgcluster.make_plan({"h1": pgcluster.HostAccess("h1", "192.0.2.1")}, make(), simulated_fleet())


def test_what_is_wrong_with_an_own_component():
    class Nothing(pgcluster.Component):
        def name(self):
            return "nothing"

        def steps(self, node):
            return ["not steps"]

    with pytest.raises(TypeError, match=r"what steps\(\) of component nothing returned must be Steps or Step, not list"):
        pgcluster.plan_deploy(small_spec(), simulated_fleet(), components=[Nothing()])
    with pytest.raises(NotImplementedError, match=r"a subclass of Component must have name\(\)"):
        pgcluster.plan_deploy(small_spec(), simulated_fleet(), components=[pgcluster.Component()])


def test_a_refusal_of_ones_own():
    step = parts(decide=lambda answers: pgcluster.Refused(pgcluster.Diagnostic(message="not on a Monday", hint="wait")))
    with pytest.raises(pgcluster.RefusedError, match="not on a Monday") as raised:
        pgcluster.make_plan({"h1": pgcluster.HostAccess("h1", "192.0.2.1")}, step, simulated_fleet())
    assert raised.value.code == "refused"


def test_an_own_service_model():
    class Clock(pgcluster.ServiceModel):
        def __init__(self):
            super().__init__()
            self.seen = []

        def package(self, name):
            return pgcluster.SimulatedPackage("2", units=["clock.service"]) if name == "clock" else None

        def unit_starts(self, host, unit, now):
            return pgcluster.ServiceModel.Start(dies="no quartz") if unit == "clock.service" else None

        def exec(self, host, argv, input):
            self.seen.append((host.name, argv))
            return pgcluster.Output(0, "12:00") if argv == ["clock"] else None

    fleet, model = simulated_fleet(), Clock()
    fleet.add(model)
    fleet.install("h1", "clock")
    assert fleet.host("h1").packages["clock"] == "2"
    with pytest.raises(TypeError):
        fleet.host("h1").packages["clock"] = "3"
    answer = fleet.run(pgcluster.HostAccess("h1", "192.0.2.1"), pgcluster.Program(asks=[pgcluster.Ask("h1", pgcluster.Exec(["clock"]))])).answers[0]
    assert answer == pgcluster.Output(0, "12:00") and model.seen == [("h1", ["clock"])]


def test_steps_refer_to_each_other_by_value():
    leader, member = pgcluster.patroni.leader(), pgcluster.patroni.member("pg1")
    assert leader == "cluster/patroni/leader" and (leader.host, leader.component, leader.what) == ("", "patroni", "leader")
    assert member == pgcluster.StepRef("pg1", "patroni", "member") == pgcluster.parse_step_name("pg1/patroni/member")
    assert pickle.loads(pickle.dumps(member)) == member and repr(member) == "StepRef('pg1', 'patroni', 'member')"
    assert pgcluster.parse_step_name("pg1/patroni") is None
    assert pgcluster.removal("pg1", "motd", "file:/etc/motd") == "pg1/motd/remove:file:/etc/motd"
    with pytest.raises(AttributeError):
        pgcluster.patroni.leadr()


def test_a_reference_to_a_step_that_the_plan_does_not_have_is_an_error():
    def write(ref):
        return pgcluster.file(ref, ref.host, pgcluster.WriteFile(f"/etc/{ref.what}", "x"))

    first, second = pgcluster.StepRef("h1", "x", "first"), pgcluster.StepRef("h1", "x", "second")
    hosts, fleet = {"h1": pgcluster.HostAccess("h1", "192.0.2.1")}, simulated_fleet()
    alone = pgcluster.after([first], write(second))
    assert alone.missing() == [pgcluster.Steps.Missing(second, first)]
    assert pgcluster.make_plan(hosts, pgcluster.parallel(alone, write(first)), fleet).changes()[1].after == (first,)
    with pytest.raises(pgcluster.Internal) as caught:
        pgcluster.make_plan(hosts, pgcluster.parallel(pgcluster.after([pgcluster.StepRef("h1", "x", "frist")], write(second)), write(first)), fleet)
    assert caught.value.failure.message == "h1/x/second waits for h1/x/frist, and the plan has no such step"
    assert caught.value.failure.hint == "did you mean h1/x/first?"
    where_planned = pgcluster.after_where_planned([first], write(second))
    assert not where_planned.missing() and len(pgcluster.make_plan(hosts, where_planned, fleet).changes()) == 1
    assert len(pgcluster.make_plan(hosts, pgcluster.after([pgcluster.StepRef("h2", "x", "y")], write(second)), fleet, without={"h2"}).changes()) == 1
    with pytest.raises(TypeError, match="must be StepRef, not str"):
        pgcluster.after(["h1/x/first"], write(second))


def test_an_own_component_waits_for_steps_of_others():
    class Waiting(pgcluster.Component):
        def name(self):
            return "waiting"

        def steps(self, node):
            assert node.component == "waiting"
            config = pgcluster.file(node.step("config"), node.name(), pgcluster.WriteFile("/etc/waiting", "x"))
            return pgcluster.sequence(pgcluster.package(node, "waiting"), pgcluster.after([pgcluster.patroni.leader()], config))

    plan = pgcluster.plan_deploy(small_spec(), simulated_fleet(), components=[Waiting()])
    changes = {change.id: change for change in plan.changes()}
    assert set(changes["pg1/waiting/config"].after) == {"pg1/waiting/package:waiting", "cluster/patroni/leader"}


def test_views_by_hand():
    cluster = pgcluster.ClusterView(small_spec(), facts={"pg1": pgcluster.Facts(hostname="pg1", os_id="debian")})
    node = pgcluster.NodeView(cluster, "pg1")
    assert node.step("motd", "file") == "pg1/motd/file" and node.topology() is cluster.topology
    [found] = MotdComponent().steps(node).asks()
    assert found.what.path == "/etc/motd"
    answers = pgcluster.Answers()
    answers.set(found, pgcluster.Absent())
    assert isinstance(MotdComponent().steps(node).decide(answers), pgcluster.Change)
    assert len(pgcluster.package(node, "x")) == 1 and len(pgcluster.service(node, "x")) == 1
    assert node.component == "" and node.seen_by(MotdComponent()).step("file") == pgcluster.NodeView(cluster, "pg1", "motd").step("file") == "pg1/motd/file"
    assert [one.name() for one in pgcluster.builtin_components()][:2] == ["system", "etcd"]
    with pytest.raises(pgcluster.Internal):
        pgcluster.NodeView(cluster, "pg9")
