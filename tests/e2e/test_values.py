"""pgcluster accepts the same values of all settings as real servers of PostgreSQL 15 and 18. The lab has only 17."""

import fcntl
import importlib.util
import json
import shlex
import subprocess
from importlib.machinery import SourceFileLoader

import pytest
from cluster import COMMAND, SOURCE
from test_settings import MORE_IS_NEEDED, TRIED, candidates

tool = SourceFileLoader("postgresql_settings", str(SOURCE / "tools/postgresql_settings"))
postgresql_settings = importlib.util.module_from_spec(importlib.util.spec_from_loader(tool.name, tool))
tool.exec_module(postgresql_settings)


def server_of(version):
    """The server of this version, unpacked once for all runs, from the packages of the Debian release that has it."""
    kept = SOURCE / "build/postgresql"
    kept.mkdir(parents=True, exist_ok=True)
    with open(kept / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / str(version)).exists():
            new = kept / f"{version}.new"    # perhaps of a run that was killed
            subprocess.run(["rm", "-rf", "--one-file-system", new], check=True)
            new.mkdir()
            postgresql_settings.Server(version, new)
            new.rename(kept / str(version))
        return postgresql_settings.Server(version, kept / str(version))


def judged(server, pairs):
    """{(name, value): whether the server takes it}"""
    script = f"t() {{ if {server.bin}/postgres -C $1 -D {server.data} -c \"$1=$2\" >/dev/null 2>&1; then echo y; else echo n; fi; }}\n"
    script += "".join(f"t {name} {shlex.quote(value)}\n" for name, value in pairs)
    done = subprocess.run([*server.prefix, "/bin/sh"], input=script, text=True, capture_output=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, check=True)
    return {pair: said == "y" for pair, said in zip(pairs, done.stdout.split(), strict=True)}


class Refusals:
    """What pgcluster says of a spec with these parameters: {name: message}. This asks no host."""

    def __init__(self, folder, version):
        self.file, self.version = folder / "cluster.yaml", version

    def __call__(self, parameters):
        self.file.write_text(json.dumps({"patroni_cluster_name": "values", "postgresql_version": self.version, "postgresql_parameters": parameters,
                                         "hosts": {f"pg{n}": {"address": f"10.77.0.{10 + n}"} for n in (1, 2, 3)}}))
        done = subprocess.run([COMMAND, "validate", "-f", str(self.file)], text=True, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode in (0, 65), done.stdout + done.stderr
        lines = [line for line in (done.stdout + done.stderr).splitlines() if " warning: " not in line and "postgresql_parameters." in line]
        return dict(line.split("postgresql_parameters.", 1)[1].split(": ", 1) for line in lines)


@pytest.mark.parametrize("version", [15, 18])
def test_values_are_judged_as_postgresql_of_that_version_does(version, tmp_path):
    server = server_of(version)
    server.start()
    try:
        rows = server.query("select name, vartype, unit, min_val, max_val, enumvals, boot_val from pg_settings where context <> 'internal' and name !~ '[.]'")
        assert server.query("select current_setting('server_version_num')::int / 10000 as major") == [{"major": version}]
    finally:
        server.stop()
    refusals = Refusals(tmp_path, version)
    # Settings that pgcluster or Patroni manages are refused with any value.
    barred = {name for name, words in refusals({row["name"]: row["boot_val"] or "" for row in rows}).items() if words.startswith("cannot be set here")}
    assert len(barred) < 40, barred
    rows = [row for row in rows if row["name"] not in barred]
    pairs = [(row["name"], value) for row in rows for value in candidates(row)]
    takes = judged(server, pairs)
    refused, taken = set(), set()    # by pgcluster, where PostgreSQL does the opposite
    for i in range(max(len(candidates(row)) for row in rows)):
        chosen = {row["name"]: candidates(row)[i] for row in rows if len(candidates(row)) > i}
        errors = refusals(chosen)
        for name, value in chosen.items():
            if name in errors and takes[name, value] and name not in MORE_IS_NEEDED:
                refused.add((name, value, errors[name]))
            if name not in errors and not takes[name, value] and name not in TRIED:
                taken.add((name, value))
    print(f"PostgreSQL {version}: {len(rows)} settings, {len(pairs)} values, of which it takes {sum(takes.values())}")
    print("refused though PostgreSQL takes it:", *sorted(refused), "taken though PostgreSQL does not:", *sorted(taken), sep="\n  ")
    assert len(pairs) > 2000 and not refused and not taken
