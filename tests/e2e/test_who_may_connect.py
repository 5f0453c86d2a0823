"""Who may connect to PostgreSQL and PgBouncer, and what a superuser's own SQL leaves to others."""

import json

import pytest

warm = True
BOTH = (5432, 6432)
# Everything that a server can log and count of its statements, from the first one on.
LOUD = {"log_statement": "all", "log_min_duration_statement": "0", "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "all"}
GIVEN = "given-Passw0rd"


@pytest.fixture(scope="module")
def deployed(cluster):
    cluster.write(postgresql_superuser_remote=None, postgresql_parameters={"max_connections": 100, "shared_buffers": "64MB", **LOUD},
                  postgresql_users=[{"name": "app", "flags": "LOGIN"}, {"name": "given", "flags": "LOGIN", "password": GIVEN}])
    cluster.apply()
    cluster.wait_healthy()
    return cluster


def starts(cluster):
    return {host: cluster.inside(host, "systemctl show -p MainPID patroni pgbouncer; head -1 /var/lib/postgresql/17/main/postmaster.pid") for host in cluster.hosts}


def leader(cluster):
    return cluster.wait_healthy()["leader"]


def by_socket(cluster, sql, database="postgres", host=None):
    return cluster.lab("exec", host or leader(cluster), "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database,
                       "-c", sql).strip()


def from_controller(cluster, user, port):
    """"in", or the words with which the server keeps the role out."""
    told = cluster.psql("10.77.0.11", "select 'in'", port=port, user=user, check=False)
    return "in" if told == "in" else told


def from_host(cluster, host, user, port, to="10.77.0.11"):
    password = cluster.password("superuser" if user == "postgres" else user)
    return cluster.inside(host, f"PGPASSWORD='{password}' PGCONNECT_TIMEOUT=15 psql -XAtq -h {to} -p {port} -U {user} -d postgres -c \"select 'in'\" 2>&1", check=False)


def assert_kept_out(cluster, user, port):
    told = from_controller(cluster, user, port)
    # Versions of PgBouncer differ in their words.
    words = ("rejects connection", "no pg_hba.conf entry") if port == 5432 else ("login rejected", "no authentication method is found")
    assert any(one in told for one in words), told


def change(cluster, **keys):
    """Running processes take it."""
    before = starts(cluster)
    cluster.write(**keys)
    cluster.apply()
    cluster.assert_converged()
    assert starts(cluster) == before


def test_clients_come_from_the_hosts_networks_and_the_superuser_from_the_hosts(deployed):
    for port in BOTH:
        assert from_controller(deployed, "app", port) == "in"
        assert_kept_out(deployed, "postgres", port)
        for host in ("pg1", "pg2"):
            assert from_host(deployed, host, "postgres", port) == "in"
    assert by_socket(deployed, "select 'in'") == "in"


def test_only_allowed_networks_reach_the_servers(deployed):
    change(deployed, database_allowed_networks=["192.0.2.0/24", "fd00:2::/64"])
    for port in BOTH:
        assert_kept_out(deployed, "app", port)
        assert from_host(deployed, "pg3", "app", port) == "in"
        assert from_host(deployed, "pg1", "app", port, "127.0.0.1") == "in"
    change(deployed, database_allowed_networks=["192.0.2.0/24", "10.77.0.1/32"])
    for port in BOTH:
        assert from_controller(deployed, "app", port) == "in"
        assert_kept_out(deployed, "postgres", port)
    change(deployed, database_allowed_networks=None)


def test_the_superuser_comes_from_elsewhere_where_the_spec_says_so(deployed):
    change(deployed, postgresql_superuser_remote=True)
    for port in BOTH:
        assert from_controller(deployed, "postgres", port) == "in"
    # Only from the allowed networks.
    change(deployed, database_allowed_networks=["192.0.2.0/24"])
    for port in BOTH:
        assert from_controller(deployed, "postgres", port) != "in"
    change(deployed, postgresql_superuser_remote=None, database_allowed_networks=None)


def test_lines_of_the_user_hold_for_both(deployed):
    # A wide line is not for the superuser; one that names it is.
    change(deployed, database_allowed_networks=["192.0.2.0/24"], postgresql_pg_hba=["host all all 10.77.0.0/24 scram-sha-256"])
    for port in BOTH:
        assert from_controller(deployed, "app", port) == "in"
        assert_kept_out(deployed, "postgres", port)
    change(deployed, postgresql_pg_hba=["host all postgres 10.77.0.1 255.255.255.255 scram-sha-256", "host app app 10.77.0.1/32 scram-sha-256"])
    for port in BOTH:
        assert from_controller(deployed, "postgres", port) == "in"
        assert_kept_out(deployed, "app", port)    # in this database
        assert deployed.psql("10.77.0.11", "select 1", port=port, user="app", database="app") == "1"
    # A narrow line wins over the network that it is in, and the cluster's own connections over both.
    change(deployed, database_allowed_networks=None, postgresql_pg_hba=["host all given 10.77.0.1/32 reject", "host all all 10.77.0.12/32 reject"])
    for port in BOTH:
        assert_kept_out(deployed, "given", port)
        assert from_controller(deployed, "app", port) == "in"
        assert from_host(deployed, "pg2", "postgres", port) == "in"
        assert from_host(deployed, "pg2", "app", port) != "in"
    deployed.wait_healthy()
    change(deployed, postgresql_pg_hba=None)


def test_a_line_that_never_matches_is_named(deployed):
    deployed.write(postgresql_pg_hba=["host all all 10.0.0.0/8 scram-sha-256", "host app app 10.77.0.0/24 reject"])
    told = [one for one in deployed.plan()["warnings"] if one["path"] == "postgresql_pg_hba[1]"]
    assert len(told) == 1 and 'never matches: "host all all 10.0.0.0/8 scram-sha-256" stands before it' in told[0]["message"], told
    deployed.write(postgresql_pg_hba=None)


TRAP = """
create table public.caught (by text, query text);
create function public.trap() returns void language plpgsql as $$ begin
  if pg_catalog.pg_is_in_recovery() then raise log 'trap: %', pg_catalog.current_setting('application_name');
  else insert into public.caught select pg_catalog.current_setting('application_name'), pg_catalog.current_query(); end if; end $$;
create function public.quote_ident(text) returns text language plpgsql as $$ begin perform public.trap(); return $1; end $$;
create function public.lower(text) returns text language plpgsql as $$ begin perform public.trap(); return $1; end $$;
create function public.format(text, integer, name, text, text) returns text language plpgsql as $$ begin perform public.trap(); return $1; end $$;
create function public.same(text, text) returns boolean language plpgsql as $$ begin perform public.trap(); return pg_catalog.texteq($1, $2); end $$;
create function public.alike(text, text) returns boolean language plpgsql as $$ begin perform public.trap(); return pg_catalog.textlike($1, $2); end $$;
create operator public.= (leftarg = text, rightarg = text, function = public.same);
create operator public.~~ (leftarg = text, rightarg = text, function = public.alike);
"""


def test_our_own_sql_calls_nothing_that_a_user_made(deployed):
    databases = ("postgres", "app")
    for database in databases:
        by_socket(deployed, TRAP, database)
        by_socket(deployed, f"alter database {database} set search_path = public, pg_catalog", database)
    by_socket(deployed, "alter role postgres set search_path = public, pg_catalog")
    for database in databases:    # the trap works
        by_socket(deployed, "select quote_ident('a'), lower('A'), 'a'::text = 'b'::text, 'a'::text like 'b'::text", database)
        assert by_socket(deployed, "select pg_catalog.count(*) from public.caught where by operator(pg_catalog.=) 'psql'", database) == "4"
        by_socket(deployed, "truncate public.caught", database)
    by_socket(deployed, "drop function public.user_search(text)")
    deployed.write(postgresql_users=[*deployed.spec["postgresql_users"], {"name": "more", "flags": "CREATEDB"}],
                   postgresql_databases=[*deployed.spec["postgresql_databases"], {"db": "more", "owner": "more"}])
    deployed.apply()
    deployed.assert_converged()
    deployed.status()
    deployed.run("check", status=None)
    for port in BOTH:
        assert from_controller(deployed, "more", port) == "in"
    for database in databases:    # Patroni's sessions are not ours, and have a name of their own
        assert by_socket(deployed, "select by, query from public.caught where by operator(pg_catalog.<>) 'Patroni'", database) == ""
        by_socket(deployed, f"drop table public.caught; drop function public.trap() cascade; alter database {database} reset search_path", database)
        by_socket(deployed, "drop operator public.= (text, text); drop operator public.~~ (text, text); drop function public.quote_ident(text), public.lower(text), "
                            "public.format(text, integer, name, text, text), public.same(text, text), public.alike(text, text)", database)
    by_socket(deployed, "alter role postgres reset search_path")
    for host in deployed.hosts:
        assert "trap: psql" not in deployed.inside(host, "journalctl --sync; journalctl -b -o cat --no-pager")


def test_no_password_is_in_a_log_or_in_the_statistics(deployed):
    former = deployed.described()
    users = [one for one in deployed.spec["postgresql_users"] if one["name"] != "given"]
    deployed.write(postgresql_users=[*users, {"name": "given", "flags": "LOGIN", "password": GIVEN + "-2"}, {"name": "made", "flags": "LOGIN"}])
    deployed.apply()
    for port in BOTH:
        assert from_controller(deployed, "given", port) == "in"
    words = {role: deployed.password(role) for role in ("superuser", "replication", "pgbouncer", "restapi", "app", "made", "given")}
    words["before"] = GIVEN
    look = "journalctl --sync; journalctl -b -o cat --no-pager; find /var/log /var/lib/postgresql/17/main/log -type f -name '*.log' -exec cat {} + 2>/dev/null || :"
    for host in deployed.hosts:
        log = deployed.inside(host, look)
        assert "statement: " in log and "duration: " in log    # they are logged
        assert [role for role, word in words.items() if word in log] == []
    by_socket(deployed, "create extension if not exists pg_stat_statements")
    counted = by_socket(deployed, "select query from pg_stat_statements")
    assert "pg_settings" in counted
    assert [role for role, word in words.items() if word in counted] == []
    assert "SCRAM-SHA-256$" not in counted
    by_socket(deployed, "drop extension pg_stat_statements")
    deployed.back_to(former)


def test_an_expired_role_does_not_log_in_through_pgbouncer(deployed):
    host = leader(deployed)
    servers = lambda: deployed.inside(host, "setpriv --reuid=postgres --regid=postgres --init-groups psql -XAtqw -h /var/run/postgresql -p 6432 -U pgbouncer -d pgbouncer -c 'show servers'")    # noqa: E731
    login = lambda: deployed.psql("10.77.0." + str(10 + int(host[2:])), "select 'in'", user="given", check=False)    # noqa: E731
    assert login() == "in"
    assert "|given|" in servers()    # a server connection that it could have
    by_socket(deployed, "alter role given valid until '2001-01-01'")
    for _ in range(3):
        assert login() != "in"
    assert "|given|" in servers()
    by_socket(deployed, "alter role given valid until '2999-01-01'")
    assert login() == "in"
    by_socket(deployed, "alter role given valid until 'infinity'")
    assert login() == "in"


def test_a_role_with_an_md5_password_is_named(deployed):
    by_socket(deployed, "set password_encryption = 'md5'; create role legacy login password 'old'; create role sleeping nologin password 'old'")
    told = deployed.status()
    assert told["healthy"]
    assert [one["message"] for one in told["warnings"] if one["cause"] == "md5_password"] == [
        "the role legacy has an md5 password, and cannot log in with it: PgBouncer and pgcluster's lines of pg_hba.conf take scram-sha-256 only"], told["warnings"]
    named = [one for one in deployed.plan()["warnings"] if "legacy" in one["message"]]
    assert len(named) == 1 and named[0]["hint"].endswith('\\password "legacy"'), named
    assert "legacy has an md5 password" in deployed.run("check").stdout
    by_socket(deployed, "alter role legacy password 'new'")
    assert [one for one in deployed.status()["warnings"] if one["cause"] == "md5_password"] == []
    assert "legacy" not in json.dumps(deployed.plan())
    by_socket(deployed, "drop role legacy, sleeping")


def test_through_haproxy_clients_come_in_and_the_superuser_does_not(deployed):
    deployed.write(with_haproxy_load_balancing=True)
    deployed.apply()
    assert from_controller(deployed, "app", 5000) == "in"
    told = from_controller(deployed, "postgres", 5000)
    assert "login rejected" in told or "no authentication method is found" in told, told
    for host in deployed.hosts:    # members still rewind each other
        assert from_host(deployed, host, "postgres", 5432) == "in"
