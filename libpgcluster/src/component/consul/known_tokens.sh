# shellcheck shell=sh
# Whether the host's agent answers with tokens: CURL-OPTION... Each line of standard input is a URL and a token. Prints "known", "unknown", or "no agent" if
# nothing listens there.
while read -r url token; do
  printf 'header = "X-Consul-Token: %s"\n' "$token" | curl -sf -m 5 -o /dev/null -K - "$@" "$url"
  case $? in
    0) ;;
    7) echo 'no agent' && exit ;;
    *) echo unknown && exit ;;
  esac
done
echo known
