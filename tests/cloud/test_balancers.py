"""What holds for the load balancers of every provider: made, left alone, changed, put right, and taken away."""

import pytest
from conftest import HOSTS


def test_one_for_each_role_and_nothing_to_do_after_that(cloud):
    planned = cloud.plan()
    assert {role: change["action"] for role, change in planned.changes.items()} == {"primary": "create", "replica": "create"}
    assert cloud.mock.names() == []
    cloud.apply()
    assert cloud.mock.names() == ["demo-primary", "demo-replica"]
    assert cloud.mock.facts("demo-primary") == {"port": 6432, "path": "/primary", "public": False, "targets": ["pg1", "pg2", "pg3"]}
    assert cloud.mock.facts("demo-replica")["path"] == "/replica"
    assert cloud.plan().plan["changes"] == []
    writes = [one for one in cloud.mock.requests if not cloud.mock.reads(one)]
    assert cloud.apply().plan["changes"] == []
    assert [one for one in cloud.mock.requests if not cloud.mock.reads(one)] == writes


def test_a_synchronous_replica_has_one_and_a_single_host_only_the_primarys(cloud):
    cloud.apply(synchronous_mode=True)
    assert cloud.mock.names() == ["demo-primary", "demo-replica", "demo-sync"] and cloud.mock.facts("demo-sync")["path"] == "/sync"
    done = cloud.apply(synchronous_mode=False, hosts={"pg1": {"address": HOSTS["pg1"]}})
    assert {role: change["action"] for role, change in done.changes.items()} == {"primary": "update", "replica": "remove", "sync": "remove"}
    assert cloud.mock.names() == ["demo-primary"] and cloud.mock.facts("demo-primary")["targets"] == ["pg1"]


def test_a_changed_port_and_health_check(cloud):
    cloud.apply()
    done = cloud.apply(pgbouncer_listen_port=6543, patroni_restapi_port=8009)
    assert "-port: 6432" in done.changes["primary"]["diff"] and "+port: 6543" in done.changes["primary"]["diff"]
    assert "+check.port: 8009" in done.changes["primary"]["diff"] and done.changes["primary"]["impact"] == cloud.mock.impact_of_a_port
    assert cloud.mock.facts("demo-primary")["port"] == 6543
    assert cloud.plan().plan["changes"] == []


def test_hosts_come_and_go(cloud):
    cloud.apply()
    cloud.apply(hosts={name: {"address": HOSTS[name]} for name in ("pg1", "pg3", "pg4")})
    assert cloud.mock.facts("demo-primary")["targets"] == ["pg1", "pg3", "pg4"]
    assert cloud.plan().plan["changes"] == []


def test_public_and_private_again(cloud):
    cloud.apply()
    done = cloud.apply(database_public_access=True, database_public_allowed_ips=cloud.mock.public)
    assert "+public: true" in done.changes["primary"]["diff"]
    assert cloud.mock.facts("demo-primary")["public"]
    v4 = sorted(one for one in cloud.mock.public if ":" not in one)    # the balancers have no other addresses, but for Hetzner's
    assert cloud.mock.allowed("demo-primary") == (cloud.mock.public if cloud.mock.provider == "hetzner" else v4)
    assert cloud.plan().plan["changes"] == []
    cloud.apply(database_public_access=None, database_public_allowed_ips=None)
    assert not cloud.mock.facts("demo-primary")["public"]
    assert cloud.plan().plan["changes"] == []


def test_what_was_changed_by_hand_is_seen_and_put_right(cloud):
    cloud.apply()
    cloud.mock.drift("demo-replica")
    done = cloud.plan()
    assert list(done.changes) == ["replica"] and "+check.path: /replica" in done.changes["replica"]["diff"]
    cloud.apply()
    assert cloud.mock.facts("demo-replica") == {"port": 6432, "path": "/replica", "public": False, "targets": ["pg1", "pg2", "pg3"]}
    assert cloud.plan().plan["changes"] == []


