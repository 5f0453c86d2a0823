# shellcheck shell=sh
# Finds a restore point (name NAME) or the commit of a transaction (xid XID) in WAL: KIND VALUE BIN DATA-DIRECTORY STANZA. Standard input: names of archived
# segments, the newest first. Prints "SEGMENT LSN" for each find. First looks at what stands on this host and may not be archived yet.
kind=$1 value=$2 bin=$3 data=$4 stanza=$5
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
work=$(as mktemp -d /var/lib/postgresql/.pgcluster-find.XXXXXX) || exit
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM
case $kind in
  name)
    words="RESTORE_POINT $value"
    set -- --rmgr=XLOG
    ;;
  *)
    words=COMMIT
    set -- --rmgr=Transaction "--xid=$value"
    ;;
esac
look() { # DIRECTORY SEGMENT WORD...
  at=$1 from=$2
  shift 2
  as "$bin/pg_waldump" -p "$at" "$@" "$from" 2>/dev/null |
    grep -F "desc: $words" |
    while IFS= read -r line; do
      [ "$words" = COMMIT ] || [ "${line##*desc: RESTORE_POINT }" = "$value" ] || continue
      lsn=${line#*lsn: }
      printf '%s %s\n' "$from" "${lsn%%,*}"
    done
}
newest='' later=''
while read -r segment; do
  if [ ! "$newest" ]; then
    newest=$segment
    # The segments after the newest archived one. The last of them ends where PostgreSQL writes now.
    for file in "$data"/pg_wal/????????????????????????; do
      [ "$(printf '%s\n%s\n' "${file##*/}" "$newest" | sort | tail -n 1)" != "$newest" ] || continue
      look "$data/pg_wal" "${file##*/}" "$@"
    done
  fi
  as pgbackrest "--stanza=$stanza" --no-archive-async archive-get "$segment" "$work/$segment" >/dev/null 2>&1 || continue
  look "$work" "$segment" "$@"
  [ ! "$later" ] || rm -f "$work/$later"
  later=$segment
done
:
