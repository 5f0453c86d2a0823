# shellcheck shell=sh
# Whether a member leads, and the cluster's settings: URL of the member's REST API, and curl's options.
# shellcheck disable=SC2086 # options, none of which has spaces
curl $2 -s -m 3 -o /dev/null -w '%{http_code} ' "$1/leader"
# shellcheck disable=SC2086
curl $2 -s -m 3 "$1/config"
