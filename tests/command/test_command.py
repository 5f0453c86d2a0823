"""What the command does where no host is reached: its sub-commands, exit statuses and documents."""
import json
import os
import re
import subprocess
import xml.etree.ElementTree

import jsonschema
import pytest

from conftest import Terminal, environment

SUB_COMMANDS = ("validate check plan apply status backups history report switchover failover restart reload reinit backup pause resume password destroy graph schema help").split()
WITH_SPEC = [name for name in SUB_COMMANDS if name not in ("schema", "help")]
CODES = ("spec_invalid host_unreachable auth_failed host_key_unknown host_key_changed sudo_denied host_unsupported command_failed timed_out "
         "not_converged drifted refused locked connection_lost cancelled internal").split()


def error_of(done):
    document = json.loads(done.stdout)
    assert document["format"] == 1
    error = document["error"]
    assert {"code", "host", "step", "message", "hint"} <= error.keys()
    assert error["code"] in CODES and error["message"]
    return error


def test_help_teaches(pgcluster):
    done = pgcluster("--help")
    assert done.returncode == 0 and done.stderr == ""
    for name in SUB_COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.M), name


@pytest.mark.parametrize("name", SUB_COMMANDS)
def test_help_of_a_sub_command(pgcluster, name):
    done = pgcluster(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    purpose, usage = done.stdout.split("\n\nUsage: ")
    assert usage.startswith(f"pgcluster {name} [OPTIONS]")
    assert name == "help" or len(purpose.split("\n\n")[1]) > 40, "a paragraph that tells what it is for"
    examples, statuses = usage.split("Examples:")[1].split("Exit status:")
    assert f"pgcluster {name}" in examples and re.match(r"\s+0\b", statuses)
    assert all(len(line) <= 130 for line in done.stdout.splitlines())
    assert pgcluster("help", name).stdout == done.stdout


def test_help_of_all(pgcluster):
    assert pgcluster("help").stdout == pgcluster("--help").stdout


@pytest.mark.parametrize("words, meant", [
    (["aply"], "apply"), (["stat"], "status"), (["switch-over"], "switchover"), (["help", "plann"], "plan"), (["plan", "--dif"], "--diff"),
    (["plan", "-f", "{spec}", "--detailed-exit-code"], "--detailed-exitcode"), (["apply", "--witout=pg1"], "--without"), (["status", "--wacth"], "--watch"),
    (["--no-colour", "status"], "--no-color"), (["restart", "-f", "{spec}", "--hots", "pg1"], "--host"),
])
def test_did_you_mean(pgcluster, spec, words, meant):
    done = pgcluster(*[word.format(spec=spec) for word in words])
    assert done.returncode == 64 and done.stdout == ""
    assert f"did you mean {meant}?" in done.stderr


@pytest.mark.parametrize("words", [["xyzzy"], ["plan", "--xyzzy", "-f", "{spec}"], ["plan", "-x", "-f", "{spec}"], ["help", "xyzzy"], ["help", "plan", "apply"]])
def test_nothing_near_is_not_guessed(pgcluster, spec, words):
    done = pgcluster(*[word.format(spec=spec) for word in words])
    assert done.returncode == 64 and "did you mean" not in done.stderr


def test_without_a_host_that_there_is_not(pgcluster, spec):
    for name in ("plan", "apply"):
        done = pgcluster(name, "-f", spec, "--without", "pg9")
        assert done.returncode == 64 and "its hosts are pg1, pg2, pg3" in done.stderr


def test_without_too_many(pgcluster, spec):
    done = pgcluster("plan", "-f", spec, "--without", "pg2", "--without", "pg3", "--json")
    assert done.returncode == 3
    assert error_of(done)["code"] == "refused" and "quorum" in error_of(done)["message"]


def test_version(pgcluster):
    done = pgcluster("--version")
    assert done.returncode == 0 and re.fullmatch(r"pgcluster \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("words", [
    [], ["aply"], ["--fast"], ["plan", "--fast", "-f", "{spec}"], ["plan", "-f"], ["plan", "-f", "{spec}", "-f", "{spec}"],
    ["graph", "-f", "{spec}", "--format", "png"], ["schema", "more"], ["plan", "apply", "-f", "{spec}"],
    ["apply", "/nowhere/change.plan", "-f", "{spec}"], ["apply", "{spec}", "-f", "{spec}", "--prune"],
    ["apply", "{spec}", "-f", "{spec}", "--without", "pg1"], ["plan", "-f", "{spec}", "--without"], ["status", "-f", "{spec}", "--without", "pg1"],
    ["apply", "-f", "{spec}", "--yes", "--log", "/nowhere/log"], ["pause", "-f", "{spec}", "--to", "pg1"], ["password", "-f", "{spec}", "a", "b"],
] + [[name] for name in WITH_SPEC])
def test_wrong_usage(pgcluster, spec, words):
    done = pgcluster(*[word.format(spec=spec) for word in words])
    assert done.returncode == 64
    assert done.stdout == "" and "--help" in done.stderr


