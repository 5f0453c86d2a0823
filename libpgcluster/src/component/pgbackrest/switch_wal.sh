# shellcheck shell=sh
# Ends the current WAL segment, after a commit: FILE ID PSQL-WORD... Writes "ID SEGMENT" to FILE. A recovery to a time ends at the first commit after it, and
# there may have been none.
file=$1 id=$2
shift 2
segment=$("$@" -c 'begin; select pg_current_xact_id(); commit' -c 'select pg_walfile_name(pg_switch_wal())' | tail -n 1) && [ "$segment" ] || exit 1
printf '%s\n' "$id $segment" >"$file.new" && mv "$file.new" "$file"
