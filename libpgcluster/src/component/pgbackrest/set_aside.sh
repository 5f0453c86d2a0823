# shellcheck shell=sh
# Takes a replica's data away, after the cluster has another: DATA-DIRECTORY ID KEEP. With KEEP=yes it is renamed.
note=/var/lib/pgcluster/restore
refuse() {
  echo "$1: nothing was deleted" >&2
  exit 1
}
grep -qx hold "$note" || refuse "no restore holds this host"
grep -qx "id $2" "$note" || refuse "another restore holds this host"
! systemctl is-active -q patroni.service || refuse "Patroni runs"
server=$(server_in "$1")
[ ! "$server" ] || refuse "PostgreSQL (process $server) still runs"
if [ "$3" = yes ] && [ -e "$1/PG_VERSION" ]; then
  [ -e "$1.before-$2" ] || exec mv "$1" "$1.before-$2"
fi
# Without pg_control nothing starts on what is left after an interruption. PG_VERSION goes last: without it the data has gone.
rm -f -- "$1/global/pg_control"
major=$(cat "$1/PG_VERSION")
failed=
for place in "$1/pg_tblspc"/*; do
  if [ -L "$place" ] && [ "$major" ]; then rm -rf -- "$place/PG_${major}_"* || failed=1; fi
done
if [ -L "$1/pg_wal" ]; then find "$1/pg_wal/" -mindepth 1 ! -path "$1/pg_wal/lost+found" -delete || failed=1; fi
# The links to tablespaces stand until nothing is to be found by them.
find "$1/" -mindepth 1 ! -path "$1/lost+found" ! -path "$1/PG_VERSION" ! -path "$1/pg_tblspc" ! -path "$1/pg_tblspc/*" -delete || failed=1
[ ! "$failed" ] && rm -rf -- "$1/pg_tblspc" && rm -f -- "$1/PG_VERSION"
