# shellcheck shell=bash
# Which ports of other hosts this host can connect to: SECONDS ADDRESS/PORT...
# Prints a line for each that answers: "open ADDRESS/PORT", or bash's own words, "…/dev/tcp/ADDRESS/PORT: Connection refused". One that is silent for
# SECONDS has no line. Bash does it alone, without a program that Debian does not always have.
seconds=$1
shift
exec 5<> <(:)
waiting=()
for target; do
  ( : 2>&5 <>"/dev/tcp/$target" && echo "open $target" >&5 ) 2>&5 &
  waiting+=($!)
done
{ sleep "$seconds" >/dev/null 2>&1; echo end >&5; } &
waiting+=($!)
left=$#
while [ "$left" -gt 0 ] && read -r line <&5 && [ "$line" != end ]; do
  case $line in
    open\ * | */dev/tcp/*)
      echo "$line"
      left=$((left - 1))
      ;;
  esac
done
kill "${waiting[@]}" 2>/dev/null
exit 0
