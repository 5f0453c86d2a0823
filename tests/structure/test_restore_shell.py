"""What a restore does to the data of a host, tried on directories of the test."""

import os
import pathlib
import shutil
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "libpgcluster/src/component/pgbackrest"
FUNCTION = FOLDER / "server_in.sh"


def server_in(data):
    return subprocess.run(["sh", "-c", FUNCTION.read_text() + '\nserver_in "$1"', "sh", str(data)], capture_output=True, text=True, check=True).stdout.strip()


def test_a_server_is_found_by_its_directory(tmp_path):
    data, program = tmp_path / "main [1]", tmp_path / "postgres"
    data.mkdir()
    shutil.copy(shutil.which("sleep"), program)
    assert server_in(data) == ""
    assert server_in(tmp_path / "nothing") == ""
    link = tmp_path / "link"
    link.symlink_to(data)
    with subprocess.Popen(["sleep", "60"], cwd=data) as other, subprocess.Popen([program, "60"], cwd=data) as server:
        try:
            assert server_in(data) == server_in(link) == str(server.pid)
            program.unlink()  # as an update of the package leaves it
            assert server_in(data) == str(server.pid)
        finally:
            server.kill()
            other.kill()
    assert server_in(data) == ""


@pytest.fixture
def replica(tmp_path):
    """A held host's data, with a tablespace that another major version uses, too; and set_aside.sh for it."""
    data, space = tmp_path / "main", tmp_path / "space"
    for folder in (data / "global", data / "base/1", data / "pg_tblspc", data / "pg_wal", space / "PG_17_1/5", space / "PG_16_1/5"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    (data / "pg_tblspc/16400").symlink_to(space)
    (data / "PG_VERSION").write_text("17\n")
    (tmp_path / "note").write_text("id 5\nhold\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text("#!/bin/sh\nexit 3\n")
    (tools / "systemctl").chmod(0o755)
    program = "\n".join((FOLDER / name).read_text() for name in ("server_in.sh", "set_aside.sh")).replace("/var/lib/pgcluster/restore", str(tmp_path / "note"))

    def set_aside(number="5", keep="no"):
        return subprocess.run(["sh", "-c", program, "sh", data, number, keep], env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}, check=False, capture_output=True, text=True)

    return data, space, tools, set_aside


def test_what_is_set_aside_has_gone_when_its_version_has(replica):
    data, space, tools, set_aside = replica
    (tools / "find").write_text(f'#!/bin/sh\n{shutil.which("find")} "$@"\nexit 1\n')  # as if it had been interrupted
    (tools / "find").chmod(0o755)
    assert set_aside().returncode != 0
    assert (data / "PG_VERSION").exists()
    (tools / "find").unlink()
    assert set_aside().returncode == 0
    assert not list(data.iterdir())
    assert [one.name for one in space.iterdir()] == ["PG_16_1"]
    assert set_aside().returncode == 0


def test_what_is_kept_is_renamed_and_another_restore_deletes_nothing(replica):
    data, _, _, set_aside = replica
    refused = set_aside("6")
    assert refused.returncode != 0 and "another restore holds this host: nothing was deleted" in refused.stderr
    assert set_aside(keep="yes").returncode == 0
    assert not data.exists() and (data.parent / "main.before-5/base/1/file").exists()


@pytest.fixture
def leader(tmp_path):
    """The data of a leader that was stopped; and restore.sh for it, up to the start of the server. pgBackRest only notes how it was called."""
    data, tools = tmp_path / "main", tmp_path / "tools"
    for folder in (data / "global", data / "pg_wal/archive_status", tools):
        folder.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    stubs = {
        "systemctl": "exit 3",
        "setpriv": 'while case $1 in --*) ;; *) false ;; esac; do shift; done\nexec "$@"',
        "pgbackrest": f'echo "$@" >>{tmp_path}/called\n[ ! -e {tmp_path}/broken ] || {{ echo "ERROR: [082]: unable to push" >&2; exit 82; }}',
        "pg_controldata": f'echo "Database cluster state:               $(cat {tmp_path}/state)"',
        "pg_ctl": "exit 1",
    }
    for name, text in stubs.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    (tmp_path / "state").write_text("shut down")
    program = "\n".join((FOLDER / name).read_text() for name in ("recovery.sh", "server_in.sh", "restore.sh"))
    program = program.replace("/var/lib/pgcluster/restore", str(tmp_path / "note")).replace("/var/lib/postgresql", str(tmp_path))

    def restore(target="time 2026-11-30 09:00:00.000000+00"):
        (tmp_path / "note").write_text(f"id 5\ntarget {target}\nbackup B\nrepo 1\ntimeline 3\nnewest 4\nkeep no\nstanza s\nsuperuser postgres\ndata {data}\nbin {tools}\nhold\n")
        (tmp_path / "called").write_text("")
        subprocess.run(["sh", "-c", program], env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}, check=False, capture_output=True)
        return (tmp_path / "note.progress").read_text(), (tmp_path / "called").read_text().splitlines()

    return tmp_path, data, restore


def test_wal_that_is_only_here_is_archived_before_it_is_overwritten(leader):
    folder, data, restore = leader
    (data / "pg_wal/archive_status/000000030000000000000007.ready").touch()
    (folder / "state").write_text("in production")
    progress, called = restore()
    assert "was not shut down" in progress and not called
    (folder / "state").write_text("shut down")
    (folder / "broken").touch()
    progress, called = restore()
    assert "000000030000000000000007 cannot be archived, and nothing was changed" in progress and len(called) == 1
    (folder / "broken").unlink()
    progress, called = restore()
    assert "PostgreSQL does not start" in progress
    assert "archive-push" in called[0] and called[0].endswith("/pg_wal/000000030000000000000007") and called[1].endswith(" restore")
    # Begun is begun: the files are those of the backup now.
    (folder / "state").write_text("in archive recovery")
    assert [one.split()[-1] for one in restore()[1]] == ["restore"]


@pytest.mark.parametrize("target, words, timeline", [
    ("end", "--type=default", True),
    ("backup B", "--type=immediate --target-action=promote", False),  # pgBackRest refuses a timeline beside it
    ("lsn 0/5", "--type=lsn --target=0/5 --target-action=promote", True),
])
def test_each_target_is_told_to_pgbackrest(leader, target, words, timeline):
    _, _, restore = leader
    called = restore(target)[1][-1]
    assert words in called and ("--target-timeline=3" in called) == timeline
