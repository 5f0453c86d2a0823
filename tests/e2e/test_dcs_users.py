"""etcd lets in its users only, each to what it needs; Patroni's password for it is replaced under a client that writes."""

import contextlib
import subprocess
import time

import pytest
from cluster import VIP, address, outages

warm = True
NAME = "postgres-cluster"
TLS = "/etc/pgcluster/tls"


def etcdctl(cluster, words, certificate="etcd-root", host="pg1", folder=TLS):
    """What etcdctl says to pg1's etcd with a certificate of the host; None: it shows none."""
    shown = f"--cert {folder}/{certificate}.crt --key {folder}/{certificate}.key" if certificate else ""
    return cluster.inside(host, f"etcdctl --command-timeout=5s --endpoints=https://{address('pg1')}:2379 --cacert {TLS}/authority.crt {shown} {words} 2>&1 | grep -v '^{{\"level\"'; :")


def users(cluster):
    return set(etcdctl(cluster, "user list").split())


def password(cluster, host="pg1"):
    return cluster.inside(host, "head -n1 /var/lib/pgcluster/secrets/patroni_etcd_password")


def own_certificate(cluster, common_name):
    """Signs a certificate by the cluster's authority, as only root of a database host could."""
    folder = "/root/made"
    cluster.inside("pg1", f"""mkdir -p {folder}; cd {folder}; openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -subj '/CN={common_name}' -out own.csr
        echo extendedKeyUsage=clientAuth >ext; openssl x509 -req -in own.csr -CA {TLS}/authority.crt -CAkey /var/lib/pgcluster/secrets/tls_ca -extfile ext -days 2 -out own.crt 2>&1""")
    return {"certificate": "own", "folder": folder}


@contextlib.contextmanager
def clients(cluster):
    with cluster.client("logins", VIP, "6432", "app", environment={"PGPASSWORD": cluster.password("app")}) as logins, cluster.writer() as writes:
        yield
    print(f"{len(logins)} logins, {len(writes)} writes, longest gaps {outages(writes, 0.3)}")
    assert len(logins) > 10 and len(writes) > 20
    assert not [one for one in logins + writes if not one["ok"]]


def test_an_apply_that_is_killed_while_it_makes_the_users_is_ended_by_the_next_one(cluster):
    cluster.kill_apply_while("user add makin[g]@", 'made user add "makin[g]@')
    time.sleep(1)    # what etcdctl has begun
    left = users(cluster)
    print("left behind:", left)
    assert left != {"root", f"reader@{NAME}", f"patroni@{NAME}"}
    cluster.wait_unlocked()
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    assert users(cluster) == {"root", f"reader@{NAME}", f"patroni@{NAME}"}


def test_each_gets_what_it_needs_and_no_more(cluster):
    assert "Authentication Status: true" in etcdctl(cluster, "auth status")
    key, neighbour = f"/service/{NAME}/leader", f"/service/{NAME}2/leader"
    etcdctl(cluster, f"put {neighbour} secret")
    # No certificate, or one that is for servers only: no connection. That of any program: nobody.
    for certificate in (None, "postgresql"):
        assert etcdctl(cluster, f"get {neighbour}", certificate) == "Error: context deadline exceeded"
    for host in ("pg1", "pg2"):
        for certificate in ("etcd", "patroni"):
            for words in (f"get {key}", f"put {key} x", "user list", "auth disable"):
                said = etcdctl(cluster, words, certificate, host)
                assert "permission denied" in said or "user name is empty" in said, (host, certificate, words, said)
    curl = f"curl -s --cacert {TLS}/authority.crt --cert {TLS}/patroni.crt --key {TLS}/patroni.key https://{address('pg1')}:2379/v3/kv/range -d '{{\"key\":\"Lw==\"}}'"
    assert "user name is empty" in cluster.inside("pg2", curl)
    assert "permission denied" in cluster.inside("pg2", curl + " -H Accept:")
    # A reader reads the keys of this cluster, whose name may be the beginning of another's.
    reader = own_certificate(cluster, f"reader@{NAME}")
    assert "pg" in etcdctl(cluster, f"get --print-value-only {key}", **reader)
    for words in (f"get {neighbour}", f"put {key} x", f"del {key}", "user list", "get --prefix /service/"):
        assert "permission denied" in etcdctl(cluster, words, **reader), words
    # Patroni's user also writes them.
    login = f"--user 'patroni@{NAME}:{password(cluster)}' "
    assert etcdctl(cluster, login + f"put /service/{NAME}/x y", "patroni") == "OK"
    assert etcdctl(cluster, login + f"del /service/{NAME}/x", "patroni") == "1"
    for words in (f"get {neighbour}", f"put {neighbour} x", "put /x y", "user list", "get --prefix /service/"):
        assert "permission denied" in etcdctl(cluster, login + words, "patroni"), words
    etcdctl(cluster, f"del {neighbour}")
    status = cluster.status()
    assert status["healthy"] and status["dcs"]["healthy"], status


