"""Each key of the spec, changed on a running cluster under a writer and changed back: what docs/configuration.md says of it happens, and nothing else.
Keys of which it says the same are changed together, to save time; tests/operate/keys_test.cpp changes each by itself on the simulated fleet.

Settings of PostgreSQL have tests/e2e/test_settings.py; hosts, ssh, clouds, backups, confd and authorities have files of their own; without postgresql_superuser_remote
the writer of this file could not connect (tests/e2e/test_who_may_connect.py); a container has no clock and no huge pages
of its own (ntp_enabled, disable_thp)."""

import re

import pytest
from cluster import SOURCE, address, outages

warm = True
TIMES = {"patroni_ttl": 20, "patroni_loop_wait": 5, "patroni_retry_timeout": 5}
ORDER = ["none", "live", "reload", "restart", "fixed"]
UNITS = {"etcd": "etcd", "consul": "consul", "patroni": "patroni", "pgbouncer": "pgbouncer", "vip-manager": "pgcluster-vip", "haproxy": "haproxy",
         "keepalived": "keepalived"}
TABLE = dict(re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| (\w+) \|", (SOURCE / "docs/configuration.md").read_text(), re.MULTILINE))

# What all schemes have: (key, its value, what else has to be described).
COMMON = [
    ("postgresql_parameters", {"max_connections": 100, "shared_buffers": "64MB", "work_mem": "7MB"}, {}),
    ("postgresql_pg_hba", ["host app app 192.0.2.0/24 reject"], {}),
    ("database_allowed_networks", ["10.77.0.0/24", "192.0.2.0/24"], {}),
    ("postgresql_users", [{"name": "app", "flags": "LOGIN,CREATEDB"}, {"name": "Größe \"7\""}], {}),
    ("postgresql_databases", [{"db": "app", "owner": "app"}, {"db": "another one", "owner": "app"}], {}),
    ("postgresql_schemas", [{"schema": "sales", "db": "app", "owner": "app"}], {}),
    ("postgresql_extensions", [{"ext": "pg_trgm", "db": "app"}], {}),
    ("postgresql_privs", [{"role": "app", "privs": "CREATE", "type": "schema", "objs": "public", "db": "app"}], {}),
    ("pgbouncer_listen_port", 6433, {}),
    ("pgbouncer_max_client_conn", 500, {}),
    ("pgbouncer_max_db_connections", 50, {}),
    ("pgbouncer_default_pool_size", 7, {}),
    ("pgbouncer_default_pool_mode", "transaction", {}),
    ("pgbouncer_max_prepared_statements", 7, {}),
    ("pgbouncer_query_wait_timeout", 7, {}),
    ("pgbouncer_ignore_startup_parameters", ["search_path", "extra_float_digits"], {}),
    ("pgbouncer_install", False, {}),
    ("pgbouncer_auth_password", "a new one: 'quoted\"", {}),
    ("patroni_replication_password", "a new one: 'quoted\"", {}),
    ("patroni_restapi_password", "a new one: 'quoted\"", {}),
    ("patroni_restapi_username", "somebody", {}),
    ("patroni_ttl", 30, {}),
    ("patroni_loop_wait", 6, {}),
    ("patroni_retry_timeout", 6, {}),
    ("patroni_master_start_timeout", 77, {}),
    ("patroni_maximum_lag_on_failover", 777777, {}),
    ("failsafe_mode", False, {}),
    ("synchronous_mode", True, {}),
    ("synchronous_mode_strict", True, {"synchronous_mode": True}),
    ("synchronous_node_count", 2, {"synchronous_mode": True}),
    ("sysctl_conf", {"net.ipv4.tcp_keepalive_time": 777}, {}),
    ("sysctl_set", False, {}),
    ("etc_hosts", False, {}),
    ("patroni_watchdog_mode", "off", {}),
    ("tls_cert_valid_days", 30, {}),
    ("patroni_superuser_password", "a new one: 'quoted\"", {}),
    ("firewall_enabled_at_boot", True, {}),
]
FIXED = [
    ("patroni_cluster_name", "another"), ("postgresql_version", 16), ("postgresql_version", 18), ("postgresql_port", 5433), ("postgresql_encoding", "LATIN1"),
    ("postgresql_locale", "C"), ("postgresql_data_checksums", False), ("patroni_superuser_username", "admin"),
    ("patroni_replication_username", "copier"), ("patroni_restapi_port", 8009),
]
ETCD = [("dcs_type", "consul"), ("etcd_client_port", 3379), ("etcd_peer_port", 3380)]
CONSUL = [("dcs_type", "etcd"), ("consul_datacenter", "elsewhere")]
VIP_KEYS = [("cluster_vip", "10.77.0.101", {}), ("vip_interface", "second0", {})]
CONSUL_KEYS = [("consul_encrypt_key", "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=", {})]
BALANCED = [
    ("haproxy_listen_port", {"replicas_direct": 5011}, {}),
    ("haproxy_maxconn", {"master": 77}, {}),
    ("haproxy_timeout", {"client": "7m"}, {}),
    ("haproxy_extra", "# a comment", {}),
    ("keepalived_virtual_router_id", 7, {}),
    ("patroni_maximum_lag_on_replica", "7MB", {}),
]


def begun(cluster):
    """When each service of each host was started; PostgreSQL's postmaster, too."""
    units = " ".join(UNITS.values())
    asked = f"for u in {units}; do systemctl show -P Id -P ActiveEnterTimestampMonotonic $u | tr '\\n' ' '; echo; done; " \
            "echo postgresql $(sed -n 3p /var/lib/postgresql/17/main/postmaster.pid)"
    return {(host, line.split()[0].removesuffix(".service")): line.split()[1:] for host in cluster.hosts for line in cluster.inside(host, asked).splitlines()}


def applied(cluster, announced, password):
    """Applies the spec under a writer at the leader, who knows the present password. Whatever the plan did not announce to restart runs on, and without one nobody waits."""
    before = begun(cluster)
    leader = cluster.status()["leader"]
    restarted = {(change["host"], change["component"]) for change in announced if change["impact"] not in ("none", "reload")}
    restarted |= {(host, "vip-manager") for host, component in restarted if component == "patroni"}    # its unit is part of Patroni's
    with cluster.client("writer", address(leader), "5432", environment={"PGPASSWORD": password}) as lines:
        cluster.apply()
    after = begun(cluster)
    for (host, unit), start in before.items():
        component = "patroni" if unit == "postgresql" else next(name for name, one in UNITS.items() if one == unit)
        if (host, component) not in restarted:
            assert after[host, unit] == start or start in ([], ["0"]) or any(
                c["host"] == host and c["component"] == component and c["action"] in ("remove", "stop", "start") for c in announced), \
                f"{unit} of {host} was restarted: " + cluster.inside(host, f"journalctl -u {unit} -n 20 -o short-precise --no-pager")
    if not any(component == "patroni" for _, component in restarted):
        failed = [line for line in lines if not line["ok"]]
        assert not failed and not outages(lines, 2.0), (failed, outages(lines, 2.0))
    cluster.assert_converged()


def grouped(entries):
    """(keys with their values, what else has to be described) for each test."""
    groups, alone = {}, []
    for key, value, more in entries:
        if more or isinstance(value, bool):
            alone.append(pytest.param({key: value}, more, id=key))
        else:
            groups.setdefault((TABLE[key], key.split("_")[0] if TABLE[key] == "restart" else ""), {})[key] = value
    return [pytest.param(keys, {}, id=" ".join(keys)) for keys in groups.values()] + alone


def change(cluster, keys, more):
    former, password = {name: cluster.spec.get(name) for name in (*keys, *more)}, cluster.password()
    [said] = {TABLE[key] for key in keys}
    if more:
        cluster.write(**more)
        cluster.apply()
    cluster.write(**keys)
    announced = cluster.plan()["changes"]
    assert announced or said == "none", f"{keys}: nothing to do"
    for one in announced:
        impact = {"none": "live", "reload": "reload"}.get(one["impact"], "restart")
        assert ORDER.index(impact) <= ORDER.index(said), f"{keys}, {said} by the table: {one}"
    applied(cluster, announced, password)
    password = cluster.password()
    cluster.write(**{key: former[key] for key in keys})
    applied(cluster, cluster.plan()["changes"], password)
    if more:
        cluster.write(**former)
        cluster.apply()
        cluster.assert_converged()


def refused(cluster, keys):
    before = begun(cluster)
    for key, value in keys:
        assert TABLE[key] == "fixed", key
        former = cluster.spec.get(key)
        cluster.write(**{key: value})
        for command in (["plan"], ["apply", "--yes"]):
            said = cluster.run(*command, status=3)
            assert key in said.stdout + said.stderr or "keeps its name" in said.stderr, said.stderr
        cluster.write(**{key: former})
    cluster.assert_converged()
    assert begun(cluster) == before


@pytest.fixture(scope="module")
def deployed(cluster):
    for host in cluster.hosts:
        cluster.inside(host, "ip link add second0 type veth peer name second1 && ip link set second0 up && ip link set second1 up")    # for vip_interface
    cluster.write(**TIMES)
    cluster.apply()
    cluster.wait_healthy()
    return cluster


@pytest.mark.parametrize("keys,more", grouped(COMMON + VIP_KEYS))
def test_scheme_a(deployed, keys, more):
    change(deployed, keys, more)


def test_what_is_fixed_with_etcd(deployed):
    refused(deployed, FIXED + ETCD)
    deployed.wait_healthy()


@pytest.fixture(scope="module")
def balanced(deployed):
    deployed.write(with_haproxy_load_balancing=True)
    deployed.apply()
    deployed.wait_healthy()
    return deployed


@pytest.mark.parametrize("keys,more", grouped(BALANCED + VIP_KEYS))
def test_scheme_b(balanced, keys, more):
    change(balanced, keys, more)


@pytest.fixture(scope="module")
def discovered(cluster):
    cluster.spec = type(cluster)(cluster.name, cluster.folder).spec
    cluster.fresh(warm=True)
    cluster.write(dcs_type="consul", **TIMES)
    cluster.apply()
    cluster.wait_healthy()
    return cluster


@pytest.mark.parametrize("keys,more", grouped([one for one in COMMON if one[0].startswith(("patroni_r", "failsafe", "synchronous_mode", "postgresql_pg_hba"))] + CONSUL_KEYS))
def test_scheme_c(discovered, keys, more):
    change(discovered, keys, more)


def test_what_is_fixed_with_consul(discovered):
    refused(discovered, FIXED + CONSUL)
    discovered.wait_healthy()
