# shellcheck shell=sh
# Makes the key on standard input the only one of the gossip: KEYRING-FILE URL CURL-OPTION... Consul tells the agents that are alive; the former keys go
# last.
set -e
k=$(cat) f=$1 url=$2
shift 2
call() { # METHOD KEY: the rest are curl's options
  method=$1 key=$2
  shift 2
  printf '{"Key": "%s"}' "$key" | curl -sS --fail-with-body --stderr - -m 60 "$@" -X "$method" --data-binary @- "$url"
}
call POST "$k" "$@"
call PUT "$k" "$@"
tr -c 'A-Za-z0-9+/=' '\n' <"$f" | sed '/^$/d' | while read -r old; do
  [ "$old" = "$k" ] || call DELETE "$old" "$@"
done
