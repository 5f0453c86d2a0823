# shellcheck shell=sh
# The ports on which a host listens, as `ss -H -ltunp` shows them. Without ss, the kernel's tables: they do not name the processes.
if command -v ss >/dev/null; then exec ss -H -ltunp; fi
for f in tcp tcp6 udp udp6; do
  while read -r _ local _ state _; do
    case $f-$state in tcp-0A | tcp6-0A | udp-07 | udp6-07) printf '%s LISTEN 0 0 *:%d *:* \n' "${f%6}" "0x${local##*:}" ;; esac
  done 2>/dev/null <"/proc/net/$f"
done
:
