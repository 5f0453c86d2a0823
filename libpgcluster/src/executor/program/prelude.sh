# What every program begins with, as the body of a function: NONCE TOKEN RUN STATE WAIT SYSTEMD
#   NONCE    the first word of every frame
#   TOKEN    of the lock under which the program may run; empty: it needs none
#   RUN      the run directory
#   STATE    the state directory
#   WAIT     how many seconds to wait for an older program
#   SYSTEMD  1: systemd must run
# Frames go to descriptor 3, one a line, "NONCE word fields .". An empty line comes before each, so that output without a newline cannot spoil it.
# A fork costs more than anything else here: tests and loops are builtins, and asks of one kind are one call.
N=$1 K=$2 R=$3 S=$4 W=$5 V=$6
umask 077
trap '' HUP PIPE
set -f
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
exec 3>&1 1>&2
put() { printf '\n%s %s .\n' "$N" "$*" >&3; }
put hi
if [ "$V" = 1 ] && [ ! -d /run/systemd/system ]; then put unsupported; exit 0; fi
[ -d "$R" ] || (umask 022; exec mkdir -p -- "$R")
[ -f "$R/curl/.curlrc" ] || { mkdir -p -- "$R/curl" && : >"$R/curl/.curlrc"; }
if ! command exec 9>>"$R/program"; then put "broken cannot write $R/program"; exit 0; fi
if ! flock -n 9; then
  read -r pid <"$R/program"
  put "waits $pid"
  if ! flock -w "$W" 9; then
    read -r pid <"$R/program"
    put "busy $pid"
    exit 0
  fi
fi
# An apply that was stopped for too long has lost its lock, and another one may run.
if [ -n "$K" ]; then
  k=
  { read -r k; read -r k; IFS= read -r k; } 2>/dev/null <"$R/lock.info"
  if [ "$k" != "$K" ]; then put unlocked; exit 0; fi
fi
printf '%s\n' "$$" >"$R/program"
T=$R/program.d
[ -d "$T" ] || mkdir -- "$T" || { put "broken cannot make $T"; exit 0; }
# Nothing of the host's environment reaches what is asked or done: no proxy, PG*, or .curlrc. Only apt gets the proxies back, as px_NAME.
proxies='http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY'
for k in $proxies; do
  eval "v=\${$k-}"
  [ -z "$v" ] || export "px_$k=$v"
done
export -p >"$T/environment"
while IFS= read -r k; do
  k=${k#export } k=${k#declare -x } k=${k%%=*}
  case $k in
    '' | *[!A-Za-z0-9_]* | [0-9]* | px_* | BASH* | SHELLOPTS | PPID) ;;
    *) unset "$k" ;;
  esac
done <"$T/environment"
# The loop has unset those of our variables that the host had exported, so set them again.
N=$1 K=$2 R=$3 S=$4 W=$5 V=$6 T=$3/program.d nl='
' tab='	' stop='' spoilt='' units_written='' late=''
proxies='http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY'
export LC_ALL=C LANGUAGE='' DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none SYSTEMD_PAGER='' SYSTEMD_COLORS=0 SYSTEMCTL_SKIP_SYSV=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "CURL_HOME=$R/curl"
put up
b() {
  if [ ! -s "$1" ]; then
    printf -- -
  elif [ -n "$(find "$1" -size +262144c)" ]; then
    { printf '…\n' && tail -c 262144 -- "$1"; } | base64 -w0
  else
    base64 -w0 <"$1"
  fi
}
x() { ( trap - PIPE; exec timeout -k 5 "$L" "$@" 3>&- ) </dev/null; }
y() { trap - PIPE; exec timeout -k 5 "$L" "$@" </dev/null 3>&-; } # as x, for $() and pipes: it ends the shell that calls it
xi() { ( trap - PIPE; exec timeout -k 5 "$L" "$@" 3>&- ); }
i() { x "$@"; } # a look, see shell_look() of ask.hpp; the shell that runs all asks under one limit runs it itself
# sweep [all]: empties the files of $T. It removes them if there are many or one cannot be emptied, because rm is one more process; and after changes,
# because a program that was started may still write to one.
sweep() {
  set +f
  n=0
  [ -z "${1-}" ] || n=200
  for f in "$T"/*; do
    n=$((n + 1))
    if [ "$n" -gt 200 ] || [ ! -f "$f" ] || ! true >"$f"; then
      rm -f -- "$T"/*
      break
    fi
  done
}
