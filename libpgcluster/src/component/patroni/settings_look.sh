# shellcheck shell=sh
# Whether a member leads, and the cluster's settings: ADDRESS:PORT of its REST API, which may speak TLS or not.
tls=/etc/pgcluster/tls
for scheme in https http; do
  if [ "$scheme" = http ]; then set -- "$1"; else set -- "$1" --cacert "$tls/authority.crt" --cert "$tls/patroni.crt" --key "$tls/patroni.key"; fi
  [ "$scheme" = http ] || [ -e "$tls/patroni.crt" ] || continue
  at=$1
  shift
  if code=$(curl "$@" -s -m 3 -o /dev/null -w '%{http_code}' "$scheme://$at/leader"); then
    printf '%s ' "$code"
    exec curl "$@" -s -m 3 "$scheme://$at/config"
  fi
  set -- "$at"
  [ ! -e /var/lib/pgcluster/encrypted ] || break
done
