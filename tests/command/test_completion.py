"""Completion in bash, zsh and fish: in step with --help, and run by the real shells."""
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from conftest import Terminal, environment

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FOLDER = SOURCE / "examples/pgcluster/completion"
SPEC = """\
hosts:
  pg1: { address: 192.0.2.1 }
  pg2:
    address: 192.0.2.2
    ssh:
      port: 22
  # pg9: gone
  pg3: {address: 192.0.2.3}
ssh: { user: root }
"""


def help_of(*words):
    return subprocess.run([os.environ["PGCLUSTER_BINARY"], *words, "--help"], check=True, capture_output=True, text=True).stdout


def names():
    return re.findall(r"^  (\S+) ", help_of().split("Subcommands:\n")[1].split("\n\n")[0], re.M)


def options(text):
    """Long options as --help lists them."""
    listed = re.findall(r"^  (-\S+)", text.split("\nOptions:\n")[1].split("\n\n")[0], re.M)
    return {name for names in listed for name in names.split(",") if name.startswith("--")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cluster.yaml").write_text(SPEC)
    (tmp_path / "change.plan").touch()
    return tmp_path


def bash(folder, *words):
    """What bash would offer for the last word; an equals sign is a word of its own, as in bash."""
    script = (f"source {FOLDER}/pgcluster.bash\nCOMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n"
              "_pgcluster\nfor one in \"${COMPREPLY[@]}\"; do echo \"$one\"; done")
    done = subprocess.run(["bash", "--norc", "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.split("\n")[:-1]


def fish(folder, line):
    done = subprocess.run(["fish", "--no-config", "-c", f"source {FOLDER}/pgcluster.fish; complete -C {shlex.quote(line)}"], cwd=folder,
                          capture_output=True, text=True, env=environment(HOME=str(folder)))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [one.split("\t")[0] for one in done.stdout.splitlines()]


def test_what_is_checked_in_is_what_the_command_says(tmp_path):
    subprocess.run([sys.executable, SOURCE / "tools/completion", os.environ["PGCLUSTER_BINARY"], tmp_path], check=True)
    for made in sorted(tmp_path.iterdir()):
        assert (FOLDER / made.name).read_text() == made.read_text(), f"run: tools/completion build/release/bin/pgcluster ({made.name} differs)"
    assert len(list(tmp_path.iterdir())) == len(list(FOLDER.iterdir())) == 3


def test_sub_commands_are_those_of_help(folder):
    assert "switchover" in names()
    assert bash(folder, "pgcluster", "") == names()
    assert sorted(fish(folder, "pgcluster ")) == sorted(names())


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_options_are_those_of_help(folder, shell):
    everywhere = options(help_of()) - {"--help", "--version"}
    assert everywhere == {"--no-color"}
    for name in names():
        offered = bash(folder, "pgcluster", name, "--") if shell == "bash" else fish(folder, f"pgcluster {name} --")
        assert set(offered) == options(help_of(name)) | everywhere, name


WORDS = [
    (["pgcluster", "swi"], ["switchover"]),
    (["pgcluster", "--no-color", "swi"], ["switchover"]),
    (["pgcluster", "graph", "--format", ""], ["dot", "mermaid", "svg"]),
    (["pgcluster", "switchover", "-f", "cluster.yaml", "--to", ""], ["pg1", "pg2", "pg3"]),
    (["pgcluster", "switchover", "--to", ""], []),
    (["pgcluster", "restart", "-f", "cluster.yaml", "pg"], ["pg1", "pg2", "pg3"]),
    (["pgcluster", "plan", "-f", "cl"], ["cluster.yaml"]),
    (["pgcluster", "apply", "ch"], ["change.plan"]),
    (["pgcluster", "password", "-f", "cluster.yaml", "rep"], ["replication"]),
    (["pgcluster", "plan", ""], []),
]


@pytest.mark.parametrize("words, offered", WORDS, ids=lambda value: " ".join(value))
def test_bash(folder, words, offered):
    assert bash(folder, *words) == offered


def test_bash_splits_at_equals_signs(folder):
    assert bash(folder, "pgcluster", "switchover", "--file", "=", "cluster.yaml", "--to", "=", "pg2") == ["pg2"]
    assert bash(folder, "pgcluster", "switchover", "--file", "=", "cluster.yaml", "--to", "=") == ["pg1", "pg2", "pg3"]


def test_bash_offers_descriptions_after_f(folder):
    assert bash(folder, "pgcluster", "plan", "-f", "") == ["cluster.yaml"]


@pytest.mark.parametrize("words, offered", [one for one in WORDS if one[0] != ["pgcluster", "plan", ""]], ids=lambda value: " ".join(value))
def test_fish(folder, words, offered):
    assert sorted(fish(folder, " ".join(words))) == offered


@pytest.fixture
def zsh(folder):
    shell = Terminal(["/usr/bin/zsh", "-f", "-i"], environment(TERM="dumb", HOME=str(folder)))
    shell.type(f"cd {folder}; fpath=({FOLDER} $fpath); autoload -Uz compinit; compinit -D -u; PS1=; echo be'gin'\n").until("begin\r\n")
    yield shell
    shell.type("\x15exit\n")
    assert shell.status() == 0


@pytest.mark.parametrize("typed, shown", [
    ("pgcluster swi", "pgcluster switchover "),
    ("pgcluster plan --di", "pgcluster plan --diff "),
    ("pgcluster plan -f c", "pgcluster plan -f cluster.yaml "),
    ("pgcluster graph --format m", "pgcluster graph --format mermaid "),
    ("pgcluster switchover -f cluster.yaml --to pg", "pg1  pg2  pg3"),
    ("pgcluster reinit -f cluster.yaml pg", "pg1  pg2  pg3"),
])
def test_zsh(zsh, typed, shown):
    zsh.type(typed + "\t").until(shown)


@pytest.mark.parametrize("command", [["bash", "-n", "pgcluster.bash"], ["shellcheck", "pgcluster.bash"], ["zsh", "-n", "_pgcluster"],
                                     ["fish", "-n", "pgcluster.fish"]], ids=" ".join)
def test_syntax(command):
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and done.stdout == ""