@pytest.mark.parametrize("words", [["plan", "--json"], ["status", "--json", "--watch"], ["aply", "--json"]])
def test_wrong_usage_as_json(pgcluster, spec, words):
    done = pgcluster(*[word.format(spec=spec) for word in words])
    assert done.returncode == 64
    assert error_of(done)


@pytest.mark.parametrize("name", WITH_SPEC)
def test_a_wrong_spec(pgcluster, tmp_path, name):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("postgresql_versoin: 17\nhosts:\n  pg1: { adress: 10.77.0.11 }\n")
    done = pgcluster(name, "-f", wrong)
    assert done.returncode == 65
    assert done.stdout == ""
    assert re.search(rf"^{re.escape(str(wrong))}:1:\d+: error: .*postgresql_version", done.stderr, re.M)
    assert re.search(rf"^{re.escape(str(wrong))}:3:\d+: error: .*address", done.stderr, re.M)


@pytest.mark.parametrize("name", ["validate", "plan", "apply"])
def test_an_authority_that_cannot_sign(pgcluster, tmp_path, name):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)

    for authority in ("own", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", "/CN=" + authority,
                "-keyout", authority + ".key", "-out", authority + ".crt")
    spec = tmp_path / "cluster.yaml"
    spec.write_text(f"hosts:\n  pg1: {{ address: 10.77.0.11 }}\ntls_ca:\n  certificate: {tmp_path}/own.crt\n  key: {tmp_path}/other.key\n")
    done = pgcluster(name, "-f", spec)
    assert done.returncode == 65
    assert f"{spec}:5:8: error: tls_ca.key: the key does not belong to the certificate" in done.stderr
    spec.write_text(spec.read_text().replace("other.key", "none.key"))
    done = pgcluster(name, "-f", spec)
    assert done.returncode == 65
    assert f"{spec}:5:8: error: tls_ca.key: cannot read {tmp_path}/none.key: No such file or directory" in done.stderr
    spec.write_text(spec.read_text().replace("none.key", "own.key"))
    assert pgcluster("validate", "-f", spec).returncode == 0


@pytest.mark.parametrize("name", ["validate", "plan", "status", "destroy"])
def test_a_missing_spec(pgcluster, tmp_path, name):
    done = pgcluster(name, "-f", tmp_path / "none.yaml")
    assert done.returncode == 65 and "none.yaml" in done.stderr


@pytest.mark.parametrize("name", ["validate", "check", "plan", "apply", "status"])
def test_a_wrong_spec_as_json(pgcluster, tmp_path, name):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("cluster: yes\n")
    done = pgcluster(name, "--json", "-f", wrong)
    assert done.returncode == 65
    assert error_of(done)["code"] == "spec_invalid"


def test_validate(pgcluster, spec):
    done = pgcluster("validate", "-f", spec)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"{spec}: ok\n")
    assert "quorum 2" in done.stdout and "tolerates the loss of 1" in done.stdout
    assert "postgresql://" in done.stdout


def test_validate_warns(pgcluster, spec):
    two = "".join(line for line in spec.read_text().splitlines(True) if "pg3" not in line)
    spec.write_text(two)
    done = pgcluster("validate", "-f", spec)
    assert done.returncode == 0 and "warning: " in done.stdout


