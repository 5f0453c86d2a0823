# shellcheck shell=sh
# What a host is, "key value" a line. Builtins where they do: a fork costs a millisecond. systemd notes the container that it runs in. `nofile` is the
# most that systemd itself may give; a unit that sets no limit tells what services get by default.
look() {
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
  for f in /etc/systemd/system/*.service; do
    if [ -c "$f" ] || { [ -f "$f" ] && [ ! -s "$f" ]; }; then printf 'masked %s\n' "${f##*/}"; fi
  done
  # Print all file systems if one of them is read-only.
  m='' r=''
  while read -r _ _ _ _ f v k; do
    case $f in /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /run | /run/* | /snap | /snap/*) continue ;; esac
    # The options of the mount, and of the file system.
    for v in "$v" "${k##* }"; do
      case $v in ro | ro,*) v=read_only r=1; break ;; esac
      v=writable
    done
    m="$m$v $f
"
  done </proc/self/mountinfo
  [ -z "$r" ] || printf %s "$m"
  for f in /sys/kernel/mm/hugepages/hugepages-2048kB /sys/kernel/mm/hugepages/hugepages-*kB; do
    { read -r v <"$f/free_hugepages"; } 2>/dev/null || continue
    f=${f##*-}
    printf 'huge_pages %s %s\n' "${f%kB}" "$v"
    break
  done
  if ! command -v ip >/dev/null; then
    # The kernel's own tables: they have IPv4 in hexadecimal, the first byte last, and IPv6 without colons.
    a='' v=''
    while read -r n r dev _; do
      case "$n $r $dev" in
        '|-- '*) a=$r ;;
        '/32 host LOCAL') case "$v " in *" $a "*) ;; *) v="$v $a" ;; esac ;;
      esac
    done 2>/dev/null </proc/net/fib_trie
    for a in $v; do
      IFS=. read -r b c d e <<END
$a
END
      n=$((e << 24 | d << 16 | c << 8 | b)) family='? '$a/32
      while read -r dev b _ _ _ _ _ c _; do
        case $c in 00000000 | Mask) continue ;; esac
        [ $((n & 0x$c)) = $((0x$b)) ] || continue
        c=$((0x$c)) d=0
        while [ "$c" != 0 ]; do c=$((c & (c - 1))) d=$((d + 1)); done
        family="$dev $a/$d"
      done </proc/net/route
      [ "${a#127.}" != "$a" ] || printf 'address %s\n' "$family"
    done
    while read -r v _ n _ _ dev; do
      a=
      while [ -n "$v" ]; do a=$a${a:+:}${v%"${v#????}"} v=${v#????}; done
      printf 'address %s %s/%s\n' "$dev" "$a" "$((0x$n))"
    done 2>/dev/null </proc/net/if_inet6
    while read -r dev a _ _ _ _ _ n _; do
      case $a$n in 0000000000000000) printf 'route %s\n' "$dev"; break ;; esac
    done </proc/net/route
  fi
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
  c=
  [ ! -f /run/systemd/container ] || { read -r c </run/systemd/container; printf 'container %s\n' "$c"; }
  while read -r dev _; do
    case $dev in *:) printf 'device %s\n' "${dev%:}" ;; esac
  done </proc/net/dev
  # A container loads no modules.
  if [ ! -c /dev/watchdog ]; then
    read -r v </proc/sys/kernel/osrelease
    for f in "/lib/modules/$v/kernel/drivers/watchdog/softdog.ko"*; do
      if [ -n "$c" ] || [ ! -e "$f" ]; then printf 'no_watchdog 1\n'; fi
      break
    done
  fi
  printf 'clock %s\n' "$(date +%s)"
  for f in /var/lib/pgcluster/secrets/*; do
    [ -f "$f" ] || continue
    printf 'secret %s\n' "${f##*/}"
    {
      while IFS= read -r v; do printf '+%s\n' "$v"; done
      [ -z "$v" ] || printf -- '-%s\n' "$v"
    } <"$f"
  done
  :
}
look
