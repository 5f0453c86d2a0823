"""What a person sees on a terminal, and what a file gets instead; on hosts that are only played (driver.cpp)."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from conftest import environment
from screen import Screen

BAR = re.compile(r"^\W*(\S*pg\d) [█░]+ ")


def bars(screen):
    return [BAR.match(row)[1] for row in screen.shown() if BAR.match(row)]


class Watched(Screen):
    """Looks after each piece that nothing is drawn twice."""

    def __init__(self, *size):
        super().__init__(*size)
        self.frames = []

    def feed(self, text):
        super().feed(text)
        now = bars(self)
        assert len(now) == len(set(now)), self.shown()
        self.frames.append(self.shown())
        return self


@pytest.mark.parametrize("columns", [120, 60, 40, 24, 20])
def test_progress_fits_any_width(terminal, columns):
    screen = Watched(columns)
    session = terminal("--yes", columns=columns, screen=screen)
    assert session.status() == 0
    rows = [row for frame in screen.frames for row in frame if BAR.match(row)]
    assert {BAR.match(row)[1] for row in rows} == {"pg1", "pg2", "pg3"}
    assert all(len(row) < columns for row in rows)
    assert any(re.search(r" [012]/3\b.* \d+\.\d s", row) for row in rows), "counts, and for how long"
    if columns >= 60:
        assert any(re.search(r"demo/(first|second|third)  run make", row) for row in rows), ("what it does", rows)
    # What stays are plain lines.
    assert bars(screen) == []
    text = "\n".join(screen.lines)
    for host in ("pg1", "pg2", "pg3"):
        assert f"{host}  changed demo/first, demo/second, demo/third\n" in text
    assert "Applied 9 changes" in text


def test_progress_survives_that_the_terminal_changes_its_size(terminal):
    screen = Watched(100)
    session = terminal("--yes", "--slow", 3000, columns=100, screen=screen).until("demo/second")
    for columns in (30, 22, 140, 50):
        screen.columns = columns
        seen = len(session.shown)
        session.resize(columns).until("changes", 20)
        while session.shown.count("of 9 changes", seen) < 2:
            assert session.read(0.2), session.shown
    assert session.interrupt().status() == 130
    assert bars(screen) == []
    assert "\n".join(screen.lines).count("pg1  changed demo/first") == 1


def test_more_hosts_than_lines(terminal):
    screen = Watched(80, 3)
    session = terminal("--yes", columns=80, lines=3, screen=screen)
    assert session.status() == 0 and "2 more hosts" in session.shown


def test_what_failed_stays(terminal):
    screen = Watched(80)
    session = terminal("--yes", "--fail", "pg2/demo/second", screen=screen)
    assert session.status() == 1
    text = "\n".join(screen.lines)
    assert "pg2  demo/second  failed: " in text
    assert "pg2  changed demo/first; failed demo/second; 1 blocked\n" in text
    assert "pg3  changed demo/first, demo/second, demo/third\n" in text


def test_bars_without_colours(terminal):
    session = terminal("--yes", NO_COLOR="1")
    assert session.status() == 0 and "█" in session.shown and not re.search(r"\x1b\[\d*m", session.shown)


# The plan, and its pager.


@pytest.fixture
def pager(tmp_path):
    """A pager that keeps what it is given."""
    path = tmp_path / "pager"
    path.write_text(f"#!/bin/sh\ncat >{tmp_path}/paged\necho paged\n")
    path.chmod(0o755)
    return path


def paged(tmp_path):
    return (tmp_path / "paged").read_text() if (tmp_path / "paged").exists() else None


def test_a_long_plan_is_paged(terminal, pager, tmp_path):
    assert terminal("plan", "--diff", lines=10, PAGER=str(pager)).until("paged").status() == 0
    assert "pg1 pg2 pg3" in paged(tmp_path) and "+default_pool_size" in re.sub(r"\x1b\[[\d;]*m", "", paged(tmp_path))
    assert "\x1b[32m+" in paged(tmp_path)


def test_a_short_plan_is_not(terminal, pager, tmp_path):
    assert terminal("plan", lines=30, PAGER=str(pager)).until("steps are up to date").status() == 0
    assert paged(tmp_path) is None


def test_long_lines_count_as_what_they_take(terminal, pager, tmp_path):
    assert terminal("plan", lines=30, columns=8, PAGER=str(pager)).status() == 0
    assert paged(tmp_path)


def test_nothing_is_paged_elsewhere(driver, pager, tmp_path):
    done = driver("plan", "--diff", env={"PAGER": str(pager)})
    assert done.returncode == 0 and "\x1b" not in done.stdout and "steps are up to date" in done.stdout
    assert paged(tmp_path) is None


def test_json_is_not_paged(terminal, pager, tmp_path):
    assert terminal("plan", "--json", lines=5, PAGER=str(pager)).until('"summary"').status() == 0
    assert paged(tmp_path) is None


def test_without_the_pager_it_is_shown_all_the_same(terminal):
    assert terminal("plan", lines=5, PAGER="/nowhere/pager").until("steps are up to date").status() == 0


def test_a_pager_that_is_left_early(terminal):
    assert terminal("plan", "--diff", lines=5, PAGER="head -n 1").until("No running service is restarted").status() == 0


def test_less_shows_colours(terminal):
    session = terminal("plan", "--diff", lines=10, PAGER="less").until("No running service is restarted").type("q")
    assert session.status() == 0 and "ESC[" not in session.shown


# status --watch.


def down(spec, *hosts):
    path = pathlib.Path(f"{spec}.down")
    path.with_suffix(".new").write_text(" ".join(hosts))
    path.with_suffix(".new").rename(path)


def test_watch_draws_in_place(terminal, spec):
    screen = Screen(100)
    session = terminal("status", "--watch", columns=100, screen=screen, NO_COLOR="1").until("demo: healthy")
    down(spec, "pg3")
    session.until("NOT healthy").until("Ctrl-C ends\x1b[K")
    down(spec)
    while "demo: healthy" not in session.shown.split("NOT healthy")[-1]:
        assert session.read(0.2), session.shown
    assert session.interrupt().status() == 130
    text = "\n".join(screen.shown())
    assert text.count("MEMBER") == 1 and text.count("demo: healthy") == 1 and "unreachable" not in text
    assert "error" not in session.shown


def test_watch_follows_the_size(terminal):
    screen = Screen(100, 60)
    session = terminal("status", "--watch", columns=100, lines=60, screen=screen, NO_COLOR="1").until("Ctrl-C ends\x1b[K\r\n\x1b[J").until("demo: healthy")
    for columns in (20, 120):
        screen.columns = columns
        seen = len(session.shown)
        session.resize(columns, 60)
        while "demo: healthy" not in session.shown[seen:] or not session.shown.endswith("\x1b[J"):
            assert session.read(0.2), session.shown
        assert sum("MEMBER" in row for row in screen.shown()) == 1, screen.shown()
    assert session.interrupt().status() == 130


def start_watch(spec, *words):
    return subprocess.Popen([os.environ["PGCLUSTER_DRIVER"], str(spec), "status", "--watch", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment())


def end(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and err == ""
    return out


def block(process):
    """The next block, without the problems at its end."""
    lines = []
    while not lines or not lines[-1].startswith("  read-only"):
        line = process.stdout.readline()
        assert line, "it has ended"
        lines += [line.rstrip("\n")] if lines or line != "\n" else []
    return lines


def test_watch_appends_a_block_for_each_change_elsewhere(spec):
    process = start_watch(spec)
    first = block(process)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  demo: healthy", first[0])
    down(spec, "pg2")
    second = block(process)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  demo: NOT healthy", second[0])
    assert any("pg2" in line and "unreachable" in line for line in second)
    rest = end(process)
    assert "\x1b" not in rest and "demo: healthy" not in rest


def test_watch_as_json_is_a_document_a_line_on_change(spec):
    process = start_watch(spec, "--json")
    healthy = json.loads(process.stdout.readline())
    assert healthy["format"] == 1 and healthy["healthy"] is True
    asked = pathlib.Path(f"{spec}.asked")
    end_of_waiting, before = time.monotonic() + 60, asked.stat().st_size
    while asked.stat().st_size < before + 6:    # two more readings, which are the same
        assert time.monotonic() < end_of_waiting
        time.sleep(0.05)
    down(spec, "pg3")
    ill = json.loads(process.stdout.readline())
    assert ill["healthy"] is False and [host["reachable"] for host in ill["hosts"]] == [True, True, False]
    down(spec)
    back = json.loads(process.stdout.readline())
    while not back["healthy"]:
        back = json.loads(process.stdout.readline())
    assert end(process) == ""


# --without.


def test_a_host_that_is_down(driver, spec):
    down(spec, "pg3")
    done = driver("plan")
    assert done.returncode == 1 and "--without pg3" in done.stderr and done.stdout == ""
    error = json.loads(driver("plan", "--json").stdout)["error"]
    assert error["code"] == "host_unreachable" and error["host"] == "pg3" and "--without pg3" in error["hint"]


def test_without_it(driver, spec, tmp_path):
    down(spec, "pg3")
    document = json.loads(driver("plan", "--without", "pg3", "--json", "--out", tmp_path / "plan").stdout)
    assert {change["host"] for change in document["changes"]} == {"pg1", "pg2"}
    assert [warning["path"] for warning in document["warnings"] if "left out" in warning["message"]] == ["hosts.pg3"]
    assert json.loads((tmp_path / "plan").read_text())["options"] == {"without": "pg3"}
    done = driver("apply", "--without", "pg3", "--yes")
    assert done.returncode == 0 and "hosts.pg3: is left out" in done.stdout and "Applied 4 changes" in done.stdout


def test_a_plan_that_cannot_be_written(driver, tmp_path):
    done = driver("plan", "--out", tmp_path / "nowhere/plan")
    assert done.returncode == 64 and f"no folder {tmp_path}/nowhere" in done.stderr, done.stderr
    done = driver("plan", "--out", "/dev/full", "--json")
    assert done.returncode == 1 and "No space left on device" in json.loads(done.stdout)["error"]["message"]
    folder = tmp_path / "plan"
    folder.mkdir()
    done = driver("plan", "--out", folder)
    assert done.returncode == 1 and "cannot be written: Is a directory" in done.stderr, done.stderr
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to("old")
    assert driver("plan", "--out", tmp_path / "link").returncode == 0
    assert json.loads((tmp_path / "old").read_text())["format"] == 1 and not list(tmp_path.glob("*.new-*"))


def test_without_what_the_quorum_needs(driver, spec):
    down(spec, "pg2", "pg3")
    done = driver("apply", "--without", "pg2", "--without", "pg3", "--yes", "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["error"]["code"] == "refused"
