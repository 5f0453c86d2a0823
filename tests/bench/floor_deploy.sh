#!/bin/bash
# The least that a deployment of scheme A without a virtual IP costs: one ssh per host, all at once, each with everything that its host needs;
# nobody waits for anybody but where the software itself does. Ends when a leader and all replicas run and a row is written through PgBouncer.
# floor_deploy.sh ADDRESS…   environment: KEY, KNOWN_HOSTS, PASSWORD (made for this run)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ssh=(ssh -F none -i "$KEY" -o IdentitiesOnly=yes -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=none -o BatchMode=yes)
hosts=("$@")
members='' endpoints=''
for i in "${!hosts[@]}"; do
  members+="${members:+,}node$i=http://${hosts[i]}:2380"
  endpoints+="${endpoints:+,}${hosts[i]}:2379"
done

etcd_file() { # NAME ADDRESS
  cat <<END
ETCD_NAME="$1"
ETCD_DATA_DIR="/var/lib/etcd/default"
ETCD_LISTEN_CLIENT_URLS="http://$2:2379,http://127.0.0.1:2379"
ETCD_ADVERTISE_CLIENT_URLS="http://$2:2379"
ETCD_LISTEN_PEER_URLS="http://$2:2380"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://$2:2380"
ETCD_INITIAL_CLUSTER="$members"
ETCD_INITIAL_CLUSTER_STATE="new"
ETCD_INITIAL_CLUSTER_TOKEN="floor"
END
}
patroni_file() { # NAME ADDRESS
  cat <<END
scope: floor
name: $1
restapi: {listen: "$2:8008", connect_address: "$2:8008"}
etcd3: {hosts: "$endpoints"}
bootstrap:
  dcs:
    loop_wait: 10
    postgresql: {use_pg_rewind: true, use_slots: true, parameters: {max_connections: 100, shared_buffers: 64MB, password_encryption: scram-sha-256}}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}, data-checksums]
postgresql:
  listen: "$2,127.0.0.1:5432"
  connect_address: "$2:5432"
  data_dir: /var/lib/postgresql/17/main
  bin_dir: /usr/lib/postgresql/17/bin
  pgpass: /var/lib/postgresql/.pgpass_patroni
  authentication:
    superuser: {username: postgres, password: "$PASSWORD"}
    replication: {username: replicator, password: "$PASSWORD"}
  parameters: {unix_socket_directories: /var/run/postgresql}
  pg_hba:
    - local all postgres peer
    - host all all 0.0.0.0/0 scram-sha-256
    - host replication replicator 0.0.0.0/0 scram-sha-256
  basebackup: [{checkpoint: fast}]
END
}
pgbouncer_file() {
  cat <<'END'
[databases]
* = host=127.0.0.1 port=5432
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir = /var/run/postgresql
auth_type = scram-sha-256
auth_file = /etc/pgbouncer/userlist.txt
pidfile = /var/run/postgresql/pgbouncer.pid
END
}
script() { # NAME ADDRESS: what its host runs
  cat <<END
set -e
export DEBIAN_FRONTEND=noninteractive
put() { mkdir -p "\$(dirname "\$1")" && base64 -d >"\$1"; }
put /etc/default/etcd <<'B'
$(etcd_file "$1" "$2" | base64)
B
put /etc/patroni/config.yml <<'B'
$(patroni_file "$1" "$2" | base64)
B
put /etc/postgresql-common/createcluster.d/floor.conf <<'B'
$(echo 'create_main_cluster = false' | base64)
B
put /etc/pgbouncer/pgbouncer.ini <<'B'
$(pgbouncer_file | base64)
B
put /etc/pgbouncer/userlist.txt <<'B'
$(echo "\"postgres\" \"$PASSWORD\"" | base64)
B
if ! dpkg-query -W patroni >/dev/null 2>&1; then
  systemctl mask --runtime -q etcd patroni pgbouncer postgresql
  apt=(apt-get -qq -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o Acquire::Languages=none)
  "\${apt[@]}" update
  "\${apt[@]}" install -y --no-install-recommends etcd-server etcd-client patroni python3-etcd curl postgresql-17 pgbouncer >/run/floor.log 2>&1 || { cat /run/floor.log >&2; exit 1; }
  systemctl unmask --runtime -q etcd patroni pgbouncer postgresql
fi
chown -R postgres:postgres /etc/patroni /etc/pgbouncer
chmod 600 /etc/patroni/config.yml /etc/pgbouncer/*
systemctl enable -q etcd patroni pgbouncer
systemctl start --no-block etcd pgbouncer
until systemctl is-active -q etcd; do sleep 0.05; done
systemctl start --no-block patroni
until curl -sf -o /dev/null http://$2:8008/health; do sleep 0.1; done
END
}
pids=()
for i in "${!hosts[@]}"; do
  script "node$i" "${hosts[i]}" >"$folder/$i.sh"
  "${ssh[@]}" "root@${hosts[i]}" bash -s <"$folder/$i.sh" &
  pids+=($!)
done
for pid in "${pids[@]}"; do
  wait "$pid"
done
until [[ $(curl -s -m 2 "http://${hosts[0]}:8008/cluster" | grep -o '"state": *"\(running\|streaming\)"' | wc -l) == "${#hosts[@]}" ]]; do
  sleep 0.1
done
for host in "${hosts[@]}"; do
  [[ $(curl -s -o /dev/null -w '%{http_code}' "http://$host:8008/primary") == 200 ]] || continue
  until PGPASSWORD=$PASSWORD PGCONNECT_TIMEOUT=2 psql -qX -h "$host" -p 6432 -U postgres -d postgres -c 'create table floor (x int); insert into floor values (1)' 2>/dev/null; do
    sleep 0.1
  done
  exit 0
done
echo "nobody leads" >&2
exit 1
