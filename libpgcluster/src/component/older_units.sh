# shellcheck shell=sh
# Which running units have not read their present files: "UNIT FILE" for each. At its start a unit of ours notes the digests of these files.
for note in /run/pgcluster/units/*.start; do
  [ -f "$note" ] || continue
  unit=${note##*/}
  unit=${unit%.start}
  LC_ALL=C sha256sum -c --quiet "$note" 2>/dev/null | sed -n 's/: FAILED.*//p' | while IFS= read -r file; do
    systemctl is-active -q "$unit" && printf '%s %s\n' "$unit" "$file"
  done
done
:
