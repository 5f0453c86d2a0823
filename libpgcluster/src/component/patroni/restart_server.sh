# shellcheck shell=sh
# Has Patroni restart its server: DATA-DIRECTORY COMMAND... If the command fails, prints PostgreSQL's last errors since then.
data=$1 since=$(date +%s)
shift
log() { # the file of the collector of logs, if it runs
  sed -n "s|^stderr /|/|p; s|^stderr |$data/|p" "$data/current_logfiles" 2>/dev/null
}
former=$(log)
size=$(stat -c %s "$former" 2>/dev/null)
"$@" && exit
status=$?
sleep 1
{
  journalctl -u patroni.service --since "@$since" -o cat --no-pager
  now=$(log)
  [ "$now" = "$former" ] || size=0
  [ ! "$now" ] || tail -c "+$((${size:-0} + 1))" "$now" | tail -n 200
} 2>/dev/null |
  sed -n 's/^.*\(FATAL\|PANIC\|DETAIL\|HINT\):  */\1:  /p' |
  grep -vE '^FATAL:  (terminating |the database system is )' | awk '!seen[$0]++' | tail -n 8 >&2
exit "$status"
