# Units, by systemctl.
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
  act=$2 did='' reload=$units_written
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
  # A reload of systemd takes longer than everything else here: do one, after all changes that need it. After `enable` it may wait until the end (late).
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
    units_written='' late=''
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
  if [ "$act" = nothing ] && [ -z "$did" ]; then what=skipped; else what='done'; fi
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
  what='done'
}
