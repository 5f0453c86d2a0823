# shellcheck shell=sh
# Prints "another" if KEYRING-FILE does not have the key on standard input.
k=$(cat)
[ ! -e "$1" ] || case $(cat "$1") in *"\"$k\""*) ;; *) echo another ;; esac
