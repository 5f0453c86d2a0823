#!/bin/sh
# shellcheck disable=SC2154
# Written by pgcluster. Makes a server of a backup, one that nobody can reach: it has no network and no archive, and its socket is in $work. The programs of
# `restore` and `prove` follow; they set data, bin, stanza, super, repo, set and work, and say what happens by say() and fail().
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
sql() { as "$bin/psql" -XAtqw -h "$work" -p 5432 -U "$super" -d postgres -c "$1"; }
end() {
  [ ! -e "$data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1
  rm -rf "$work"
}
begin() {
  rm -rf "$work"
  as mkdir -m 700 "$work" || fail "cannot make $work"
  trap end EXIT
}
# The files of the backup: WORD... of pgbackrest restore.
copy() {
  as pgbackrest "--stanza=$stanza" "--repo=$repo" "--set=$set" --archive-mode=off --log-level-console=info "$@" restore >"$work/copied" 2>&1
  status=$?
  cat "$work/copied"
  [ "$status" = 0 ] || fail "pgBackRest: $(sed -n 's/.*ERROR: //p' "$work/copied" | tail -n 1)"
  rm -f "$data/patroni.dynamic.json" "$data/standby.signal"
}
# Replays WAL until the server has promoted itself: WORD... are more options of the server. With hot_standby off it needs no more of max_connections and its
# kin than the settings of that time give it. It runs nothing of its own: no workers of extensions or subscriptions.
recover() {
  echo "local all all trust" | as tee "$work/pg_hba.conf" >/dev/null
  as touch "$work/pg_ident.conf" "$work/log"
  as "$bin/pg_ctl" -D "$data" -W -l "$work/log" -o "-c listen_addresses= -c port=5432 -c unix_socket_directories=$work -c hba_file=$work/pg_hba.conf \
    -c ident_file=$work/pg_ident.conf -c external_pid_file= -c hot_standby=off -c archive_mode=off -c ssl=off -c huge_pages=off -c logging_collector=off \
    -c log_destination=stderr -c log_min_messages=log -c log_error_verbosity=default -c log_line_prefix= -c lc_messages=C -c autovacuum=off -c max_logical_replication_workers=0 \
    -c max_worker_processes=0 -c synchronous_standby_names= -c primary_conninfo= -c primary_slot_name= -c recovery_min_apply_delay=0 $*" start >/dev/null ||
    fail "PostgreSQL does not start"
  before='' gone=0
  until [ "$(sql 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; do
    sleep 0.5
    # A server that has just been started has no postmaster.pid yet.
    if { read -r server <"$data/postmaster.pid" && kill -0 "$server"; } 2>/dev/null; then
      gone=0
    else
      gone=$((gone + 1))
      why=$(grep -E '^(FATAL|PANIC): ' "$work/log" | grep -v 'the database system is' | head -n 1)
      if [ $gone -gt 60 ] || { [ "$why" ] && [ $gone -gt 2 ]; }; then
        cat "$work/log"
        fail "PostgreSQL: ${why:-it has ended}"
      fi
    fi
    seen=$(sed -n 's/^LOG:  \(restored log file .*\)/\1/p' "$work/log" | tail -n 1)
    if [ "$seen" ] && [ "$seen" != "$before" ]; then
      before=$seen
      say recovering "$seen"
    fi
  done
  cat "$work/log"
}
halt() { as "$bin/pg_ctl" -D "$data" -m fast -w -t 3600 stop >/dev/null || fail "PostgreSQL does not stop"; }
