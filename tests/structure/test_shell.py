"""Shell stands in files that the build embeds, and shellcheck finds nothing in any shell file of this tree."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = SOURCE / "libpgcluster/src"
PROGRAM = LIBRARY / "executor/program"
# The pieces of one program, in its order. A piece alone lacks the variables and functions of the others.
PIECES = [PROGRAM / name for name in ("prelude.sh", "prelude_dos.sh", "prelude_apt.sh", "prelude_units.sh", "prelude_hollow.sh", "prelude_more.sh", "prelude_asks.sh", "together.sh")]


def shell_of(path):
    """sh or bash, by the first line; None where it is no shell."""
    with path.open("rb") as file:
        first = file.readline(80).decode("utf-8", "replace")
    found = re.match(r"#!.*\b(sh|bash)\b|# shellcheck shell=(sh|bash)\b", first)
    return found and (found[1] or found[2])


def everything():
    for folder, folders, files in os.walk(SOURCE):
        folders[:] = [name for name in folders if not name.startswith(".git") and name not in ("build", "cases", "__pycache__") and not (pathlib.Path(folder) / name).is_symlink()]
        yield from (pathlib.Path(folder) / name for name in files)


FILES = sorted(path for path in everything() if path not in PIECES and (path.suffix in (".sh", ".bash") or shell_of(path)))


def findings(text, shell, *options, folder=SOURCE):
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "--shell", shell, "--format", "gcc", "--norc", *options, "-"], input=text, text=True, capture_output=True, cwd=folder)
    return done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_shellcheck_finds_nothing(path):
    shell = shell_of(path)
    assert shell, f"{path}: the first line names no shell: #!/bin/sh or # shellcheck shell=sh"
    assert not findings(path.read_text(), shell, "--external-sources", folder=path.parent)


def test_shellcheck_finds_nothing_in_the_pieces_of_a_program_together():
    text = "pgcluster_program() {\n" + "".join(path.read_text() for path in PIECES) + '}\npgcluster_program "$@"\n'
    assert not findings(text, "sh")


def test_shellcheck_finds_nothing_in_the_lines_of_units():
    units = [path for path in (SOURCE / "tests/cases/component").rglob("*") if path.suffix in (".service", ".conf")]
    lines = {found for path in units for found in re.findall(r"^Exec\w+=[-+@:!]*/bin/sh -c '(.*)'$", path.read_text(), re.M)}
    assert len(lines) > 5
    found = {line: findings(line.replace("$$", "$") + "\n", "sh") for line in lines}    # $$: a dollar, to systemd
    assert not {line: said for line, said in found.items() if said}


LOOKS = sorted(path for path in LIBRARY.rglob("*.sh") if re.search(r"^look( \"\$@\")?\n\Z", path.read_text(), re.M))


@pytest.mark.parametrize("path", LOOKS, ids=lambda path: path.name)
def test_a_look_leaves_the_shell_that_runs_it_as_it_was(path):
    """A look runs in the shell that asks: see shell_look() in op/ask.hpp."""
    text = re.sub(r"^ *#.*$", "", path.read_text(), flags=re.M)
    assert re.fullmatch(r"\s*look\(\) \{\n.*\n\}\nlook(?: \"\$@\")?\n", text, re.S), "it is the function look() and its call"
    assert not re.findall(r"(?:^|[;&|(]|\b(?:do|then|else)\b)\s*(exit|exec|cd|trap|umask|export|unset|readonly|ulimit|alias|set -\w*|set \+\w*)\b", text, re.M)
    assigned = re.findall(r"(?:^|[;&|({\s])([A-Za-z_]\w*)=", re.sub(r"'[^']*'", "", text)) + re.findall(r"\bfor (\w+)", text)
    for names in re.findall(r"\bread -r ([\w ]+)", text):
        assigned += names.split()
    assert not {name for name in assigned if name in ("nl", "tab") or name not in ("IFS", "LC_ALL", "_") and not name.islower()}
    assert not re.findall(r"^\s*(?:IFS|LC_ALL)=\S*\s*$", text, re.M), "only for one command"


def test_an_error_is_found():
    assert "SC2086" in findings("rm $1\n", "sh")


def test_each_file_of_shell_python_css_or_sql_of_the_library_is_embedded_once():
    listed = []
    for cmake in LIBRARY.glob("*/CMakeLists.txt"):
        for names in re.findall(r"pgcluster_embed\(pgcluster\s([^)]*)\)", cmake.read_text()):
            listed += [cmake.parent / name for name in names.split()]
    assert sorted(listed) == sorted(path for ending in ("sh", "py", "css", "sql") for path in LIBRARY.rglob(f"*.{ending}"))
    names = [path.stem for path in listed]
    assert len(set(names)) == len(names), "two constants of one name"


def test_no_shell_stands_in_a_source():
    """What a shell is started with, and what lands on a host, is a constant of the build."""
    sources = {path: path.read_text() for path in LIBRARY.rglob("*.[ch]pp")}
    started = re.compile(r'"(?:ba)?sh",\s*"-c",\s*(?!shell::)\S+')
    found = [f"{path.relative_to(LIBRARY)}: {one}" for path, text in sources.items() for one in [*started.findall(text), *re.findall(r'"#!/bin/\w+', text)]]
    # The simulated services recognise such commands; they start none. shell_look() gets its script from its callers, which are checked below.
    found = [one for one in found if not one.startswith("simulation/") and one != 'op/ask.cpp: "sh", "-c", script,']
    found += [f"{path.relative_to(LIBRARY)}: {one}" for path, text in sources.items() for one in re.findall(r"\bshell_look\((?!shell::|const |\)).*", text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("usage, wanted", [
    ("Usage: confd <command> [flags]", ["etcd", "--config-file", "/etc/confd/confd.toml", "--interval", "5", "--node", "https://10.77.0.11:12379",
                                        "--node", "https://10.77.0.12:12379", "--node", "https://10.77.0.13:12379",
                                        "--scheme", "https", "--client-ca-keys", "/etc/pgcluster/tls/authority.crt", "--client-cert", "/etc/pgcluster/tls/confd.crt",
                                        "--client-key", "/etc/pgcluster/tls/confd.key"]),
    ("Usage of /usr/local/bin/confd:", ["-config-file", "/etc/confd/confd.toml"]),
    ("flag provided but not defined: --help", ["-config-file", "/etc/confd/confd.toml"]),
], ids=["0.40", "0.16", "older"])
def test_a_unit_that_asks_its_program_for_the_command_line_takes_the_right_one(tmp_path, usage, wanted):
    unit = (SOURCE / "tests/cases/component/confd/default/files/etc/systemd/system/confd.service").read_text()
    program = tmp_path / "confd"
    program.write_text(f'#!/bin/sh\ncase "$*" in --help) echo "{usage}" >&2; exit 2;; esac\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    line = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.M)[1].replace("/usr/local/bin/confd", str(program))
    assert subprocess.run(["sh", "-c", line], text=True, capture_output=True).stdout.split() == wanted


def test_a_parameter_that_the_kernel_refuses_takes_the_others_back(tmp_path):
    def set_all(*words):
        return subprocess.run(["sh", SOURCE / "libpgcluster/src/component/system/kernel_settings.sh", *map(str, words)], text=True, capture_output=True)

    first, second, refused = tmp_path / "first", tmp_path / "second", tmp_path / "refused"
    for file in (first, second):
        file.write_text("0 1\n")
    refused.mkdir()
    assert set_all(first, "5 6", second, "7").returncode == 0
    assert (first.read_text(), second.read_text()) == ("5 6\n", "7\n")
    failed = set_all(first, "1", second, "2", refused, "-5", tmp_path / "never", "3")
    assert failed.returncode == 1 and failed.stderr == f"the kernel does not take '-5' in {refused}: Is a directory\n"
    assert (first.read_text(), second.read_text()) == ("5 6\n", "7\n") and not (tmp_path / "never").exists()
