#!/bin/sh
# ssh runs this for a secret. Its standard error leads to pgcluster, and so does a server's banner: the word of this connection, which stands only in
# the file beside, shows that a question is from here. A question that a server made up is not answered with the passphrase.
case $1 in
  'Enter passphrase for '*) what=passphrase ;;
  *assword*) what=password ;;
  *) exit 1 ;;
esac
IFS= read -r word <"${0%/*}/word" || exit 1
printf '\n%s-asks-for %s\n' "$word" "$what" >&2
IFS= read -r answer <&2 && printf '%s\n' "$answer"
