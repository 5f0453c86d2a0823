# shellcheck shell=sh
# Copies a replica's data anew where the data directory is a link: DATA-DIRECTORY. Patroni would put a directory in the link's place, on another disk.
# Without pg_control nothing starts on what is left after an interruption.
systemctl stop patroni.service || exit
rm -f -- "$1/global/pg_control"
find "$1/" -mindepth 1 ! -path "$1/lost+found" -delete
systemctl start patroni.service
