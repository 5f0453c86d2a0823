# shellcheck shell=sh
# The shell on a host starts with this, the same for every program: it reads a line "KIND LENGTH" and that many bytes, and runs them. KIND is "." where
# nothing follows the program: then it reads the program as it reads a file, if it can, for `head` is a process more.
# A program whose end was lost on the way does not run at all: its last line calls the function that the lines before it define. It ends with newlines,
# which nobody misses.
# shellcheck disable=SC1091
read -r k n && if [ "$k" = . ] && [ -p /dev/stdin ]; then . /dev/stdin; else p=$(head -c "$n") && eval "$p"; fi
