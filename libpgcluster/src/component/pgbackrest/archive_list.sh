# shellcheck shell=sh
# Lists a cluster's WAL in a repository: DIRECTORY PGBACKREST-WORD... up to the command. Prints "wal SEGMENT TIME" for each segment, TIME being when it was
# archived; "history TIMELINE TIME" for each history file, and below it "fork LINE" for each of its lines. Of the newest database only.
cd "$1" 2>/dev/null || exit 1
shift
database=
for one in *-*; do
  [ ! -d "$one" ] || [ "${database##*-}" ] && [ "${one##*-}" -lt "${database##*-}" ] || database=$one
done
[ -d "$database" ] || exit 0
find "$database" -type f ! -name '*.partial*' ! -name '*.backup*' -name '????????????????????????-*' -printf '%f %Ts\n' |
  sed -n 's/^\([0-9A-F]\{24\}\)-[^ ]* \([0-9]*\)/wal \1 \2/p'
for file in "$database"/*.history; do
  [ -f "$file" ] || continue
  name=${file##*/}
  echo "history ${name%.history} $(stat -c %Y "$file")"
  "$@" repo-get "archive/$(basename "$PWD")/$file" | sed -n 's/^\([0-9].*\)/fork \1/p'
done
:
