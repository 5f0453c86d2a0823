#!/bin/sh
# Written by pgcluster. Runs before Patroni starts: DATA-DIRECTORY PG_ISREADY SOCKET-DIRECTORY PORT.
# If PostgreSQL runs already, because only Patroni has died, this waits until the server answers, for at most about 20 s; the unit has 30 s to start.
# A Patroni that starts beside a silent server does not read the server's settings. With its next reload it would remove synchronous_standby_names.
# Until its next round, commits would then wait for nobody, while the DCS still names a synchronous standby: a failover would lose acknowledged writes.
read -r server 2>/dev/null <"$1/postmaster.pid" || exit 0
end=$(($(date +%s) + 20))
while kill -0 "$server" 2>/dev/null && ! "$2" -q -t 3 -h "$3" -p "$4" && [ "$(date +%s)" -lt "$end" ]; do
  sleep 0.5
done
