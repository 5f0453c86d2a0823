# shellcheck shell=sh
# While Patroni makes a server's data: DATA-DIRECTORY SECONDS. Prints the disk's free room, and what Patroni said of its tries in the last SECONDS.
# Does nothing where the server is there.
look() {
  [ ! -e "$1/PG_VERSION" ] || return 0
  df -Pk /var/lib/postgresql | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/free \1/p'
  journalctl -u patroni.service --since "-$2s" -o cat --no-pager | sed -n 's/^.*failed to bootstrap.*/failed/p; s/^pg_basebackup: error: /why /p; s/^initdb: error: /why /p' | tail -n 20
  :
}
look "$@"
