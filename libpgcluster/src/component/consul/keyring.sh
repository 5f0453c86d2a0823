# shellcheck shell=sh
# Compares the keys that an agent keeps for the gossip with the key on standard input: KEYRING-FILE... Prints a word for each file that is there: "only",
# "also" where there are further keys, "another" where it does not have that key.
k=$(cat)
for f; do
  [ -e "$f" ] || continue
  keys=$(tr -c 'A-Za-z0-9+/=' '\n' <"$f" | sed '/^$/d')
  case $keys in
    "$k") echo only ;;
    *"$k"*) echo also ;;
    *) echo another ;;
  esac
done
