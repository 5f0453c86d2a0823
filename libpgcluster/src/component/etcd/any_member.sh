# shellcheck shell=sh
# POSTs BODY to the gateway of the first member that answers: BODY PATH URL...
b=$1 p=$2
shift 2
for u; do curl -sf -m 2 --connect-timeout 1 -d "$b" "$u$p" && exit; done
exit 1
