"""postgresql_parameters and postgresql_pg_hba on one cluster. Each trial ends with the former spec, applied, and an empty plan."""

import contextlib
import json
import os

import pytest

warm = True
FORMER = {}


def test_a_first_deployment_that_postgresql_refuses_goes_on_with_the_corrected_spec(cluster):
    former = cluster.described()
    cluster.write(postgresql_parameters={**former["postgresql_parameters"], "shared_preload_libraries": "pg_cron"})
    failed = cluster.apply(status=1)
    assert "could not access file \"pg_cron\"" in failed.stdout + failed.stderr, failed.stdout + failed.stderr
    cluster.back_to(former)
    assert [member["state"] for member in cluster.wait_healthy()["members"]] == ["running", "streaming", "streaming"]


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.apply()
    cluster.wait_healthy()
    FORMER.update(cluster.described())
    return cluster


def described(cluster, parameters=None, **changes):
    cluster.write(postgresql_parameters={**FORMER["postgresql_parameters"], **(parameters or {})}, **changes)


@contextlib.contextmanager
def trial(cluster, parameters=None, **changes):
    described(cluster, parameters, **changes)
    try:
        yield
    finally:
        cluster.back_to(FORMER)
        cluster.restart_a_replica()


def shown(cluster, name):
    """As a client sees it by TCP on each host."""
    return {cluster.psql(host, f"show {name}", port=5432) for host in ("10.77.0.11", "10.77.0.12", "10.77.0.13")}


def test_without_a_restart_what_needs_one_stays_pending(deployed):
    cluster = deployed
    since = {host: cluster.inside(host, "systemctl show -P ActiveEnterTimestampMonotonic patroni pgbouncer etcd; head -1 /var/lib/postgresql/17/*/postmaster.pid") for host in cluster.hosts}
    with trial(cluster, {"max_connections": 300, "work_mem": "7MB"}, pgbouncer_listen_port=6433):
        told = cluster.apply("--no-restart")
        assert "left out, as nothing may be restarted" in told.stdout and "7MB" in shown(cluster, "work_mem")
        assert "300" not in shown(cluster, "max_connections")
        assert since == {host: cluster.inside(host, "systemctl show -P ActiveEnterTimestampMonotonic patroni pgbouncer etcd; head -1 /var/lib/postgresql/17/*/postmaster.pid") for host in cluster.hosts}
        cluster.wait(lambda: all(member["pending_restart"] for member in cluster.status()["members"]), 30, "restarts are pending")
        status = cluster.status()
        assert status["healthy"], status["problems"]
        assert {(one["host"], one["component"]) for one in status["warnings"] if one["cause"] == "restart_pending"} == {
            (host, component) for host in cluster.hosts for component in ("patroni", "pgbouncer")}
        assert "No changes without a restart" in cluster.apply("--no-restart").stdout
        cluster.apply()
        assert shown(cluster, "max_connections") == {"300"}
        cluster.wait_healthy()
        assert not [one for one in cluster.status()["warnings"] if one["cause"] == "restart_pending"]
        cluster.assert_converged()


REFUSED = {    # what validate says
    "work_memm": ("64MB", "did you mean work_mem?"),
    "old_snapshot_threshold": ("1h", "any more"),
    "work_mem": ("64mb", "write 64MB"),
    "default_transaction_isolation": ("serializable", "replicas refuse serializable transactions"),
    "default_transaction_read_only": ("on", "ALTER ROLE"),
    "transaction_read_only": ("on", "one session or transaction"),
    "restore_command": ("cp /mnt/%f %p", "cannot be set here"),
    "server_version": ("17", "cannot be set here"),
}


def test_a_setting_that_postgresql_does_not_take_is_refused_with_its_place(deployed):
    for name, (value, words) in REFUSED.items():
        described(deployed, {name: value})
        done = deployed.run("validate", status=65)
        assert words in done.stdout + done.stderr, (name, done.stdout, done.stderr)
        assert f"postgresql_parameters.{name}" in done.stdout + done.stderr
    for line in ("host all app 10.0.0.0/33 scram-sha-256", "host all app 10.0.0.0/8 scram", "local all postgres trust"):
        described(deployed, postgresql_pg_hba=[line])
        deployed.run("validate", status=65)
    deployed.write(postgresql_pg_hba=None, postgresql_parameters=FORMER["postgresql_parameters"])
    deployed.assert_converged()


