# shellcheck shell=bash
# etcdctl for the member of this host: ADDRESS/PORT URL WORD... etcdctl needs its whole timeout to find out that nobody listens, so try a connection
# first: it is refused at once.
: 2>/dev/null <>"/dev/tcp/$1" || exit 1
url=$2; shift 2
exec etcdctl --endpoints="$url" --command-timeout=2s "$@"
