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
if read -r server 2>/dev/null <"$1/postmaster.pid" && kill -0 "$server" 2>/dev/null; then
  [ "$(sed -n 's/^bin //p' "$note")/postgres" != "$(readlink "/proc/$server/exe")" ] || refuse "PostgreSQL (process $server) still runs"
fi
if [ "$3" = yes ] && [ -e "$1/PG_VERSION" ]; then
  [ -e "$1.before-$2" ] || exec mv "$1" "$1.before-$2"
fi
# Without pg_control nothing starts on what is left after an interruption.
rm -f -- "$1/global/pg_control"
failed=
for place in "$1/pg_tblspc"/* "$1/pg_wal" "$1"; do
  if [ -d "$place" ] && { [ -L "$place" ] || [ "$place" = "$1" ]; }; then
    find "$place/" -mindepth 1 ! -path "$place/lost+found" -delete || failed=1
  fi
done
[ -z "$failed" ]
