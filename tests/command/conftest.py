import codecs
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

SPEC = """\
patroni_cluster_name: demo
patroni_superuser_password: wisdom-of-herons
ssh: {{ user: root, port: {port}, known_hosts: {known_hosts} }}
hosts:
  pg1: {{ address: 192.0.2.1, ssh: {{ host: 127.0.0.1 }} }}
  pg2: {{ address: 192.0.2.2, ssh: {{ host: 127.0.0.2 }} }}
  pg3: {{ address: 192.0.2.3, ssh: {{ host: 127.0.0.3 }} }}
"""


@pytest.fixture
def spec(tmp_path):
    """A valid description of hosts where nothing listens."""
    path = tmp_path / "cluster.yaml"
    path.write_text(SPEC.format(port=1, known_hosts=tmp_path / "known_hosts"))
    (tmp_path / "known_hosts").touch()
    return path


def environment(**more):
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "LC_ALL", "LC_CTYPE")}
    return env | {"TERM": "xterm", "LANG": "C.UTF-8"} | more


def call(program, *words, **options):
    return subprocess.run([program, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          env=environment(**options.pop("env", {})), **options)


@pytest.fixture
def pgcluster():
    return lambda *words, **options: call(os.environ["PGCLUSTER_BINARY"], *words, **options)


@pytest.fixture
def driver(spec):
    return lambda *words, **options: call(os.environ["PGCLUSTER_DRIVER"], spec, *words, **options)


class Terminal:
    """A program whose stdin, stdout and stderr are a terminal."""

    def __init__(self, words, env, columns=80, lines=24, screen=None):
        self.shown = ""
        self.screen = screen    # is fed with all that is shown
        self.decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.resize(columns, lines, 0)
            os.execve(words[0], words, env)

    def resize(self, columns, lines=24, fd=None):
        fcntl.ioctl(self.fd if fd is None else fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        return self

    def until(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, self.shown
            if not self.read(0.1):
                assert text in self.shown, self.shown
        return self

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        text = self.decode(data)
        self.shown += text
        if self.screen:
            self.screen.feed(text)
        return bool(data)

    def type(self, text):
        os.write(self.fd, text.encode())
        return self

    def interrupt(self):
        """As Ctrl-C, but what is on its way to the terminal is not thrown away by it."""
        os.kill(self.pid, signal.SIGINT)
        return self

    def status(self):
        while self.read(20):
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(spec):
    def start(*words, columns=80, lines=24, screen=None, **env):
        return Terminal([os.environ["PGCLUSTER_DRIVER"], str(spec), *map(str, words)], environment(**env), columns, lines, screen)

    return start


@pytest.fixture
def source():
    return pathlib.Path(__file__).resolve().parents[2]
