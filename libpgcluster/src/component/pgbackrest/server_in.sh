# shellcheck shell=sh
# Prints a process of PostgreSQL that has this data directory, whatever postmaster.pid says: a server's working directory is its data. The program's file may
# have been replaced or removed meanwhile.
server_in() { # DATA-DIRECTORY
  real=$(readlink -f "$1")
  find /proc -mindepth 2 -maxdepth 2 -name cwd -printf '%h %l\n' 2>/dev/null |
    while read -r one at; do
      [ "$at" = "$real" ] || continue
      program=$(readlink "$one/exe")
      case ${program##*/} in postgres | 'postgres (deleted)')
        echo "${one#/proc/}"
        break
        ;;
      esac
    done
}
