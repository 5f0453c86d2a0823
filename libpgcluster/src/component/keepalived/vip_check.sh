#!/bin/bash
# Does HAProxy serve here? For Keepalived, as nobody. It runs all the time, and so starts no other program as long as HAProxy serves. A failure counts if
# it is still there half a second later.
# usage: vip-check STATISTICS-PORT READ-WRITE-PORT
exec 2>/dev/null
serves() {
  exec 3<>"/dev/tcp/127.0.0.2/$1" || return
  printf 'GET /haproxy-ok HTTP/1.0\r\n\r\n' >&3
  read -r -t 1 _ status _ <&3
  exec 3>&-
  [[ $status == 200 ]] && exec 3<>"/dev/tcp/127.0.0.1/$2"
}
serves "$@" || { sleep 0.5; serves "$@"; }
