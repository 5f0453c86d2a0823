# shellcheck shell=sh
# Where a server is to make its data: DIRECTORY HOME MADE. Prints owner and path of the directory, or of the next one above it that is there, as far up
# as HOME; then names of what is in the directory. Prints nothing where none is there, or where DIRECTORY/MADE is.
look() {
  [ ! -e "$1/$3" ] || return 0
  d=$1
  while [ -n "$d" ] && [ ! -d "$d" ] && [ "$d" != "$2" ]; do d=${d%/*}; done
  [ -d "$d" ] || return 0
  stat -L -c '%U %n' -- "$d"
  [ "$d" != "$1" ] || find -H "$d" -mindepth 1 -maxdepth 1 -printf "%f\n" | head -n 5
}
look "$@"
