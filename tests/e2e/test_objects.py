"""Roles and databases of the spec: made with all their attributes, brought back where somebody changed them, and dropped by state: absent only."""

import json

warm = True
SQL = 5432
HOST = "10.77.0.11"    # the leader; PgBouncer would keep connections to a template


def sql(cluster, query, database="postgres", check=True):
    return cluster.psql(HOST, query, port=SQL, database=database, check=check)


def refused(cluster, *words, status=3):
    said = cluster.run("plan", status=status).stderr
    for one in words:
        assert one in said, (one, said)


def role(cluster, name):
    return sql(cluster, "select rolcanlogin, rolcreatedb, rolconnlimit, rolvaliduntil at time zone 'UTC', array(select roleid::regrole::text from pg_auth_members"
               f" where member = pg_roles.oid order by 1) from pg_roles where rolname = '{name}'")


def changed(cluster):
    return {one["step"]: one for one in cluster.plan()["changes"]}


USERS = [{"name": "app", "flags": "LOGIN"}, {"name": "readers", "flags": "NOLOGIN"},
         {"name": "report", "connection_limit": 5, "valid_until": "2127-01-31 18:00+01", "member_of": ["readers", "pg_monitor"]}]
DATABASES = [{"db": "app", "owner": "app"}, {"db": "shop", "owner": "app"}, {"db": "shop_copy", "owner": "report", "template": "shop"}]


def test_roles_and_databases_are_made_with_their_attributes(cluster):
    cluster.write(postgresql_users=USERS, postgresql_databases=DATABASES)
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    assert role(cluster, "report") == "t|f|5|2127-01-31 17:00:00|{pg_monitor,readers}"
    assert role(cluster, "readers").startswith("f|f|-1||")
    assert sql(cluster, "select string_agg(datname || ' ' || pg_get_userbyid(datdba), ',' order by datname) from pg_database where not datistemplate") == "app app,postgres postgres,shop app,shop_copy report"
    cluster.inside("pg2", "grep -qxF 'membership [\"report\",\"readers\"]' /var/lib/pgcluster/objects")


def test_a_template_is_copied_with_what_is_in_it(cluster):
    sql(cluster, "create table orders (id int)", database="shop")
    cluster.write(postgresql_databases=[*DATABASES, {"db": "shop_second", "template": "shop"}])
    cluster.apply()
    cluster.assert_converged()
    assert sql(cluster, "select count(*) from orders", database="shop_second") == "0"


def test_what_somebody_changed_comes_back(cluster):
    for one in ("alter role report connection limit 7 valid until '2000-01-01' createdb", "revoke readers from report", "grant pg_read_all_data to report",
                "alter database shop owner to report"):
        sql(cluster, one)
    assert set(changed(cluster)) == {"roles", "databases"}
    cluster.apply()
    cluster.assert_converged()
    # A membership that somebody else granted stays.
    assert role(cluster, "report") == "t|f|5|2127-01-31 17:00:00|{pg_monitor,pg_read_all_data,readers}"
    assert sql(cluster, "select pg_get_userbyid(datdba) from pg_database where datname = 'shop'") == "app"
    sql(cluster, "revoke pg_read_all_data from report")


def test_an_attribute_that_left_the_spec_is_taken_away(cluster):
    cluster.write(postgresql_users=[*USERS[:2], {"name": "report", "member_of": "pg_monitor"}])
    assert "-report:" in changed(cluster)["roles"]["diff"]
    cluster.apply()
    cluster.assert_converged()
    assert role(cluster, "report") == "t|f|-1|infinity|{pg_monitor}"
    assert "readers" not in cluster.inside("pg3", "grep membership /var/lib/pgcluster/objects")


def test_what_left_the_spec_as_a_whole_stays(cluster):
    before = cluster.described()
    cluster.write(postgresql_users=USERS[:2], postgresql_databases=DATABASES[:2])
    warned = cluster.run("plan").stdout
    for one in ("the role report is no longer described", "the database shop_copy is no longer described"):
        assert one in warned, warned
    cluster.apply()
    assert role(cluster, "report") == "t|f|-1|infinity|{pg_monitor}"
    cluster.back_to(before)


def test_what_cannot_work_is_refused_before_anything_changes(cluster):
    before = cluster.described()
    cluster.write(postgresql_users=[*USERS, {"name": "other", "member_of": "no_such_group"}])
    refused(cluster, "there is no role no_such_group, neither in the spec nor on the server")
    cluster.write(postgresql_users=[*USERS[:2], {"name": "report", "state": "absent"}], postgresql_databases=[*DATABASES[:2], {"db": "shop_copy"}])
    refused(cluster, "the role report cannot be dropped: it owns the database shop_copy", "REASSIGN OWNED BY")
    cluster.write(postgresql_users=[*USERS, {"name": "postgres", "state": "absent"}])
    refused(cluster, "postgres is the superuser", status=65)
    cluster.write(postgresql_users=[*USERS[:2], {"name": "report", "state": "absent"}], postgresql_databases=DATABASES)
    refused(cluster, "report has state: absent in postgresql_users", status=65)
    cluster.back_to(before)


