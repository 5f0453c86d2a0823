#!/bin/bash
# The least that a look at hosts costs: one ssh per host, all at once, that asks for the same packages, files and units as a plan does.
# floor_noop.sh fresh|kept|close USER@ADDRESS…   fresh: a connection each time; kept: one that stays, by ControlMaster; close: ends those.
# environment: KEY, KNOWN_HOSTS, SOCKETS (a folder), PACKAGES, FILES, UNITS, PARALLEL (all)
set -uo pipefail
mode=$1
shift
ssh=(ssh -F none -i "$KEY" -o IdentitiesOnly=yes -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=none -o BatchMode=yes)
[[ $mode == fresh ]] || ssh+=(-o ControlMaster=auto -o ControlPath="$SOCKETS/%h" -o ControlPersist=60)
if [[ $mode == close ]]; then
  for host; do
    "${ssh[@]}" -O exit "$host" 2>/dev/null
  done
  exit 0
fi
question="dpkg-query -W -f '\${Package} \${Version} \${db:Status-Status}\n' -- $PACKAGES 2>/dev/null; sha256sum -- $FILES 2>/dev/null
systemctl is-active $UNITS; systemctl is-enabled $UNITS 2>/dev/null; exit 0"
printf '%s\n' "$@" | xargs -P "${PARALLEL:-$#}" -I HOST "${ssh[@]}" HOST "$question"