HINDERING = "what would hold up sessions of ours"
# Every value here is legal: apply takes it, and the plan after it is empty.
TAKEN = {
    "keepalives, which are zero by a Unix socket": {"tcp_keepalives_idle": 300, "tcp_keepalives_interval": "0x1e", "tcp_keepalives_count": 4, "tcp_user_timeout": "30s"},
    "a command that a server without archiving shows as disabled": {"archive_command": "test ! -f /mnt/%f && cp \"%p\" /mnt/%f"},
    "a name in other letters, units and fractions": {"Checkpoint_Timeout": "20min", "WORK_MEM": "0.5GB", "autovacuum_naptime": "1e2", "vacuum_cost_delay": "500us"},
    "other words of enums and truth values": {"synchronous_commit": "yes", "log_min_messages": "DEBUG", "wal_compression": "true", "jit": "of", "autovacuum": "T",
                                              "recovery_prefetch": "no", "constraint_exclusion": "1"},
    "texts": {"search_path": "app,  public, \"$user\"", "DateStyle": "iso, DMY", "timezone": "utc", "log_line_prefix": "%m 'x' \\ ", "application_name": "true",
              "session_preload_libraries": "", "log_file_mode": "0640", "unix_socket_permissions": "0777", "default_text_search_config": "pg_catalog.english"},
    HINDERING: {"statement_timeout": "1ms", "lock_timeout": 1, "idle_session_timeout": "1s", "idle_in_transaction_session_timeout": "1ms",
                                            "client_encoding": "SQL_ASCII", "row_security": "off", "default_transaction_deferrable": "on"},
    "settings of extensions and of applications": {"app.settings.jwt_secret": "it's \"abc\"", "app.flag": "true", "auto_explain.log_min_duration": "5s"},
}


def test_a_legal_value_is_taken_whatever_its_spelling(deployed):
    values = {name: value for kind, some in TAKEN.items() if kind != HINDERING for name, value in some.items()}
    with trial(deployed, values):
        deployed.apply()
        deployed.assert_converged()
        deployed.wait_healthy()
        for name, value in {"tcp_keepalives_idle": "300", "app.settings.jwt_secret": "it's \"abc\"", "app.flag": "true", "\"DateStyle\"": "ISO, DMY"}.items():
            assert shown(deployed, name) == {value}
    assert deployed.psql("10.77.0.11", "select coalesce(current_setting('app.settings.jwt_secret', true), 'gone')", port=5432) in ("gone", "")


def test_values_that_would_hold_up_our_own_sessions(deployed):
    with trial(deployed, TAKEN[HINDERING]):
        deployed.apply()
        deployed.assert_converged()
        deployed.wait_healthy()


# PostgreSQL alone knows that these do not do: it is asked before they stand anywhere.
WOULD_NOT_START = {
    "a time zone that the host does not have": ({"timezone": "US/Eastern"}, "US/Eastern"),
    "a revocation list that is not there": ({"ssl_crl_file": "/nope.pem"}, "nope.pem"),
    "a library that is not installed": ({"shared_preload_libraries": "pg_cron"}, "pg_cron"),
    "a library of each session": ({"session_preload_libraries": "no_such"}, "no_such"),
    "a locale that is not there": ({"lc_messages": "xx_XX.UTF-8"}, "xx_XX"),
    "more memory than there is": ({"shared_buffers": "4000GB"}, "shared memory"),
    "a group that is not there": ({"unix_socket_group": "nobody_here"}, "nobody_here"),
    "a directory of logs that postgres cannot make": ({"logging_collector": "on", "log_directory": "/nope"}, "/nope"),
}


def test_what_the_hosts_cannot_take_is_refused_before_anything_changes(deployed):
    """A kernel's parameter stands in no file for the next boot, and those that were set before it are what they were."""
    def kernel():
        return deployed.inside("pg2", "cat /proc/sys/net/core/somaxconn /etc/sysctl.d/90-pgcluster.conf")

    before = kernel()
    for changes, status, words in (
            ({"sysctl_conf": {"net.core.somaxconn": "4096", "net.ipv4.tcp_fin_timeout": "soon"}}, 1, "the kernel does not take 'soon'"),
            ({"vip_interface": "eth9"}, 3, "has no network interface eth9"),
            ({"patroni_watchdog_mode": "required"}, 3, "has no watchdog")):
        with trial(deployed, **changes):
            done = deployed.apply(status=status)
            assert words in done.stdout + done.stderr, done.stdout + done.stderr
            assert deployed.status()["healthy"]
            assert kernel() == before


