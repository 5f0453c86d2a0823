"""How the command asks, shows and ends a change; on hosts that are only played (driver.cpp)."""
import json
import os
import re
import signal
import subprocess
import time

import jsonschema
from conftest import call, environment


def test_refuses_without_a_terminal(driver):
    done = driver()
    assert done.returncode == 3
    assert "9 changes" in done.stdout and "--yes" in done.stderr


def test_refusal_as_json(driver):
    done = driver("--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "refused"
    assert "9 changes" in done.stderr


def test_yes(driver):
    done = driver("--yes")
    assert done.returncode == 0
    assert done.stdout.index("9 changes (") < done.stdout.index("Applied 9 changes")
    lines = done.stderr.splitlines()
    assert len(lines) == 9 and all(re.fullmatch(r"pg[123]  demo/(first|second|third)  done \(\d+\.\d s\)", line) for line in lines), done.stderr


def test_nothing_to_do(driver):
    done = driver("--done")
    assert done.returncode == 0 and done.stdout.startswith("No changes: all ") and done.stderr == ""


def test_nothing_to_do_as_json(driver):
    report = json.loads(driver("--done", "--json").stdout)
    assert report["format"] == 1 and report["ok"] is True and report["changed"] == 0


def test_json_is_one_event_a_line_and_the_report_last(driver, tmp_path):
    log = tmp_path / "log"
    done = driver("--yes", "--json", "--log", log)
    assert done.returncode == 0
    *events, report = map(json.loads, done.stdout.splitlines())
    assert sum(event["event"] == "step_done" for event in events) == 9
    assert report["format"] == 1 and report["ok"] is True and report["changed"] == 9
    assert log.read_text() == done.stdout
    for document, lines in {"event": events, "report": [report]}.items():
        schema = jsonschema.Draft202012Validator(json.loads(call(os.environ["PGCLUSTER_BINARY"], "schema", document).stdout))
        for line in lines:
            schema.validate(line)
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_is_told_at_once(driver):
    done = driver("--yes", "--log", "/dev/full")
    told = done.stderr.splitlines()
    assert done.returncode == 0 and [line for line in told if "--log" in line] == ["warning: --log: No space left on device; the log is incomplete"]
    assert "--log" in "".join(told[:2]), told


def test_a_log_that_others_could_read_is_closed_to_them(driver, tmp_path):
    log = tmp_path / "log"
    log.touch(0o644)
    driver("--yes", "--log", log)
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_failure_is_shown_whole_at_the_end(driver):
    done = driver("--yes", "--fail", "pg2/demo/second")
    assert done.returncode == 1
    assert "pg2  demo/second  failed" in done.stderr and "pg2  demo/third  blocked by pg2/demo/second" in done.stderr
    end = done.stderr[done.stderr.index("\nerror: "):]
    assert "no room left for pg2/demo/second" in end and end.count("Run the same command again") == 1 and "1 failed, 1 blocked" in end
    assert "pg3  demo/third  done" in done.stderr


def test_a_failure_as_json(driver):
    done = driver("--yes", "--json", "--fail", "pg2/demo/second")
    assert done.returncode == 1
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["ok"] is False and report["error"]["code"] == "command_failed" and report["error"]["step"] == "pg2/demo/second"


def test_asks_on_a_terminal(terminal):
    session = terminal().until("Apply these 9 changes? [y/N] ").type("y\n").until("Applied 9 changes")
    assert session.status() == 0
    assert "█" in session.shown and "9 of 9 changes" not in session.shown.split("Applied ")[1]


def test_no_is_the_default(terminal):
    for answer in ("\n", "n\n", "\x04", "maybe\n"):
        assert terminal().until("[y/N] ").type(answer).until("nothing was changed").status() == 3


def test_ctrl_c_at_the_question(terminal):
    assert terminal().until("[y/N] ").type("\x03").status() == 130


def test_colours(terminal):
    colour = re.compile(r"\x1b\[\d+m")
    session = terminal("--yes").until("Applied 9 ")
    assert session.status() == 0 and colour.search(session.shown)
    session = terminal("--yes", NO_COLOR="1").until("Applied 9 ")
    assert session.status() == 0 and not colour.search(session.shown) and "█" in session.shown


def test_dumb_terminals_get_plain_lines(terminal):
    session = terminal("--yes", TERM="dumb").until("Applied 9 ")
    assert session.status() == 0 and "\x1b" not in session.shown and "pg1  demo/first  done" in session.shown


def test_ascii(terminal):
    session = terminal("--yes", LANG="C").until("Applied 9 ")
    assert session.status() == 0 and session.shown.isascii() and "####" in session.shown


def test_first_ctrl_c_ends_in_order(terminal):
    session = terminal("--yes", "--slow", 3000).until("run make")
    session.type("\x03").until("no further step starts").until("Cancelled after ")
    assert session.status() == 130
    # By its own clock: what ran came to its end, and nothing more began, of three that take 3 s each.
    assert 3 <= float(re.search(r"Cancelled after 3 changes in (\d+\.\d) s", session.shown)[1]) < 6


def test_second_ctrl_c_does_not_wait(terminal):
    session = terminal("--yes", "--slow", 20000).until("run make")
    began = time.monotonic()
    session.type("\x03").until("no further step starts").type("\x03").until("not waiting")
    assert session.status() == 130
    assert time.monotonic() - began < 10


def test_sigterm_as_json(spec, tmp_path):
    process = subprocess.Popen([os.environ["PGCLUSTER_DRIVER"], str(spec), "--yes", "--json", "--slow", "3000"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    report = json.loads(out.splitlines()[-1])
    assert report["cancelled"] is True and report["error"]["code"] == "cancelled" and "no further step starts" in err


def test_a_reader_that_goes_away_does_not_end_it(spec):
    process = subprocess.Popen([os.environ["PGCLUSTER_DRIVER"], str(spec), "--yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment())
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() == 0 and err.count("done (") == 9


def test_a_page_about_the_cluster(driver, spec, tmp_path):
    log, page = tmp_path / "apply.log", tmp_path / "page.html"
    assert driver("apply", "--yes", "--log", log).returncode == 0
    done = driver("report", "--log", log, "--out", page)
    assert done.returncode == 0 and done.stdout == "", done.stderr
    written = page.read_text()
    assert written.startswith("<!DOCTYPE html>") and 'class="timeline"' in written and "wisdom-of-herons" not in written
    spec.with_name("cluster.yaml.down").write_text("pg2")
    shown = driver("report").stdout
    assert "not healthy" in shown and 'class="timeline"' not in shown, "it is made of what can be read"
    # What is no log of ours is told before a host is asked.
    asked = spec.with_name("cluster.yaml.asked").read_text
    for words, why in {"": "has no event", "{}": "line 1 of the log is no event", log.read_text() + "x": "no event of an apply"}.items():
        log.write_text(words)
        done = driver("report", "--log", log)
        assert done.returncode == 64 and why in done.stderr and asked() == "", done.stderr
    assert "cannot be read" in driver("report", "--log", tmp_path / "nothing").stderr
    assert "there is no folder" in driver("report", "--out", tmp_path / "no/page.html").stderr
