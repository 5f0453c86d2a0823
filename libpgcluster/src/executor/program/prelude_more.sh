# Accounts, commands that must find the same output as the plan, and removals.
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
    *) [ -e "$2" ] || { parents "$2" && install_dir "$1" "$2"; } || return ;;
  esac
  what='done'
}
install_dir() { mkdir -m 0750 -- "$2" && chown -- "$1:" "$2"; }
# same_output WAS STATUS LIMIT: whether the command that looks has found what the plan saw: "STATUS DIGEST". LIMIT is that of the command which acts then.
same_output() {
  now=$(sha256sum <"$T/o")
  now="$2 ${now%% *}"
  : >"$T/o"
  if [ "$now" = "$1" ]; then
    : >"$T/e"
    L=$3
    return
  fi
  what=drifted
  found="status $2, and not what was seen when planning"
  [ "$2" != "${1%% *}" ] || found="other output than when planning"
  return 1
}
remove_file() {
  look "$1"
  if [ "$now" = absent ] && [ ! -L "$1" ]; then what=skipped; return; fi
  as_was "$2" || return
  rm -f -- "$1" || return
  # Remove folders that only we make together with their last file.
  case $1 in
    /etc/pgcluster/tls/*) rmdir -- /etc/pgcluster/tls 2>/dev/null && rmdir -- /etc/pgcluster 2>/dev/null ;;
    /etc/systemd/system/*.d/* | */pgcluster/*) rmdir -- "${1%/*}" 2>/dev/null ;;
    /etc/confd/*) rmdir -- "${1%/*}" 2>/dev/null && rmdir -- /etc/confd 2>/dev/null ;;
  esac
  what='done'
  case $1 in */systemd/system/*) units_written=1 ;; esac
}
# A tree may be a mount, have mounts inside, or be a link to a directory elsewhere. Those are emptied and stay: the next server then uses the same disk.
remove_tree() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then what=skipped; return; fi
  d=$(readlink -f -- "$1")
  if [ -L "$1" ]; then
    case $d in
      /?*/?*) ;;
      *) say "$1 is a link to $d, and pgcluster does not empty a directory that near the root: remove its content by hand, or the link"; return ;;
    esac
  fi
  mounts=
  while read -r _ _ _ _ m _; do
    case $m in "$d" | "$d"/*) mounts="$m$nl$mounts" ;; esac
  done </proc/self/mountinfo
  if [ -z "$mounts" ] && [ ! -L "$1" ]; then
    if x rm -rf --one-file-system -- "$d"; then what='done'; else rc=$?; fi
    return
  fi
  # Inner mounts come first. A directory with a mount inside is not empty, and stays like the mount.
  IFS=$nl
  for m in $mounts "$d"; do
    unset IFS
    if [ -d "$m" ]; then
      x find "$m" -xdev -depth -mindepth 1 ! -path "$m/lost+found" -delete 2>"$T/left" || grep -vE 'Device or resource busy|Directory not empty' "$T/left" >&2
    elif [ -f "$m" ]; then
      : >"$m"
    fi
  done
  if hollow "$1"; then what='done'; else say "cannot empty $1; what is left: $(x find "$d" -mindepth 1 | head -n 5)"; fi
}