@pytest.mark.parametrize("kind", WOULD_NOT_START)
def test_what_would_not_start_is_refused_in_postgresqls_words_before_anything_changes(deployed, kind):
    parameters, words = WOULD_NOT_START[kind]
    before = deployed.inside("pg1", "cat /var/lib/postgresql/17/main/postgresql.conf /etc/patroni/config.yml")
    with trial(deployed, parameters):
        done = deployed.apply(status=1)
        assert words in done.stdout + done.stderr, done.stdout + done.stderr
        assert deployed.inside("pg1", "cat /var/lib/postgresql/17/main/postgresql.conf /etc/patroni/config.yml") == before
        assert deployed.status()["healthy"]
        assert deployed.inside("pg1", "ls -A /var/lib/postgresql | grep trial || :") == ""


def test_what_only_the_restart_of_a_server_refuses_is_taken_back(deployed):
    """A trial cannot have the huge pages that the running server holds, so it does not ask for any."""
    servers = {host: deployed.inside(host, "systemctl show -p InvocationID patroni.service; head -n 1 /var/lib/postgresql/17/main/postmaster.pid")
               for host in ("pg1", "pg2", "pg3")}
    described(deployed, {"huge_pages": "on", "work_mem": "9MB"})
    done = deployed.apply(status=1)
    said = done.stdout + done.stderr
    assert "FATAL:  could not map anonymous shared memory" in said, said
    assert "huge_pages is try, not on" in said and "the cluster runs with the former settings again" in said, said
    # Before anything is done by hand, or by another apply.
    status = deployed.status()
    assert status["healthy"] and not status["problems"], status
    assert not any(member["pending_restart"] for member in status["members"])
    deployed.write(postgresql_parameters=FORMER["postgresql_parameters"])
    deployed.assert_converged()
    changed = [host for host, was in servers.items()
               if deployed.inside(host, "systemctl show -p InvocationID patroni.service; head -n 1 /var/lib/postgresql/17/main/postmaster.pid") != was]
    assert len(changed) == 1, "one replica was restarted, and no other server"
    assert shown(deployed, "huge_pages") == {"try"}
    deployed.restart_a_replica()


def test_a_line_of_pg_hba_that_only_the_server_can_judge(deployed):
    for line, words in (("host all app 10.0.0.0/8 ldap ldapserver=a ldapprefix=b ldapsuffix=c ldapbasedn=d", "ldap"), ("local all /[ peer", "regular expression")):
        with trial(deployed, postgresql_pg_hba=[line]):
            done = deployed.apply(status=1)
            assert words in done.stdout + done.stderr, done.stdout + done.stderr


def test_the_users_lines_of_pg_hba_win(deployed):
    lines = ["local all app peer", "host all app 127.0.0.1/32 trust", "host all all 10.77.0.12/32 reject"]
    with trial(deployed, postgresql_pg_hba=lines):
        deployed.apply()
        deployed.assert_converged()
        deployed.wait_healthy()
        for host in ("pg1", "pg2", "pg3"):
            assert deployed.inside(host, "env PGPASSWORD=wrong psql -XAtw -h 127.0.0.1 -U app -d app -c 'select 1'") == "1"
        assert "reject" in deployed.inside("pg2", "env PGPASSWORD=wrong psql -XAtw -h 10.77.0.11 -U app -d app -c 'select 1' 2>&1 || :")
        assert "eer authentication failed" in deployed.inside("pg1", "psql -XAtw -U app -d app -c 'select 1' 2>&1 || :")


def candidates(row):
    """Values of a setting, of which PostgreSQL takes some."""
    kind, low, high, unit = row["vartype"], row["min_val"], row["max_val"], row["unit"]
    if kind == "bool":
        return ["on", "F", "tru", "o", "1", "2", ""]
    if kind == "enum":
        return [*row["enumvals"][:2], row["enumvals"][-1].upper(), "true", "nonsense", "0"]
    if kind == "integer":
        return [low, high, str(int(low) - 1), str(int(high) + 1), "0x10", "010", "1.4", "7 ", "1e2", "1kB", "2min", "1 MB", "3MB4", "1us", "99999999999", "x"]
    if kind == "real":
        return [low, high, "0.5", "1e-1", "1ms", "0x1p-1", "-3", ".", ""]
    return []


