# shellcheck shell=sh
# One request to a Patroni that may speak TLS or not, as a cluster goes over from one to the other: ADDRESS:PORT/PATH CURL-WORD...
at=$1 tls=/etc/pgcluster/tls
shift
with() { [ "$scheme" = http ] || set -- --cacert "$tls/authority.crt" --cert "$tls/patroni.crt" --key "$tls/patroni.key" "$@"; curl "$@"; }
for scheme in https http; do
  with -q --noproxy '*' -s -m 5 -o /dev/null "$scheme://${at%%/*}/liveness" && break
done
with "$@" "$scheme://$at"
