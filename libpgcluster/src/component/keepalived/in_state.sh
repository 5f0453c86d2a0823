# shellcheck shell=bash
# Prints for how many seconds UNIT has been in its present state: since its start or its last reload. Nothing where it never was in one. usage: UNIT
since=$(systemctl show -P StateChangeTimestampMonotonic -- "$1") || exit
((since > 0)) || exit 0
read -r now _ </proc/uptime
echo $((${now%.*} - since / 1000000))
