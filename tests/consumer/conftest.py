import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = SOURCE / "build/release"
PROJECT = pathlib.Path(__file__).parent / "project"
# As the release build compiles, so that ccache knows the library's objects; somebody else's warnings on top.
FLAGS = "-O2 -DNDEBUG"
UNITY = "-DPGCLUSTER_UNITY=ON"
# -Wextra would have options named one by one only in full: {.components = {own}} leaves the rest as it is, on purpose.
PICKY = "-Wall -Wextra -Wno-missing-field-initializers -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror"


def run(*words, env=None, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env={**os.environ, **(env or {})}, **options)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def configure(source, build, *settings):
    return run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_FLAGS_RELEASE={FLAGS}",
               "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", *settings)


def build_folder(name):
    """Beside the release build: there ccache finds the same paths."""
    folder = SOURCE / "build" / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def version():
    return re.search(r"^project\(pgcluster VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text(), re.M)[1]


def soversion():
    major, minor, _ = version().split(".")
    return f"0.{minor}" if major == "0" else major


def multiarch():
    return run("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()


def needed(binary):
    """Names of the shared libraries that it asks for."""
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", binary)))


def use_by_find_package(prefix, folder, *settings):
    configure(PROJECT, folder, f"-DCMAKE_PREFIX_PATH={prefix}", *settings)
    run("cmake", "--build", folder)
    return folder / "consumer"


def use_by_pkg_config(prefix, folder, *static):
    """One line, as in a Makefile. The headers are read with all warnings on."""
    folder.mkdir()
    [found] = prefix.rglob("pgcluster.pc")
    flags = run("pkg-config", *static, "--cflags", "--libs", "pgcluster", env={"PKG_CONFIG_PATH": str(found.parent)}).split()
    run("c++", "-std=c++20", *PICKY.split(), PROJECT / "consumer.cpp", *flags, "-o", folder / "consumer")
    return folder / "consumer"


def works(consumer, **env):
    assert "changes, healthy" in run(consumer, env=env)


@pytest.fixture(scope="session")
def static(tmp_path_factory):
    """The release build, installed, and moved elsewhere afterwards."""
    folder = tmp_path_factory.mktemp("static")
    run("cmake", "--install", BUILD, "--prefix", folder / "first")
    return (folder / "first").rename(folder / "moved")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    build = build_folder("consumer-shared")
    configure(SOURCE, build, UNITY, "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_INSTALL_PREFIX=/opt/pgcluster")
    run("cmake", "--build", build, "--target", "pgcluster", "pgcluster_command")
    for component in ("pgcluster_library", "pgcluster_development", "pgcluster_command"):
        run("cmake", "--install", build, "--prefix", folder / "first", "--component", component)
    return (folder / "first").rename(folder / "moved")
