# shellcheck shell=sh
# A new key and its certificate take the place of the former ones, in one moment: BASE. The certificate comes by stdin; the key is BASE.key.next, and goes
# last: as long as it is there, the next apply calls this again.
set -e
umask 022
cat >"$1.crt.new"
mv -f "$1.crt.new" "$1.crt"
mv -f "$1.key.next" "$1.key"
