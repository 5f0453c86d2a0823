# shellcheck shell=sh
# For how many seconds a unit has been active: UNIT. 0 where it is not.
[ "$(systemctl show -P ActiveState "$1")" = active ] || { echo 0 && exit; }
since=$(systemctl show -P ActiveEnterTimestampMonotonic "$1")
read -r up _ </proc/uptime
echo $((${up%.*} - since / 1000000))
