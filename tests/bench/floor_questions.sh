#!/bin/bash
# Asks all hosts at once what a plan asks, by plain ssh over connections that stay open. usage: floor_questions.sh FOLDER NAME=USER@ADDRESS…
# bench_questions has written FOLDER/NAME.sh. environment: KEY, KNOWN_HOSTS, SOCKETS (a folder with the connections of floor_noop.sh)
set -uo pipefail
folder=$1
shift
ssh=(ssh -F none -i "$KEY" -o IdentitiesOnly=yes -o UserKnownHostsFile="$KNOWN_HOSTS" -o GlobalKnownHostsFile=none -o BatchMode=yes
  -o ControlMaster=auto -o ControlPath="$SOCKETS/%h" -o ControlPersist=60)
asked=()
for host; do
  "${ssh[@]}" "${host#*=}" sh <"$folder/${host%%=*}.sh" >/dev/null &
  asked+=($!)
done
for one in "${asked[@]}"; do
  wait "$one" || exit
done
