"""From a spec to a deployed cluster and away again, on the simulated fleet."""

import datetime
import html.parser
import json

import jsonschema
import pgcluster
import pytest
from pgcluster.testing import simulated_fleet, small_spec


def deployed(spec, fleet):
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet).check()
    return fleet


def test_deploy_status_switchover_parameter_destroy(pgcluster_fleet):
    fleet, spec = pgcluster_fleet, small_spec(cluster_vip="10.77.0.100", postgresql_parameters={"max_connections": 100})
    plan = pgcluster.plan_deploy(spec, fleet)
    assert plan and not plan.empty() and plan.text() == str(plan)
    change = next(one for one in plan.changes() if one.id == "pg1/etcd/config")
    assert (change.host, change.component, change.action, change.impact) == ("pg1", "etcd", pgcluster.Action.create, pgcluster.Impact.none)
    assert json.loads(plan.json())["format"] == 1 and plan.to_dict()["summary"]

    events = []
    report = pgcluster.apply(plan, fleet, on_event=events.append).check()
    assert report.ok() and report.changed > 10 and json.loads(report.to_json())["format"] == 1
    assert events[0].kind is pgcluster.Event.Kind.lock_taken and events[-1].kind == "apply_done"
    assert all(isinstance(event.at, datetime.timedelta) for event in events)

    again = pgcluster.plan_deploy(spec, fleet)
    assert not again and again.unchanged() > 10
    assert pgcluster.apply(again, fleet).text() == "No changes.\n"

    status = pgcluster.read_status(spec, fleet)
    assert status.healthy and status.leader == "pg1" and status.vip.holders == ("pg1",)
    assert {member.role for member in status.members} == {"leader", "replica"}
    assert json.loads(status.json())["leader"] == "pg1" and "pg1" in status.text()

    pgcluster.apply(pgcluster.plan_switchover(spec, fleet, to="pg2"), fleet).check()
    before = pgcluster.read_password(spec, fleet, "replication")
    pgcluster.apply(pgcluster.plan_rotate(spec, fleet, what=["replication"]), fleet).check()
    assert pgcluster.read_password(spec, fleet, "replication") != before
    assert pgcluster.read_status(spec, fleet).leader == "pg2"

    spec.postgresql_parameters["max_connections"] = 120
    plan = pgcluster.plan_deploy(spec, fleet)
    assert pgcluster.Impact.restart in {change.impact for change in plan.changes()}
    pgcluster.apply(plan, fleet).check()
    assert not pgcluster.plan_deploy(spec, fleet)

    pgcluster.apply(pgcluster.plan_destroy(spec, fleet), fleet).check()
    assert not fleet.host("pg1").active("patroni.service")


def test_a_fleet_of_its_own_for_each_test(pgcluster_fleet, pgcluster_spec):
    assert pgcluster_fleet.hosts() == []
    checks = pgcluster.check_hosts(pgcluster_spec, pgcluster_fleet)
    assert checks.hosts == ("pg1", "pg2", "pg3") and checks.ok() is json.loads(checks.json())["ok"] and checks.text() == str(checks)
    assert pgcluster_fleet.hosts() == ["pg1", "pg2", "pg3"]


def test_other_planners():
    spec, fleet = small_spec(), simulated_fleet()
    deployed(spec, fleet)
    for plan in (pgcluster.plan_restart(spec, fleet, host="pg2"), pgcluster.plan_reload(spec, fleet), pgcluster.plan_reinit(spec, fleet, host="pg3"),
                 pgcluster.plan_pause(spec, fleet)):
        assert plan
        pgcluster.apply(plan, fleet).check()
    assert pgcluster.read_status(spec, fleet).paused
    pgcluster.apply(pgcluster.plan_resume(spec, fleet), fleet).check()
    assert not pgcluster.read_status(spec, fleet).paused
    password = pgcluster.read_password(spec, fleet, "superuser")
    assert len(password) > 10
    with pytest.raises(pgcluster.RefusedError):
        pgcluster.plan_failover(spec, fleet, to="pg9")


def test_a_host_that_is_down():
    spec, fleet = small_spec(), simulated_fleet()
    deployed(spec, fleet)
    spec.postgresql_parameters["work_mem"] = "8MB"
    fleet.host("pg2").down = True
    with pytest.raises(pgcluster.HostUnreachable) as raised:
        pgcluster.plan_deploy(spec, fleet)
    error = raised.value
    assert (error.code, error.host) == (pgcluster.Code.host_unreachable, "pg2")
    assert isinstance(error.retryable, bool) and error.diagnostics == ()
    assert "pg2" in str(error) and json.loads(error.to_json())["error"]["code"] == "host_unreachable"
    plan = pgcluster.plan_deploy(spec, fleet, without=["pg2"])
    assert any("pg2" in warning.text() for warning in plan.warnings())


