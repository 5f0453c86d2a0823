"""The direction of includes, what public headers may include, and that each compiles alone."""

import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = SOURCE / "libpgcluster"

# What each module may include, as the design has it.
MAY = {
    "base": [],
    "op": ["base"],
    "executor": ["base", "op", "cloud/cloud.hpp"],  # an SshExecutor hands over what is asked of a cloud
    "cloud": ["base", "op", "executor/executor.hpp"],
    "step": ["base", "op"],
    "plan": ["base", "op", "step", "executor/executor.hpp"],
    "spec": ["base", "op"],
    "topology": ["base", "op", "spec"],
    "platform": ["base", "op", "spec"],
    "component": ["base", "op", "step", "spec", "topology", "platform"],
    "operate": ["base", "op", "step", "plan", "executor", "cloud", "spec", "topology", "platform", "component"],
    "simulation": ["base", "op", "executor/executor.hpp", "step", "spec", "topology", "platform", "component"],
}
# Third parties, each behind one or two files.
WALLS = {"libssh2": 3, "yaml-cpp": 1, "boost/": 2, "httplib": 0, "curl/": 1}

HEADERS = sorted(LIBRARY.glob("include/pgcluster/*/*.hpp"))
SOURCES = sorted(LIBRARY.glob("src/*/**/*.[ch]pp")) + HEADERS


def module_of(path):
    parts = path.parts
    return parts[parts.index("pgcluster") + 1] if "include" in parts else parts[parts.index("src") + 1]


def includes(path):
    return re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.M)


def violations(path, module):
    for included in includes(path):
        own = re.fullmatch(r"(?:pgcluster/)?(" + "|".join(MAY) + r")/(.+\.hpp)", included)
        if own and own[1] != module and own[1] not in MAY[module] and f"{own[1]}/{own[2]}" not in MAY[module]:
            yield f"{path} includes {included}"


def test_includes_point_down():
    found = [one for path in SOURCES for one in violations(path, module_of(path))]
    assert not found, "\n".join(found)


def test_a_wrong_include_is_found(tmp_path):
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text("#include <pgcluster/spec/spec.hpp>\n")
    assert list(violations(wrong, "plan"))
    assert not list(violations(wrong, "topology"))


def test_public_headers_include_only_the_standard_library_and_pgcluster():
    foreign = [f"{path.name}: {one}" for path in HEADERS for one in includes(path) if not one.startswith("pgcluster/") and ("/" in one or "." in one)]
    assert not foreign, foreign


def test_third_parties_stay_behind_their_walls():
    for name, most in WALLS.items():
        files = {path.relative_to(LIBRARY).as_posix() for path in SOURCES if any(one.startswith(name) for one in includes(path))}
        assert len(files) <= most, f"{name} is included by {sorted(files)}"


def test_members_of_the_spec_have_the_words_of_the_key_table():
    done = subprocess.run([SOURCE / "tools/spec_words", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_member_of_the_spec_has_a_comment():
    lines = (LIBRARY / "include/pgcluster/spec/spec.hpp").read_text().split("\n")
    silent = [line.strip() for above, line in zip(lines, lines[1:]) if re.fullmatch(r"  [\w:]+(<.*>)? \w+( = [^;]*|\{.*\})?;", line) and "///" not in above]
    assert len(lines) > 200 and not silent


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.relative_to(LIBRARY / "include").as_posix())
def test_each_public_header_compiles_alone(header, tmp_path):
    alone = tmp_path / "alone.cpp"
    name = header.relative_to(LIBRARY / "include").as_posix()
    alone.write_text(f"#include <{name}>\n#include <{name}>\n")
    done = subprocess.run(["c++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", LIBRARY / "include", alone], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def local_names(text):
    """What a source defines at the left margin of its anonymous namespaces: {name, with the types of a function's parameters: the line}."""
    found = {}
    for block in re.findall(r"^namespace \{\n(.*?)^\}  // namespace$", text, re.M | re.S):
        for line in re.findall(r"^[A-Za-z_].*", block, re.M):
            if function := re.match(r"(?:[\w:<>,&*\[\]. ]+[ &*])(\w+)\((.*)", line):
                parameters = re.split(r"\)(?: const)? (?:\{|const|->)|\);?$", function[2])[0]
                types = re.sub(r" \w+(?= =|,|$)| = [^,]*", "", parameters)
                found[f"{function[1]}({types})"] = line
            elif other := re.match(r"(?:class|struct|enum class|using|(?:constexpr |const |inline |static )+[\w:<>,&* ]*?[ &*])\s*(\w+)(?: final| =|\{|;| :|$|\[| \{)", line):
                found[other[1]] = line
    return found


def clashes(folder):
    """Two definitions of one name in the sources of a folder, other than aliases of the same type."""
    found = {}
    for path in sorted(folder.glob("*.cpp")):
        for name, line in local_names(path.read_text()).items():
            before, where = found.setdefault(name, (line, path))
            if where != path and not (line == before and line.startswith("using ")):
                yield f"{name}: {where} and {path}"


def test_sources_of_a_folder_can_be_compiled_as_one():
    """PGCLUSTER_UNITY does so; the compiler finds there what this test overlooks."""
    folders = {path.parent for place in ("libpgcluster/src", "examples/pgcluster", "tests", "bindings/python/src") for path in (SOURCE / place).rglob("*.cpp")}
    folders -= {SOURCE / "tests/bench", SOURCE / "tests/fuzz"}    # each source a program of its own
    found = [one for folder in sorted(folders) for one in clashes(folder)]
    assert not found, "\n".join(found)


def test_a_name_that_two_sources_define_is_found(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.cpp").write_text("namespace {\nusing Json = json;\nstd::string text(const Json& in, int n) {\n}\n}  // namespace\n")
    assert len(list(clashes(tmp_path))) == 1
    (tmp_path / "b.cpp").write_text("namespace {\nusing Json = json;\nstd::string text(const Json& in) {\n}\n}  // namespace\n")
    assert not list(clashes(tmp_path))


CALLS = """
#include <pgcluster/operate/operate.hpp>
using namespace pgcluster;
Plan deploy(const Spec& spec, Executor& ssh, ComponentPtr own) { return plan_deploy(spec, ssh, {.components = {own}, .prune = true}); }
Plan switchover(const Spec& spec, Executor& ssh) { return plan_switchover(spec, ssh, {.to = "pg2"}); }
Plan soon(const Spec& spec, Executor& ssh) { return plan_switchover(spec, ssh, {.deadline = std::chrono::seconds(5), .to = "pg2"}); }
Status status(const Spec& spec, Executor& ssh, const DeployOptions& options) { return read_status(spec, ssh, options); }
"""


def test_options_are_written_by_name_without_a_warning(tmp_path):
    (tmp_path / "calls.cpp").write_text(CALLS)
    done = subprocess.run(["c++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", LIBRARY / "include", tmp_path / "calls.cpp"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
