# shellcheck shell=sh
# What a restore has to know of a database host: DATA-DIRECTORY. Prints "free KIB"; "work KIB", which is free for what `prove` copies; "fixed WHY" where the
# directory cannot be renamed; and "tool VERSION" of pgBackRest.
place=$1
until [ -d "$place" ]; do place=$(dirname "$place"); done
free=$(df -Pk "$place" | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')
echo "free $free"
echo "work $(df -Pk /var/lib/postgresql 2>/dev/null | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\) .*/\1/p')"
if [ -L "$1" ]; then
  echo "fixed $1 is a link"
elif grep -qF " $1 " /proc/self/mountinfo; then
  echo "fixed $1 is a file system of its own"
elif [ -L "$1/pg_wal" ]; then
  echo "fixed its WAL stands elsewhere, by a link"
else
  for one in "$1/pg_tblspc"/*; do
    [ ! -e "$one" ] || { echo "fixed it has tablespaces elsewhere"; break; }
  done
fi
echo "tool $(pgbackrest version 2>/dev/null | sed 's/^pgBackRest //')"
