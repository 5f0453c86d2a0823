# shellcheck shell=sh
# Prints the certificate that a server shows to a new connection: ADDRESS:PORT STARTTLS. The server may want one of its client: it has shown its own before.
# shellcheck disable=SC2086  # the option is left out where nothing is said before TLS begins
openssl s_client -connect "$1" ${2:+-starttls "$2"} </dev/null 2>/dev/null | sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p'
