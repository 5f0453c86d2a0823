# shellcheck shell=sh
# Whether a member leads, and the cluster's settings: URL of the member's REST API.
curl -s -m 3 -o /dev/null -w '%{http_code} ' "$1/leader"
curl -s -m 3 "$1/config"