def test_validate_as_json(pgcluster, spec):
    document = json.loads(pgcluster("validate", "-f", spec, "--json").stdout)
    assert document["format"] == 1 and document["ok"] is True
    assert document["dcs"] == {"type": "etcd", "members": ["pg1", "pg2", "pg3"], "quorum": 2, "tolerates": 1}
    assert document["endpoints"][0]["kind"] == "read-write"


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_unreachable_hosts(pgcluster, spec, name):
    done = pgcluster(name, "-f", spec, "--json")
    assert done.returncode == 1
    error = error_of(done)
    assert error["code"] == "host_unreachable" and error["host"] in ("pg1", "pg2", "pg3") and error["hint"]
    assert done.stderr.startswith("error: pg")


def test_status_of_unreachable_hosts(pgcluster, spec):
    done = pgcluster("status", "-f", spec, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["healthy"] is False and document["leader"] is None
    assert [host["reachable"] for host in document["hosts"]] == [False] * 3


def test_check_finds_all_hosts(pgcluster, spec):
    done = pgcluster("check", "-f", spec)
    assert done.returncode == 1
    for host in ("pg1", "pg2", "pg3"):
        assert re.search(rf"^{host}: error: ", done.stdout, re.M)


def test_the_log_has_the_error(pgcluster, spec, tmp_path):
    log = tmp_path / "log"
    assert pgcluster("apply", "-f", spec, "--yes", "--log", log).returncode == 1
    assert json.loads(log.read_text())["error"]["code"] == "host_unreachable"
    assert log.stat().st_mode & 0o777 == 0o600


def test_destroy_wants_yes(pgcluster, spec):
    done = pgcluster("destroy", "-f", spec)
    assert done.returncode == 3 and "--yes" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("name", ["failover", "reinit"])
def test_which_replica(pgcluster, spec, name):
    assert pgcluster(name, "-f", spec, "--yes").returncode == 3


def test_password_of_the_spec(pgcluster, spec):
    done = pgcluster("password", "-f", spec)
    assert (done.returncode, done.stdout, done.stderr) == (0, "wisdom-of-herons\n", "")


def test_graph(pgcluster, spec):
    assert pgcluster("graph", "-f", spec).stdout.lstrip().startswith(("digraph", "graph", "strict"))
    mermaid = pgcluster("graph", "-f", spec, "--format", "mermaid")
    assert mermaid.returncode == 0 and re.match(r"\s*(flowchart|graph) ", mermaid.stdout)
    svg = pgcluster("graph", "-f", spec, "--format", "svg")
    assert svg.returncode == 0
    picture = xml.etree.ElementTree.fromstring(svg.stdout)
    assert picture.tag == "{http://www.w3.org/2000/svg}svg" and "5432" in "".join(picture.itertext())


def test_no_color_goes_anywhere(pgcluster, spec):
    assert pgcluster("--no-color", "graph", "-f", spec).returncode == 0
    assert pgcluster("graph", "-f", spec, "--no-color").returncode == 0


@pytest.mark.parametrize("document", ["plan", "status", "report", "event", "backups", "history"])
def test_schema_of_a_document(pgcluster, tmp_path, document):
    schema = json.loads(pgcluster("schema", document).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    if document in ("plan", "status", "backups", "history"):    # an error takes the document's place
        wrong = tmp_path / "wrong.yaml"
        wrong.write_text("postgresql_versoin: 17\n")
        jsonschema.Draft202012Validator(schema).validate(json.loads(pgcluster(document, "-f", wrong, "--json").stdout))


def test_schema(pgcluster):
    schema = json.loads(pgcluster("schema").stdout)
    assert "patroni_cluster_name" in schema["properties"]


def test_an_answer_that_cannot_be_written(pgcluster):
    with open("/dev/full", "w") as full:
        done = subprocess.run([os.environ["PGCLUSTER_BINARY"], "schema"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "could not be written" in done.stderr


def test_includes_only_public_headers(source):
    for path in [*(source / "examples").glob("*.cpp"), *(source / "examples" / "pgcluster").glob("*.[ch]pp")]:
        for header in re.findall(r'#include [<"]([^">]+)', path.read_text()):
            own = (path.parent / header).is_file()
            public = (source / "libpgcluster" / "include" / header).is_file()
            assert own or public or header.startswith("CLI/") or "/" not in header or header.startswith("sys/"), f"{path}: {header}"


def test_watch_until_ctrl_c(spec):
    session = Terminal([os.environ["PGCLUSTER_BINARY"], "status", "-f", str(spec), "--watch"], environment()).until("NOT healthy").type("\x03")
    assert session.status() == 130 and "error: cancelled" not in session.shown
