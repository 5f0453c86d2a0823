"""Specs and other plain values: built, compared, shown, pickled; what is wrong with them is said at once."""

import copy
import dataclasses
import datetime
import ipaddress
import json
import pathlib
import pickle

import pgcluster
import pytest
from pgcluster.testing import simulated_fleet, small_spec


def test_a_spec_in_code_from_yaml_and_from_a_dict(tmp_path, monkeypatch):
    monkeypatch.setenv("APP_PASSWORD", "of the app")
    keys = {
        "patroni_cluster_name": "c1",
        "postgresql_parameters": {"max_connections": 200},
        "postgresql_users": [{"name": "app", "password": "!env APP_PASSWORD"}],
        "hosts": {"pg2": {"address": "10.77.0.12"}, "pg1": {"address": "10.77.0.11", "datacenter": "dc1", "patroni_tags": {"nofailover": True}}},
        "extra": {"node_exporter": {"port": 9100}},
    }
    spec = pgcluster.Spec.from_dict(keys)
    built = pgcluster.Spec(patroni_cluster_name="c1", postgresql_parameters={"max_connections": 200}, extra=spec.extra)
    built.postgresql_users = [pgcluster.UserSpec("app", "!env APP_PASSWORD")]
    built.hosts.append(pgcluster.HostSpec("pg2", ipaddress.ip_address("10.77.0.12")))
    built.hosts.append(pgcluster.HostSpec("pg1", "10.77.0.11", datacenter="dc1", patroni_tags={"nofailover": True}))
    assert spec == built and spec is not built
    assert json.loads(pgcluster.extra_json(spec, "node_exporter")) == {"port": 9100}
    assert spec.postgresql_users[0].password.value == "of the app" and "of the app" not in repr(spec) + str(spec) + str(spec.to_dict()) + spec.to_json()
    assert pgcluster.parse_spec(pgcluster.dump(spec)) == spec
    assert pgcluster.Spec.from_dict(spec.to_dict()) == spec
    (tmp_path / "cluster.yaml").write_text(pgcluster.dump(spec))
    assert pgcluster.load_spec(tmp_path / "cluster.yaml") == spec
    assert pgcluster.validate(spec) == [] and spec.host("pg1").datacenter == "dc1" and spec.host("pg9") is None


def test_every_finding_at_once():
    with pytest.raises(pgcluster.SpecInvalid) as raised:
        pgcluster.parse_spec("hosts:\n  pg1: { adress: 10.0.0.1 }\npostgresql_port: many\n", name="cluster.yaml")
    found = raised.value.diagnostics
    assert len(found) >= 2 and (found[0].file, found[0].severity) == ("cluster.yaml", "error")
    assert any("address" in one.hint + one.message and one.line == 2 for one in found)
    spec = small_spec()
    spec.hosts[1].address = spec.hosts[0].address
    assert [one.severity for one in pgcluster.validate(spec)] == [pgcluster.Severity.error]


def test_choices_are_enums_that_take_and_equal_their_words():
    spec = pgcluster.Spec(dcs_type="consul", consul_dns=pgcluster.ConsulDns.systemd_resolved, cloud_provider="hetzner",
                          ssh=pgcluster.SshSpec(host_key="accept-new", transport="openssh"),
                          hosts=[pgcluster.HostSpec("pg1", "10.77.0.11", roles=["postgres", pgcluster.Role.consul], consul_dns="none")])
    assert spec.dcs_type is pgcluster.DcsType.consul and spec.dcs_type == "consul" and spec.consul_dns == "systemd-resolved"
    assert spec.cloud_provider is pgcluster.CloudProvider.hetzner and spec.ssh.host_key is pgcluster.HostKeyPolicy.accept_new
    assert spec.hosts[0].roles == ["postgres", "consul"] and spec.hosts[0].consul_dns is pgcluster.ConsulDns.none
    spec.patroni_watchdog_mode = "off"
    assert spec.patroni_watchdog_mode is pgcluster.WatchdogMode.off
    assert pgcluster.Spec(cloud_provider="").cloud_provider is None and pgcluster.Spec().cloud_provider is None
    assert 'consul_dns: systemd-resolved' in pgcluster.dump(spec) and json.loads(spec.to_json())["ssh"]["host_key"] == "accept-new"
    with pytest.raises(pgcluster.SpecInvalid, match="has an error"):
        pgcluster.Spec.from_dict({"dcs_type": "consull", "hosts": {"pg1": {"address": "10.77.0.11"}}})


@pytest.mark.parametrize("key, choice", [
    ("dcs_type", "DcsType"), ("pgbouncer_default_pool_mode", "PoolMode"), ("patroni_watchdog_mode", "WatchdogMode"), ("consul_layout", "ConsulLayout"),
    ("consul_dns", "ConsulDns"), ("cloud_provider", "CloudProvider")])
def test_the_words_of_a_choice_are_those_of_the_schema(key, choice):
    assert [str(one) for one in getattr(pgcluster, choice)] == json.loads(pgcluster.spec_schema())["properties"][key]["enum"]


