# shellcheck shell=sh
# Asks etcd about keys of the cluster as Patroni's user, one member after the other: PATH BODY CLUSTER CERTIFICATE URL... Prints the answer of PATH, then
# that of /version. The password is the secret that this host keeps; an etcd without users needs none.
path=$1 body=$2 user=patroni@$3 tls=/etc/pgcluster/tls name=$4 secret=/var/lib/pgcluster/secrets/patroni_etcd_password password='' said=''
shift 4
if [ -r "$secret" ]; then
  IFS= read -r password <"$secret" || :
  turn=$(sed -n 's/^# rotated //p' "$secret")
  [ $((${turn:-0} % 2)) = 0 ] || user=patroni2@${user#*@}
fi
for url; do
  set -- -s -m 3 --connect-timeout 1 --cacert "$tls/authority.crt" --cert "$tls/$name.crt" --key "$tls/$name.key"
  token=$(printf '{"name":"%s","password":"%s"}' "$user" "$password" | curl "$@" -d @- "$url/v3/auth/authenticate" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
  answer=$(printf 'Authorization: %s\n' "$token" | curl "$@" -H @- -d "$body" "$url$path" --next "$@" "$url/version") || continue
  case $answer in '{"header":'*) printf '%s\n' "$answer" && exit ;; esac
  said=$answer
done
[ -z "$said" ] || said=${said#*\"message\":\"} said=${said%%\"*}
again="on a member's host, as etcd's root: etcdctl user delete $user; then apply, which makes it anew"
case $said in
  *'name is empty'*) printf '%s\n' "etcd does not know $user by the password in $secret ($said); $again" ;;
  *'permission denied'*) printf '%s\n' "etcd lets $user not read its cluster's keys ($said); $again" ;;
  ?*) printf '%s\n' "etcd: $said" ;;
esac >&2
exit 1