def test_absent_drops_databases_before_roles_and_says_what_is_lost(cluster):
    users = [*USERS[:2], {"name": "report", "state": "absent"}]
    databases = [*DATABASES[:2], {"db": "shop_copy", "state": "absent"}, {"db": "shop_second", "state": "absent"}]
    cluster.write(postgresql_users=users, postgresql_databases=databases)
    session = ("setsid setpriv --reuid=postgres --regid=postgres --init-groups env PGAPPNAME=nosy psql -h /var/run/postgresql -d shop_copy -c 'select pg_sleep(600)'"
               " >/dev/null 2>&1 </dev/null & sleep 1")
    leader = cluster.status()["leader"]
    cluster.inside(leader, session)
    refused(cluster, "the database shop_copy cannot be dropped: it is used by process", "application nosy", "pg_terminate_backend")
    sql(cluster, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'nosy'")
    cluster.wait(lambda: sql(cluster, "select count(*) from pg_stat_activity where application_name = 'nosy'") == "0", 30, "that the session ended")

    plan = changed(cluster)
    assert plan["dropped-databases"]["impact"] == "data" and plan["dropped-databases"]["action"] == "remove", json.dumps(plan, indent=1)
    assert "-shop_copy" in plan["dropped-databases"]["diff"]
    cluster.apply()
    cluster.assert_converged()
    assert sql(cluster, "select count(*) from pg_database where datname like 'shop_%'") == "0"
    assert role(cluster, "report") == ""
    assert "report" not in cluster.inside("pg1", "cat /var/lib/pgcluster/objects")
    # Once they are gone the lines may leave the spec, too.
    cluster.write(postgresql_users=USERS[:2], postgresql_databases=DATABASES[:2])
    cluster.assert_converged()
    assert "no longer described" not in cluster.run("plan").stdout


ODD = "Größe/\"7\" o'Neil \\n"
SCHEMAS = [{"schema": "sales", "db": "shop", "owner": "app"}, {"schema": ODD, "db": "shop", "owner": "app"}, {"schema": "sales", "db": "postgres"}]


def schemas(cluster, database="shop"):
    return sql(cluster, "select string_agg(nspname || ' ' || pg_get_userbyid(nspowner), ',' order by nspname) from pg_namespace where nspname !~ '^(pg_|information_schema|public)'",
               database=database)


def test_schemas_are_made_and_their_owner_comes_back(cluster):
    cluster.write(postgresql_users=USERS[:2], postgresql_databases=DATABASES[:2], postgresql_schemas=SCHEMAS)
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    assert schemas(cluster) == f"{ODD} app,sales app"
    assert schemas(cluster, "postgres") == "sales postgres"
    cluster.inside("pg2", "grep -qxF 'schema [\"shop\",\"sales\"]' /var/lib/pgcluster/objects")
    sql(cluster, "alter schema sales owner to readers", database="shop")
    assert changed(cluster)["schemas"]["reason"] == "sales of shop has another owner"
    cluster.apply()
    cluster.assert_converged()
    assert schemas(cluster) == f"{ODD} app,sales app"


def test_a_schema_goes_by_state_absent_only_and_when_it_is_empty(cluster):
    cluster.write(postgresql_schemas=SCHEMAS[:1])
    warned = cluster.run("plan").stdout
    assert f"the schema {ODD} of the database shop is no longer described" in warned, warned
    cluster.apply()
    assert schemas(cluster) == f"{ODD} app,sales app"
    sql(cluster, "create table sales.orders (id int)", database="shop")
    cluster.write(postgresql_schemas=[{"schema": "sales", "db": "shop", "state": "absent"}, {"schema": ODD, "db": "shop", "state": "absent"}])
    refused(cluster, "the schema sales of the database shop cannot be dropped: it is needed by table sales.orders")
    sql(cluster, "drop table sales.orders", database="shop")
    cluster.apply()
    cluster.assert_converged()
    assert schemas(cluster) == ""
    assert "shop" not in cluster.inside("pg1", "grep ^schema /var/lib/pgcluster/objects")
    cluster.write(postgresql_schemas=[{"schema": "x", "db": "shpo"}])
    refused(cluster, "there is no database shpo, neither in the spec nor on the server", "did you mean shop?")
    cluster.write(postgresql_schemas=None)
    assert "the schema sales of the database postgres is no longer described" in cluster.run("plan").stdout
