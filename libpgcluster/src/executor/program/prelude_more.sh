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
    /etc/systemd/system/*.d/* | */pgcluster/*) rmdir -- "${1%/*}" 2>/dev/null ;;
    /etc/confd/*) rmdir -- "${1%/*}" 2>/dev/null && rmdir -- /etc/confd 2>/dev/null ;;
  esac
  what='done'
  case $1 in */systemd/system/*) units_written=1 ;; esac
}
remove_tree() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then what=skipped; return; fi
  if x rm -rf --one-file-system -- "$1"; then what='done'; else rc=$?; fi
}
