# shellcheck shell=sh
# Sets parameters of the kernel: FILE VALUE..., files below /proc/sys. If the kernel refuses one, those before it get their former values back.
others() { shift 3; set_all "$@"; }
set_all() {
  [ $# -gt 0 ] || return 0
  set -- "$(cat -- "$1" 2>/dev/null)" "$@"
  if ! why=$(printf '%s\n' "$3" | tee -- "$2" 2>&1 >/dev/null); then
    echo "the kernel does not take '$3' in $2: ${why##*: }" >&2
    return 1
  fi
  others "$@" && return
  printf '%s\n' "$1" 2>/dev/null >"$2"
  return 1
}
set_all "$@"
