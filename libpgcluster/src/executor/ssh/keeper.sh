# shellcheck shell=sh
# Starts ssh (the arguments), and ends it when its own standard input ends: when we shut that, or exist no more.
"$@" </dev/null & p=$!
exec >/dev/null 2>&1
IFS= read -r _
kill "$p"
wait "$p"
