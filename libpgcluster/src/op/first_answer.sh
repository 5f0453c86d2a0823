# shellcheck shell=sh
# The output of the first curl that succeeds with all of its URLs: WORD... -- WORD... What begins with no option is another command. It says nothing of those
# that fail.
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
  case $1 in
    -*) exec curl "$@" --fail-early ;;
    *) exec "$@" ;;
  esac
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
