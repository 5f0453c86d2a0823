# shellcheck shell=bash
# Prints how many seconds ago the state of UNIT last changed, by its start or its last reload. Prints nothing if it never changed. usage: UNIT
since=$(systemctl show -P StateChangeTimestampMonotonic -- "$1") || exit
((since > 0)) || exit 0
read -r now _ </proc/uptime
passed=$((${now%.*} - since / 1000000))
# In a container /proc/uptime may be that of the container, while systemd counts from the start of the machine: that tells nothing.
echo $((passed < 0 ? 3600 : passed))
