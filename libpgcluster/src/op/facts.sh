# shellcheck shell=sh
# What a host is, "key value" a line. Builtins where they do: a fork costs a millisecond. systemd notes the container that it runs in. `nofile` is the
# most that systemd itself may give; a unit that sets no limit tells what services get by default.
while IFS='=' read -r k v; do
  case $v in \"*\" | \'*\') v=${v#?} v=${v%?} ;; esac
  case $k in
    ID) printf 'os_id %s\n' "$v" ;;
    VERSION_ID) printf 'os_version %s\n' "$v" ;;
    VERSION_CODENAME) printf 'os_codename %s\n' "$v" ;;
  esac
done </etc/os-release
read -r v </proc/sys/kernel/hostname && printf 'hostname %s\n' "$v"
{ read -r v </proc/sys/kernel/arch; } 2>/dev/null || v=$(uname -m)
printf 'arch %s\n' "$v"
while read -r k v _; do
  case $k in MemTotal:) printf 'memory_kib %s\n' "$v"; break ;; esac
done </proc/meminfo
while IFS=':	' read -r k v; do
  case $k in Cpus_allowed_list) printf 'cpus_allowed %s\n' "$v"; break ;; esac
done </proc/self/status
while read -r a b c _ hard _; do
  case "$a $b $c" in 'Max open files') break ;; esac
done </proc/1/limits
printf 'nofile %s\n' "$hard"
v=$(ip -o -batch - 2>/dev/null <<END
addr show
route show default
END
)
r=
while read -r n dev family cidr rest; do
  case $n:$family in
    default:*) r=${r:-"$dev $family $cidr $rest"} ;;
    *:inet | *:inet6) printf 'address %s %s\n' "$dev" "$cidr" ;;
  esac
done <<END
$v
END
[ -n "$r" ] || r=$(ip -6 route show default 2>/dev/null)
case " $r" in *' dev '*) r=" $r"; r=${r#* dev }; printf 'route %s\n' "${r%% *}" ;; esac
[ ! -f /run/systemd/container ] || { read -r v </run/systemd/container; printf 'container %s\n' "$v"; }
printf 'clock %s\n' "$(date +%s)"
for f in /var/lib/pgcluster/secrets/*; do
  [ -f "$f" ] || continue
  printf 'secret %s\n' "${f##*/}"
  {
    while IFS= read -r v; do printf '+%s\n' "$v"; done
    [ -z "$v" ] || printf -- '-%s\n' "$v"
  } <"$f"
done
exit 0
