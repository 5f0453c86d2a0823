# shellcheck shell=sh
# The shell on a host starts with this text, which is the same for every program. It reads a line "KIND LENGTH", then LENGTH bytes, and runs them.
# KIND is "." if nothing follows the program. If the input is a pipe, the shell then reads it like a file, without LENGTH, which saves the process of
# `head`. A program whose end was lost on the way does not run at all: its last line calls the function that the lines before it define. $() strips the
# newlines at its end, which does no harm.
# shellcheck disable=SC1091
read -r k n && if [ "$k" = . ] && [ -p /dev/stdin ]; then . /dev/stdin; else p=$(head -c "$n") && eval "$p"; fi
