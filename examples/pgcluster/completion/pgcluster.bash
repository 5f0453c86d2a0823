# shellcheck shell=bash
# Completion of pgcluster for bash. Written by tools/completion.

# The sub-commands; the options of one of them, one a line, each with the kind of its value; the kind of its other words.
_pgcluster_commands() {
  echo 'validate check plan status backups history report password graph schema apply destroy switchover failover restart reload reinit backup restore prove rotate pause resume help'
}
_pgcluster_options() {
  case $1 in
    '') printf '%s\n' '-h' '--help' '--version' '--no-color' ;;
    'validate') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--json' '--no-color' ;;
    'check') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--json' '--no-color' ;;
    'plan') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--diff' '--json' '--detailed-exitcode' '--out file' '--without host' '--no-color' ;;
    'status') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--json' '--watch' '--no-color' ;;
    'backups') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--json' '--no-color' ;;
    'history') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--json' '--no-color' ;;
    'report') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--log file' '-o any' '--out any' '--no-color' ;;
    'password') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--no-color' ;;
    'graph') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--format dot mermaid svg' '--no-color' ;;
    'schema') printf '%s\n' '-h' '--help' '--no-color' ;;
    'apply') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--json' '--prune' '--without host' '--no-restart' '--log file' '--no-color' ;;
    'destroy') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--no-color' ;;
    'switchover') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--to host' '--no-color' ;;
    'failover') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--to host' '--no-color' ;;
    'restart') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--to host' '--host host' '--no-color' ;;
    'reload') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--to host' '--host host' '--no-color' ;;
    'reinit') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--to host' '--host host' '--no-color' ;;
    'backup') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--type full diff incr' '--no-color' ;;
    'restore') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--time any' '--lsn any' '--xid any' '--name any' '--backup any' '--timeline any' '--keep-data' '--no-color' ;;
    'prove') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--backup any' '--json' '--no-color' ;;
    'rotate') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--no-color' ;;
    'pause') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--no-color' ;;
    'resume') printf '%s\n' '-h' '--help' '-f yaml' '--file yaml' '--yes' '--no-color' ;;
    'help') printf '%s\n' '-h' '--help' '--no-color' ;;
  esac
}
_pgcluster_words() {
  case $1 in
    '') echo 'command' ;;
    'password') echo 'superuser replication restapi pgbouncer' ;;
    'schema') echo 'spec plan status report event backups history' ;;
    'apply') echo 'file' ;;
    'restart') echo 'host' ;;
    'reload') echo 'host' ;;
    'reinit') echo 'host' ;;
    'rotate') echo 'any' ;;
    'help') echo 'command' ;;
  esac
}

# Names of the hosts in a description.
_pgcluster_hosts() {
  awk '/^hosts:/ { on = 1; next } /^[^ #]/ { on = 0 } on && match($0, /^ +[A-Za-z0-9][A-Za-z0-9._-]*:/) {
    at = match($0, /[^ ]/); first = first ? first : at; if (at == first) { gsub(/^ +|:.*/, ""); print } }' "$1" 2>/dev/null
}

_pgcluster() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' spec='' kind='' words='' name value i
  COMPREPLY=()
  # --to=pg2 comes as three words.
  if [[ $current == = ]]; then
    current=''
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -f | --file)
        spec=${COMP_WORDS[i + 1]}
        [[ $spec != = ]] || spec=${COMP_WORDS[i + 2]}
        ;;
      -* | =) ;;
      *) [[ $command ]] || command=${COMP_WORDS[i]} ;;
    esac
  done
  while read -r name value; do
    words+="$name "
    [[ $name != "$before" ]] || kind=$value
  done < <(_pgcluster_options "$command")
  if [[ ! $kind && $current == -* ]]; then
    kind=$words
  elif [[ ! $kind ]]; then
    kind=$(_pgcluster_words "$command")
  fi
  case $kind in
    '' | any) return ;;
    command) kind=$(_pgcluster_commands) ;;
    host) kind=$(_pgcluster_hosts "${spec/#\~\//$HOME/}") ;;
    file | yaml)
      compopt -o filenames 2>/dev/null
      if [[ $kind == file ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current"; compgen -f -X '!*.y*ml' -- "$current")
      fi
      return
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$kind" -- "$current")
}

complete -F _pgcluster pgcluster