@pytest.mark.parametrize("make, kind, words", [
    (lambda: pgcluster.Spec(dcs_type="consull"), ValueError, "Spec.dcs_type is 'consull', which is none of etcd, consul"),
    (lambda: pgcluster.Spec(postgresql_port="5432"), TypeError, "Spec.postgresql_port must be int, not str"),
    (lambda: pgcluster.Spec(postgresql_port=True), TypeError, "Spec.postgresql_port must be int, not bool"),
    (lambda: pgcluster.Spec(postgresql_port=2**40), ValueError, "Spec.postgresql_port is out of range"),
    (lambda: pgcluster.Spec(postgresql_prt=1), TypeError, "postgresql_prt"),
    (lambda: setattr(pgcluster.Spec(), "postgresql_prt", 1), AttributeError, "did you mean postgresql_port"),
    (lambda: pgcluster.Spec().postgresql_prt, AttributeError, "postgresql_prt"),
    (lambda: pgcluster.HostSpec("pg1"), TypeError, "address"),
    (lambda: pgcluster.HostSpec("pg1", 7), TypeError, "HostSpec.address must be str, not int"),
    (lambda: pgcluster.HostSpec("pg1", "a", roles="postgres"), TypeError, "HostSpec.roles must be a list, not str"),
    (lambda: pgcluster.Spec(hosts=["pg1"]), TypeError, r"Spec.hosts\[0\] must be HostSpec, not str"),
    (lambda: pgcluster.Spec(postgresql_parameters={"a": [1]}), TypeError, r"Spec.postgresql_parameters\['a'\] must be"),
    (lambda: pgcluster.Spec(patroni_superuser_password="!env NO_SUCH_VARIABLE"), ValueError, "NO_SUCH_VARIABLE"),
    (lambda: pgcluster.Ask("pg1", "/etc/hosts"), TypeError, "Ask.what must be one of FileOf"),
    (lambda: pgcluster.Remove("folder", name="x"), ValueError, "'folder', which is none of file, tree"),
    (lambda: pgcluster.plan_deploy({}, simulated_fleet()), TypeError, r"plan_deploy\(\): spec must be Spec, not dict"),
    (lambda: pgcluster.plan_deploy(small_spec(), "ssh"), TypeError, r"plan_deploy\(\): executor must be Executor, not str"),
    (lambda: pgcluster.plan_deploy(small_spec(), simulated_fleet(), components=[object()]), TypeError, r"components\[0\] must be Component"),
    (lambda: pgcluster.plan_deploy(small_spec(), simulated_fleet(), deadline="2 s"), TypeError, r"deadline must be datetime.timedelta, or seconds, not str"),
    (lambda: pgcluster.plan_deploy(small_spec(), simulated_fleet(), prun=True), TypeError, "prun"),
    (lambda: pgcluster.plan_deploy(small_spec(), simulated_fleet(), stop=True), TypeError, "stop must be StopSource, not bool"),
    (lambda: pgcluster.plan_deploy(small_spec(), simulated_fleet(), poll=1), TypeError, "poll must be a function, not int"),
    (lambda: pgcluster.apply("plan", simulated_fleet()), TypeError, r"apply\(\): plan must be Plan, not str"),
    (lambda: pgcluster.apply(pgcluster.plan_deploy(small_spec(), simulated_fleet()), simulated_fleet(), on_event=1), TypeError, "on_event must be a function, not int"),
    (lambda: pgcluster.SshExecutor(login=1), TypeError, "'login'; there are logins"),
    (lambda: pgcluster.SimulatedExecutor(install="x"), TypeError, "install must be"),
    (lambda: pgcluster.load_spec(7), TypeError, r"load_spec\(\): path must be str, not int"),
    (lambda: pgcluster.no_such_thing, AttributeError, "no_such_thing"),
])
def test_what_is_wrong_is_said_as_python_says_it(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


def test_plain_values():
    ask = pgcluster.Ask("pg1", pgcluster.FileOf(pathlib.Path("/etc/hosts")))
    assert ask == pgcluster.Ask("pg1", pgcluster.FileOf("/etc/hosts")) and hash(ask) == hash(copy.deepcopy(ask))
    assert repr(ask) == "Ask(at='pg1', what=FileOf(path='/etc/hosts', content=True))"
    assert ask.to_dict() == {"at": "pg1", "what": {"path": "/etc/hosts", "content": True}} and pickle.loads(pickle.dumps(ask)) == ask
    assert pgcluster.describe(ask) == "read /etc/hosts" and pgcluster.resources(ask) == ["file:/etc/hosts"]
    do = pgcluster.Do("pg1", pgcluster.WriteFile("/etc/x", "text", mode=0o600), limit=30)
    assert do.limit == datetime.timedelta(seconds=30) and do.what.content == pgcluster.Text("text") and not pgcluster.is_slow(do)
    with pytest.raises(dataclasses.FrozenInstanceError):
        do.at = "pg2"
    assert pgcluster.Impact.none < pgcluster.Impact.reload < pgcluster.Impact.data and pgcluster.disturbs("restart") and not pgcluster.disturbs(pgcluster.Impact.reload)
    assert str(pgcluster.parse_hop("admin@bastion:22")) == "admin@bastion:22" and pgcluster.parse_hop("a:b:c@") is None
    assert dataclasses.replace(do, at="pg2").at == "pg2"
    assert pgcluster.SetUnit("x.service", pgcluster.SetUnit.Go.restart) == pgcluster.SetUnit("x.service", "restart")
    assert pgcluster.Output(0, "\udcff").out == "\udcff"


def test_secrets_stay_secret():
    secret = pgcluster.Secret("app_password", "hunter2")
    text = "password=" + pgcluster.Text(secret) + "\n"
    assert str(text) == "password=<secret app_password>\n" and text.reveal() == "password=hunter2\n" and text.spans()[0].name == "app_password"
    do = pgcluster.Do("pg1", pgcluster.WriteFile("/etc/x", text))
    spec = small_spec(patroni_superuser_password="hunter2")
    assert spec.patroni_superuser_password.given()
    for shown in (repr(secret), repr(text), repr(do), str(do.to_dict()), do.to_json(), repr(spec), str(spec), str(spec.to_dict()), str(pgcluster.unified_diff("x", "", text)), repr(secret.to_dict())):
        assert "hunter2" not in shown, shown
    for value in (secret, text, do, spec, spec.patroni_superuser_password):
        with pytest.raises(TypeError, match="a pickle carries no secret"):
            pickle.dumps(value)
    assert copy.deepcopy(spec) == spec
    fleet = simulated_fleet()
    plan = pgcluster.plan_deploy(spec, fleet)
    assert "hunter2" not in plan.document() + plan.json() + plan.text(diff=True) and b"hunter2" not in pickle.dumps(plan)
    restored = pickle.loads(pickle.dumps(plan)).restore(spec, fleet)
    assert restored == plan


def test_pickles(monkeypatch):
    monkeypatch.setenv("SUPERUSER", "hunter2")
    spec, fleet = small_spec(patroni_superuser_password="!env SUPERUSER"), simulated_fleet()
    carried = pickle.dumps(spec)
    assert b"hunter2" not in carried and pickle.loads(carried) == spec
    report = pgcluster.apply(pgcluster.plan_deploy(spec, fleet), fleet)
    assert pickle.loads(pickle.dumps(report)) == report
    status = pgcluster.read_status(spec, fleet)
    assert pickle.loads(pickle.dumps(status)) == status and status.to_dict()["leader"] == "pg1"
    error = pgcluster.Locked("pg1 is locked", hint="wait", host="pg1", retryable=True)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is pgcluster.Locked and (back.code, back.host, back.retryable, str(back)) == (pgcluster.Code.locked, "pg1", True, str(error))


def test_a_dict_has_any_character():
    for words in ("\U0001f418", "é\u2028\ufeff", 'a"b\\c', "\U0010ffff", "#x: {y}"):
        spec = pgcluster.Spec.from_dict({"hosts": {"pg1": {"address": "10.0.0.1"}}, "postgresql_users": [{"name": words}],
                                         "postgresql_parameters": {"application_name": words}})
        assert spec.postgresql_users[0].name == words
        assert spec.postgresql_parameters["application_name"] == words
    extra = {"one\U0001f418": ["\n\t\x7f\x85", {"x": "\U0001f418\n"}]}
    spec = pgcluster.Spec.from_dict({"hosts": {"pg1": {"address": "10.0.0.1"}}, "extra": {"mine": extra}})
    assert json.loads(pgcluster.extra_json(spec, "mine")) == extra


def test_passwords_are_named_by_where_they_stand():
    user = pgcluster.UserSpec("a", password="secret-a")
    spec = small_spec(postgresql_users=[user], patroni_superuser_password="secret-b")
    spec.ssh.password, spec.ssh.sudo_password, spec.hosts[1].ssh = "secret-c", "secret-d", pgcluster.SshSpec(passphrase="secret-e")
    keys = spec.to_dict()
    assert keys["postgresql_users"][0]["password"] == "!spec postgresql_users.a.password" and keys["ssh"]["password"] == "!spec ssh.password"
    assert keys["hosts"]["pg2"]["ssh"]["passphrase"] == "!spec hosts.pg2.ssh.passphrase" and "secret-" not in json.dumps(keys)
    assert pgcluster.Spec.from_dict(keys, secrets_from=spec) == spec
    assert pgcluster.parse_spec(spec.to_yaml(), secrets_from=spec) == spec    # as the library itself names them
    with pytest.raises(pgcluster.SpecInvalid, match="postgresql_users.a.password"):
        pgcluster.Spec.from_dict(keys, secrets_from=small_spec())


def test_the_schema_has_each_key_of_the_spec():
    keys = set(json.loads(pgcluster.spec_schema())["properties"])
    assert keys == {field.name for field in dataclasses.fields(pgcluster.Spec)}
