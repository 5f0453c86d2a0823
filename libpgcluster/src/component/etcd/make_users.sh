# shellcheck shell=sh
# ADDRESS:PORT CLUSTER READER USER users|auth. users makes the users of the cluster CLUSTER in etcd. auth has etcd let in nobody else from then on. The password
# of Patroni's USER comes by stdin. "making@CLUSTER" is a user while users are made: where that ended early, the next apply finds that name and calls this again.
IFS= read -r password
at=$1 cluster=$2 reader=$3 user=$4 what=$5 tls=/etc/pgcluster/tls
ctl() {
  ETCDCTL_API=3 timeout 20 etcdctl --command-timeout=5s --endpoints="https://$at" --cacert "$tls/authority.crt" --cert "$tls/etcd-root.crt" \
    --key "$tls/etcd-root.key" "$@" 2>&1
}
made() {
  said=$(printf '%s\n' "$password" | ctl "$@") && return
  case $said in *'already exists'*) return ;; esac
  printf '%s\n' "etcdctl $1 $2: ${said##*Error: }" >&2
  exit 1
}
role() {
  made role add "$1"
  made role grant-permission "$1" --prefix=true "$2" "/service/$cluster/"
}
if [ "$what" = auth ]; then
  # A cluster that had users before has kept them with a former password.
  made user passwd "$user" --interactive=false
  made auth enable
  exit
fi
made user add root --no-password
made user grant-role root root
made user add "making@$cluster" --no-password
role "$reader" read
made user add "$reader" --no-password
made user grant-role "$reader" "$reader"
role "patroni@$cluster" readwrite
made user add "$user" --interactive=false
made user passwd "$user" --interactive=false
made user grant-role "$user" "patroni@$cluster"
made user delete "making@$cluster"
