#include "executor/program/prelude.hpp"

namespace pgcluster::executor {

// Set before: N (nonce), K (token of the lock under which it may run; empty: none), R (run directory), S (state directory), W (how long to
// wait for an older program), V (1: systemd must run).
// Frames go to descriptor 3, one a line, "NONCE word fields .", after an empty line, so that noise without a newline cannot spoil them.
// Forks are what costs here: tests and loops are builtins, and asks of one kind are one call.
const char* const kPreludeBase = R"sh(umask 077
trap '' HUP PIPE
export LC_ALL=C LANGUAGE= DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none SYSTEMD_PAGER= SYSTEMD_COLORS=0 SYSTEMCTL_SKIP_SYSV=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
set -f
exec 3>&1 1>&2
nl='
'
tab='	'
stop=
put() { printf '\n%s %s .\n' "$N" "$*" >&3; }
put hi
if [ "$V" = 1 ] && [ ! -d /run/systemd/system ]; then put unsupported; exit 0; fi
[ -d "$R" ] || (umask 022; exec mkdir -p -- "$R")
if ! command exec 9>>"$R/program"; then put "broken cannot write $R/program"; exit 0; fi
if ! flock -w "$W" 9; then
  read -r pid <"$R/program"
  put "busy $pid"
  exit 0
fi
# An apply whose heart stood still for too long has lost its lock, and somebody else may be at work.
if [ -n "$K" ]; then
  k=
  { read -r k; read -r k; IFS= read -r k; } 2>/dev/null <"$R/lock.info"
  if [ "$k" != "$K" ]; then put unlocked; exit 0; fi
fi
printf '%s\n' "$$" >"$R/program"
T=$R/program.d
put up
b() { if [ -s "$1" ]; then tail -c 262144 -- "$1" | base64 -w0; else printf -- -; fi; }
x() { ( trap - PIPE; exec timeout -k 5 "$L" "$@" 3>&- ) </dev/null; }
xi() { ( trap - PIPE; exec timeout -k 5 "$L" "$@" 3>&- ); }
)sh";