def test_a_failed_apply():
    spec, fleet = small_spec(), simulated_fleet()
    fleet.fail(lambda do: pgcluster.Output(1, "", "no space left") if do.at == "pg3" and isinstance(do.what, pgcluster.Install) else None)
    report = pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet)
    assert not report.ok() and not report
    assert {step.state for step in report.steps if step.host == "pg3"} >= {pgcluster.StepReport.State.failed, pgcluster.StepReport.State.blocked}
    with pytest.raises(pgcluster.CommandFailed, match="no space left") as raised:
        report.check()
    assert raised.value.host == "pg3" and raised.value.step.startswith("pg3/")
    fleet.fail(None)
    deployed(spec, fleet)


def test_locked():
    spec, fleet = small_spec(), simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet)
    fleet.host("pg2").lock = pgcluster.LockHolder("somebody@else pid 1", 1, "token")
    fleet.host("pg2").beaten = fleet.now()
    with pytest.raises(pgcluster.Locked, match="somebody@else"):
        pgcluster.apply(plan, fleet)


def test_stop_ends_an_apply():
    spec, fleet, stop = small_spec(), simulated_fleet(), pgcluster.StopSource()
    report = pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, stop=stop, on_event=lambda event: event.step == "pg1/etcd/config" and stop.request_stop())
    assert report.cancelled and stop.stop_requested()
    with pytest.raises(pgcluster.Cancelled):
        report.check()
    deployed(spec, fleet)


def test_a_plan_from_its_document():
    spec, fleet = small_spec(), simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet)
    again = pgcluster.plan_from_document(plan.document(), spec, fleet)
    assert again.changes() == plan.changes() and again == plan
    deployed(spec, fleet)
    with pytest.raises(pgcluster.Drifted):
        pgcluster.plan_from_document(plan.document(), spec, fleet)


def test_topology():
    topology = pgcluster.resolve(small_spec(3, cluster_vip="10.77.0.100"))
    assert topology.quorum() == 2 and topology.tolerates() == 1 and topology.host("pg2").has(pgcluster.Role.etcd)
    assert [host.name for host in topology.with_("postgres")] == ["pg1", "pg2", "pg3"]
    assert topology.dcs_endpoints(2379) == "10.77.0.11:2379,10.77.0.12:2379,10.77.0.13:2379"
    assert {endpoint.kind for endpoint in topology.endpoints} >= {"read-write", "read-only"}
    assert "graph" in pgcluster.graph(topology, small_spec(), "dot")
    assert pgcluster.graph(topology, small_spec(), "svg").startswith("<svg ")
    with pytest.raises(pgcluster.RefusedError):
        pgcluster.graph(topology, small_spec(), "png")
    assert pgcluster.read_cluster_file(pgcluster.cluster_file(topology)).hosts[0].name == "pg1"
    assert pgcluster.read_cluster_file("nonsense") is None
    with pytest.raises(pgcluster.Internal):
        topology.host("pg9")


def fits(document, text):
    schema = json.loads(pgcluster.schema(document))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_each_document_fits_its_schema(pgcluster_fleet):
    fleet, spec = pgcluster_fleet, small_spec()
    spec.hosts.append(pgcluster.HostSpec("keeper", "10.77.0.99", roles=["backup"]))
    spec.pgbackrest_install, spec.pgbackrest_repos = True, [pgcluster.RepoSpec(host="keeper")]
    plan, events = pgcluster.plan_deploy(spec, fleet), []
    fits("plan", plan.json())
    report = pgcluster.apply(plan, fleet, on_event=events.append)
    fits("report", report.json())
    assert len(events) > 100
    for event in events:
        fits("event", event.json())
    fits("plan", pgcluster.plan_deploy(spec, fleet).json())
    pgcluster.apply(pgcluster.plan_backup(spec, fleet, type="full"), fleet).check()
    for document, read in {"status": pgcluster.read_status, "backups": pgcluster.read_backups, "history": pgcluster.read_history}.items():
        fits(document, read(spec, fleet).json())
    # With something wrong, and before anything is there.
    fleet.host("pg2").down = True
    fits("status", pgcluster.read_status(spec, fleet).json())
    fits("history", pgcluster.read_history(spec, fleet).json())
    assert sorted(pgcluster.schema_names()) == ["backups", "event", "history", "plan", "report", "spec", "status"]
    with pytest.raises(pgcluster.RefusedError, match="there is no schema of cluster"):
        pgcluster.schema("cluster")


def test_history(pgcluster_fleet):
    fleet, spec = pgcluster_fleet, small_spec()
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, who="ann@desk pid 7").check()
    found = pgcluster.read_history(spec, fleet)
    assert [(one.planner, one.who, one.result) for one in found.applies] == [("deploy", "ann@desk pid 7", "done")]
    assert found.applies[0].changes[0].state == "done" and not found.unread
    assert json.loads(found.json())["applies"][0]["changes"] and "by ann@desk pid 7" in str(found)