def test_a_setting_that_a_client_sends_is_never_dropped_without_a_word(deployed):
    def shown(port, setting, name):
        environment = {"PGOPTIONS": f"-c {setting}", "PGPASSWORD": deployed.password(), "PGCONNECT_TIMEOUT": "15"}
        return deployed.lab("run", "sh", "-c", f"psql -XAtq -h 10.77.0.11 -p {port} -U postgres -d postgres -c 'show {name}' 2>&1", env={**os.environ, **environment},
                            check=False).strip()

    for setting, name, direct in (("search_path=s1", "search_path", "s1"), ("statement_timeout=7s", "statement_timeout", "7s"), ("role=app", "role", "app")):
        assert shown(5432, setting, name) == direct
        assert f"unsupported startup parameter in options: {name}" in shown(6432, setting, name)
    for setting, name, direct in (("DateStyle=German", "datestyle", "German, DMY"), ("timezone=Asia/Tokyo", "timezone", "Asia/Tokyo"), ("client_encoding=LATIN1", "client_encoding", "LATIN1")):
        assert shown(6432, setting, name) == shown(5432, setting, name) == direct
    with trial(deployed, pgbouncer_ignore_startup_parameters=["search_path"]):
        deployed.apply()
        assert shown(6432, "search_path=s1", "search_path") == "\"$user\", public"


def test_values_are_judged_as_postgresql_does(deployed):
    rows = json.loads(deployed.psql("10.77.0.11", "select json_agg(json_build_object('name', name, 'vartype', vartype, 'unit', unit, 'min_val', min_val, 'max_val', max_val,"
                                                  " 'enumvals', enumvals, 'boot_val', boot_val)) from pg_settings where context <> 'internal' and name !~ '[.]'", port=5432))
    # Those that are pgcluster's or Patroni's are refused whatever their value.
    described(deployed, {row["name"]: row["boot_val"] or "" for row in rows})
    done = deployed.run("validate", status=None)
    barred = {row["name"] for row in rows if f"postgresql_parameters.{row['name']}: cannot be set here" in done.stdout + done.stderr}
    assert len(barred) < 40, barred
    pairs = [(row["name"], value) for row in rows if row["name"] not in barred for value in candidates(row)]
    judge = ("cd /tmp; P='setpriv --reuid=postgres --regid=postgres --init-groups /usr/lib/postgresql/17/bin'; [ -d judge ] || $P/initdb -N -D judge >/dev/null 2>&1\n"
             "t() { if $P/postgres -C $1 -D judge -c \"$1=$2\" >/dev/null 2>&1; then echo y; else echo n; fi; }\n")
    said = []
    for i in range(0, len(pairs), 1000):    # a script is not longer than an argument may be
        said += deployed.inside("pg3", judge + "".join(f"t {name} '{value}'\n" for name, value in pairs[i:i + 1000])).split()
    deployed.inside("pg3", "rm -rf /tmp/judge")
    takes = dict(zip(pairs, said, strict=True))
    refused, taken = set(), set()    # by pgcluster, and PostgreSQL does otherwise
    most = max(len(candidates(row)) for row in rows)
    for i in range(most):
        chosen = {row["name"]: candidates(row)[i] for row in rows if row["name"] not in barred and len(candidates(row)) > i}
        described(deployed, chosen)
        done = deployed.run("validate", status=None)
        errors = set()
        for line in (done.stdout + done.stderr).splitlines():
            if " warning: " not in line and "postgresql_parameters." in line:
                errors.add(line.split("postgresql_parameters.")[1].split(":")[0])
        for name, value in chosen.items():
            if name in errors and takes[name, value] == "y" and name not in MORE_IS_NEEDED:
                refused.add((name, value))
            if name not in errors and takes[name, value] == "n" and name not in TRIED:
                taken.add((name, value))
    described(deployed)
    print("refused though PostgreSQL takes it:", *sorted(refused), "taken though PostgreSQL does not:", *sorted(taken), sep="\n  ")
    assert len(pairs) > 2000 and not refused and not taken


# What pgcluster refuses besides: Patroni takes less, replicas could not live, or another setting of the same file contradicts.
MORE_IS_NEEDED = {"max_connections", "max_wal_senders", "max_replication_slots", "max_locks_per_transaction", "max_worker_processes", "wal_keep_size", "wal_level",
                  "default_transaction_isolation", "default_transaction_read_only", "superuser_reserved_connections", "reserved_connections",
                  "post_auth_delay", "pre_auth_delay", "transaction_timeout", "wal_receiver_timeout", "wal_sender_timeout"}
# What depends on the host or on other settings: the throw-away server judges it.
TRIED = {"bonjour", "max_stack_depth", "autovacuum_max_workers", "max_connections", "max_worker_processes", "max_wal_senders", "huge_page_size", "huge_pages",
         "commit_timestamp_buffers", "multixact_member_buffers", "multixact_offset_buffers", "notify_buffers", "serializable_buffers", "subtransaction_buffers",
         "transaction_buffers", "vacuum_buffer_usage_limit", "recovery_prefetch", "effective_io_concurrency", "maintenance_io_concurrency", "client_connection_check_interval", "ssl"}