const char* const kPreludeDos = R"sh(
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
into_place() {
  if { [ "$3:$4" = root:root ] || chown -- "$3:$4" "$t"; } && chmod -- "$2" "$t" && mv -fT -- "$t" "$1"; then
    what=done
    case $1 in */systemd/system/*) units_written=1 ;; esac
  else
    rm -f -- "$t"
  fi
}
write_file() {
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
    cp -- "$T/n" "$t" && chmod 644 "$t" && mv -fT -- "$t" "$f" && what=done
  elif cmp -s -- "$T/n" "$f"; then
    what=skipped
  else
    beside "$f"
    cp -p -- "$f" "$t" && cat -- "$T/n" >"$t" && mv -fT -- "$t" "$f" && what=done
  fi
  [ "$what" = done ] || rm -f -- "$t"
}
)sh";

const char* const kPreludeApt = R"sh(
have() {
  s=$(dpkg-query -W -f '${db:Status-Abbrev}|' -- "$@" 2>/dev/null) || return 1
  case "|$s" in *'|'[!hi]*|*'|'?[!i]*) return 1 ;; esac
}
apt() {
  x apt-get -y -q -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 -o Acquire::Languages=none "$@"
}
configure() { x dpkg --force-confold --force-confdef --configure -a; }
interrupted() {
  set +f
  for f in /var/lib/dpkg/updates/*; do
    if [ -e "$f" ]; then set -f; return 0; fi
  done
  set -f
  return 1
}
last_lines() { say "--- the last lines of apt:"; tail -n 25 -- "$T/o" >&2; }
install() {
  if have $1; then what=skipped; return; fi
  m=
  for u in $3; do systemctl is-active -q -- "$u" || m="$m $u"; done
  if [ -n "$m" ] && ! x systemctl mask --runtime -q -- $m; then return; fi
  updated=
  if interrupted; then configure; fi
  if [ -z "$(find /var/lib/apt/lists /var/lib/apt/lists/partial -maxdepth 0 -mmin -1440 2>/dev/null)" ]; then apt update; updated=1; fi
  tries=0
  while :; do
    apt --no-install-recommends install -- $2
    rc=$?
    if [ "$rc" = 0 ]; then what=done; return; fi
    tries=$((tries + 1))
    [ "$rc" != 124 ] && [ "$tries" -lt 3 ] || break
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
      # Purging such a package takes the clusters' data along unless debconf says no; data is never a package's to take.
      printf '%s %s/postrm_purge_data boolean false\n' "$1" "$1" | debconf-set-selections 2>/dev/null ;;
  esac
  if apt remove -- "$1" && apt purge -- "$1"; then what=done; else rc=$?; last_lines; fi
}
)sh";

const char* const kPreludeUnits = R"sh(
field() { v=${s#*"$nl$1="}; v=${v%%"$nl"*}; }
show() {
  s=$nl$(x systemctl show -p LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic -- "$1")$nl
  field LoadState; load=$v
  field ActiveState; active=$v
  field UnitFileState; file_state=$v
  field NeedDaemonReload; need=$v
  field ActiveEnterTimestampMonotonic; started=$v
}
reload_if_needed() {
  show "$1"
  if [ -n "$units_written" ] || [ "$need" = yes ] || [ "$load" != loaded ]; then
    units_written=
    x systemctl daemon-reload || return
    show "$1"
  fi
}
late_reload() {
  [ -n "$late" ] || return
  L=60
  x systemctl daemon-reload
}
journal() { say "--- the last lines of $1:"; x journalctl -u "$1" -n 15 -o cat --no-pager >&2; }
set_unit() {
  show "$1"
  act=$2; did=; reload=$units_written
  case $need:$load in no:loaded) ;; *) reload=1 ;; esac
  if [ -n "$4" ]; then
    if [ "$started" != "$4" ]; then
      case $active in
        active|activating|reloading) act=nothing ;;
        *) what=drifted; found="$1 is $active"; return ;;
      esac
    elif [ "$active" = activating ]; then
      act=nothing
    fi
  fi
  # A reload of systemd takes longer than all else here: one, after everything that needs it. That a unit is enabled it only has to know when it
  # is asked: late.
  if [ -L "/run/systemd/system/$1" ]; then
    case $2:$3 in
      start:*|restart:*|*:yes)
        x systemctl --no-reload unmask --runtime -q -- "$1" || { rc=$?; return; }
        did=1; reload=1 ;;
    esac
  fi
  if [ -n "$3" ]; then
    [ -z "$reload" ] || file_state=$(x systemctl is-enabled -- "$1" 2>/dev/null)
    case $3:$file_state in
      yes:enabled|yes:static|yes:alias|yes:generated|yes:indirect|yes:transient) ;;
      yes:*) x systemctl --no-reload enable -q -- "$1" || { rc=$?; return; }; did=1; late=1 ;;
      no:enabled|no:enabled-runtime|no:linked|no:linked-runtime) x systemctl --no-reload disable -q -- "$1" || { rc=$?; return; }; did=1; late=1 ;;
    esac
  fi
  if [ -n "$reload" ]; then
    x systemctl daemon-reload || { rc=$?; return; }
    units_written= late=
  fi
  case $act:$active in
    nothing:*|start:active|start:activating|start:reloading|stop:inactive|stop:failed) act=nothing ;;
    start:*|restart:*)
      x systemctl reset-failed -- "$1" 2>/dev/null
      x systemctl --no-block "$act" -- "$1" ;;
    *) x systemctl "$act" -- "$1" ;;
  esac
  rc=$?
  if [ "$rc" != 0 ]; then journal "$1"; return; fi
  if [ "$act" = nothing ] && [ -z "$did" ]; then what=skipped; else what=done; fi
}
remove_unit() {
  reload_if_needed "$1" || return
  case $load:$active:$file_state in
    not-found:inactive:*) what=skipped; return ;;
    *:inactive:disabled|*:inactive:static|*:inactive:indirect) what=skipped; return ;;
  esac
  case $file_state in masked*) x systemctl unmask -q -- "$1"; x systemctl unmask --runtime -q -- "$1" ;; esac
  case $active in
    inactive|failed) ;;
    *) x systemctl stop -- "$1"; rc=$?; if [ "$rc" != 0 ]; then journal "$1"; return; fi ;;
  esac
  case $file_state in
    ''|static|indirect|generated|transient) ;;
    *) x systemctl disable -q -- "$1"; rc=$?; if [ "$rc" != 0 ]; then return; fi ;;
  esac
  x systemctl reset-failed -- "$1" 2>/dev/null
  rm -f -- "$R/units/$1.start" "$R/units/$1.load"
  what=done
}
)sh";

const char* const kPreludeMore = R"sh(
set_account() {
  a=$(getent passwd "$1")
  h=${a#*:*:*:*:*:}; h=${h%%:*}
  if [ -n "$a" ] && [ "$h:${a##*:}" = "$2:$3" ]; then what=skipped; return; fi
  if [ -n "$4" ] && [ "$4" != "${a:+$h:${a##*:}}" ] && ! { [ "$4" = absent ] && [ -z "$a" ]; }; then
    what=drifted; found="account $1 has home '$h' and shell '${a##*:}'"
    return
  fi
  if [ -n "$a" ]; then
    x usermod --home "$2" --shell "$3" -- "$1"
  elif command -v useradd >/dev/null; then
    x useradd --system --user-group --no-create-home --home-dir "$2" --shell "$3" -- "$1"
  else
    printf 'u %s - "pgcluster" "%s" "%s"\n' "$1" "$2" "$3" | xi systemd-sysusers -
  fi
  rc=$?
  [ "$rc" = 0 ] || return
  case $2 in
    ''|/|/nonexistent) ;;
    *) if [ ! -e "$2" ]; then parents "$2" && install_dir "$1" "$2" || return; fi ;;
  esac
  what=done
}
install_dir() { mkdir -m 0750 -- "$2" && chown -- "$1:" "$2"; }
same_output() {
  now="$2 $(tail -c 262144 -- "$T/o" | base64 -w0)"
  [ "$now" = "$1" ] && return
  what=drifted
  found="status $2, and not what was seen when planning"
  [ "$2" != "${1%% *}" ] || found="other output than when planning"
  : >"$T/o"
  return 1
}
remove_file() {
  look "$1"
  if [ "$now" = absent ] && [ ! -L "$1" ]; then what=skipped; return; fi
  as_was "$2" || return
  rm -f -- "$1" || return
  # Folders that only we make go with their last file.
  case $1 in
    /etc/systemd/system/*.d/* | */pgcluster/*) rmdir -- "${1%/*}" 2>/dev/null || : ;;
    /etc/confd/*) rmdir -- "${1%/*}" 2>/dev/null && rmdir -- /etc/confd 2>/dev/null || : ;;
  esac
  what=done
  case $1 in */systemd/system/*) units_written=1 ;; esac
}
remove_tree() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then what=skipped; return; fi
  if x rm -rf --one-file-system -- "$1"; then what=done; else rc=$?; fi
}
)sh";

}  // namespace pgcluster::executor
