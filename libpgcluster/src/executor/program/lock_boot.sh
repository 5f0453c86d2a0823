# shellcheck shell=bash
# The bash that holds a host's lock starts with this: it runs lock.sh, one line of base64 on its standard input.
IFS= read -r -t 30 p && eval "$(printf %s "$p" | base64 -d)"
