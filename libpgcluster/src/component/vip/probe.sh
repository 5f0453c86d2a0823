# shellcheck shell=bash
# Prints the link-layer address of the host that answers for ADDRESS, if any: ADDRESS FILE... The FILEs are configurations of ours on this host. If one has
# the address, it was free when that was written, and nobody is asked; nor if none is there yet, for a host without them is asked by ADDRESS alone.
# Sends a packet that nobody reads, so that the kernel asks the network: this needs nothing but bash and iproute2. Forget first what the kernel remembers: a
# cluster that was just destroyed may have had the address.
exec 2>/dev/null
asks=$#
for file in "${@:2}"; do
  [[ ! -e $file ]] || asks=1
  while read -r line; do
    [[ " $line" != *" $1/"* ]] || exit 0
  done <"$file"
done
((asks == 1)) || exit 0
ip neigh flush to "$1"
for _ in 1 2 3 4 5 6; do
  echo >"/dev/udp/$1/9"
  sleep 0.2
  ip neigh show to "$1" | grep -o "lladdr .* REACHABLE" && break
done
:
