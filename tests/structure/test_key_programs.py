"""The programs that make a key and take its certificate, killed at each of their commands: run once more they leave what one run leaves, and no other file."""

import os
import pathlib
import pwd
import subprocess

import pytest

COMPONENT = pathlib.Path(__file__).resolve().parents[2] / "libpgcluster/src/component"
COMMANDS = ["mkdir", "rm", "openssl", "chown", "sha256sum", "cat", "mv"]
# Kills the shell that called it, at its call number $KILL_AT, before or after the command itself.
WRAPPER = """#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo >>"$CALLS"
[ "$(wc -l <"$CALLS")" = "$KILL_AT" ] || exec {0} "$@"
[ "$KILL" = before ] || {0} "$@"
kill -9 "$PPID"
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "bin").mkdir()
    for name in COMMANDS:
        (tmp_path / "bin" / name).write_text(WRAPPER.format(name))
        (tmp_path / "bin" / name).chmod(0o755)

    def run(script, *args, kill_at=0, kill="before"):
        """Whether it ended by itself; if not it was killed."""
        calls = tmp_path / "calls"
        calls.write_text("")
        done = subprocess.run(["sh", "-c", (COMPONENT / script).read_text(), "sh", *args], input="certificate\n", text=True, capture_output=True,
                              env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CALLS": str(calls), "KILL_AT": str(kill_at), "KILL": kill})
        assert done.returncode in (0, -9), done.stderr
        return done.returncode == 0

    return run


def digest(path):
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


def is_request_of(request, key):
    lines = request.read_text().splitlines() if request.exists() else []
    return bool(lines) and lines[0] == "key " + digest(key) and subprocess.run(["openssl", "req", "-noout", "-verify"], input="\n".join(lines[1:]), text=True,
                                                                               capture_output=True).returncode == 0


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kill", ["before", "after"])
def test_a_key_is_made_anew_after_a_kill(run, tmp_path, kill):
    tls, account = tmp_path / "tls", pwd.getpwuid(os.getuid()).pw_name
    request, key, next_key = tls / "x.csr", tls / "x.key", tls / "x.key.next"
    assert run("new_key.sh", tls / "x", account, "pg1")
    for at in range(1, 100):
        next_key.rename(key)
        ended = run("new_key.sh", tls / "x", account, "pg1", kill_at=at, kill=kill)
        if is_request_of(request, key):
            assert files(tls) == ["x.csr", "x.key"], "all is as it was"
        else:
            assert ended or not is_request_of(request, next_key), "a half made key does not count"
        assert run("new_key.sh", tls / "x", account, "pg1")
        assert files(tls) == ["x.csr", "x.key", "x.key.next"] and is_request_of(request, next_key)
        assert next_key.stat().st_mode & 0o777 == 0o600 and request.stat().st_mode & 0o777 == 0o644
        if ended:
            break
    assert 5 < at < 20


@pytest.mark.parametrize("kill", ["before", "after"])
def test_a_certificate_is_taken_after_a_kill(run, tmp_path, kill):
    tls = tmp_path / "tls"
    tls.mkdir()
    for at in range(1, 100):
        (tls / "x.key.next").write_text("new")
        (tls / "x.key").write_text("old")
        ended = run("take_certificate.sh", tls / "x", kill_at=at, kill=kill)
        # The engine calls it again as long as there is a next key.
        assert not (tls / "x.key.next").exists() or run("take_certificate.sh", tls / "x")
        assert files(tls) == ["x.crt", "x.key"] and (tls / "x.key").read_text() == "new" and (tls / "x.crt").read_text() == "certificate\n"
        if ended:
            break
    assert 3 < at < 10
