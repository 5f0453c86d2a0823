# shellcheck shell=sh
# Ends the current WAL segment, after a commit: FILE ID TIMELINE PSQL-WORD... Writes "ID SEGMENT" to FILE. A recovery to a time ends at the first commit after
# it, and there may have been none. TIMELINE is the one for which the restore was planned.
file=$1 id=$2 timeline=$3
shift 3
segment=$("$@" -c 'begin; select pg_current_xact_id(); commit' -c 'select pg_walfile_name(pg_switch_wal())' | tail -n 1) && [ "$segment" ] || exit 1
if [ "$((0x${segment%????????????????}))" != "$timeline" ]; then
  echo "the cluster is on another timeline than when the restore was planned: nothing was changed; plan it again" >&2
  exit 1
fi
printf '%s\n' "$id $segment" >"$file.new" && mv "$file.new" "$file"
