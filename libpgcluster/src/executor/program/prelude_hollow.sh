# shellcheck shell=sh
# hollow DIRECTORY: whether it is a mount or a link, or holds only mounts, and no file is in it. It cannot be removed, and is as good as not there.
hollow() {
  [ -L "$1" ] || mounted "$1" || return 1
  [ -z "$(find "$1/" -mindepth 1 ! -type d ! -size 0 -print -quit 2>/dev/null)" ]
}
# mounted DIRECTORY: whether it is a mount, or contains one.
mounted() {
  while read -r _ _ _ _ mount _; do
    case $mount in "$1" | "$1"/*) return ;; esac
  done </proc/self/mountinfo
  return 1
}
