"""The program that holds the virtual IP address, against a Patroni that the test plays, on an interface of a network namespace of its own."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = SOURCE / "libpgcluster/src"
PROGRAM = LIBRARY / "component/vip/pgcluster_vip.py"
VIP = "10.77.0.100"

# In the namespace: an interface, Patronis at 127.0.0.1:PORT that say what `says` has, and the program.
WORLD = """
import http.server, os, re, signal, socket, subprocess, sys, threading, time
program, folder, vip = sys.argv[1:4]
length = "128" if ":" in vip else "32"
def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
ip("link", "set", "lo", "up")
ip("link", "add", "net0", "type", "veth", "peer", "name", "net1")
for one in ("net0", "net1"):
    ip("link", "set", one, "up")
says, asked = {8008: 503, 8009: 503}, []
class Patroni(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        port = self.server.server_address[1]
        status = says[port]
        if status is None:
            time.sleep(3)
            return
        asked.append((port, self.path, time.monotonic()))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"role": "primary", "timeline": %d, "state": "running"}' % timeline)
    def log_message(self, *words):
        pass
timeline = 2
for port in says:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Patroni)
    threading.Thread(target=server.serve_forever, daemon=True).start()
arping = folder + "/arping"    # this machine may have none; -D: nobody answers, unless the file `claimed` is there
with open(arping, "w") as file:
    file.write("#!/bin/sh\\ncase $* in *-D*) [ ! -e " + folder + "/claimed ] ;; esac\\n")
