"""Whatever the public headers declare is in Python, has words, and is typed."""

import inspect
import pathlib
import re
import subprocess
import sys

import pgcluster
import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HEADERS = sorted((SOURCE / "libpgcluster/include/pgcluster").glob("*/*.hpp"))
# What is nothing for a Python program, and why.
ELSEWISE = {
    "OperateOptions": "keyword arguments", "DeployOptions": "keyword arguments", "LeaderOptions": "keyword arguments", "RotateOptions": "keyword arguments", "BackupOptions": "keyword arguments", "RestoreOptions": "keyword arguments", "ProveOptions": "keyword arguments", "ReportOptions": "keyword arguments", "MemberOptions": "keyword arguments", "PlanOptions": "keyword arguments",
    "ApplyOptions": "keyword arguments", "Memo": "the engine's cache", "Given": "the engine's", "AskPtr": "Ask", "GivenPtr": "the engine's", "StepPtr": "Step",
    "ComponentPtr": "Component", "Pairs": "a dict", "Hosts": "a dict", "SimulatedTime": "datetime.timedelta", "to_string": "str()", "hash": "hash()",
    "shared": "a NodeView may be kept as it is", "join_all": "sequence() and parallel() take any number of parts",
    "common_options": "keyword arguments", "Activity": "the event host_waiting tells of it",
}


def declared():
    for path in HEADERS:
        text = re.sub(r"//.*", "", path.read_text())
        body = text[text.index("namespace PGCLUSTER_API"):] if "namespace PGCLUSTER_API" in text else ""
        for line in body.splitlines():
            if kind := re.match(r"(?:struct|class|enum class) (\w+)\b[^;]*$|using (\w+) =", line):
                yield path.name, kind[1] or kind[2]
            elif function := re.match(r"(?:inline |requires.*?\) )?[A-Za-z][\w:<>,\s*&]*?[ &*](\w+)\((?!\))[^=]*", line):
                if not line.startswith(("template", "friend", "namespace", "requires", "#")):
                    yield path.name, function[1]
        yield from ((path.name, name) for name in re.findall(r"^(?:std::\w+(?:<[^;]*?>)?|Steps|Plan) (\w+)\(\);", body, re.M))


def test_the_public_headers_names_are_here():
    names = sorted(set(declared()))
    assert len(names) > 120 and ("operate.hpp", "plan_deploy") in names and ("ask.hpp", "Ask") in names and ("spec.hpp", "spec_schema") in names
    missing = [f"{header}: {name}" for header, name in names if name not in ELSEWISE and not hasattr(pgcluster, name)]
    assert not missing, "\n".join(missing)


def test_every_reference_to_a_step_is_here():
    spaces = {}
    for path in HEADERS:
        if space := re.search(r"^namespace pgcluster::(\w+) \{", text := path.read_text(), re.M):
            spaces[space[1]] = re.findall(r"^inline StepRef (\w+)\((const std::string& host)?\)", text, re.M)
    assert {"etcd", "patroni", "haproxy"} <= set(spaces)
    for space, functions in spaces.items():
        assert functions and {name for name, _ in functions} == {name for name in vars(getattr(pgcluster, space)) if not name.startswith("_")}
        for name, of_host in functions:
            made = getattr(getattr(pgcluster, space), name)
            assert isinstance(made(*["pg1"] if of_host else []), pgcluster.StepRef) and made.__doc__


def members_of(header, name):
    body = re.search(rf"^(?:struct|class) {name}\b[^;{{]*\{{(.*?)^\}};", header, re.M | re.S)[1].split("private:")[0]
    body = re.sub(r"\{[^{}]*\}", "{}", re.sub(r"//.*", "", body))
    return {one for one in re.findall(r"^  (?:virtual |explicit |\[\[.*?\]\] )*[\w:<>,*& ]+?[ &*](\w+)\(", body, re.M) if one not in {name, "operator", "data_"}}


@pytest.mark.parametrize("header, name, elsewise", [
    ("base/text.hpp", "Text", set()), ("step/step.hpp", "Step", {"brought_by"}), ("step/step.hpp", "Steps", {"join", "rolling", "after", "after_where_planned"}),
    ("step/step.hpp", "Answers", {"read", "take", "get"}), ("component/component.hpp", "Component", set()), ("component/component.hpp", "NodeView", set()),
    ("component/component.hpp", "ClusterView", {"derived"}), ("executor/executor.hpp", "Executor", {"activities"}), ("executor/ssh.hpp", "SshExecutor", {"activities"}),
    ("simulation/simulated.hpp", "SimulatedExecutor", set()), ("simulation/simulated.hpp", "SimulatedHost", set()), ("simulation/simulated.hpp", "ServiceModel", set()),
    ("plan/plan.hpp", "Plan", {"data", "bool"}), ("plan/plan.hpp", "Report", set()), ("operate/operate.hpp", "Status", set()), ("operate/operate.hpp", "CheckReport", set()),
    ("base/error.hpp", "Error", {"with", "what", "failure"}), ("topology/topology.hpp", "Topology", set()), ("spec/spec.hpp", "Spec", set())])
def test_members_of_classes_are_here(header, name, elsewise):
    wanted = {one + "_" if one == "with" and name == "Topology" else one for one in members_of((SOURCE / "libpgcluster/include/pgcluster" / header).read_text(), name)}
    missing = {one for one in wanted - elsewise if not hasattr(getattr(pgcluster, name), one)}
    assert not missing


def test_one_class_for_each_code():
    classes = {str(pgcluster._errors._CODES[one.__name__]): one for one in pgcluster.Error.__subclasses__()}
    assert set(classes) == {str(code) for code in pgcluster.Code}


def test_all_that_is_public_has_words():
    silent = []
    for name in dir(pgcluster):
        what = getattr(pgcluster, name)
        if name.startswith("_") or inspect.ismodule(what) or not callable(what) or isinstance(what, type(int | str)):
            continue
        if not (inspect.getdoc(what) or "").strip() or (inspect.getdoc(what) == name and inspect.isclass(what)):
            silent.append(name)
        if inspect.isclass(what):
            silent += [f"{name}.{member}" for member, value in vars(what).items() if not member.startswith("_") and inspect.isroutine(value) and not inspect.getdoc(value)]
    assert not silent, silent


def tool(*words):
    done = subprocess.run([sys.executable, "-m", *map(str, words)], text=True, capture_output=True, cwd=pathlib.Path(__file__).parent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_and_package_are_typed(tmp_path):
    tool("mypy", "--strict", "--cache-dir", tmp_path, *sorted((SOURCE / "examples/python").glob("*.py")))
    tool("mypy", "--strict", "--cache-dir", tmp_path, "-p", "pgcluster")


def test_stubs_are_what_the_module_is(tmp_path):
    (tmp_path / "mypy.ini").write_text(f"[mypy]\ncache_dir = {tmp_path}/cache\n")
    allowed = tmp_path / "allowed"
    allowed.write_text(".*__replace__\n.*\\.__match_args__\n.*__slots__\n.*_pybind11_conduit_v1_\n")
    tool("mypy.stubtest", "pgcluster", "--mypy-config-file", tmp_path / "mypy.ini", "--allowlist", allowed, "--ignore-unused-allowlist", "--ignore-missing-stub", "--ignore-disjoint-bases")
