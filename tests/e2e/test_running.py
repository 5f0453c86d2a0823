"""What a running cluster can and cannot become, on real hosts: keys, names, rights, secrets, and who may lead with synchronous_mode."""

import base64
import hashlib
import hmac
import json
import os

import pytest
from cluster import VIP, address

warm = True
FORMER = {}
# What a host's administrator may have set for all programs, or for root's.
ENVIRONMENT = ("printf 'http_proxy=http://10.77.0.1:3128\\nHTTPS_PROXY=http://10.77.0.1:3128\\nPGHOST=localhost\\nPGPORT=1\\nPGOPTIONS=-cwork_mem=x\\n"
               "PGUSER=nobody\\nPGSSLMODE=verify-full\\nPGSERVICE=none\\nLANG=xx_XX\\nLC_ALL=xx_XX\\nTZ=Asia/Tokyo\\nPOSIXLY_CORRECT=1\\nGREP_OPTIONS=-v\\n"
               "ETCDCTL_API=2\\nETCDCTL_ENDPOINTS=http://10.77.0.1:1\\nCURL_HOME=/root\\n' >/etc/environment;"
               "printf 'include\\nproxy = http://10.77.0.1:3128\\nmax-time = 1\\n' >/root/.curlrc; printf '\\\\set QUIET off\\n\\\\timing on\\n' >/root/.psqlrc;"
               "printf 'echo hello; umask 0777; alias curl=false # pgcluster test\\n' >>/root/.bashrc")
WITHOUT_ENVIRONMENT = "rm -f /root/.curlrc /root/.psqlrc; : >/etc/environment; sed -i '/pgcluster test/d' /root/.bashrc"


@pytest.fixture(scope="module")
def deployed(cluster):
    for host in cluster.hosts:
        cluster.inside(host, ENVIRONMENT)
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    for host in cluster.hosts:
        cluster.inside(host, WITHOUT_ENVIRONMENT)
    FORMER.update(cluster.described())
    return cluster


@pytest.fixture(autouse=True)
def the_former_spec_heals(request):
    yield
    if "deployed" not in request.fixturenames:
        return
    cluster = request.getfixturevalue("deployed")
    cluster.back_to(FORMER)
    cluster.wait_healthy()


def test_a_member_keeps_its_name_and_address(deployed):
    spec = json.loads(deployed.file.read_text())
    spec["hosts"] = {("db2" if name == "pg2" else name): host for name, host in spec["hosts"].items()}
    deployed.file.write_text(json.dumps(spec))
    done = deployed.run("plan", status=3)
    assert "is pg2 in the running cluster, and the spec calls it db2" in done.stdout + done.stderr
    deployed.write(host_pg3={"address": "10.77.0.213", "ssh": {"host": "10.77.0.13"}})
    for command in ("plan", "check"):
        done = deployed.run(command, status=3)
        assert "no interface of pg3 has its address 10.77.0.213" in done.stdout + done.stderr


def test_other_spellings_mean_the_same(deployed):
    deployed.write(postgresql_encoding="utf-8", postgresql_locale="C.utf8")
    deployed.assert_converged()


def test_names_rights_and_secrets_as_people_write_them(deployed):
    users = [*FORMER["postgresql_users"], {"name": "team/app"}, {"name": "Größe \"7\"", "flags": "LOGIN,SUPERUSER,CREATEDB"}, {"name": "O'Neil"}]
    deployed.write(postgresql_users=users, postgresql_databases=[*FORMER["postgresql_databases"], {"db": "Ärger/1", "owner": "team/app", "encoding": "UTF8"}])
    deployed.apply()
    deployed.assert_converged()
    password = deployed.run("password", "team/app").stdout.strip()
    deployed.apply()
    assert deployed.run("password", "team/app").stdout.strip() == password
    leader = deployed.status()["leader"]
    sql = lambda query: deployed.inside(leader, f"runuser -u postgres -- psql -XAtqc \"{query}\"").strip()    # noqa: E731
    assert sql("select rolsuper, rolcreatedb from pg_authid where rolname like 'Gr%'") == "t|t"

    # An attribute that left the spec is taken; what left it as a whole is warned of.
    deployed.write(postgresql_users=[*FORMER["postgresql_users"], {"name": "Größe \"7\""}], postgresql_databases=FORMER["postgresql_databases"])
    warned = deployed.run("plan").stdout
    for words in ("the role team/app is no longer described", "the role O'Neil is no longer described", "the database Ärger/1 is no longer described"):
        assert words in warned, warned
    deployed.apply()
    assert "no password of team/app is known" in deployed.run("password", "team/app", status=3).stderr
    assert sql("select rolsuper, rolcreatedb from pg_authid where rolname like 'Gr%'") == "f|f"
    for drop in ('drop database \\"Ärger/1\\"', 'drop role \\"team/app\\"', 'drop role \\"O\'Neil\\"', 'drop role \\"Größe \\"\\"7\\"\\"\\"'):
        sql(drop)
    deployed.write(postgresql_users=FORMER["postgresql_users"])
    deployed.apply()
    assert "no longer described" not in deployed.run("plan").stdout


