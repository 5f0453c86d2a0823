#!/bin/bash
# Does HAProxy serve here? For Keepalived, as nobody. usage: vip-check STATISTICS-PORT READ-WRITE-PORT. The page of statistics is asked with TLS, or
# without, as HAProxy has it: no certificate needs to be verified on this host itself.
ok() { [[ $(curl -q -sk --noproxy '*' -m 1 -o /dev/null -w '%{http_code}' "$1://127.0.0.1:$2/haproxy-ok") == 200 ]]; }
ok https "$1" || ok http "$1" || exit 1
exec timeout 1 bash -c ': <>"/dev/tcp/127.0.0.1/$1"' - "$2" 2>/dev/null
