#!/bin/bash
# Does HAProxy serve here? For Keepalived, as nobody. usage: vip-check STATISTICS-PORT READ-WRITE-PORT
code=$(curl -q -s --noproxy '*' -m 1 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/haproxy-ok") && [[ $code == 200 ]] || exit 1
exec timeout 1 bash -c ': <>"/dev/tcp/127.0.0.1/$1"' - "$2" 2>/dev/null
