# What Dos share: files, blocks, uploads, and the list of what is ours.
# go NUMBER LIMIT opens a Do, fin NUMBER closes it. In between: what (the outcome), rc (a status), found (what is there instead).
go() {
  [ -z "$stop" ] || return 1
  put "begin $1"
  L=$2; what=failed; rc=1; found=
  : >"$T/o"
  : >"$T/e"
}
fin() {
  case $what in
    done|skipped) rc=0 ;;
    failed) stop=1; [ "$rc" != 0 ] || rc=1 ;;
    *) stop=1 ;;
  esac
  { printf '\n%s do %s %s %s ' "$N" "$1" "$what" "$rc"; b "$T/o"; printf ' '; b "$T/e"; printf ' %s .\n' "$found"; } >&3
}
ended() {
  rc=$1
  [ "$rc" != 0 ] || what='done'
}
say() { printf '%s\n' "$*" >&2; }
load_owned() { owned=; [ ! -f "$S/owned" ] || owned=$(cat -- "$S/owned"; echo x); owned=${owned%x}; loaded=$owned; }
strike() {
  o=$nl$owned
  while :; do
    case $o in *"$nl$1$tab"*) ;; *) break ;; esac
    h=${o%%"$nl$1$tab"*}
    o=${o#*"$nl$1$tab"}
    o=$h$nl${o#*"$nl"}
  done
  owned=${o#"$nl"}
}
own() {
  case $nl$owned in *"$nl$1$tab$2$nl"*) return ;; esac
  strike "$1"
  owned=$owned$1$tab$2$nl
}
list_not_written() { put "broken cannot write the list of what is ours"; }
save_owned() {
  [ "$owned" != "$loaded" ] || return 0
  [ -d "$S" ] || (umask 022; exec mkdir -p -- "$S") || return 1
  printf %s "$owned" >"$S/owned.new" && chmod 644 "$S/owned.new" && mv -fT -- "$S/owned.new" "$S/owned"
}
look() {
  if [ -f "$1" ]; then
    now=$(stat -L -c '%a %U %G' -- "$1" && sha256sum <"$1")
    now="${now%%"$nl"*} ${now#*"$nl"}"
    now=${now%%  *}
  elif [ -d "$1" ]; then
    now="dir $(stat -L -c '%a %U %G' -- "$1")"
  elif [ -e "$1" ]; then
    now=other
  else
    now=absent
  fi
}
as_was() {
  [ -z "$1" ] && return 0
  # shellcheck disable=SC2254  # $1 is a pattern
  case $now in $1) return 0 ;; esac
  what=drifted
  case $now in
    absent) found='nothing is there' ;;
    dir*) found="a directory is there" ;;
    other) found='something else than a file is there' ;;
    *) found="mode and owner ${now% *}, sha256 ${now##* }" ;;
  esac
  return 1
}
parents() {
  d=${1%/*}
  [ -d "$d/" ] && return
  case $1 in
    "$S"/secrets/*) (umask 022; exec mkdir -p -- "$S") && mkdir -p -- "$d" ;;
    *) (umask 022; exec mkdir -p -- "$d") ;;
  esac
}
beside() {
  t=${1%/*}/.${1##*/}.pgcluster-new
  if [ -e "$t" ] || [ -L "$t" ]; then rm -rf -- "$t"; fi
}
# A file that is a mount cannot be replaced, only written in place. Its whole new content stands beside it meanwhile: a kill in between loses nothing.
is_mount() { grep -qF " $1 " /proc/self/mountinfo; }
write_whole() { # CONTENT FILE
  chown --reference="$1" -- "$2" && chmod --reference="$1" -- "$2" && cat -- "$1" >"$2" && sync -- "$2" && rm -f -- "$1"
}
# Finishes such a write if it was interrupted: the file is the beginning of the new content then. Otherwise somebody has written the file since.
finish_whole() {
  w=${1%/*}/.${1##*/}.pgcluster-whole
  [ -f "$w" ] && [ ! -L "$w" ] && [ ! -L "$1" ] || return 0
  if is_mount "$1" && cmp -s -n "$(stat -c %s -- "$1")" -- "$1" "$w"; then write_whole "$w" "$1"; else rm -f -- "$w"; fi
}
replace() { # NEW FILE
  if mv -fT -- "$1" "$2"; then return; fi
  is_mount "$2" && sync -- "$1" && mv -fT -- "$1" "${1%new}whole" && write_whole "${1%new}whole" "$2"
}
into_place() {
  if { [ "$3:$4" = root:root ] || chown -- "$3:$4" "$t"; } && chmod -- "$2" "$t" && replace "$t" "$1"; then
    what='done'
    case $1 in */systemd/system/*) units_written=1 ;; esac
  else
    rm -f -- "$t"
  fi
}
write_file() {
  finish_whole "$1"
  look "$1"
  if [ "$now" = "$2 $3 $4 $5" ]; then what=skipped; return; fi
  as_was "$6" || return
  parents "$1" || return
  beside "$1"
  set -C
  if printf %s "$P" | base64 -d >"$t"; then
    set +C
    case $1 in "$S"/secrets/*) sync -- "$t" ;; esac
    into_place "$1" "$2" "$3" "$4"
  else
    set +C
    rm -f -- "$t"
  fi
}
spool() {
  [ -d "$S" ] || (umask 022; exec mkdir -p -- "$S")
  if [ -z "$spoilt" ] && head -c "$2" >"$S/upload.$1"; then return; fi
  spoilt=1
  cat >/dev/null
}
upload() {
  f=$S/upload.$6
  look "$1"
  if [ "$now" = "$2 root root $3" ]; then what=skipped; rm -f -- "$f"; return; fi
  if ! as_was "$4"; then rm -f -- "$f"; return; fi
  if [ -n "$spoilt" ]; then say "cannot keep the upload in $S: no space left?"; return; fi
  sum=$(sha256sum <"$f")
  if [ "${sum%% *}" != "$3" ]; then
    say "$5 on the controller has sha256 ${sum%% *}, and not $3 as it should"
    rm -f -- "$f"
    return
  fi
  parents "$1" || return
  beside "$1"
  if cp -- "$f" "$t"; then into_place "$1" "$2" root root; else rm -f -- "$t"; fi
  rm -f -- "$f"
}
write_block() {
  f=$1
  [ ! -L "$f" ] || f=$(readlink -f -- "$f")
  finish_whole "$f"
  look "$f"
  as_was "$4" || return
  a=
  if [ "$now" != absent ]; then
    if [ ! -f "$f" ]; then say "$1 is not a regular file"; return; fi
    a=$(grep -abxF -m1 -e "$2" -- "$f")
    a=${a%%:*}
  fi
  if [ -n "$a" ]; then
    e=$(tail -c "+$((a + 1))" -- "$f" | grep -abxF -m1 -e "$3")
    if [ -z "$e" ]; then say "$1 has the line '$2' but no '$3' after it; mend that by hand"; return; fi
    e=${e%%:*}
    { head -c "$a" -- "$f" && printf %s "$P" | base64 -d && tail -c "+$((a + e + ${#3} + 2))" -- "$f"; } >"$T/n" || return
  else
    if [ -z "$P" ]; then what=skipped; return; fi
    {
      if [ "$now" != absent ]; then cat -- "$f" || return; [ -z "$(tail -c1 -- "$f")" ] || printf '\n'; fi
      printf %s "$P" | base64 -d
    } >"$T/n" || return
  fi
  if [ "$now" = absent ]; then
    parents "$f" || return
    beside "$f"
    cp -- "$T/n" "$t" && chmod 644 "$t" && mv -fT -- "$t" "$f" && what='done'
  elif cmp -s -- "$T/n" "$f"; then
    what=skipped
  else
    beside "$f"
    cp -p -- "$f" "$t" && cat -- "$T/n" >"$t" && replace "$t" "$f" && what='done'
  fi
  [ "$what" = 'done' ] || rm -f -- "$t"
}
