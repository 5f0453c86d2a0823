#!/bin/sh
# Written by pgcluster. Patroni calls it when this member's role changes: clients of a leader that leads no more are to connect anew,
# by a load balancer that has not cut their sessions itself. PostgreSQL has ended its own; PgBouncer would keep them.
case "$1 $2" in
  'on_role_change primary' | 'on_role_change master' | 'on_role_change promoted') exit 0 ;;
  on_role_change*) ;;
  *) exit 0 ;;
esac
console() { psql -XAtqw -h /var/run/postgresql -p 6432 -U pgbouncer -d pgbouncer "$@"; }
console -c 'SHOW DATABASES' | cut -d '|' -f 1 | while read -r name; do
  [ "$name" = pgbouncer ] || console -c "KILL \"$name\"" -c "RESUME \"$name\"" </dev/null
done
