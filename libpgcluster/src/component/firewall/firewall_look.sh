# shellcheck shell=sh
# What the table inet pgcluster holds: "none"; "changed", if it is not as it was loaded; else the SHA-256 of the rules that were loaded, and "tried"
# while they wait to be confirmed.
cd /run/pgcluster/firewall 2>/dev/null || { echo none; exit 0; }
listing=$(nft -sn list table inet pgcluster 2>/dev/null) || { echo none; exit 0; }
rules='' listed=''
[ ! -f loaded ] || read -r rules listed <loaded
now=$(printf '%s\n' "$listing" | sha256sum)
[ "${now%% *}" = "$listed" ] || rules=changed
[ ! -e former.nft ] || rules="$rules tried"
echo "$rules"
