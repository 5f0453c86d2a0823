# shellcheck shell=sh disable=SC2034
# What a shell begins with that runs the asks alone: NONCE RUN. Its functions are those of prelude.sh, without a limit for each command.
umask 077
trap '' HUP PIPE
exec 4<&-
set -f
N=$1
R=$2
shift 2
T=$R/program.d
nl='
'
tab='	'
put() { printf '\n%s %s .\n' "$N" "$*" >&3; }
x() { ( trap - PIPE; exec "$@" 3>&- ) </dev/null; }
y() { trap - PIPE; exec "$@" </dev/null 3>&-; }
# i sh -c TEXT NAME WORD...: a look, see shell_look() of ask.hpp
i() {
  look_text=$3
  shift 4
  set +f
  eval "$look_text"
  look_status=$?
  set -f
  return "$look_status"
} </dev/null 3>&-
xi() { ( trap - PIPE; exec "$@" 3>&- ); }
