# shellcheck shell=sh
# Makes a private key and a request for a certificate of it: BASE ACCOUNT NAME. The key is BASE.key.next until its certificate is there, and only ACCOUNT
# may read it. BASE.csr has the request, and in its first line the digest of the key's file.
set -e
b=$1
mkdir -p "${b%/*}"
umask 077
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$b.key.new"
chown "$2:" "$b.key.new"
digest=$(sha256sum "$b.key.new")
openssl req -new -key "$b.key.new" -subj "/CN=$3" -out "$b.csr.new"
{ printf 'key %s\n' "${digest%% *}"; cat "$b.csr.new"; } >"$b.csr.next"
rm "$b.csr.new"
chmod 644 "$b.csr.next"
# In this order: a request whose key is not there is made anew.
mv -f "$b.csr.next" "$b.csr"
mv -f "$b.key.new" "$b.key.next"
