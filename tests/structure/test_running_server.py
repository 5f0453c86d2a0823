"""What a restore asks before it overwrites data: does a server run there, whatever its postmaster.pid says?"""

import pathlib
import shutil
import subprocess

FUNCTION = pathlib.Path(__file__).resolve().parents[2] / "libpgcluster/src/component/pgbackrest/server_in.sh"


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
