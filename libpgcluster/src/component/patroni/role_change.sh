#!/bin/sh
# Written by pgcluster. Patroni calls it when this member's role changes.
# PgBouncer tells new clients what its first connection was told, "read-only" of a replica, also when the server leads by now: it connects anew then,
# as soon as a client leaves a connection. And where a load balancer goes on with the sessions that are open on a leader that leads no more, they are
# cut. PostgreSQL has ended its own.
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
