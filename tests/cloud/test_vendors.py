"""What only one vendor has."""

import pytest


@pytest.mark.parametrize("cloud", ["aws"], indirect=True)
def test_a_permanent_key_of_aws_has_no_token(cloud):
    cloud.mock.session = None
    del cloud.mock.env["AWS_SESSION_TOKEN"]
    cloud.plan()


@pytest.mark.parametrize("cloud", ["aws"], indirect=True)
def test_aws_lets_go_of_a_target_group_only_after_a_while(cloud):
    cloud.apply()
    cloud.mock.fault(lambda method, path: path == "/DeleteTargetGroup", times=3, status=400, code="ResourceInUse")
    done = cloud.run("destroy")
    assert done.status == 0 and cloud.mock.groups() == [], done.documents


@pytest.mark.parametrize("cloud", ["digitalocean"], indirect=True)
def test_a_balancer_stays_in_its_project_of_digitalocean(cloud):
    cloud.apply()
    cloud.mock.one("demo-primary")["project_id"] = "4de7ac8b-495b-4884-9a69-1050c6793cd6"
    cloud.apply(pgbouncer_listen_port=6543)
    assert cloud.mock.one("demo-primary")["project_id"] == "4de7ac8b-495b-4884-9a69-1050c6793cd6"


@pytest.mark.parametrize("cloud", ["aws"], indirect=True)
def test_a_balancer_of_aws_that_has_just_gone_holds_the_target_group(cloud):
    cloud.apply()
    cloud.mock.fault(lambda method, path: path == "/CreateListener", times=2, status=400, code="TargetGroupAssociationLimit")
    cloud.apply(database_public_access=True, database_public_allowed_ips=cloud.mock.public)
    assert cloud.plan().plan["changes"] == []


@pytest.mark.parametrize("cloud, status, code", [("aws", 400, "Throttling"), ("gcp", 403, "rateLimitExceeded"), ("hetzner", 409, "conflict")], indirect=["cloud"])
def test_what_other_vendors_say_by_429_is_waited_for(cloud, status, code):
    cloud.mock.fault(cloud.mock.creates, times=2, status=status, code=code)
    cloud.apply()
    assert cloud.mock.names() == ["demo-primary", "demo-replica"] and cloud.mock.faults[0].left == 0
