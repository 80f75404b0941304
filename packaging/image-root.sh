#!/usr/bin/env bash
# Assembles the root file system of the image: packaging/image-root.sh PROGRAM FOLDER (the Dockerfile's build stage, and test-image.sh).
set -euo pipefail
program=$1
root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/mtls-edge" "$root/var/lib/mtls-edge" "$root/proc" "$root/dev"
strip -o "$root/usr/bin/mtls-edge" "$program"
# The loader and the libraries, at the paths that the program has for them.
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
# The system's roots, for https upstreams.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'mtls-edge:x:65532:65532::/var/lib/mtls-edge:/sbin/nologin' >"$root/etc/passwd"
echo 'mtls-edge:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chown 65532:65532 "$root/var/lib/mtls-edge"
