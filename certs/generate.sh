#!/usr/bin/env bash
# Makes development certificates in certs/dev/: never for production. Quiet, and does nothing where they exist.
# `certs/generate.sh --force` makes all of them anew.
set -euo pipefail
umask 077

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
dev=$here/dev
days=825

command -v openssl >/dev/null || { echo "certs/generate.sh: openssl is not installed" >&2; exit 1; }

if [[ ${1:-} == --force ]]; then
    rm -rf -- "$dev"
fi
# The marker is written last, so a run that was cut short is made anew.
if [[ -e $dev/.complete ]]; then
    exit 0
fi
rm -rf -- "$dev"
mkdir -p -- "$dev"
cd -- "$dev"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# issue NAME SUBJECT ISSUER EXTENSIONS: a certificate signed by ISSUER.pem.
issue() {
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial \
        -days "$days" -sha256 -extfile <(printf '%b' "$4") -out "$1.pem" 2>/dev/null
}

# self_signed NAME SUBJECT EXTENSION...: a certificate signed by its own key.
self_signed() {
    local name=$1 subject=$2 extension arguments=()
    shift 2
    for extension in "$@"; do arguments+=(-addext "$extension"); done
    key "$name"
    openssl req -x509 -new -key "$name.key" -subj "$subject" -days "$days" -sha256 "${arguments[@]}" -out "$name.pem"
}

ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'

# Who vouches for clients, and through which intermediate.
self_signed client-ca '/C=DE/O=Example Bank/CN=Example Development Client CA' 'keyUsage=critical,keyCertSign,cRLSign'
issue client-intermediate '/C=DE/O=Example Bank/CN=Example Development Intermediate' client-ca "$ca"

# The edge's own certificate: its issuer is what a client has to trust.
self_signed server-ca '/O=mtls-edge development/CN=Development Server CA' 'keyUsage=critical,keyCertSign,cRLSign'
issue server '/CN=mtls.localhost' server-ca \
    "${leaf}extendedKeyUsage=serverAuth\nsubjectAltName=DNS:mtls.localhost,DNS:localhost\n"

# An application known by its subject. OpenSSL writes the DN in this order, RFC 4514 in the other.
issue payments '/C=DE/O=Example Bank/CN=payments' client-intermediate "${leaf}extendedKeyUsage=clientAuth\n"
cat payments.pem client-intermediate.pem >payments-chain.pem

# An application known by its certificate.
self_signed billing '/CN=billing' 'extendedKeyUsage=clientAuth'

printf 'development-only-cname-api-key\n' >cname-api-key

rm -f -- *.csr *.srl
chmod 600 -- *.key cname-api-key
chmod 644 -- *.pem
touch .complete
