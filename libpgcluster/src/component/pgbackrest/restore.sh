#!/bin/sh
# Written by pgcluster. Restores this host's data as /var/lib/pgcluster/restore describes it: copies the backup, replays WAL up to the target, promotes, and stops.
# The server that does it has no network and no archive. Progress stands in /var/lib/pgcluster/restore.progress: "STATE ID WORDS", where STATE is copying,
# recovering, done or failed. Killed at any moment, it begins anew.
note=/var/lib/pgcluster/restore
progress=$note.progress
work=/var/lib/postgresql/.pgcluster-restore
of() { sed -n "s/^$1 //p" "$note"; }
id=$(of id) data=$(of data) bin=$(of bin) stanza=$(of stanza) super=$(of superuser) target=$(of target) timeline=$(of timeline)
repo=$(of repo) set=$(of backup)
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
say() { printf '%s\n' "$1 $id $2" >"$progress.new" && mv "$progress.new" "$progress"; }
end() {
  [ ! -e "$data/postmaster.pid" ] || as "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1
  rm -rf "$work"
}
fail() {
  echo "$1" >&2
  say failed "$1"
  exit 1
}
sql() { as "$bin/psql" -XAtqw -h "$work" -p 5432 -U "$super" -d postgres -c "$1"; }

grep -qx hold "$note" || exit 0
case $(cat "$progress" 2>/dev/null) in "done $id "*) exit 0 ;; esac
! systemctl is-active -q patroni.service || fail "Patroni runs on this host"
if read -r server 2>/dev/null <"$data/postmaster.pid"; then
  [ "$(readlink "/proc/$server/exe")" != "$bin/postgres" ] || fail "PostgreSQL (process $server) still runs in $data"
  rm -f "$data/postmaster.pid"
fi
rm -rf "$work"
as mkdir -m 700 "$work" || fail "cannot make $work"
trap end EXIT

if [ "$(of keep)" = yes ] && [ ! -e "$data.before-$id" ]; then
  mv "$data" "$data.before-$id" || fail "cannot rename $data"
fi
[ -d "$data" ] || install -d -m 0700 -o postgres -g postgres "$data" || fail "cannot make $data"

say copying "the backup $set"
kind=${target%% *} value=${target#* }
case $kind in
  end) set -- --type=default ;;
  backup) set -- --type=immediate --target-action=promote ;;
  *) set -- "--type=$kind" "--target=$value" --target-action=promote ;;
esac
# What a kill has left behind is no reason to refuse.
[ -e "$data/PG_VERSION" ] || [ -e "$data/backup.manifest" ] || find -H "$data" -mindepth 1 ! -path "$data/lost+found" -delete
as pgbackrest "--stanza=$stanza" "--repo=$repo" --delta "--set=$set" "--target-timeline=$timeline" --archive-mode=off "$@" --log-level-console=info restore \
  >"$work/copied" 2>&1
status=$?
cat "$work/copied"
[ "$status" = 0 ] || fail "pgBackRest: $(sed -n 's/.*ERROR: //p' "$work/copied" | tail -n 1)"
rm -f "$data/patroni.dynamic.json" "$data/standby.signal"

say recovering "from the WAL"
echo "local all all trust" | as tee "$work/pg_hba.conf" >/dev/null
as touch "$work/pg_ident.conf" "$work/log"
# Nobody connects to it, and it runs nothing of its own: no workers of extensions or subscriptions. With hot_standby off it needs no more of max_connections
# and its kin than the settings of that time give it.
as "$bin/pg_ctl" -D "$data" -W -l "$work/log" -o "-c listen_addresses= -c port=5432 -c unix_socket_directories=$work -c hba_file=$work/pg_hba.conf \
  -c ident_file=$work/pg_ident.conf -c hot_standby=off -c archive_mode=off -c ssl=off -c logging_collector=off -c log_destination=stderr \
  -c log_min_messages=log -c log_line_prefix= -c lc_messages=C -c autovacuum=off -c max_logical_replication_workers=0 -c max_worker_processes=0 \
  -c synchronous_standby_names= -c primary_conninfo= -c primary_slot_name= -c recovery_min_apply_delay=0" start >/dev/null || fail "PostgreSQL does not start"
until [ "$(sql 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; do
  sleep 0.5
  if ! { read -r server <"$data/postmaster.pid" && kill -0 "$server"; } 2>/dev/null; then
    sleep 1
    cat "$work/log"
    why=$(grep -E '^(FATAL|PANIC): ' "$work/log" | head -n 1)
    fail "PostgreSQL: ${why:-it has ended}"
  fi
  seen=$(sed -n 's/^LOG:  \(restored log file .*\)/\1/p' "$work/log" | tail -n 1)
  [ ! "$seen" ] || [ "$seen" = "$before" ] || { before=$seen; say recovering "$seen"; }
done
cat "$work/log"
reached=$(sed -n 's/^LOG:  \(recovery stopping .*\)/\1/p' "$work/log" | tail -n 1)
[ "$reached" ] || [ "$kind" = end ] || fail "PostgreSQL ended its recovery without a word that it reached the target"
[ "$reached" ] || reached=$(sed -n 's/^LOG:  \(redo done at [^ ]*\).*/\1/p' "$work/log" | tail -n 1)
new=$(sql "select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") || fail "PostgreSQL does not tell its timeline"
sql checkpoint
as "$bin/pg_ctl" -D "$data" -m fast -w -t 3600 stop >/dev/null || fail "PostgreSQL does not stop"

# The next restore must not take this timeline's number again: it looks in the archive.
[ $((0x$new)) -gt "$(of newest)" ] || fail "the new timeline $((0x$new)) has the number of an older one: the history files in the archive have a gap"
as pgbackrest "--stanza=$stanza" --no-archive-async archive-push "$data/pg_wal/$new.history" || fail "the history of timeline $((0x$new)) cannot be archived"
# These would stop a replica at the target, and keep the archive switched off.
as sed -i '/^# Recovery settings generated by pgBackRest/,$d; /^\(restore_command\|recovery_target[a-z_]*\|archive_mode\) *=/d' "$data/postgresql.auto.conf" ||
  fail "cannot write $data/postgresql.auto.conf"
sync -f "$data"
say 'done' "timeline $((0x$new)): $reached"
