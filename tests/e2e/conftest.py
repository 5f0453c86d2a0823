"""Labs of real hosts for the end-to-end tests. Without a lab the tests are skipped, or fail where PGCLUSTER_REQUIRE_LAB=1."""

import os
import subprocess

import pytest
from cluster import LAB, Cluster

# Of another build's command: tests/run.py --only sanitizers.
collect_ignore = [] if "PGCLUSTER_COMMAND" in os.environ else ["test_sanitized.py"]
needs = subprocess.run([LAB, "doctor"], capture_output=True, text=True)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="more moments and faults")


def pytest_collection_modifyitems(config, items):
    if needs.returncode == 0:
        return
    why = "no lab here: " + needs.stdout.strip().replace("\n", "; ")
    if os.environ.get("PGCLUSTER_REQUIRE_LAB") == "1":
        raise pytest.UsageError(why)
    for item in items:
        item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="module")
def cluster(request, tmp_path_factory):
    """A lab of the test module's own with three fresh hosts; `warm = True` in the module: packages are unpacked already."""
    made = Cluster("e2e-" + request.module.__name__.removeprefix("test_").replace("_", "-"), tmp_path_factory.mktemp("lab"))
    try:
        made.up(warm=getattr(request.module, "warm", False) or os.environ.get("PGCLUSTER_LAB_WARM") == "1")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def long(request):
    return request.config.getoption("--long")
