"""The Debian packages that cpack makes: what is in them, what they need, and that they work where they are unpacked."""

import re
import shutil

import pytest

from conftest import SOURCE, multiarch, needed, run, soversion, use_by_find_package, use_by_pkg_config, version, works

LIBRARY = f"libpgcluster{soversion()}"


@pytest.fixture(scope="module")
def debs():
    run("cmake", "--preset", "package", cwd=SOURCE)
    run("cmake", "--build", "--preset", "package", cwd=SOURCE)
    for old in (SOURCE / "build/package").glob("*.deb"):
        old.unlink()
    run("cpack", "--preset", "package", cwd=SOURCE)
    shutil.rmtree(SOURCE / "build/package/_CPack_Packages")
    found = {path.name.split("_")[0]: path for path in (SOURCE / "build/package").glob("*.deb")}
    assert set(found) == {LIBRARY, "libpgcluster-dev", "pgcluster"}
    return found


@pytest.fixture(scope="module")
def root(debs, tmp_path_factory):
    """A tree with all three unpacked."""
    folder = tmp_path_factory.mktemp("root")
    for deb in debs.values():
        run("dpkg-deb", "-x", deb, folder)
    return folder


def field(deb, name):
    return run("dpkg-deb", "-f", deb, name).strip()


def depends(deb):
    return {one.split(" ")[0]: one for one in field(deb, "Depends").split(", ")}


def contents(deb):
    lines = [line.split(None, 5) for line in run("dpkg-deb", "-c", deb).splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    assert {line[0] for line in lines} <= {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
    return {line[5].split(" -> ")[0] for line in lines if not line[0].startswith("d")}


def test_the_library(debs):
    deb, folder = debs[LIBRARY], f"./usr/lib/{multiarch()}"
    assert contents(deb) == {f"{folder}/libpgcluster.so.{soversion()}", f"{folder}/libpgcluster.so.{version()}", f"./usr/share/doc/{LIBRARY}/copyright"}
    assert field(deb, "Version") == version()
    wanted = depends(deb)
    assert {"libc6", "libstdc++6"} <= wanted.keys()
    for inside in ("libfmt", "libssh2", "libssl", "libyaml-cpp"):
        assert any(name.startswith(inside) for name in wanted), wanted
    assert run("dpkg-deb", "-I", deb, "shlibs") == f"libpgcluster {soversion()} {LIBRARY} (>= {version()})\n"
    assert "ldconfig" in run("dpkg-deb", "-I", deb, "postinst")


def test_the_development_package(debs):
    deb, folder = debs["libpgcluster-dev"], f"./usr/lib/{multiarch()}"
    inside = contents(deb)
    headers = {f"./usr/include/{path.relative_to(SOURCE / 'libpgcluster/include')}" for path in (SOURCE / "libpgcluster/include").rglob("*.hpp")}
    assert headers == {path for path in inside if path.startswith("./usr/include/")}
    assert {f"{folder}/libpgcluster.so", f"{folder}/pkgconfig/pgcluster.pc", f"{folder}/cmake/pgcluster/pgclusterConfig.cmake"} <= inside
    assert all(path.startswith(("./usr/include/pgcluster/", folder)) for path in inside)
    assert depends(deb) == {LIBRARY: f"{LIBRARY} (= {version()})"}


def test_the_command(debs):
    deb = debs["pgcluster"]
    assert contents(deb) == {"./usr/bin/pgcluster", "./usr/share/bash-completion/completions/pgcluster",
                             "./usr/share/zsh/vendor-completions/_pgcluster", "./usr/share/fish/vendor_completions.d/pgcluster.fish"}
    wanted = depends(deb)
    assert wanted[LIBRARY] == f"{LIBRARY} (= {version()})" and "libc6" in wanted
    assert not any(name.startswith(("libfmt", "libssh2", "libyaml")) for name in wanted)


def test_apt_would_install_them(debs):
    shown = run("apt-get", "--simulate", "--no-install-recommends", "install", *debs.values())
    for name in debs:
        assert re.search(rf"^Inst {re.escape(name)} \({re.escape(version())} ", shown, re.M), shown


def test_the_command_runs(root):
    libraries = {"LD_LIBRARY_PATH": str(root / "usr/lib" / multiarch())}
    assert run(root / "usr/bin/pgcluster", "--version", env=libraries) == f"pgcluster {version()}\n"
    assert f"libpgcluster.so.{soversion()}" in needed(root / "usr/bin/pgcluster")
    assert not re.search("R(UN)?PATH", run("readelf", "-d", root / "usr/bin/pgcluster"))


def test_a_consumer_compiles_against_them(root, tmp_path):
    libraries = {"LD_LIBRARY_PATH": str(root / "usr/lib" / multiarch())}
    works(use_by_find_package(root / "usr", tmp_path / "cmake"))
    works(use_by_pkg_config(root / "usr", tmp_path / "pkg-config"), **libraries)
