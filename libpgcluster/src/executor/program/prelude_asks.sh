# Asks. This part may run in a shell of its own, all asks under one limit; if that was too short it runs again in the program's shell, with a limit
# for each ask.
# C: files whose content is sent, O: outputs that are not empty, K: the size of both, P: paths of outputs. One tar sends all of them at the end.
# G: outputs that are logs. Such a one, or a standard error, of more than 256 KiB is cut, as is another output of more than 8 MiB: "long NAME SIZE".
C='' K=0 O='' P='' G=''
lines() { while IFS= read -r l; do printf '\n%s %s %s .\n' "$N" "$1" "$l"; done >&3; }
# files WANTED LISTED FILE...: send the content of the first WANTED files, of the next LISTED if they are short; of the rest only what stat says.
files() {
  w=$1 h=$(($1 + $2)) n=0 W=$nl H=$nl B=
  shift 2
  for f; do
    n=$((n + 1))
    if [ "$n" -le "$w" ]; then W=$W$f$nl; elif [ "$n" -le "$h" ]; then H=$H$f$nl; fi
    [ -e "$f" ] || put "gone $f"
  done
  IFS=$nl
  # shellcheck disable=SC2086  # paths, a line each
  set -- "$@" $P
  IFS="$nl$tab "
  s=$(y stat -L --printf '%s %f %U %u %G %g %n\n' -- "$@" 2>/dev/null)
  while IFS=' ' read -r s m u un g gn f; do
    [ -n "$f" ] || continue
    case $f in
      "$T"/*)
        cut_output "${f##*/}" "$s"
        continue ;;
    esac
    case $m in 4*) if hollow "$f"; then put "gone $f"; continue; fi ;; esac
    put "stat $s $m $u $un $g $gn $f"
    [ -w "$f" ] || put "fixed $f"
    case $m in 8*) ;; *) continue ;; esac
    case "$W" in
      *"$nl$f$nl"*)
        if [ "$s" -gt 8388608 ]; then B=$B$nl$f; continue; fi ;;
      *)
        case "$H" in *"$nl$f$nl"*) ;; *) continue ;; esac
        if [ "$s" -gt 65536 ]; then B=$B$nl$f; continue; fi ;;
    esac
    K=$((K + s))
    # Files of the kernel have no size, and a frame must not become too long: send these alone.
    case $f in /proc/* | /sys/*) one=1 ;; *) one= ;; esac
    if [ -n "$one" ] || [ "$K" -gt 8388608 ]; then
      { printf '\n%s content =' "$N"; base64 -w0 <"$f"; printf ' %s %s .\n' "$?" "$f"; } >&3
    else
      C=$C$nl$f
    fi
  done <<END
$s
END
  [ -n "$B" ] || return
  IFS=$nl
  # shellcheck disable=SC2086  # paths, a line each
  set -- $B
  IFS="$nl$tab "
  sums "$@"
}
cut_output() {
  z=8388608
  case $1 in e.*) z=262144 ;; *) case "$G" in *" $1 "*) z=262144 ;; esac ;; esac
  if [ "$2" -gt "$z" ]; then
    put "long $1 $2"
    tail -c 262144 -- "$T/$1" >"$T/end" && mv -f -- "$T/end" "$T/$1"
    set -- "$1" 262144
  fi
  K=$((K + $2))
  if [ "$K" -gt 8388608 ]; then
    # A frame must not become too long: send it alone.
    { printf '\n%s content =' "$N"; base64 -w0 <"$T/$1"; printf ' %s %s .\n' "$?" "$1"; } >&3
  else
    O="$O $1"
  fi
}
sums() {
  n=$#
  while [ "$n" -gt 0 ]; do
    f=$1
    shift
    n=$((n - 1))
    [ ! -f "$f" ] || set -- "$@" "$f"
  done
  [ $# != 0 ] || return
  s=$(y sha256sum -- "$@" 2>/dev/null)
  lines sum <<END
$s
END
}
packages() {
  # shellcheck disable=SC2016  # dpkg-query's own variables
  { x dpkg-query -W -f "\n$N package "'${db:Status-Abbrev}|${Package}|${Version} .\n' -- "$@" 2>/dev/null; put "packages $?"; } >&3
}
units() {
  s=$(y systemctl show -p LoadState,ActiveState,SubState,UnitFileState,MainPID,ActiveEnterTimestampMonotonic,Result,NRestarts,LimitNOFILE,Job -- "$@")
  r=$?
  read -r u _ </proc/uptime
  lines unit <<END
$s
now $u
status $r
END
}
note() {
  [ -f "$R/units/$1" ] || return
  put "noted $1"
  lines "note $1" <"$R/units/$1"
}
accounts() {
  s=$(y getent passwd "$@")
  r=$?
  lines account <<END
$s
status $r
END
}
# ran NUMBER STATUS [log]
ran() {
  o=0 e=0
  [ -z "${3-}" ] || G="$G o.$1 "
  [ ! -s "$T/o.$1" ] || { o=1; P=$P$nl$T/o.$1; }
  [ ! -s "$T/e.$1" ] || { e=1; P=$P$nl$T/e.$1; }
  put "exec $1 $2 $o $e"
}
# merged NUMBER STATUS: one call answered several asks. Of curl's, its standard error has "ask status" for each transfer.
merged() {
  o=0
  [ ! -s "$T/o.$1" ] || { o=1; P=$P$nl$T/o.$1; }
  put "exec $1 $2 $o 0"
}
# fine ASK NUMBER: whether all transfers of an ask in that call succeeded.
fine() {
  r=1
  while read -r i s; do
    [ "$i" = "$1" ] || continue
    [ "$s" = 0 ] || return 1
    r=0
  done <"$T/e.$2"
  return "$r"
}
bring() {
  [ -n "$C$O" ] || return
  printf '\n%s tar =' "$N" >&3
  {
    IFS="$nl "
    # shellcheck disable=SC2086  # names
    set -- $O
    IFS=$nl
    # shellcheck disable=SC2086  # paths, a line each
    set -- "$@" $C
    y tar -chP --format=gnu -b 1 --hard-dereference --no-recursion -C "$T" -f - "$@" 2>"$T/torn"
  } | base64 -w0 >&3
  # A file that changed while tar read it, which tar tells by its status, too.
  t=0
  while read -r l; do
    case $l in *' changed '* | *' shrank '*) t=1 ;; esac
  done <"$T/torn"
  printf ' %s .\n' "$t" >&3
}
