# shellcheck shell=sh
# Looks for a server that is not ours: DATA-DIRECTORY BIN-DIRECTORY RESOURCE PORT...
# Prints "data SYSTEM-ID" and "port NUMBER PROCESS". Does nothing where RESOURCE is ours.
look() {
  d=$1 b=$2 ours=$3
  shift 3
  while read -r one _; do
    [ "$one" != "$ours" ] || return 0
  done 2>/dev/null </var/lib/pgcluster/owned
  [ ! -e "$d/PG_VERSION" ] || echo "data $(LC_ALL=C "$b/pg_controldata" "$d" 2>/dev/null | sed -n 's/^Database system identifier: *//p')"
  for p; do
    h=$(printf %04X "$p")
    ! grep -qiE "^ *[0-9]+: [0-9A-F]+:$h [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null ||
      echo "port $p $(ss -H -ltnp "sport = :$p" 2>/dev/null | sed -n '1s/.*(("\([^"]*\)".*/\1/p')"
  done
  :
}
look "$@"