def verifier(password, salt=b"sixteen bytes 16", iterations=4096):
    """As PostgreSQL keeps it."""
    def hmac_of(key, text):
        return hmac.digest(key, text, "sha256")

    def base64_of(octets):
        return base64.b64encode(octets).decode()

    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac_of(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${iterations}:{base64_of(salt)}${base64_of(stored)}:{base64_of(hmac_of(salted, b'Server Key'))}"


def test_a_password_may_be_given_as_its_verifier(deployed):
    deployed.write(postgresql_users=[*FORMER["postgresql_users"], {"name": "verified", "flags": "LOGIN", "password": verifier("secret")}])
    deployed.apply()
    deployed.assert_converged()
    leader = address(deployed.status()["leader"])
    for port in (5432, 6432):
        for password, answer in (("secret", "verified"), ("another", None)):
            said = deployed.lab("run", "psql", "-XAtwqc", "select current_user", "-h", leader, "-p", str(port), "-U", "verified", "-d", "app",
                                env={**os.environ, "PGPASSWORD": password}, check=False).strip()
            assert said == answer or (answer is None and "authentication failed" in said), (port, password, said)
    deployed.psql(VIP, "drop role verified")


def test_a_locale_of_the_leader_alone_is_refused(deployed):
    leader = deployed.status()["leader"]
    folder = "/usr/lib/locale/xx_XX.utf8"
    deployed.inside(leader, f"cp -a /usr/lib/locale/C.utf8 {folder} && locale -a | grep xx_XX")
    try:
        deployed.write(postgresql_databases=[*FORMER["postgresql_databases"], {"db": "sorted", "owner": "app", "lc_collate": "xx_XX.UTF-8", "lc_ctype": "C.UTF-8"}])
        for command in (["plan"], ["apply", "--yes"]):
            refused = deployed.run(*command, status=3).stderr
            assert "has no locale xx_XX.UTF-8, so the database sorted could not be opened there" in refused and "locale-gen" in refused, refused
        assert deployed.psql(VIP, "select count(*) from pg_database where datname = 'sorted'") == "0"
    finally:
        deployed.inside(leader, f"rm -r {folder}")


def test_a_password_past_its_end_opens_nothing(deployed):
    """PgBouncer does not know VALID UNTIL: what it asks for passwords has to."""
    leader = address(deployed.status()["leader"])

    def logs_in(port):
        return deployed.psql(leader, "select 1", port=port, user="app", database="app", check=False) == "1"

    for end, works in (("yesterday", False), ("tomorrow", True), ("2001-01-01", False), ("infinity", True)):
        deployed.psql(VIP, f"alter role app valid until '{end}'")
        assert logs_in(5432) == works, end
        # PgBouncer goes by what it was told last while it connects anew to ask, as after a change of role.
        deployed.wait(lambda: logs_in(6432) == works, 10, f"that VALID UNTIL {end} holds at PgBouncer")


def test_what_pgbouncer_needs_in_the_database_is_mended(deployed):
    """Somebody removes the schema public, or takes its rights away, as some hardening guides advise."""
    for taken_away in ("drop schema public cascade", "revoke all on schema public from public, pgbouncer", "revoke execute on function public.user_search from pgbouncer",
                       "grant execute on function public.user_search to app"):
        deployed.psql(address(deployed.status()["leader"]), taken_away, port=5432)
        deployed.apply()
        deployed.assert_converged()
        assert deployed.psql(VIP, "select 1", user="app", database="app") == "1", taken_away


def test_a_database_keeps_its_encoding(deployed):
    deployed.write(postgresql_databases=[{"db": "app", "owner": "app", "encoding": "LATIN1", "lc_collate": "C", "lc_ctype": "C"}])
    done = deployed.run("plan", status=3)
    assert "encoding of the database app cannot be changed: it was made with UTF8" in done.stdout + done.stderr


def test_thousands_of_roles_of_others_do_not_matter(deployed):
    leader = deployed.status()["leader"]
    deployed.inside(leader, "runuser -u postgres -- psql -XAtqc \"set password_encryption = 'scram-sha-256'; do \\$\\$ begin for i in 1..2000 loop"
                            " execute format('create role tenant_%s login', i); end loop; end \\$\\$\"")
    deployed.assert_converged()
    deployed.inside(leader, "runuser -u postgres -- psql -XAtqc \"do \\$\\$ begin for i in 1..2000 loop execute format('drop role tenant_%s', i); end loop; end \\$\\$\"")


def test_a_member_that_may_not_lead_is_passed_over(deployed):
    leader = deployed.status()["leader"]
    barred, fit = [host for host in deployed.hosts if host != leader]
    deployed.write(**{f"host_{barred}": {"patroni_tags": {"failover_priority": 0}}})
    deployed.apply()
    deployed.run("switchover", "--yes")
    assert deployed.status()["leader"] == fit
    refused = deployed.run("switchover", "--to", barred, "--yes", status=3)
    assert "failover_priority" in refused.stderr and leader in refused.stderr, refused.stderr
    # Restarts the members one after the other, and moves the leader for it.
    deployed.write(postgresql_parameters={**FORMER["postgresql_parameters"], "max_connections": 120})
    deployed.apply()
    assert deployed.wait_healthy()["leader"] != barred
    deployed.assert_converged()


def test_synchronous_switchovers_one_after_the_other(deployed):
    deployed.write(synchronous_mode=True)
    deployed.apply()
    roles = [member["role"] for member in deployed.status()["members"]]
    assert "sync_standby" in roles, roles    # at once, not some time later
    leaders = [deployed.status()["leader"]]
    for _ in range(3):
        deployed.run("switchover", "--yes")
        leaders.append(deployed.status()["leader"])
    assert all(one != other for one, other in zip(leaders, leaders[1:])), leaders
    # Nobody chooses a member that may not be synchronous.
    barred = next(host for host in deployed.hosts if host != leaders[-1])
    deployed.write(**{f"host_{barred}": {"patroni_tags": {"nosync": True}}})
    deployed.apply()
    done = deployed.run("switchover", "--to", barred, "--yes", status=3)
    assert f"{barred} is not fit to lead: it is not a synchronous standby" in done.stderr and "fit to lead: pg" in done.stderr, done.stderr
    deployed.run("switchover", "--yes")
    assert deployed.status()["leader"] not in (barred, leaders[-1])
    # Who is not synchronous is refused, by the name of who is.
    deployed.wait(lambda: any(one["role"] == "sync_standby" for one in deployed.status()["members"]), what="a synchronous standby")
    plain = [one["name"] for one in deployed.status()["members"] if one["role"] == "replica"]
    if plain:
        done = deployed.run("switchover", "--to", plain[0], "--yes", status=3)
        assert "it is not a synchronous standby" in done.stdout + done.stderr
        assert "fit to lead: " in done.stdout + done.stderr


def test_pgbouncer_tells_clients_the_role_that_the_server_has_now(deployed):
    """libpq's target_session_attrs goes by what PgBouncer tells a new client; it told what its first connection had been told."""
    environment = dict(os.environ, PGPASSWORD=deployed.password())

    def accepts(host, attributes):
        uri = f"postgresql://postgres@{address(host)}:6432/postgres?target_session_attrs={attributes}"
        return deployed.lab("run", "psql", uri, "-XAtqc", "select 1", env=environment, check=False).strip() == "1"

    former = deployed.status()["leader"]
    for host in deployed.hosts:
        assert accepts(host, "read-write") == (host == former)
    deployed.run("switchover", "--yes")
    leader = deployed.wait_healthy()["leader"]
    for host in deployed.hosts:
        deployed.wait(lambda host=host: accepts(host, "read-write") == (host == leader), 15, f"that PgBouncer on {host} tells its server's role")
        assert accepts(host, "read-only") == (host != leader)


@pytest.fixture
def changed_back(deployed):
    """Shell that undoes what the test did to the hosts."""
    undo = []
    yield undo
    for host in deployed.hosts:
        for script in undo:
            deployed.inside(host, script)


def test_the_environment_of_the_hosts_does_not_reach_into_ours(deployed, changed_back):
    changed_back.append(WITHOUT_ENVIRONMENT)
    for host in deployed.hosts:
        deployed.inside(host, ENVIRONMENT)
    deployed.assert_converged()
    assert deployed.status()["healthy"], deployed.status()
    deployed.write(postgresql_parameters={**FORMER["postgresql_parameters"], "work_mem": "7MB"}, pgbouncer_default_pool_size=7)
    deployed.apply()
    deployed.assert_converged()
    deployed.run("switchover", "--yes")
    deployed.wait_healthy()


def test_a_host_that_admits_one_session_for_each_connection(deployed, changed_back):
    changed_back.append("rm -f /etc/ssh/sshd_config.d/90-test.conf; systemctl reload ssh")
    deployed.inside("pg2", "echo MaxSessions 1 >/etc/ssh/sshd_config.d/90-test.conf && systemctl reload ssh")
    deployed.run("check")
    deployed.write(postgresql_parameters={**FORMER["postgresql_parameters"], "work_mem": "6MB"})
    deployed.apply()
    deployed.assert_converged()
    deployed.run("switchover", "--yes")
    deployed.wait_healthy()


def test_all_members_restart_after_all_that_was_tried(deployed):
    def started():
        return {host: deployed.inside(host, "sed -n 3p /var/lib/postgresql/17/main/postmaster.pid") for host in deployed.hosts}

    deployed.restart_a_replica()    # Patroni itself
    before, leader = started(), deployed.status()["leader"]
    deployed.run("restart", "--yes")
    after = started()
    assert all(after[host] > before[host] for host in deployed.hosts), (before, after)
    assert deployed.wait_healthy()["leader"] == leader
    deployed.assert_converged()
