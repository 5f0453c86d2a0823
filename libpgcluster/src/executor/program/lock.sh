# shellcheck shell=bash
# Holds a host's lock: RUN WHO SINCE TOKEN. bash, for read -t. Nothing here is secret.
# It answers "ours", or "held" and the three lines of lock.info. An empty line comes first, because a login script may print something without a newline.
# Then it reads heartbeats, and ends 30 s after the last one.
R=$1 who=$2 since=$3 token=$4
umask 022
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /
trap '' PIPE
broken() { printf '\nbroken\n'; exit 0; }
[ -d "$R" ] || mkdir -p -- "$R" || broken
exec 8>>"$R/lock" || broken
if ! flock -n 8; then
  held() {
    w='' s=0 t=''
    { IFS= read -r w; read -r s; IFS= read -r t; } 2>/dev/null <"$R/lock.info"
  }
  held
  # Our own lock, of a connection that broke: its process ends 30 s after our last heartbeat at the latest.
  if [ "$t" != "$token" ] || ! flock -w 31 8; then
    held
    printf '\nheld\n'
    printf '%s\n' "$w" "$s" "$t"
    exit 0
  fi
fi
{ printf '%s\n' "$who" "$since" "$token" >"$R/lock.info.new" && mv -fT -- "$R/lock.info.new" "$R/lock.info"; } || broken
printf '\nours\n'
while IFS= read -r -t 30 beat; do
  [ "$beat" != unlock ] || break
done
rm -f -- "$R/lock.info"
[ "$beat" != unlock ] || echo unlocked
