"""Which files may name a service. All else loops over what components declare, and so holds for a user's own component, too."""

import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = SOURCE / "libpgcluster"

# Where a service is at home: its component, its model, the keys of the spec, the endpoints and roles that follow from them, packages and paths.
HOMES = ("component", "simulation", "spec", "topology", "platform")
# And the few others, with the reason.
ALLOWED = {
    "include/pgcluster/pgcluster.hpp": "includes all public headers",
    "include/pgcluster/operate/operate.hpp": "Status::Dcs has a type, which is etcd by default",
    "src/executor/program/prelude_more.sh": "removes the directories of /etc/confd with the last file: no package owns them",
    "src/operate/check.cpp": "a new host is no stranger to our own firewall",
    "src/operate/deploy.cpp": "a cluster does not move to another DCS; it has begun when Patroni leads",
    "src/operate/members.cpp": "switchover, failover, restart, reinit, pause are Patroni's",
    "src/operate/restore.cpp": "Patroni's leader is restored, and it must not be paused",
    "src/operate/status.cpp": "the members of the cluster are Patroni's",
}
NAMES = re.compile(r"(?<![A-Za-z])(etcd|consul|patroni|pgbouncer|pgbackrest|firewall(?=_(?:file|unit|program)|::)|haproxy|confd|keepalived|vip[-_]manager|pgcluster[-_]vip)(?![a-z])", re.I)
KEYS = re.compile(r"patroni_cluster_name|patroni_tags|pgbackrest_(?:install|repos|stanza)")    # keys of the spec, whose owner does not matter where they are used


def services(text, shell):
    """The services that the code names; comments do not count."""
    code = re.sub(r"^\s*#.*", "", text, flags=re.M) if shell else re.sub(r"//.*", "", text)
    return {found[1].lower() for found in NAMES.finditer(KEYS.sub("", code))}


def files():
    for path in sorted(LIBRARY.rglob("*")):
        if path.suffix not in (".cpp", ".hpp", ".sh", ".py"):
            continue
        name = str(path.relative_to(LIBRARY))
        if name.removeprefix("include/pgcluster/").removeprefix("src/").split("/")[0] not in HOMES:
            yield name, path


def test_only_these_files_name_a_service():
    found = {name: services(path.read_text(), path.suffix in (".sh", ".py")) for name, path in files()}
    strangers = {name: names for name, names in found.items() if names and name not in ALLOWED}
    assert not strangers, "\n".join(f"{name} names {', '.join(sorted(names))}" for name, names in strangers.items())
    unused = [name for name in ALLOWED if not found.get(name)]
    assert not unused, f"these need no exception any more: {unused}"


def test_a_name_is_found_where_it_is_code():
    assert services('start("etcd.service");  // etcd\n', False) == {"etcd"}
    assert services("// asks Patroni\nint n = spec.patroni_tags.size();\n", False) == set()
    assert services("apt --force-confdef\n# confd\n", True) == set()
    assert services("systemctl stop pgcluster-vip\n", True) == {"pgcluster-vip"}
