"""The functions of the library, with their names in C++. An options struct of C++ is keyword arguments here."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

from . import _core
from ._base import StepRef, Words
from ._core import Component, Executor, NodeView, Plan, Step, Steps, StopSource, Text
from ._errors import Error
from ._records import (Answer, Ask, Backups, BackupType, CheckReport, Diagnostic, Do, Event, Facts, Failure, GateWish, Hop, History, HostAccess, Impact, KnownCluster, Observed, Order, PlanOrigin, Platform,
                       Report, Role, Secret, Secrets, ServiceWish, Spec, Status, StepParts, Topology, WriteBlock, WriteFile)

Seconds = datetime.timedelta | float
_TWO_MINUTES = datetime.timedelta(seconds=120)


# Specs.

def load_spec(path: Words) -> Spec:
    """Reads a spec from a file, with !env and !file resolved. Raises SpecInvalid with every finding in `diagnostics`."""
    return _core.load_spec(path)


def parse_spec(yaml: str, name: str = "<spec>", folder: Words = ".", secrets_from: Spec | None = None) -> Spec:
    """Reads a spec from text. Findings name the file `name`; relative paths (!file, keys of ssh) start at `folder`.
    A password written as "!spec KEY" is taken from `secrets_from`."""
    return _core.parse_spec(yaml, name, folder, secrets_from)


def validate(spec: Spec) -> list[Diagnostic]:
    """The errors and warnings of a spec that was built in code; empty if there are none."""
    return _core.validate(spec)


def dump(spec: Spec, secrets: Secrets | str = Secrets.values) -> str:
    """YAML that loads to an equal spec. Only values that differ from the defaults are written; hosts keep their order."""
    return _core.dump(spec, secrets)


def spec_schema() -> str:
    """JSON Schema (2020-12) of cluster.yaml."""
    return _core.spec_schema()


def extra_json(spec: Spec, component: str) -> str:
    """The value of `extra` for a component, as JSON with !env and !file resolved; "{}" if there is none."""
    return _core.extra_json(spec, component)


# Topology.

def role_from(name: str) -> Role | None:
    """The role of that name; None if there is no such role."""
    return Role(name) if name in list(Role) else None


def resolve(spec: Spec) -> Topology:
    """The spec resolved: roles, datacenters, quorum, endpoints. Pure. The spec must be valid."""
    return _core.resolve(spec)


def vip_network_warning(vip: Words, topology: Topology, cidrs: Mapping[str, Sequence[str]] | None = None) -> Diagnostic | None:
    """A warning if a database host (with load balancing: a balancer) could not hold the VIP; None if all could. `cidrs` are the addresses of each
    host's interfaces."""
    return _core.vip_network_warning(vip, topology, dict(cidrs or {}))


def graph(topology: Topology, spec: Spec, format: str) -> str:
    """The topology as a graph: "dot" (Graphviz), "mermaid", or "svg", a self-contained picture. Raises RefusedError for another format."""
    return _core.graph(topology, spec, format)


def cluster_file(topology: Topology) -> str:
    """Names, access and roles of all hosts, as JSON: the content of /var/lib/pgcluster/cluster."""
    return _core.cluster_file(topology)


def read_cluster_file(text: str) -> KnownCluster | None:
    """Reads what cluster_file() wrote; None if the text is something else."""
    return _core.read_cluster_file(text)


# Planners. Each reads the hosts, changes nothing, and raises an Error: SpecInvalid, RefusedError, or the error of a host (HostUnreachable, …).

