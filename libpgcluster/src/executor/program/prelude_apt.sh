# Packages, by apt and dpkg.
have() {
  s=$(dpkg-query -W -f '${db:Status-Abbrev}|' -- "$@" 2>/dev/null) || return 1
  case "|$s" in *'|'[!hi]*|*'|'?[!i]*) return 1 ;; esac
}
# Frames of apt's progress, from the lines that it writes to APT::Status-Fd: "pmstatus:PACKAGE:PERCENT:TEXT", "dlstatus:FILE:PERCENT:TEXT".
tell_progress() {
  was=
  while IFS=: read -r kind _ percent text; do
    case $kind in dlstatus | pmstatus) ;; *) continue ;; esac
    percent=${percent%%.*}
    [ "$kind$percent" != "$was" ] || continue
    was=$kind$percent
    put "progress $percent $text"
  done
}
# Says who holds the lock for which apt will wait.
tell_lock() {
  i=$(stat -c %i /var/lib/dpkg/lock-frontend 2>/dev/null) || return
  while read -r _ _ _ _ pid file _; do
    [ "${file##*:}" = "$i" ] || continue
    c=
    read -r c <"/proc/$pid/comm"
    put "news waits for apt's lock, which process $pid${c:+ ($c)} holds"
    return
  done </proc/locks
}
# apt waits for dpkg's lock by itself (DPkg::Lock::Timeout), but not for those of its lists and of its downloads. At a host's first boot, somebody
# else's apt may hold them for minutes. `held` names the holder if the wait was given up.
apt() {
  read -r u _ </proc/uptime
  end=$((${u%.*} + 300)) held=''
  while :; do
    apt_get "$@"
    rc=$?
    if [ "$rc" = 0 ] || ! grep -q 'Could not get lock' "$T/e"; then return "$rc"; fi
    holder=$(sed -n 's/.*It is held by \(process .*\)$/\1/p' "$T/e" | tail -n 1)
    holder=${holder:-another process}
    read -r u _ </proc/uptime
    if [ "${u%.*}" -ge "$end" ]; then break; fi
    put "news waits for apt's lock, which ${holder%.} holds"
    : >"$T/e"
    sleep 3
  done
  held=$holder
  say "apt's lock has been held for five minutes by ${held%.}: wait until it ends or find out what it does, then apply again"
  return "$rc"
}
apt_get() (
  for k in $proxies; do
    eval "v=\${px_$k-}"
    [ -z "$v" ] || export "$k=$v"
  done
  tell_lock 2>/dev/null
  # A program that apt started may keep the pipe open after apt has ended, so the reader is killed.
  rm -f -- "$T/status"
  mkfifo -- "$T/status" || exit
  tell_progress <"$T/status" 2>/dev/null &
  x apt-get -y -q -o APT::Status-Fd=4 -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Acquire::Languages=none "$@" 4>"$T/status"
  r=$?
  kill "$!" 2>/dev/null
  exit "$r"
)
configure() { x dpkg --force-confold --force-confdef --configure -a; }
interrupted() {
  set +f
  for f in /var/lib/dpkg/updates/*; do
    if [ -e "$f" ]; then set -f; return 0; fi
  done
  set -f
  return 1
}
last_lines() { [ -n "$held" ] || { say "--- the last lines of apt:"; tail -n 25 -- "$T/o" >&2; }; }
# install NAMES PACKAGES UNITS: lists of words. The units are masked meanwhile, unless they run.
# shellcheck disable=SC2086
install() {
  if have $1; then what=skipped; return; fi
  m=
  for u in $3; do systemctl is-active -q -- "$u" || m="$m $u"; done
  if [ -n "$m" ] && ! x systemctl mask --runtime -q -- $m; then return; fi
  updated='' held=''
  if interrupted; then configure; fi
  if [ -z "$(find /var/lib/apt/lists /var/lib/apt/lists/partial -maxdepth 0 -mmin -1440 2>/dev/null)" ]; then apt update; updated=1; fi
  if [ -n "$held" ]; then return; fi
  tries=0
  while :; do
    apt --no-install-recommends install -- $2
    rc=$?
    if [ "$rc" = 0 ]; then what='done'; return; fi
    tries=$((tries + 1))
    if [ "$rc" = 124 ] || [ "$tries" -ge 3 ]; then break; fi
    if grep -q 'dpkg was interrupted' "$T/e"; then
      configure
    elif [ -z "$updated" ] && grep -Eq 'Unable to locate package|has no installation candidate|Unable to fetch|Failed to fetch|Version .* was not found' "$T/e"; then
      apt update
      updated=1
    else
      break
    fi
    : >"$T/e"
  done
  last_lines
}
purge() {
  s=$(dpkg-query -W -f '${db:Status-Abbrev}' -- "$1" 2>/dev/null)
  case $s in ''|un*) what=skipped; return ;; esac
  if interrupted; then configure; fi
  case $1 in
    postgresql-[0-9]*)
      # Purging such a package removes the clusters' data, too, unless debconf says no.
      printf '%s %s/postrm_purge_data boolean false\n' "$1" "$1" | debconf-set-selections 2>/dev/null ;;
  esac
  if apt remove -- "$1" && apt purge -- "$1"; then what='done'; else rc=$?; last_lines; fi
}
