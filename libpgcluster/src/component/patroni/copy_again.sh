# shellcheck shell=sh
# Copies a replica's data anew where the data directory is a link: DATA-DIRECTORY ADDRESS:PORT of Patroni. Patroni would put a directory in the link's place, on
# another disk. Without pg_control nothing starts on what is left after an interruption: run it again then.
refuse() {
  echo "$1: nothing was deleted" >&2
  exit 1
}
leads() { [ "$(curl -q --noproxy '*' -s -m 5 -o /dev/null -w '%{http_code}' "$@")" = 200 ]; }
tls=/etc/pgcluster/tls
if leads "http://$2/leader" || leads --cacert "$tls/authority.crt" --cert "$tls/patroni.crt" --key "$tls/patroni.key" "https://$2/leader"; then
  refuse "this member leads now, and its data is the cluster's"
fi
systemctl stop patroni.service || exit
if read -r server 2>/dev/null <"$1/postmaster.pid" && kill -0 "$server" 2>/dev/null; then
  systemctl start patroni.service
  refuse "PostgreSQL (process $server) still runs after Patroni has stopped (is the cluster paused?)"
fi
rm -f -- "$1/global/pg_control"
failed=
for place in "$1/pg_tblspc"/* "$1/pg_wal" "$1"; do
  if [ -d "$place" ] && { [ -L "$place" ] || [ "$place" = "$1" ]; }; then
    find "$place/" -mindepth 1 ! -path "$place/lost+found" -delete || failed=1
  fi
done
systemctl start patroni.service
[ -z "$failed" ]
