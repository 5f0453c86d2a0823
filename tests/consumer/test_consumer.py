"""Somebody else's program on the library: installed static and shared, and as a part of his source tree; each built and run."""

import re

from conftest import FLAGS, PROJECT, SOURCE, UNITY, build_folder, configure, needed, run, soversion, use_by_find_package, use_by_pkg_config, version, works

# What the library is made with, and what no consumer has to know of.
INSIDE = ("fmt", "yaml-cpp", "ssh2", "crypto")


def test_static_by_find_package(static, tmp_path):
    works(use_by_find_package(static, tmp_path / "build"))


def test_static_by_pkg_config(static, tmp_path):
    consumer = use_by_pkg_config(static, tmp_path / "build", "--static")
    works(consumer)
    assert not any("pgcluster" in name for name in needed(consumer))


def test_shared_by_find_package(shared, tmp_path):
    # Nothing of what is inside is looked for.
    hidden = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("fmt", "yaml-cpp", "OpenSSL", "Libssh2", "Threads", "Boost", "nlohmann_json")]
    consumer = use_by_find_package(shared, tmp_path / "build", *hidden)
    works(consumer)
    libraries = needed(consumer)
    assert f"libpgcluster.so.{soversion()}" in libraries
    assert not any(name in library for library in libraries for name in INSIDE), libraries


def test_shared_by_pkg_config(shared, tmp_path):
    consumer = use_by_pkg_config(shared, tmp_path / "build")
    works(consumer, LD_LIBRARY_PATH=next(shared.rglob("libpgcluster.so")).parent)
    assert not any(name in library for library in needed(consumer) for name in INSIDE)


def test_as_a_subdirectory(tmp_path):
    # The project itself looks at what must not leak.
    build = build_folder("consumer-embedded")
    configure(PROJECT, build, UNITY, f"-DPGCLUSTER_SOURCE={SOURCE}")
    run("cmake", "--build", build)
    works(build / "consumer")
    [mine] = [line for line in run("ninja", "-C", build, "-t", "commands", "consumer").splitlines() if "-c " in line and "consumer.cpp" in line]
    flags = {word for word in mine.split() if word.startswith("-") and word not in ("-o", "-c", "-MD", "-MT", "-MF")}
    assert flags == set(FLAGS.split()) | {f"-I{SOURCE}/libpgcluster/include", "-std=gnu++20"}
    assert not list(build.rglob("pgcluster_command*")) and not list(build.rglob("*_test"))
    # What the consumer installs is his own.
    run("cmake", "--install", build, "--prefix", tmp_path / "installed")
    assert not list(tmp_path.rglob("*.hpp")) and not list(tmp_path.rglob("libpgcluster*"))


def test_the_command_runs_where_it_is_installed(static, shared):
    for prefix in (static, shared):
        assert run(prefix / "bin/pgcluster", "--version") == f"pgcluster {version()}\n"
    assert f"libpgcluster.so.{soversion()}" in needed(shared / "bin/pgcluster")
    assert not any("pgcluster" in name for name in needed(static / "bin/pgcluster"))


def test_completions_are_installed(static):
    for path in ("bash-completion/completions/pgcluster", "zsh/site-functions/_pgcluster", "fish/vendor_completions.d/pgcluster.fish"):
        assert (static / "share" / path).stat().st_size > 1000


def test_every_public_header_is_installed_and_compiles_there(static, tmp_path):
    ours = sorted(path.relative_to(SOURCE / "libpgcluster/include") for path in (SOURCE / "libpgcluster/include").rglob("*.hpp"))
    assert sorted(path.relative_to(static / "include") for path in (static / "include").rglob("*") if path.is_file()) == ours
    every = tmp_path / "every.cpp"
    every.write_text("".join(f"#include <{path}>\n" for path in ours))
    run("c++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", static / "include", every)


def test_the_version_is_the_same_everywhere(static, shared):
    for prefix in (static, shared):
        [pc] = prefix.rglob("pgcluster.pc")
        assert run("pkg-config", "--modversion", pc) == version() + "\n"
    [library] = [path for path in shared.rglob("libpgcluster.so.*") if not path.is_symlink()]
    assert library.name == f"libpgcluster.so.{version()}"
    assert f"[libpgcluster.so.{soversion()}]" in re.search(r"\(SONAME\).*", run("readelf", "-d", library))[0]


def test_nothing_but_the_api_is_exported(shared):
    [library] = [path for path in shared.rglob("libpgcluster.so.*") if not path.is_symlink()]
    symbols = [line.split(" ", 2)[2] for line in run("nm", "-DC", "--defined-only", library).splitlines()]
    assert len(symbols) > 150
    foreign = [one for one in symbols if not re.match(r"(typeinfo (name )?for |vtable for )?pgcluster::", one)]
    assert not foreign, foreign[:20]
    # No headers but the public ones say what is exported.
    private = [path for path in (SOURCE / "libpgcluster/src").rglob("*") if path.is_file() and "PGCLUSTER_API" in path.read_text()]
    assert not private
    assert any(one == "typeinfo for pgcluster::Error" for one in symbols)
    assert not [one for one in symbols if "::Impl::" in one and not one.startswith("typeinfo")]
