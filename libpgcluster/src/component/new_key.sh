# shellcheck shell=sh
# Makes a private key and a request for a certificate of it: BASE ACCOUNT NAME. The key is BASE.key.next until its certificate is there, and only ACCOUNT
# may read it. BASE.csr has the request, and in its first line the digest of the key's file.
# The former request goes first and the new one comes last: if this ends in between, the host has no request of a key, and the next apply makes both anew,
# under the same names.
set -e
b=$1
mkdir -p "${b%/*}"
rm -f "$b.csr" "$b.key.next"
umask 077
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$b.key.next"
chown "$2:" "$b.key.next"
digest=$(sha256sum "$b.key.next")
request=$(openssl req -new -key "$b.key.next" -subj "/CN=$3")
umask 022
printf 'key %s\n%s\n' "${digest%% *}" "$request" >"$b.csr"
