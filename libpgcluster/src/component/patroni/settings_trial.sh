# shellcheck shell=sh
# Starts a throw-away server with a cluster's settings: BIN-DIRECTORY DATA-DIRECTORY SUPERUSER DIGEST VERDICT-FILE OPTION...
# Standard input: three files, each below a line of its own: "--- postgresql.conf", "--- pg_hba.conf", "--- pg_ident.conf".
# Writes to VERDICT-FILE "good DIGEST", or "bad DIGEST" and below it why, in PostgreSQL's words.
b=$1 data=$2 super=$3 digest=$4 verdict=$5
shift 5
d=/var/lib/postgresql/.pgcluster-trial
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
end() {
  [ ! -e "$d/data/postmaster.pid" ] || as "$b/pg_ctl" -D "$d/data" -m immediate stop >/dev/null 2>&1
  rm -rf "$d"
}
judged() { # VERDICT [FILE-WITH-REASON]
  { printf '%s %s\n' "$1" "$digest"; [ ! "$2" ] || head -c 4000 "$2"; } >"$verdict.new" && mv "$verdict.new" "$verdict"
  exit 0
}
{
  umask 077
  end # of a trial that was killed
  trap end EXIT
  as mkdir -p "$d"
  as tee "$d/all"
  for file in postgresql.conf pg_hba.conf pg_ident.conf; do
    sed -n "/^--- $file\$/,/^--- /{/^--- /!p;}" "$d/all" | as tee "$d/$file"
  done
  as "$b/initdb" -N -E UTF8 --no-locale -A trust -U "$super" -D "$d/data" 2>"$d/why" || judged bad "$d/why"
  as tee -a "$d/data/postgresql.conf" <"$d/postgresql.conf"
  # Certificates and the like, which settings name without a path.
  for file in "$data"/*.crt "$data"/*.key "$data"/*.pem "$data"/*.crl; do
    [ ! -e "$file" ] || as ln -s "$file" "$d/data/"
  done
  # Nothing of it reaches others: no network, no archive, no logs of the real server.
  as "$b/pg_ctl" -D "$d/data" -w -t 90 -l "$d/log" -o "-c listen_addresses= -c port=5432 -c unix_socket_directories=$d -c hba_file=$d/pg_hba.conf \
    -c ident_file=$d/pg_ident.conf -c archive_mode=off -c logging_collector=off -c log_destination=stderr -c log_min_messages=warning \
    -c log_error_verbosity=default -c log_line_prefix= -c lc_messages=C -c autovacuum=off -c fsync=off -c bonjour=off $*" start || {
    line=$(sed -n "s|.*line \([0-9]*\) of configuration file \"$d/pg_hba.conf\".*|\1|p" "$d/log" | head -n 1)
    [ ! "$line" ] || echo "pg_hba.conf: $(sed -n "${line}p" "$d/pg_hba.conf")"
    grep -E '^(FATAL|PANIC|ERROR|LOG|WARNING|DETAIL|HINT): ' "$d/log" | grep -vE 'database system is shut down|could not load .*pg_hba.conf|starting PostgreSQL|redirecting|listening on'
  } >"$d/why" 2>/dev/null
  [ ! -s "$d/why" ] || judged bad "$d/why"
  # The collector of logs starts with the real server only, which does not start without it.
  value() { as "$b/postgres" -D "$d/data" -C "$1" 2>/dev/null; }
  logs=$(value log_directory)
  case $(value logging_collector) in on) ;; *) logs='' ;; esac
  case $logs in /*) as test -w "$logs" || { [ ! -e "$logs" ] && as test -w "${logs%/*}/"; } || {
    echo "log_directory: the account postgres cannot write to $logs" >"$d/why"
    judged bad "$d/why"
  } ;; esac
  as "$b/psql" -XAtqw -h "$d" -p 5432 -U "$super" -d postgres -c 'select 1' 2>"$d/why" || judged bad "$d/why"
  judged good
} >/dev/null 2>&1
