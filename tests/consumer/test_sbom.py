"""The bill of materials names what the command is really linked with, and is valid by the format's own schema."""

import json

import pytest

from conftest import BUILD, SOURCE, multiarch, needed, run, version

VALIDATE = """import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or "") or None)"""


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    run(SOURCE / "tools/sbom", BUILD, BUILD / "bin/pgcluster", "-o", file)
    return file


def package_of(library):
    return run("dpkg-query", "-S", f"*/{multiarch()}/{library}").split(":")[0]


def test_it_names_every_library_that_the_command_needs(bill):
    named = {one["name"]: one for one in json.loads(bill.read_text())["components"]}
    libraries = needed(BUILD / "bin/pgcluster")
    assert {"libssh2.so.1", "libcurl.so.4"} <= libraries
    for library in libraries:
        package = package_of(library)
        assert package in named, f"{library} of {package}"
        assert named[package]["version"] == run("dpkg-query", "-W", "-f", "${Version}\n", package).splitlines()[0]
        assert named[package]["purl"].startswith(f"pkg:deb/debian/{package.replace('+', '%2B')}@")


def test_it_names_libraries_of_headers_only_but_nothing_of_the_tests(bill):
    named = {one["name"] for one in json.loads(bill.read_text())["components"]}
    assert {"nlohmann-json3-dev", "libcli11-dev"} <= named
    assert "doctest-dev" not in named


def test_it_is_valid_and_of_this_version(bill):
    run(SOURCE / "build/sbom-python/bin/python", "-c", VALIDATE, bill)
    assert json.loads(bill.read_text())["metadata"]["component"]["version"] == version()
