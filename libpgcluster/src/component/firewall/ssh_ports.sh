# shellcheck shell=sh
# The ports by which ssh reaches this host, one a line: that of the connection over which this runs, and those in sshd's configuration.
# Programs run without the environment of the login, but the processes above them still have it.
set --
pid=$$
while [ "${pid:-1}" -gt 1 ]; do
  set -- "$@" "/proc/$pid/environ"
  { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || break
  stat=${stat##*) }
  stat=${stat#* }
  pid=${stat%% *}
done
{
  sed -znE 's/^SSH_CONNECTION=.* ([0-9]+)$/\1/;T;p;q' "$@" 2>/dev/null | tr '\0' '\n'
  sshd -T 2>/dev/null | sed -nE 's/^port ([0-9]+)$/\1/p'
} | sort -nu