def plan_deploy(spec: Spec, executor: Executor, *, components: Sequence[Component] = (), prune: bool = False, without: Sequence[str] = (),
                no_restart: bool = False, stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Plan:
    """The changes that make the hosts match the spec; empty if they match. Reads the hosts, changes nothing.

    components: your own, beside the built-in ones
    prune: also clean the hosts that left the spec, data included
    without: hosts to treat as if they were down
    no_restart: leave out what would restart something, and what comes after it; a warning names these steps
    stop: ends the call
    deadline: the longest time for reading the hosts, in seconds or as timedelta
    parallel: hosts at a time
    poll: called on this thread at least every 100 ms

    Raises SpecInvalid, RefusedError, or the error of a host (HostUnreachable, AuthFailed, …)."""
    return _core.plan_deploy(spec, executor, dict(components=components, prune=prune, without=without, no_restart=no_restart, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_rotate(spec: Spec, executor: Executor, *, what: Sequence[str], components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Plan:
    """Replaces generated passwords, or all keys and certificates, on a cluster that otherwise matches its spec.

    what: names of roles, as read_password takes them, at least one; or alone "certificates", or "ca", the authority that signs them

    "ca" takes three plans: apply each, and call again while plan.continues().

    Raises RefusedError also if a password stands in the spec, or if changes are pending. Other options and errors are those of plan_deploy."""
    return _core.plan_rotate(spec, executor, dict(what=what, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_backup(spec: Spec, executor: Executor, *, type: BackupType = BackupType.incr, components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Plan:
    """Makes a backup in each repository now. Raises RefusedError also if the cluster is not backed up. Other options and errors are those of plan_deploy."""
    return _core.plan_backup(spec, executor, dict(type=type, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_prove(spec: Spec, executor: Executor, *, backup: str = "", components: Sequence[Component] = (),
               stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
               poll: Callable[[], object] | None = None) -> Plan:
    """Restores a backup into a server of its own on a replica's host, without network or archive, looks it through, and removes it. read_backups tells
    afterwards what was found; the apply fails with NotConverged if something is wrong.

    backup: its label; the newest one if it is empty

    Raises RefusedError also if there is no such backup, or no room for it. Other options and errors are those of plan_deploy."""
    return _core.plan_prove(spec, executor, dict(backup=backup, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_restore(spec: Spec, executor: Executor, *, time: str = "", lsn: str = "", xid: str = "", name: str = "", backup: str = "", timeline: int = 0,
                 keep_data: bool = False, components: Sequence[Component] = (),
                 stop: StopSource | None = None, deadline: Seconds = 900, parallel: int = 32,
                 poll: Callable[[], object] | None = None) -> Plan:
    """Replaces the data of a running cluster by that of its backups, up to a target. Everything after it is lost, but stays in the archive.

    time: with its zone, "2026-11-30 09:00:00+01"
    lsn: a place in the WAL, "0/5000028"
    xid: a transaction, which is the last one
    name: a restore point that pg_create_restore_point() has made
    backup: a label, to the end of that backup; without any of these five: to the end of the archive
    timeline: the one to follow, if there are several with this target
    keep_data: rename the former data directories

    It takes two plans: apply each, and call again with the same options while plan.continues(). After an interruption, call again, too.

    If all hosts except those with repositories were lost, it deploys the cluster on new hosts, with that data. There, xid, name and keep_data
    are refused.

    Raises RefusedError also if the target cannot be reached; nothing was stopped then. Other options and errors are those of plan_deploy."""
    return _core.plan_restore(spec, executor, dict(time=time, lsn=lsn, xid=xid, name=name, backup=backup, timeline=timeline, keep_data=keep_data,
                                                   components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_switchover(spec: Spec, executor: Executor, *, to: str = "", components: Sequence[Component] = (),
                    stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                    poll: Callable[[], object] | None = None) -> Plan:
    """Hands leadership over to a healthy replica: `to`, or the best one. Options and errors are those of plan_deploy."""
    return _core.plan_switchover(spec, executor, dict(to=to, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_failover(spec: Spec, executor: Executor, *, to: str, components: Sequence[Component] = (),
                  stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                  poll: Callable[[], object] | None = None) -> Plan:
    """Promotes `to` if there is no healthy leader any more. What it had not received is lost. Options and errors are those of plan_deploy."""
    return _core.plan_failover(spec, executor, dict(to=to, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_restart(spec: Spec, executor: Executor, *, host: str = "", components: Sequence[Component] = (),
                 stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                 poll: Callable[[], object] | None = None) -> Plan:
    """Restarts PostgreSQL on `host`, or on all: replicas first and one member at a time, the leader last. Options and errors are those of plan_deploy."""
    return _core.plan_restart(spec, executor, dict(host=host, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_reload(spec: Spec, executor: Executor, *, host: str = "", components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Plan:
    """Makes PostgreSQL read its configuration again, on `host` or on all. Options and errors are those of plan_deploy."""
    return _core.plan_reload(spec, executor, dict(host=host, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_reinit(spec: Spec, executor: Executor, *, host: str, components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Plan:
    """Copies a replica's data from the leader again. Raises RefusedError for the leader. Options and errors are those of plan_deploy."""
    return _core.plan_reinit(spec, executor, dict(host=host, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_pause(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
               stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
               poll: Callable[[], object] | None = None) -> Plan:
    """Stops automatic failover until plan_resume. Options and errors are those of plan_deploy."""
    return _core.plan_pause(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_resume(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Plan:
    """Starts automatic failover again. Options and errors are those of plan_deploy."""
    return _core.plan_resume(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_destroy(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                 stop: StopSource | None = None,
                 deadline: Seconds = _TWO_MINUTES, parallel: int = 32, poll: Callable[[], object] | None = None) -> Plan:
    """Removes everything that pgcluster put on the hosts, data included. Options and errors are those of plan_deploy."""
    return _core.plan_destroy(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def plan_from_document(document: str, spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                       stop: StopSource | None = None,
                       deadline: Seconds = _TWO_MINUTES, parallel: int = 32, poll: Callable[[], object] | None = None) -> Plan:
    """Makes a plan again from the document of one, with the same planner, spec and options; `spec` gives the secrets.
    Raises Drifted if the changes would now be different."""
    return _core.plan_from_document(document, spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


class PlanDocument:
    """The pickled form of a Plan: its document, without secrets. restore() makes a plan of it."""

    def __init__(self, document: str) -> None:
        self.document = document

    def restore(self, spec: Spec, executor: Executor, *, components: Sequence[Component] = (), stop: StopSource | None = None,
                deadline: Seconds = _TWO_MINUTES, parallel: int = 32, poll: Callable[[], object] | None = None) -> Plan:
        """As plan_from_document."""
        return plan_from_document(self.document, spec, executor, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlanDocument) and self.document == other.document

    def __hash__(self) -> int:
        return hash(self.document)

    def __repr__(self) -> str:
        return f"<PlanDocument: {len(self.document)} characters>"


def read_status(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> Status:
    """Reads the state of the cluster. A host that does not answer is a problem in the result, not an error."""
    return _core.read_status(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def read_backups(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                 stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                 poll: Callable[[], object] | None = None) -> Backups:
    """Which backups there are, and which times can be restored. Raises RefusedError if the cluster is not backed up."""
    return _core.read_backups(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def schema(document: str = "spec") -> str:
    """JSON Schema (2020-12) of cluster.yaml ("spec"), of what "plan", "status", "backups" and "history" print with --json, of a line of apply --json
    ("event"), or of its last line ("report"). Raises RefusedError for any other word."""
    return _core.schema(document)


def schema_names() -> list[str]:
    """The words that schema() takes."""
    return _core.schema_names()


def read_history(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                 stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                 poll: Callable[[], object] | None = None) -> History:
    """The applies that the hosts remember: the last 200. Raises a host's error if no host can be asked."""
    return _core.read_history(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def html_report(spec: Spec, executor: Executor, *, log: str = "", components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> str:
    """A page about the cluster in HTML: its topology, health, backups, pending changes, and the last apply. It needs no script, and has no secrets.
    The page lists what could not be read.

    log: lines of json(event) of an apply, as apply --log writes them; the page then shows when each step ran. Raises RefusedError if it is none"""
    return _core.html_report(spec, executor, dict(log=log, components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def check_hosts(spec: Spec, executor: Executor, *, components: Sequence[Component] = (),
                stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                poll: Callable[[], object] | None = None) -> CheckReport:
    """Checks whether the hosts are fit for the spec: ssh, sudo, OS, ports, clock, disk, packages. Changes nothing."""
    return _core.check_hosts(spec, executor, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def read_password(spec: Spec, executor: Executor, role: str, *, components: Sequence[Component] = (),
                  stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES, parallel: int = 32,
                  poll: Callable[[], object] | None = None) -> str:
    """The password of a role (superuser, replication, restapi, pgbouncer, or a user of the spec). Raises RefusedError if there is none."""
    return _core.read_password(spec, executor, role, dict(components=components, stop=stop, deadline=deadline, parallel=parallel, poll=poll))


# The engine.

def make_plan(hosts: Mapping[str, HostAccess], steps: Steps | Step, executor: Executor, *, stop: StopSource | None = None, deadline: Seconds = _TWO_MINUTES,
              parallel: int = 32, warnings: Sequence[Diagnostic] = (), origin: PlanOrigin | None = None, without: Iterable[str] = (),
              poll: Callable[[], object] | None = None) -> Plan:
    """Asks each host the questions of the steps, in one program for each host, and decides. Changes nothing. An exception that a
    step's decide() raises is raised here."""
    options: dict[str, Any] = dict(stop=stop, deadline=deadline, parallel=parallel, warnings=warnings, without=set(without), poll=poll)
    if origin is not None:
        options["origin"] = origin
    return _core.make_plan(dict(hosts), steps, executor, options)


def observe(hosts: Mapping[str, HostAccess], asks: Mapping[str, Sequence[Ask]], executor: Executor, *, stop: StopSource | None = None,
            deadline: Seconds = _TWO_MINUTES, parallel: int = 32, poll: Callable[[], object] | None = None) -> Observed:
    """Asks several hosts, `parallel` at a time. A host that cannot be asked is in the `errors` of the result."""
    return _core.observe(dict(hosts), dict(asks), executor, dict(stop=stop, deadline=deadline, parallel=parallel, poll=poll))


def apply(plan: Plan, executor: Executor, *, on_event: Callable[[Event], object] | None = None, stop: StopSource | None = None,
          deadline: Seconds = datetime.timedelta(seconds=3600), reconnect: Seconds = datetime.timedelta(seconds=90), parallel: int = 32, who: str = "",
          poll: Callable[[], object] | None = None) -> Report:
    """Makes the changes of the plan, and no others.

    on_event: called with each Event, on this thread
    stop: no further step starts; running ones finish
    deadline: the longest time for the whole apply, in seconds or as timedelta
    reconnect: for how long to retry a lost connection
    parallel: hosts at a time
    who: the holder's name in the lock; empty: user, machine and process
    poll: called on this thread at least every 100 ms

    Raises an Error only if nothing was started (Locked, HostUnreachable); otherwise see the report, or call its check(). An exception of a
    callback or of a step of your own, and Ctrl-C (KeyboardInterrupt), stop the apply in order and are raised here: running steps finish, locks
    are released, and the next apply continues from there. A second Ctrl-C cuts the connections."""
    return _core.apply(plan, executor, dict(on_event=on_event, stop=stop, deadline=deadline, reconnect=reconnect, parallel=parallel, who=who, poll=poll))


# Steps.

def join(parts: Iterable[Steps | Step], in_sequence: bool) -> Steps:
    """sequence() or parallel() of the parts."""
    return _core.join(list(parts), in_sequence)


def _parts(parts: tuple[Steps | Step | Iterable[Steps | Step], ...]) -> list[Steps | Step]:
    all: list[Steps | Step] = []
    for one in parts:
        if isinstance(one, (list, tuple)):
            all.extend(one)
        else:
            all.append(one)  # type: ignore[arg-type]
    return all


def sequence(*parts: Steps | Step | Sequence[Steps | Step]) -> Steps:
    """The parts one after another."""
    return join(_parts(parts), True)


def parallel(*parts: Steps | Step | Sequence[Steps | Step]) -> Steps:
    """The parts side by side."""
    return join(_parts(parts), False)


def after(awaited: Sequence[StepRef], steps: Steps | Step) -> Steps:
    """`steps` begin after the awaited ones, which other parts of the plan bring. Each awaited step must be in the plan: make_plan raises Internal
    otherwise, unless the step's host is left out."""
    return _core.after(awaited, steps)


def after_where_planned(awaited: Sequence[StepRef], steps: Steps | Step) -> Steps:
    """The same for steps that only some plans have, such as removals: no wait where the plan does not have them."""
    return _core.after_where_planned(awaited, steps)


def parse_step_name(name: str) -> StepRef | None:
    """The reference of a name that comes from outside, such as a plan's document; None where the text is not HOST/COMPONENT/WHAT."""
    return _core.parse_step_name(name)


def removal(host: str, component: str, resource: str) -> StepRef:
    """The step by which a plan removes a resource (as in Owned) that the component owns and no longer needs. Only plans that remove it have it."""
    return _core.removal(host, component, resource)


@overload
def rolling(group: str, member: str, order: Order, steps: Steps | Step) -> Steps: ...
@overload
def rolling(group: Mapping[str, Steps | Step], member: str, order: Order, steps: None = None) -> Steps: ...
def rolling(group: str | Mapping[str, Steps | Step], member: str, order: Order, steps: Steps | Step | None = None) -> Steps:
    """rolling(group, member, order, steps): `steps` as one member of the rolling group: where any of its steps disturbs, the whole member runs while no
    other member of any group does, in the group's order. rolling(members, group, order): all members of a group at once."""
    if isinstance(group, Mapping):
        return _core.rolling_group(dict(group), member, order)
    return _core.rolling_member(group, member, order, steps)


def file(name: str, host: str, wish: WriteFile) -> Step:
    """A file with exactly this content and access. The diff masks secrets."""
    return _core.file(name, host, wish)


def block(name: str, host: str, wish: WriteBlock) -> Step:
    """A marked block in a file that is not ours."""
    return _core.block(name, host, wish)


def packages(name: str, host: str, packages: Sequence[str], mask: Sequence[str] = ()) -> Step:
    """Packages are installed, in any version. The installation does not start the units in `mask`."""
    return _core.packages(name, host, packages, mask)


def package(node: NodeView, name: str) -> Steps:
    """A package for an own component: the step "pg1/COMPONENT/package:NAME". The component is the node's; a view without one names the step by
    the package."""
    return _core.package(node, name)


@overload
def service(name: str, host: str, wish: ServiceWish) -> Step: ...
@overload
def service(name: NodeView, host: str, wish: None = None) -> Steps: ...
def service(name: str | NodeView, host: str, wish: ServiceWish | None = None) -> Step | Steps:
    """service(name, host, wish): enabled, active, and running on its present files. service(node, unit): for an own component, the unit is enabled
    and runs: the step "pg1/COMPONENT/service:UNIT"."""
    if isinstance(name, NodeView):
        return _core.service_of_node(name, host)
    return _core.service_step(name, host, wish)


def journal_ask(host: str, unit: str) -> Ask:
    """The unit's last lines in the journal: evidence for a step that fails."""
    return _core.journal_ask(host, unit)


def unit_notes(wish: ServiceWish, exec_reload: Sequence[str] = (), more_service_lines: str = "") -> WriteFile:
    """A drop-in for the unit. With it the host knows whether the unit runs on its present files."""
    return _core.unit_notes(wish, exec_reload, more_service_lines)


def absent(name: str, host: str, resource: str) -> Step:
    """Removes a resource that pgcluster made. `resource` is as in Owned."""
    return _core.absent(name, host, resource)


def gate(name: str, wish: GateWish) -> Step:
    """A step that changes nothing: it waits for a condition, for at most `settle`."""
    return _core.gate(name, wish)


def make_step(name: str, parts: StepParts) -> Step:
    """A step made of functions. They must be pure; they are called on the thread that plans or applies."""
    return _core.make_step(name, parts)


def host_of(step_name: str) -> str:
    """ "pg1" of "pg1/etcd/config"; "" of "cluster/…"."""
    return _core.host_of(step_name)


def component_of(step_name: str) -> str:
    """ "etcd" of "pg1/etcd/config"."""
    return _core.component_of(step_name)


def disturbs(impact: Impact | str) -> bool:
    """Whether changes of this impact take turns: one host at a time."""
    return _core.disturbs(impact)


# Components.

def builtin_components() -> list[Component]:
    """The built-in components, in the order in which they are deployed on a host."""
    return _core.builtin_components()


def add_service_models(fleet: _core.SimulatedExecutor) -> None:
    """Gives a simulated fleet the packages of Debian and the services of a cluster. They show ordering, laws and scale, never that a
    configuration is right."""
    _core.add_service_models(fleet)


# Plain data.

def unified_diff(path: Words, before: str, after: Text | str | Secret) -> Text:
    """A unified diff from `before` (bytes of a host) to `after`, with secrets masked; "" if they are equal."""
    return _core.unified_diff(path, before, after)


def text(failure: Failure) -> str:
    """The text of a failure, as Error.text() gives it."""
    return _core.text(failure)


def read_log(text: str) -> list[Event]:
    """The events of an apply, from lines of json(event). The line of its report is skipped; of several applies in one text the last one counts.
    Raises RefusedError if a line is neither, or if there is no event."""
    return _core.read_log(text)


def json(of: Event | Failure) -> str:
    """One line of JSON: an event, or the error document of the command."""
    return _core.json(of)


def key(ask: Ask) -> str:
    """A text that is equal for equal asks and different for others. Not for display."""
    return _core.key(ask)


def resources(of: Do | Ask) -> list[str]:
    """Resource keys: "file:/etc/default/etcd", "package:etcd-server", …"""
    return _core.resources(of)


def describe(of: Do | Ask) -> str:
    """A short description without secrets: "write /etc/default/etcd"."""
    return _core.describe(of)


def is_slow(do: Do) -> bool:
    """Whether a program ends after it: an install, an upload, a slow run."""
    return _core.is_slow(do)


def parse_hop(text: str) -> Hop | None:
    """ "admin@bastion:2222", "[fd00::1]:22"; None for anything else."""
    return _core.parse_hop(text)


def facts_asks(host: str) -> list[Ask]:
    """What to ask a host for its facts: one exec."""
    return _core.facts_asks(host)


def platforms() -> list[Platform]:
    """All platforms on which pgcluster deploys."""
    return _core.platforms()


def platform_of(facts: Facts) -> Platform:
    """The platform of a host with these facts. Debian 13 where they do not tell, as before a host was asked, and where pgcluster refuses the host."""
    return _core.platform_of(facts)


def read_facts(host: str, answers: Sequence[Answer]) -> Facts:
    """Reads the answers to facts_asks(). Raises HostUnsupported if they make no sense."""
    return _core.read_facts(host, answers)


__all__ = [
    "PlanDocument", "absent", "add_service_models", "after", "after_where_planned", "apply", "block",
    "builtin_components", "check_hosts", "cluster_file", "component_of", "describe", "disturbs",
    "dump", "extra_json", "facts_asks", "file", "gate", "graph",
    "host_of", "html_report", "is_slow", "join", "journal_ask", "json", "key",
    "load_spec", "make_plan", "make_step", "observe", "package", "packages",
    "parallel", "parse_hop", "parse_spec", "parse_step_name", "plan_backup", "plan_deploy", "plan_destroy", "plan_failover",
    "plan_from_document", "plan_pause", "plan_prove", "plan_reinit", "plan_reload", "plan_restart", "plan_restore", "plan_resume", "plan_rotate",
    "plan_switchover", "platform_of", "platforms", "read_backups", "read_cluster_file", "read_facts", "read_history", "read_log", "read_password", "read_status", "removal", "resolve",
    "resources", "role_from", "rolling", "schema", "schema_names", "sequence", "service", "spec_schema",
    "text", "unified_diff", "unit_notes", "validate", "vip_network_warning",
]
