#!/bin/sh
# Written by pgcluster. Runs before Patroni starts: DATA-DIRECTORY PG_ISREADY SOCKET-DIRECTORY PORT.
# Where PostgreSQL runs already, because only Patroni had died, this waits until the server answers: about 20 s, for the unit's start may take 30 s.
# A Patroni that finds the server silent does not read its settings. With its next reload it would then remove synchronous_standby_names, and for one
# round commits would wait for nobody, while the DCS still names a synchronous standby: a failover in that round would lose acknowledged writes.
read -r server 2>/dev/null <"$1/postmaster.pid" || exit 0
end=$(($(date +%s) + 20))
while kill -0 "$server" 2>/dev/null && ! "$2" -q -t 3 -h "$3" -p "$4" && [ "$(date +%s)" -lt "$end" ]; do
  sleep 0.5
done
