"""The wheel and the sdist: what is in them, what they need, and that the wheel may be moved."""

import os
import pathlib
import re
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest
from conftest import SOURCE

DIST = pathlib.Path(os.environ.get("PGCLUSTER_DIST", SOURCE / "build/python/dist"))
# Of a Debian machine, as README.md of the package names them; the rest is libc's and the compiler's.
NEEDED = {"libssh2.so.1", "libcurl.so.4", "libcrypto.so.3", "libyaml-cpp.so.0.7", "libfmt.so.9", "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}


@pytest.fixture(scope="module")
def wheel():
    [found] = DIST.glob("*.whl")
    return found


def test_what_is_tested_was_installed():
    import pgcluster

    assert pathlib.Path(pgcluster.__file__).is_relative_to(sys.prefix) and sys.prefix != sys.base_prefix


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name for name in names if not name.startswith("pgcluster/")} == set()
    assert {"pgcluster/py.typed", "pgcluster/_core.pyi", "pgcluster/_records.py", "pgcluster/aio.py", "pgcluster/testing.py"} <= names
    assert not [name for name in names if name.endswith((".hpp", ".cpp", ".a", ".pyc"))]


def test_the_module_needs_only_what_the_readme_names(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    [module] = tmp_path.glob("pgcluster/_core*.so")
    dynamic = subprocess.run(["readelf", "-d", module], text=True, capture_output=True, check=True).stdout
    assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)) <= NEEDED and not re.search("RPATH|RUNPATH", dynamic)
    exported = subprocess.run(["nm", "-D", "--defined-only", module], text=True, capture_output=True, check=True).stdout.split("\n")
    assert [line.split()[-1] for line in exported if line.split()[1:2] == ["T"]] == ["PyInit__core"]


def test_the_wheel_is_moved_elsewhere(wheel, tmp_path):
    """Another environment, of an interpreter that knows nothing of this tree."""
    venv.create(tmp_path / "elsewhere", with_pip=True, system_site_packages=False)
    python = tmp_path / "elsewhere/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", wheel], check=True, cwd=tmp_path)
    program = "import pgcluster, pgcluster.testing as t; f, s = t.simulated_fleet(), t.small_spec(); pgcluster.apply(pgcluster.plan_deploy(s, f), f).check(); print(pgcluster.read_status(s, f).healthy)"
    done = subprocess.run([python, "-I", "-c", program], text=True, capture_output=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_the_sdist_has_all_that_the_wheel_is_built_of():
    [sdist] = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        held = {name.split("/", 1)[1]: tar.extractfile(member).read() for member in tar if member.isfile() and "/" in (name := member.name)}
        assert not [member.name for member in tar if member.issym() or member.islnk()]
    tree = subprocess.run(["git", "ls-files", "libpgcluster", "cmake", "bindings/python"], text=True, capture_output=True, cwd=SOURCE, check=True).stdout.split()
    wanted = {name.removeprefix("bindings/python/"): SOURCE / name for name in tree if (SOURCE / name).is_file()}
    different = [name for name, path in wanted.items() if held.get(name) != path.read_bytes()]
    assert not different
    assert not [name for name in held if name.startswith("build/")]
