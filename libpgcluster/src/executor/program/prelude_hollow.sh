# shellcheck shell=sh
# hollow DIRECTORY: whether it is a mount or a link, or holds only mounts, and no file is in it. It cannot be removed, and is as good as not there.
hollow() {
  [ -L "$1" ] || grep -qE "^([^ ]+ ){4}$1(/[^ ]*)? " /proc/self/mountinfo || return 1
  [ -z "$(find "$1/" -mindepth 1 ! -type d ! -size 0 -print -quit 2>/dev/null)" ]
}
