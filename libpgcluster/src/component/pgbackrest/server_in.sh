# shellcheck shell=sh
# Prints a process of PostgreSQL that has this data directory, whatever postmaster.pid says: a server's working directory is its data. The program's file may
# have been replaced or removed meanwhile.
server_in() { # DATA-DIRECTORY
  find /proc -mindepth 2 -maxdepth 2 -name cwd -lname "$(readlink -f "$1" | sed 's/[][*?\\]/\\&/g')" 2>/dev/null |
    while IFS= read -r one; do
      one=${one%/cwd}
      program=$(readlink "$one/exe")
      case ${program##*/} in postgres | 'postgres (deleted)')
        echo "${one#/proc/}"
        break
        ;;
      esac
    done
}