class Outline(html.parser.HTMLParser):
    """The elements of a page, each of them closed; its ids; its headings; and all of its text."""
    EMPTY = {"meta"}    # needs no end

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.links, self.headings, self.words, self.names = [], [], [], [], "", set()
        self.feed(page)
        self.close()
        assert not self.open and len(self.ids) == len(set(self.ids))
        assert {link.removeprefix("#") for link in self.links} <= set(self.ids)

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        given = dict(attributes)
        assert not any(name.startswith("on") or name in ("src", "action") for name in given), given
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        assert tag != "th" or given.get("scope") in ("row", "col")
        assert tag != "svg" or given["role"] == "img"
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words += data
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


def test_the_page_about_a_cluster(pgcluster_fleet):
    fleet, spec, log = pgcluster_fleet, small_spec(), []
    spec.hosts.append(pgcluster.HostSpec("keeper", "10.77.0.99", roles=["backup"]))
    spec.pgbackrest_install, spec.pgbackrest_repos = True, [pgcluster.RepoSpec(host="keeper")]
    report = pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet, on_event=lambda event: log.append(pgcluster.json(event)))
    page = pgcluster.html_report(spec, fleet, log="\n".join([*log, report.json()]))
    seen = Outline(page)
    assert seen.headings == [spec.patroni_cluster_name, "Health", "Topology", "Backups", "Pending changes", "Last apply"]
    assert not seen.names & {"script", "img", "link", "iframe", "object"} and "@import" not in page and "url(" not in page
    for words in ("The cluster is healthy.", "pg1", "leader", "Nothing has to change", "No backup has been proven", "full", "none failed",
                  "pg2/patroni/service", "cluster/patroni/"):
        assert words in seen.words, words
    assert seen.words.count("not ended") == 0

    # Something is broken, and something is to change; a name is no markup.
    fleet.host("pg2").down = True
    spec.postgresql_users = [pgcluster.UserSpec(name="<b>&\"")]
    broken = Outline(pgcluster.html_report(spec, fleet))
    assert "not healthy" in broken.words and "What to do:" in broken.words and "b" not in broken.names
    assert "pg2" in broken.words and "Not known: pg2 cannot be reached" in broken.words, "a plan without pg2 is not asked for"
    assert "pgcluster apply --log FILE" in broken.words and "deploy by" in broken.words, "without a log the hosts' history is shown"
    fleet.host("pg2").down = False
    changed = Outline(pgcluster.html_report(spec, fleet))
    assert "Changes, in the order of apply" in changed.words

    # An apply that failed or was interrupted.
    events = [pgcluster.Event(kind="apply_started"), pgcluster.Event(kind="step_started", host="pg1", step="pg1/x/one"),
              pgcluster.Event(kind="step_failed", at=1.5, host="pg1", step="pg1/x/one", message="it <failed>"),
              pgcluster.Event(kind="step_blocked", at=1.5, host="pg1", step="pg1/x/two"),
              pgcluster.Event(kind="step_started", at=1, host="pg2", step="pg2/x/one")]
    failed = Outline(pgcluster.html_report(spec, fleet, log="\n".join(map(pgcluster.json, events)))).words
    for words in ("2 steps in 1.5 s, 1 failed, 1 did not begin because of that", "it <failed>", "not ended", "The log has no end of it"):
        assert words in failed, words
    for log, why in {"": "no event", "{}": "line 1", "\n".join([*log, "words"]): f"line {len(log) + 1}"}.items():
        if log:
            with pytest.raises(pgcluster.RefusedError, match=why):
                pgcluster.html_report(spec, fleet, log=log)
        with pytest.raises(pgcluster.RefusedError, match=why):
            pgcluster.read_log(log)


def test_backups(pgcluster_fleet):
    fleet, spec = pgcluster_fleet, small_spec()
    spec.hosts.append(pgcluster.HostSpec("keeper", "10.77.0.99", roles=["backup"]))
    with pytest.raises(pgcluster.RefusedError):
        pgcluster.read_backups(spec, fleet)
    spec.pgbackrest_install = True
    spec.pgbackrest_repos = [pgcluster.RepoSpec(host="keeper")]
    pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet).check()
    pgcluster.apply(pgcluster.plan_backup(spec, fleet, type="diff"), fleet).check()
    found = pgcluster.read_backups(spec, fleet)
    assert [one.type for one in found.backups] == ["full", "diff"] and found.repos[0].ok and found.window
    assert json.loads(found.json())["format"] == 1 and found.backups[0].label in str(found)
    assert pgcluster.read_status(spec, fleet).backup.last == found.backups[-1].stop