os.chmod(arping, 0o755)
notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notified.bind(folder + "/notify")
notified.settimeout(10)
def start():
    # The interpreter that the tests run on, and peers of the test's own.
    text = open(program).read().replace("/etc/default/pgcluster-vip", folder + "/peers")
    copy = folder + "/pgcluster-vip"
    open(copy, "w").write(text)
    environment = {"PATH": folder + ":" + os.environ["PATH"], "NOTIFY_SOCKET": folder + "/notify", "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    return subprocess.Popen([sys.executable, "-IS", copy, vip + "/" + length, "net0", "http://127.0.0.1:8008/leader"], env=environment, stdout=subprocess.PIPE, text=True)
def peers(text):
    open(folder + "/peers", "w").write("# Written by pgcluster.\\npeers='" + text + "'\\n")
peers("http://127.0.0.1:8009/leader")
def shown():
    return ip("-o", "address", "show", "dev", "net0", "to", vip)
def held(seconds, wanted=True):
    began = time.monotonic()
    while bool(shown()) != wanted:
        assert time.monotonic() - began < seconds, f"after {seconds} s: {shown()!r}"
        time.sleep(0.02)
    return time.monotonic() - began
def left():
    return int(re.search(r"valid_lft (\\d+)sec", shown())[1])
def ended(process):
    process.send_signal(signal.SIGTERM)
    out = process.communicate(timeout=5)[0]
    assert process.returncode == 0, process.returncode
    assert not shown()
    return out
"""


def world(tmp_path, script, vip=VIP):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root and a network namespace")
    whole = tmp_path / "world.py"
    whole.write_text(WORLD + textwrap.dedent(script))
    done = subprocess.run(["unshare", "--net", sys.executable, whole, PROGRAM, tmp_path, vip], text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_of_the_library_compiles():
    for path in sorted(LIBRARY.rglob("*.py")):
        compile(path.read_text(), path, "exec")
        assert re.match(r"#!/usr/bin/python3 -IS\n", path.read_text()), f"{path}: runs in our environment, and not in the host's"


def test_it_takes_renews_and_gives_up_the_address(tmp_path):
    world(tmp_path, """
        process = start()
        assert notified.recv(100) == b"READY=1"
        time.sleep(1.2)
        assert not shown()
        says[8008] = 200
        took = held(4)    # the other member denies that it leads: no patience
        assert took < 3.5, took
        for _ in range(40):
            time.sleep(0.1)
            assert left() >= 3, shown()
        assert notified.recv(100) == b"WATCHDOG=1"
        says[8008] = 503
        assert held(2, False) < 1.5
        says[8008] = 200
        held(4)
        said = ended(process)
        assert said.count("took " + vip + "/32: this host leads") == 2, said
        assert "Patroni does not say that this host leads" in said and "told to stop" in said, said
    """)


def test_it_has_patience_where_another_member_does_not_answer(tmp_path):
    world(tmp_path, """
        says.update({8008: 200, 8009: None})
        process = start()
        assert held(9) > 4
        ended(process)
        peers("http://127.0.0.1:8009/leader http://127.0.0.1:1/leader")
        says[8009] = 503
        process = start()
        assert held(9) > 4
        ended(process)
        timeline = 1
        process = start()
        assert held(4) < 3.5
        ended(process)
    """)


def test_it_does_not_take_what_another_host_answers_for(tmp_path):
    world(tmp_path, """
        open(folder + "/claimed", "w").close()
        says[8008] = 200
        process = start()
        time.sleep(7)
        assert not shown()
        os.unlink(folder + "/claimed")
        held(3)
        said = ended(process)
        assert said.count("another host answers for it on net0") == 1, said
    """)


def test_it_goes_on_with_a_lease_that_is_there(tmp_path):
    world(tmp_path, """
        says.update({8008: 200, 8009: None})    # a takeover would take 4 s and more
        ip("address", "add", vip + "/32", "dev", "net0", "valid_lft", "4", "preferred_lft", "4")
        process = start()
        notified.recv(100)
        assert left() >= 3, shown()
        for _ in range(5):    # as the program beside it does when it is stopped
            ip("address", "delete", vip + "/32", "dev", "net0")
            assert held(2) < 1.5
        for _ in range(60):
            time.sleep(0.1)
            assert left() >= 3
        said = ended(process)
        assert "took" not in said, said
        # A lease that comes while this one waits for its turn.
        says[8008] = 503
        process = start()
        notified.recv(100)
        says[8008] = 200
        time.sleep(0.7)
        ip("address", "add", vip + "/32", "dev", "net0", "valid_lft", "4", "preferred_lft", "4")
        for _ in range(60):
            time.sleep(0.1)
            assert left() >= 2
        assert "goes on with" in ended(process)
    """)


def test_it_removes_a_lease_of_a_host_that_does_not_lead_and_an_address_for_good(tmp_path):
    world(tmp_path, """
        ip("address", "add", vip + "/32", "dev", "net0", "valid_lft", "4", "preferred_lft", "4")
        process = start()
        notified.recv(100)
        assert not shown()
        ended(process)
        ip("address", "add", vip + "/32", "dev", "net0")
        says.update({8008: 200, 8009: None})
        process = start()
        assert held(2, False) < 1
        held(9)
        assert "forever" not in shown()
        ended(process)
    """)


def test_frozen_it_loses_the_address_and_thawed_it_takes_it_anew(tmp_path):
    world(tmp_path, """
        says[8008] = 200
        process = start()
        held(4)
        says[8009] = None
        process.send_signal(signal.SIGSTOP)
        assert held(7, False) < 5.5
        time.sleep(1)
        says[8008] = 503    # another leads meanwhile
        process.send_signal(signal.SIGCONT)
        for _ in range(20):
            time.sleep(0.05)
            assert not shown()
        says[8008] = 200
        assert held(9) > 4
        said = ended(process)
        assert said.count("took") == 2, said
    """)


def test_a_patroni_that_hangs_does_not_lead(tmp_path):
    world(tmp_path, """
        says[8008] = 200
        process = start()
        held(4)
        says[8008] = None
        assert held(6, False) < 4.8    # its lease has ended, before another host may take the address
        ended(process)
    """)


def test_a_patroni_that_does_not_answer_for_a_moment_keeps_the_address(tmp_path):
    world(tmp_path, """
        says[8008] = 200
        process = start()
        held(4)
        for _ in range(2):
            says[8008] = None
            for _ in range(12):
                time.sleep(0.1)
                assert shown()
            says[8008] = 200
            for _ in range(25):
                time.sleep(0.1)
                assert shown()
        said = ended(process)
        assert said.count("took") == 1 and "Patroni does not say" not in said, said
    """)


def test_an_address_of_ipv6_that_was_removed_is_set_again_and_one_that_another_host_has_is_given_up(tmp_path):
    world(tmp_path, """
        says[8008] = 200
        process = start()
        held(4)
        time.sleep(3)    # the kernel has probed
        assert "tentative" not in shown()
        says[8009] = None
        ip("address", "delete", vip + "/128", "dev", "net0")
        assert held(2) < 1.5
        ip("address", "delete", vip + "/128", "dev", "net0")    # still tentative, as where another host answers
        time.sleep(1.2)
        assert not shown()
        assert "another host answers for it" in process.stdout.readline() + process.stdout.readline()
        ended(process)
    """, "fd00:77::100")
