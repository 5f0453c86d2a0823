# shellcheck shell=sh
# Makes room in etcd, whose database has reached its quota: ENDPOINT... It removes old revisions, gives the room back at each member, and clears the
# alarm, so that etcd accepts writes again.
e() { ETCDCTL_API=3 etcdctl --command-timeout=60s "$@"; }
all=$(IFS=,; echo "$*")
revision=$(e --endpoints="$all" endpoint status -w json | sed -n 's/^.*"revision":\([0-9]*\).*$/\1/p')
[ -n "$revision" ] || exit 1
e --endpoints="$all" compact --physical "$revision" || : # it may be compacted already
for one; do e --endpoints="$one" defrag || :; done     # a member that is down keeps its room for later
e --endpoints="$all" alarm disarm
