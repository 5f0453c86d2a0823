# shellcheck shell=sh
# The output of the first curl that succeeds with all of its URLs: WORD... -- WORD... It says nothing of those that fail.
call() {
  n=$1
  shift
  all=$#
  for w; do
    [ "$n" -gt 0 ] || break
    n=$((n - 1))
    set -- "$@" "$w"
  done
  shift "$all"
  exec curl "$@" --fail-early
}
while [ $# -gt 0 ]; do
  n=0
  for w; do
    [ "$w" != -- ] || break
    n=$((n + 1))
  done
  o=$(call "$n" "$@") && { printf %s "$o"; exit; }
  shift "$n"
  [ $# = 0 ] || shift
done
exit 1
