#!/bin/sh
# Written by pgcluster: PATRONI-URL ETCD-URL. Moves etcd's leadership to another member whenever this host's PostgreSQL leads.
# An etcd leader that was frozen with its host, and wakes up, may revoke the leases of all members, for it does not know yet that another leads (etcd's
# issue 15247). The lock of Patroni's new leader is gone then, and a former leader that wakes up in the same moment takes it again: what the new one
# has acknowledged would be lost. On another host than the former leader's, etcd's leader cannot wake up together with it.
ask() { curl -sf -m 3 "$@"; }
move() {
  ask -o /dev/null "$1/primary" || return
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
