# shellcheck shell=bash
# etcdctl for the member of this host: ADDRESS/PORT ADDRESS:PORT WORD... etcdctl needs its whole timeout to find out that nobody listens, so try a connection
# first: it is refused at once. The member speaks TLS where the host has a certificate for it; while a cluster goes over, perhaps not yet, or not any more.
# Where etcd has users, this is its root.
: 2>/dev/null <>"/dev/tcp/$1" || exit 1
at=$2 tls=/etc/pgcluster/tls own=etcd
[[ ! -e $tls/etcd-root.crt ]] || own=etcd-root
shift 2
# One processor: it starts a quarter cheaper.
export GOMAXPROCS=1
plainly=(etcdctl --command-timeout=2s --endpoints="http://$at")
encrypted=(env ETCDCTL_CACERT="$tls/authority.crt" ETCDCTL_CERT="$tls/$own.crt" ETCDCTL_KEY="$tls/$own.key" etcdctl --command-timeout=2s --endpoints="https://$at")
[[ ! -e /var/lib/pgcluster/encrypted ]] || exec "${encrypted[@]}" "$@"
{ [[ -e $tls/etcd.crt ]] && timeout 20 "${encrypted[@]}" "$@" 2>/dev/null; } || exec "${plainly[@]}" "$@"
