#!/bin/sh
# Written by pgcluster: PATRONI-URL ETCD-URL. Moves etcd's leadership to another member whenever PostgreSQL's leader runs on this host.
# An etcd leader whose host stood still may revoke all leases when it goes on, because it does not know yet that another member leads (etcd's issue
# 15247). The new PostgreSQL leader then loses its lock. If the former PostgreSQL leader goes on at the same moment, on the same host, it takes the lock
# back, and the new leader's acknowledged writes are lost.
ask() { curl -q --noproxy '*' -sf -m 3 "$@"; }
case $2 in
  https:*)
    tls=/etc/pgcluster/tls
    ask() { curl -q --noproxy '*' --cacert "$tls/authority.crt" --cert "$tls/etcd.crt" --key "$tls/etcd.key" -sf -m 3 "$@"; }
    ;;
esac
# As etcd's root, where it has users.
ctl() { ETCDCTL_API=3 etcdctl --command-timeout=3s --endpoints="$1" --cacert "$tls/authority.crt" --cert "$tls/etcd-root.crt" --key "$tls/etcd-root.key" "$2" "$3"; }
away() {
  case $(ctl "$1" endpoint status) in *', true, false, '*) ;; *) return ;; esac
  ctl "$1" member list | sed -n 's/^\([0-9a-f]*\), started, .*, \(https[^,]*\), false$/\1 \2/p' |
    while read -r member url; do
      [ "$url" != "$1" ] || continue
      ask -o /dev/null "$url/health" || continue
      ctl "$1" move-leader "$member" >/dev/null || continue
      echo "etcd's leadership moved to $url"
      return
    done
}
move() {
  ask -o /dev/null "$1/primary" || return
  if [ -e "${tls-}/etcd-root.crt" ]; then
    away "$2"
    return
  fi
  status=$(ask -d '{}' "$2/v3/maintenance/status")
  self=${status#*\"member_id\":\"} self=${self%%\"*}
  case $status in *"\"leader\":\"$self\""*) ;; *) return ;; esac
  ask -d '{}' "$2/v3/cluster/member/list" | sed 's/{/\n/g' | sed -n '/"isLearner":true/d; s/.*"ID":"\([0-9]*\)".*"clientURLs":\["\([^"]*\)".*/\1 \2/p' |
    while read -r member url; do
      [ "$member" != "$self" ] || continue
      ask -o /dev/null "$url/health" || continue
      ask -o /dev/null -d "{\"targetID\":\"$member\"}" "$2/v3/maintenance/transfer-leadership" || continue
      echo "etcd's leadership moved to $url"
      return
    done
}
while sleep 10; do move "$1" "$2"; done
