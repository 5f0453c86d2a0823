#!/bin/sh
# Written by pgcluster. Patroni calls it when this member's role changes: ACTION ROLE.
# PgBouncer tells each client what its own first connection to the server was told: "read-only" where that server was a replica then. RECONNECT makes
# it replace a connection as soon as the client leaves it.
# A load balancer keeps sessions that are open on a former leader. With cuts=yes PgBouncer ends them; PostgreSQL itself has ended its own.
cuts=yes
[ "$1" = on_role_change ] || exit 0
console() { psql -XAtqw -h /var/run/postgresql -p 6432 -U pgbouncer -d pgbouncer "$@"; }
case $2 in primary | master | promoted) cuts=no ;; esac
if [ "$cuts" = yes ]; then
  console -c 'SHOW DATABASES' | cut -d '|' -f 1 | while read -r name; do
    [ "$name" = pgbouncer ] || console -c "KILL \"$name\"" -c "RESUME \"$name\"" </dev/null
  done
fi
# Again, for the role is new a moment before the server shows it.
for pause in 0 2 5; do
  sleep "$pause"
  console -c RECONNECT
done
