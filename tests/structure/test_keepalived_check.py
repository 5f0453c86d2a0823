"""The program by which Keepalived checks HAProxy on its host, against an HAProxy that the test imitates."""

import contextlib
import pathlib
import socket
import subprocess
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = SOURCE / "libpgcluster/src"
PROGRAM = LIBRARY / "component/keepalived/vip_check.sh"
GOOD = b"HTTP/1.0 200 OK\r\n\r\n<html><body><h1>200 OK</h1>\nService ready.\n</body></html>\n"


@contextlib.contextmanager
def listening(address, *answers):
    """A port that gives each client the next of `answers`, then the last one again; b"", or none at all: the client gets no answer; None: nobody accepts."""
    asked = []
    with socket.create_server((address, 0)) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    if answer := (answers or [b""])[min(len(asked), len(answers) - 1)]:
                        asked.append(client.recv(1000))
                        client.sendall(answer)
                        client.close()
                    else:
                        asked.append(client)
        if answers != (None,):
            threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], asked
        server.shutdown(socket.SHUT_RDWR)    # a thread in accept() would keep it open


def check(health, clients, path="/usr/bin:/bin"):
    return subprocess.run(["/bin/bash", "-p", str(PROGRAM), str(health), str(clients)], env={"PATH": path}, capture_output=True, text=True, timeout=5)


def test_it_requests_the_health_page_of_the_host_itself():
    with listening("127.0.0.2", GOOD) as (health, asked), listening("127.0.0.1") as (clients, _):
        done = check(health, clients, "/nowhere")    # no other program is needed
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert asked[0].startswith(b"GET /haproxy-ok HTTP/1.0\r\n")


def test_any_other_answer_is_a_failure():
    with listening("127.0.0.1") as (clients, _):
        for answer in (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", b"SSH-2.0-OpenSSH_10.0\r\n", b"\r\n"):
            with listening("127.0.0.2", answer) as (health, _):
                assert check(health, clients).returncode == 1, answer


def test_a_failure_that_is_gone_half_a_second_later_does_not_count():
    with listening("127.0.0.1") as (clients, _), listening("127.0.0.2", b"HTTP/1.0 503 Service Unavailable\r\n\r\n", GOOD) as (health, asked):
        assert check(health, clients).returncode == 0
        assert len(asked) == 2


def test_a_process_that_does_not_answer_is_a_failure_within_keepaliveds_timeout():
    with listening("127.0.0.1") as (clients, _):
        for answer in (b"", None):
            with listening("127.0.0.2", answer) as (health, _):
                began = time.monotonic()
                assert check(health, clients).returncode == 1
                assert time.monotonic() - began < 3


def test_a_closed_port_is_a_failure():
    with listening("127.0.0.2", GOOD) as (health, _), listening("127.0.0.1") as (clients, _):
        pass
    with listening("127.0.0.1") as (open_port, _):
        assert check(health, open_port).returncode == 1
    with listening("127.0.0.2", GOOD) as (open_port, _):
        assert check(open_port, clients).returncode == 1
