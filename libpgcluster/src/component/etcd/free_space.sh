# shellcheck shell=sh
# Makes room in etcd, whose database has reached its quota: ADDRESS:PORT... of its members. It removes old revisions, gives the room back at each member,
# and clears the alarm, so that etcd accepts writes again.
tls=/etc/pgcluster/tls scheme=http own=etcd
[ ! -e "$tls/etcd-root.crt" ] || own=etcd-root # where etcd has users
if [ -e "$tls/etcd.crt" ]; then
  export ETCDCTL_CACERT="$tls/authority.crt" ETCDCTL_CERT="$tls/$own.crt" ETCDCTL_KEY="$tls/$own.key"
  # While a cluster goes over, members may speak plainly.
  [ ! -e /var/lib/pgcluster/encrypted ] && ETCDCTL_API=3 etcdctl --command-timeout=5s --endpoints="http://$1" endpoint status >/dev/null 2>&1 || scheme=https
fi
e() { ETCDCTL_API=3 etcdctl --command-timeout=60s "$@"; }
all=
for one; do all=$all${all:+,}$scheme://$one; done
revision=$(e --endpoints="$all" endpoint status -w json | sed -n 's/^.*"revision":\([0-9]*\).*$/\1/p')
[ -n "$revision" ] || exit 1
e --endpoints="$all" compact --physical "$revision" || : # it may be compacted already
for one; do e --endpoints="$scheme://$one" defrag || :; done # a member that is down keeps its room for later
e --endpoints="$all" alarm disarm