def test_destroy_takes_only_what_carries_the_clusters_tag(cloud):
    cloud.apply()
    cloud.mock.stranger("demo-sync")
    cloud.mock.stranger("other")
    done = cloud.run("destroy")
    assert done.status == 0, done.documents
    assert cloud.mock.names() == ["demo-sync", "other"]
    assert cloud.run("destroy").plan["changes"] == []


@pytest.mark.parametrize("how", ["destroy", "farewell"])
def test_nothing_of_public_ones_remains(cloud, how):
    """By the spec, or where it no longer names the cloud, by what the hosts know."""
    cloud.apply(synchronous_mode=True, database_public_access=True, database_public_allowed_ips=cloud.mock.public)
    assert len(cloud.mock.names()) == 3
    done = cloud.run(how)
    assert done.status == 0 and len(done.plan["changes"]) == 3, done.documents
    assert cloud.mock.remains() == []
    assert cloud.run(how).plan["changes"] == []


def test_somebody_elses_balancer_is_not_taken_over(cloud):
    cloud.mock.stranger("demo-primary")
    if cloud.mock.marked_by_name:
        cloud.apply()
        assert cloud.mock.names() == ["demo-primary", "demo-primary", "demo-replica"]
        cloud.run("destroy")
        assert cloud.mock.names() == ["demo-primary"]
        return
    done = cloud.run("plan")
    assert done.status == 1 and done.errors[0]["code"] == "refused" and "not this cluster's" in done.errors[0]["message"]
    assert done.errors[0]["hint"]


@pytest.mark.parametrize("status, code, word", [(401, "auth_failed", "credentials"), (403, "auth_failed", "allow"), (404, "command_failed", "does not have"),
                                                (409, "refused", "because of a conflict"), (422, "command_failed", "rejects")])
def test_a_refusal_says_what_and_what_to_do(cloud, status, code, word):
    cloud.mock.fault(cloud.mock.creates, times=99, status=status)
    done = cloud.run("apply")
    assert done.status == 1 and cloud.mock.names() == []
    error = done.errors[0]
    assert error["code"] == code and word in error["message"] and "made to fail" in error["message"] and error["hint"]
    assert error["host"] == f"cloud:{cloud.mock.provider}"


def test_a_rate_limit_is_waited_for(cloud):
    cloud.mock.fault(cloud.mock.creates, times=1, status=429, headers={"Retry-After": "7"})
    assert 7000 in cloud.apply().waits
    assert cloud.mock.names() == ["demo-primary", "demo-replica"]


def test_a_rate_limit_without_end_is_an_error(cloud):
    cloud.mock.fault(lambda method, path: True, times=999, status=429, headers={"Retry-After": "1"})
    done = cloud.run("plan")
    assert done.status == 1 and done.errors[0]["code"] == "timed_out" and "rate limit" in done.errors[0]["message"] and done.errors[0]["hint"]


def test_a_server_that_fails_twice(cloud):
    cloud.mock.fault(lambda method, path: True, times=2, status=500)
    cloud.plan()
    cloud.mock.fault(cloud.mock.creates, times=2, status=500)
    cloud.apply()
    assert cloud.mock.names() == ["demo-primary", "demo-replica"]


def test_pauses_grow_and_differ(cloud):
    cloud.mock.fault(lambda method, path: True, times=3, status=500)
    waits = cloud.plan().waits[:3]
    assert all(least <= wait <= most for wait, (least, most) in zip(waits, [(500, 750), (1000, 1500), (2000, 3000)], strict=True)), waits


def test_a_server_that_hangs(cloud):
    cloud.mock.fault(lambda method, path: True, times=1, hang=True)
    assert cloud.run("plan", timeout=400).status == 0
    cloud.mock.fault(lambda method, path: True, times=999, hang=True)
    done = cloud.run("plan", timeout=100)
    assert done.status == 1 and done.errors[0]["code"] == "timed_out" and done.errors[0]["hint"]
    cloud.mock.faults.clear()


