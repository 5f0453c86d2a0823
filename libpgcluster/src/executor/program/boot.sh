# shellcheck shell=sh
# The shell on a host starts with this, the same for every program: it reads a length and that many bytes, and runs them.
# A program whose end was lost on the way does not run at all. It ends with newlines, which nobody misses.
IFS= read -r n && p=$(head -c "$n") && eval "$p"
