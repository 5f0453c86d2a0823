# shellcheck shell=bash
# etcdctl for the member of this host: ADDRESS/PORT ADDRESS:PORT WORD... etcdctl needs its whole timeout to find out that nobody listens, so try a connection
# first: it is refused at once. The member speaks TLS where the host has a certificate for it; while a cluster goes over, perhaps not yet, or not any more.
: 2>/dev/null <>"/dev/tcp/$1" || exit 1
at=$2 tls=/etc/pgcluster/tls
shift 2
call() { timeout 20 etcdctl --command-timeout=2s "$@"; }
encrypted() { ETCDCTL_CACERT=$tls/authority.crt ETCDCTL_CERT=$tls/etcd.crt ETCDCTL_KEY=$tls/etcd.key call --endpoints="https://$at" "$@"; }
if [[ -e /var/lib/pgcluster/encrypted ]]; then
  encrypted "$@"
else
  { [[ -e $tls/etcd.crt ]] && encrypted "$@" 2>/dev/null; } || call --endpoints="http://$at" "$@"
fi