@pytest.mark.parametrize("how", ["lost", "hang"])
def test_the_lost_answer_to_a_create_makes_no_second_balancer(cloud, how):
    cloud.mock.fault(cloud.mock.creates, times=1, **{how: True})
    cloud.run("apply", timeout=1000)
    assert cloud.mock.names() == ["demo-primary", "demo-replica"]
    assert cloud.plan().plan["changes"] == []


def test_a_server_that_is_not_there(cloud):
    cloud.mock.close()
    done = cloud.run("plan")
    assert done.status == 1 and done.errors[0]["code"] == "host_unreachable" and "cannot be reached" in done.errors[0]["message"]


def test_without_credentials(cloud):
    done = cloud.run("plan", env={})
    assert done.status == 1 and done.errors[0]["code"] == "auth_failed" and any(name in done.errors[0]["hint"] for name in cloud.mock.env)


def test_a_host_that_the_cloud_does_not_know(cloud):
    unknown = {"pg8": {"address": "10.0.0.98"}, "pg9": {"address": "10.0.0.99", "cloud_id": "i-0123"}}
    done = cloud.run("apply", hosts={"pg1": {"address": HOSTS["pg1"]}, **unknown})
    if not cloud.mock.knows_hosts:
        assert done.status == 0 and cloud.mock.facts("demo-primary")["targets"] == ["?", "?", "pg1"]
        return
    assert done.status == 65 and done.errors[0]["code"] == "spec_invalid" and "cloud_id" in done.errors[0]["hint"]
    assert "pg8 (10.0.0.98), pg9 (cloud_id i-0123) are none of the" in done.errors[0]["message"]
    cloud.nothing_was_changed()


def test_a_network_that_the_cloud_does_not_know(cloud):
    wrong = {"aws": "subnet-0123456789abcdef0", "digitalocean": "c33931f2-a26a-4e61-b85c-4e95a2ec431b"}.get(cloud.mock.provider, "nowhere/sub")
    done = cloud.run("apply", server_network=wrong)
    assert done.status == 65 and done.errors[0]["code"] == "spec_invalid" and "server_network" in done.errors[0]["message"] + done.errors[0]["hint"]
    assert wrong.split("/")[0] in done.errors[0]["message"]
    cloud.nothing_was_changed()


def test_another_network_may_have_the_same_addresses(cloud):
    cloud.mock.twin("pg2")
    cloud.apply()
    assert cloud.mock.facts("demo-primary")["targets"] == ["pg1", "pg2", "pg3"]
    assert cloud.plan().plan["changes"] == []


def test_credentials_of_the_spec(cloud, tmp_path):
    """By a file and by a variable; conftest looks for secrets in all that is written."""
    cloud.spec.update({key: f"!env OF_THE_TESTS_{key}" for key in cloud.mock.keys})
    given = {f"OF_THE_TESTS_{key}": cloud.mock.credential(variable) for key, variable in cloud.mock.keys.items()}
    done = cloud.run("apply", env=given)
    assert done.status == 0 and cloud.mock.names() == ["demo-primary", "demo-replica"], done.documents
    for key in cloud.mock.keys:
        (tmp_path / key).write_text(given[f"OF_THE_TESTS_{key}"] + "\n")
        cloud.spec[key] = f"!file {tmp_path / key}"
    done = cloud.run("plan", env={})
    assert done.status == 0 and done.plan["changes"] == [], done.documents


def test_a_certificate_that_nobody_vouches_for(cloud, self_signed):
    """Before a credential is sent; at each start, what follows is not tried."""
    done = cloud.run("plan", cloud_api_endpoint=self_signed.url)
    error = done.errors[0]
    assert done.status == 1 and error["code"] == "host_unreachable" and error["host"] == f"cloud:{cloud.mock.provider}"
    assert f"the certificate of {self_signed.name} is not trusted" in error["message"] and "update-ca-certificates" in error["hint"]
    assert self_signed.heard == [] and done.waits == []


def test_an_address_that_is_no_https_is_refused(cloud):
    done = cloud.run("plan", cloud_api_endpoint="http://198.51.100.1:1")
    assert done.status == 65 and done.errors[0]["code"] == "spec_invalid" and "https" in done.errors[0]["message"]