def test_a_rotation_and_a_switchover_after_it(cluster):
    before = password(cluster)
    with clients(cluster):
        time.sleep(1)
        print(cluster.run("rotate", "etcd", "--yes").stdout)
        time.sleep(12)    # each Patroni has gone through its loop as the new user
    after = {password(cluster, host) for host in cluster.hosts}
    assert len(after) == 1 and before not in after
    assert users(cluster) == {"root", f"reader@{NAME}", f"patroni2@{NAME}"}
    assert "authentication failed" in etcdctl(cluster, f"--user 'patroni@{NAME}:{before}' get /service/{NAME}/leader", "patroni")
    cluster.assert_converged()
    cluster.wait_healthy()
    cluster.run("switchover", "--yes")
    cluster.wait_healthy()
    with clients(cluster):
        cluster.run("rotate", "etcd", "--yes")
        time.sleep(5)
    assert users(cluster) == {"root", f"reader@{NAME}", f"patroni@{NAME}"}
    cluster.assert_converged()
    # Each Patroni starts anew with what it knows.
    for host in cluster.hosts:
        cluster.inside(host, "systemctl restart patroni")
        cluster.wait_healthy()


def test_users_that_somebody_has_deleted_are_made_anew(cluster):
    etcdctl(cluster, f"user delete patroni@{NAME}")
    cluster.apply()
    cluster.wait_healthy()
    cluster.assert_converged()
    etcdctl(cluster, "auth disable")
    cluster.apply()
    assert "Authentication Status: true" in etcdctl(cluster, "auth status")
    cluster.wait_healthy()


def without_users(cluster):
    """The cluster as a former version has left it: etcd lets in everybody, and certificates have common names."""
    etcdctl(cluster, "auth disable")
    for user in users(cluster):
        etcdctl(cluster, f"user delete {user}")
    for host in cluster.hosts:
        cluster.inside(host, f"""cd {TLS}
            for name in etcd patroni; do
              head -n1 $name.crt >made.crt
              echo "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=$(openssl x509 -in $name.crt -noout -ext subjectAltName | sed -n '$s/IP Address/IP/gp')" >made.ext
              openssl req -new -key $name.key -subj /CN={host} -out made.csr
              openssl x509 -req -in made.csr -CA authority.crt -CAkey /var/lib/pgcluster/secrets/tls_ca -extfile made.ext -days 300 >>made.crt 2>/dev/null
              mv made.crt $name.crt
            done
            rm -f made.* etcd-root.* /var/lib/pgcluster/etcd-users /var/lib/pgcluster/secrets/patroni_etcd_password
            sed -i '/etcd-root/d; /etcd-users/d; /patroni_etcd_password/d' /var/lib/pgcluster/owned
            sed -i /BCRYPT/d /etc/default/etcd
            sed -i '/^etcd3:/,/^postgresql:/{{/username:/d; /password:/d}}' /etc/patroni/config.yml""")
    for host in cluster.hosts:
        cluster.inside(host, "systemctl restart etcd patroni pgcluster-etcd-leader")
        cluster.wait_healthy()


@pytest.mark.parametrize("moment", ["cluster  etcd/users  done", "pg2  etcd/service  done", "cluster  etcd/auth  done"])
def test_a_cluster_that_runs_without_users_gets_them_under_clients(cluster, moment, long):
    if "users" not in moment and not long:
        pytest.skip("further moments are tried with --long")
    without_users(cluster)
    cluster.apply()
    assert "pgcluster rotate etcd makes users" in cluster.run("plan").stdout
    cluster.assert_converged()
    assert cluster.inside("pg1", f"openssl x509 -in {TLS}/patroni.crt -noout -subject") == "subject=CN=pg1"
    with clients(cluster):
        time.sleep(1)
        process = subprocess.Popen(cluster.argv("rotate", "etcd", "--yes"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   start_new_session=True)
        cluster.kill_at(process, moment)
        cluster.wait_healthy()
        cluster.apply()
        time.sleep(15)    # each Patroni has gone through its loop
    assert users(cluster) == {"root", f"reader@{NAME}", f"patroni2@{NAME}"}
    assert "Authentication Status: true" in etcdctl(cluster, "auth status")
    cluster.wait_healthy()
    cluster.assert_converged()
    cluster.run("switchover", "--yes")
    cluster.wait_healthy()


def test_the_cluster_is_destroyed(cluster):
    cluster.run("destroy", "--yes")
    assert cluster.inside("pg1", f"ls {TLS}/etcd-root.key /var/lib/etcd/default 2>/dev/null; systemctl is-active etcd; :").split()[-1] != "active"
    assert not cluster.inside("pg1", f"ls {TLS}/etcd-root.key 2>/dev/null; :")
