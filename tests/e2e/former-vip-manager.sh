#!/bin/bash
# Holds the cluster's virtual IP address as a lease, while the Patroni of this host says that it leads.
# The address is added with a lifetime of 4 s and renewed every half second: whatever is frozen or killed, the kernel takes it away.
# usage: vip-manager ADDRESS/LENGTH INTERFACE URL     URL: /leader of the Patroni of this host
# /etc/default/pgcluster-vip sets `peers`: the same URL of every other database host, read whenever the address is to be taken.
set -u
address=$1 interface=$2 url=$3
vip=${address%/*}
lease=4        # s
stale=200      # cs; an answer that old proves nothing
expired=350    # cs; a lease that was not renewed for so long counts as lost
patience=500   # cs; by then a leader that was cut off has lost the address, even if its vip-manager has frozen meanwhile
held=0 renewed=0 since='' clear='' warned='' rounds=0

now() { # hundredths of a second since boot: a clock that nobody sets
  read -r REPLY _ </proc/uptime
  REPLY=$((10#${REPLY/./}))
}

leads() { # sets `answer`
  answer=$(curl -s --noproxy '*' -m 1 -w '\n%{http_code}' "$url" 2>/dev/null) && [[ $answer == *$'\n200' ]]
}

denies() { [[ $(curl -s --noproxy '*' -m 0.5 -o /dev/null -w '%{http_code}' "$1" 2>/dev/null) == 503 ]]; }

# Patience is for an old leader that cannot be asked. A primary on timeline 1 has had none before it. And where every other member itself says that
# it does not lead, nobody is cut off, so the probe below finds whoever still has the address.
alone() {
  [[ $answer =~ \"role\":\ *\"(primary|master)\" && $answer =~ \"timeline\":\ *1[,}] ]] && return
  local peers='' peer pid pids=() all=0
  # shellcheck source=/dev/null
  . /etc/default/pgcluster-vip || return
  for peer in $peers; do
    denies "$peer" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || all=1; done
  return "$all"
}

# Nobody on the network has the address: a host's kernel answers also where all its processes are frozen. IPv6: the kernel probes by itself.
unclaimed() {
  [[ $vip == *:* ]] && return
  arping -q -D -c 1 -w 1 -I "$interface" "$vip" &
  local first=$!
  sleep 0.3 # two probes, for one may be lost
  arping -q -D -c 1 -w 1 -I "$interface" "$vip" && wait "$first"
}

renew() {
  # IPv6: the kernel probes for an address that is new, and takes it away again where another host has it
  [[ $vip != *:* || $held == 0 || $(ip -o address show dev "$interface" to "$vip") ]] || { give_up "another host answers for it"; return 1; }
  now
  held=1 renewed=$REPLY
  ip address replace "$address" dev "$interface" valid_lft $lease preferred_lft $lease || { give_up "it cannot be set"; return 1; }
  now # it may have been frozen just before
  ((REPLY - began <= stale)) || { give_up "setting it took too long"; return 1; }
}

give_up() {
  since='' clear=''
  ((held)) || return
  ip address delete "$address" dev "$interface" 2>/dev/null
  held=0
  local job
  for job in $(jobs -pr); do kill "$job"; done # announces it no longer
  echo "gave up $address: $1"
}

take() {
  renew || return
  warned=''
  echo "took $address: this host leads"
  [[ $vip == *:* ]] || arping -q -A -c 3 -I "$interface" "$vip" &
}

[[ $vip != *:* ]] || echo 1 >"/proc/sys/net/ipv6/conf/$interface/ndisc_notify"
trap 'give_up "told to stop"; exit 0' TERM INT
now
last=$REPLY
while :; do
  ((rounds++ % 4)) || systemd-notify WATCHDOG=1 2>/dev/null
  now
  began=$REPLY
  ((held == 0 || began - renewed <= expired)) || give_up "it was not renewed for $((began - renewed))0 ms"
  ((began - last <= stale)) || since=''
  last=$began
  if ! leads; then
    give_up "Patroni does not say that this host leads"
  elif now && ((REPLY - began > stale)); then
    since='' # neither renewed nor taken on that
  elif ((held)); then
    renew
  elif [[ $clear ]] && ((began - clear <= stale)); then
    clear=''
    take
  else
    since=${since:-$began}
    if ((began - since >= patience - 100)) || alone; then
      if unclaimed; then
        now
        clear=$REPLY last=$REPLY
        continue # Patroni is asked once more, then it is taken
      fi
      [[ $warned ]] || echo "cannot take $address: another host answers for it on $interface"
      warned=1
    fi
  fi
  sleep 0.5
done
