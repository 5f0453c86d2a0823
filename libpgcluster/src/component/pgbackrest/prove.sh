# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # recovery.sh comes before
# Proves a backup: LABEL REPOSITORY STANZA BIN-DIRECTORY SUPERUSER. Restores it beside the host's own server, recovers it to the point where it is consistent,
# and lets PostgreSQL's own tools look for damage. Progress stands in /var/lib/pgcluster/prove.progress: "STATE LABEL TIME SECONDS WORDS", where STATE is
# copying, recovering, checking, proven, failed or untried. Untried: it failed for want of something on this host or the network (49: no connection, 63: told to
# end), and says nothing of the backup.
set=$1 repo=$2 stanza=$3 bin=$4 super=$5
work=/var/lib/postgresql/.pgcluster-prove
data=$work/data
progress=/var/lib/pgcluster/prove.progress
since=$(date +%s)
say() { printf '%s\n' "$1 $set $since $(($(date +%s) - since)) $2" >"$progress.new" && mv "$progress.new" "$progress"; }
# The data is removed first: the command ends as soon as it reads the result.
fail() {
  echo "$1" >&2
  end
  case $1 in
    *'[049]'* | *'[063]'* | *'No space left on device'* | *'annot allocate memory'* | 'cannot make '*) say untried "$1" ;;
    *) say failed "$1" ;;
  esac
  exit 1
}
begin
as mkdir -m 700 "$data" "$work/tablespaces" || fail "cannot make $data"
say copying "the backup"
copy "--pg1-path=$data" "--tablespace-map-all=$work/tablespaces" --type=immediate --target-action=promote
say recovering "from the WAL"
recover -c shared_buffers=32MB
say checking "tables and indexes"
if [ -x "$bin/pg_amcheck" ]; then
  as "$bin/pg_amcheck" -w -h "$work" -p 5432 -U "$super" --all --install-missing >"$work/checked" 2>&1
  status=$?
  cat "$work/checked"
  [ "$status" = 0 ] || fail "pg_amcheck: $(grep -v '^pg_amcheck: \(including\|in database\)' "$work/checked" | head -n 1)"
fi
halt
if ! as "$bin/pg_controldata" "$data" | grep -q '^Data page checksum version: *0$'; then
  say checking "the checksums of all pages"
  as "$bin/pg_checksums" --check -D "$data" >"$work/checked" 2>&1 || {
    cat "$work/checked"
    fail "pg_checksums: $(grep -m 1 'error:' "$work/checked")"
  }
fi
end
say proven "ok"
