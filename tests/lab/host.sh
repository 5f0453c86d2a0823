#!/bin/bash
# Boots one host in the foreground: `lab` runs this in the lab's network namespace, the host's cgroup and a mount namespace of
# its own, so that all that is mounted here goes with the host. Arguments: NAME ADDRESS DIR LOWER REPO BRIDGE [SIZE OF ITS DISK]
set -euo pipefail
name=$1 address=$2 dir=$3 lower=$4 repo=$5 bridge=$6 root=$3/root

# Copies of other labs' namespaces would keep those alive for as long as this host runs.
umount --recursive --lazy /run/netns
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup # systemd in the host wants v2, also where this machine still has v1
layers=$dir
if [[ ${7:-} ]]; then # what is written on such a disk goes with the host, too
  layers=$dir/disk
  mkdir -p "$layers"
  mount -t tmpfs -o "mode=755,size=$7" tmpfs "$layers"
  mkdir "$layers/upper" "$layers/work"
fi
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$layers/upper,workdir=$layers/work" "$root"

if [[ ! -e $layers/made ]]; then # what differs from host to host
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  echo "$name" >"$root/etc/hostname"
  printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$name" >"$root/etc/hosts"
  # sorts before 80-container-host0.network, which asks for DHCP
  network="Address=$address/24 Gateway=10.77.0.1 LinkLocalAddressing=no"
  [[ $address != *:* ]] || network="Address=$address/64 Gateway=${address%::*}::1 LinkLocalAddressing=ipv6"
  cat >"$root/etc/systemd/network/10-host0.network" <<END
[Match]
Name=host0
[Network]
${network// /$'\n'}
DHCP=no
IPv6AcceptRA=no
END
  cp "$dir"/ssh/ssh_host_* "$root/etc/ssh/"
  for home in root home/admin; do
    install -d -m 700 "$root/$home/.ssh"
    install -m 600 "$dir/../../key.pub" "$root/$home/.ssh/authorized_keys"
  done
  chown -R --reference="$root/home/admin" "$root/home/admin/.ssh"
  [[ $repo ]] || : >"$root/etc/apt/sources.list"
  : >"$layers/made"
fi

# --register, --keep-unit: this machine need not run systemd. Raw sockets and link settings: keepalived and vip-manager.
# With --keep-unit, 133 says that the host wants to be booted again.
# --suppress-sync: `kill` loses no page cache, so fsync shows nothing here; yet syncing an overlay also writes out all others' files.
status=133
while ((status == 133)); do
  ip link del "vb-$name" 2>/dev/null || : # the kernel takes away an ended host's a little later
  systemd-nspawn --quiet --boot --directory="$root" --machine="$name" --hostname="$name" --register=no --keep-unit \
    --network-bridge="$bridge" --capability=CAP_NET_ADMIN,CAP_NET_RAW ${repo:+--bind-ro="$repo:/srv/repo"} \
    --resolv-conf=off --timezone=off --link-journal=no --settings=no --suppress-sync=yes --console=read-only &
  echo $! >"$dir/pid" # the parent of the host's init
  status=0
  wait $! || status=$?
done
