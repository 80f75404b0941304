#!/usr/bin/env bash
# Tests the Dockerfile with a real container engine (podman, with runc): builds it, and runs the image as its user, read-only, without
# capabilities. The stage `rust:1-bookworm` is made here, by debootstrap and with this machine's Rust, so that no registry of images is
# needed. Needs root, podman, runc, debootstrap, curl and openssl. The program is hardly optimised: only the Dockerfile is tested.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
engine() {
  podman --root "$work/images" --runroot "$work/run" --storage-driver overlay --runtime runc --cgroup-manager cgroupfs --events-backend none "$@"
}
# The limits are given since an engine raises them otherwise, which a machine may forbid.
run() { engine run --pull never --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "$@"; }
clean() {
  engine rm --force --all >/dev/null 2>&1 || true
  umount -l "$work/images/overlay" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  engine logs edge >&2 || true
  exit 1
}

echo "== the base image"
debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates bookworm "$work/base" >"$work/log" 2>&1 || { cat "$work/log"; fail "debootstrap"; }
mkdir -p "$work/base/usr/local/rust"
cp -a "$(rustc --print sysroot)"/{bin,lib} "$work/base/usr/local/rust/"
ln -s ../rust/bin/cargo ../rust/bin/rustc "$work/base/usr/local/bin/"
# What this machine's cargo has fetched: the build needs no network.
cargo fetch --locked --quiet
cat >"$work/Dockerfile" <<'BASE'
FROM scratch
COPY base/ /
ENV CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
BASE
build() { engine build --quiet --isolation chroot --format docker --pull=never "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "build $*"; }; }
build --tag docker.io/library/rust:1-bookworm "$work"
rm -rf "$work/base"

echo "== docker build"
build --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/cargo/registry" --build-arg COMMIT="0123456789ab 2026-01-01" --tag localhost/mtls-edge .

echo "== docker run --read-only --cap-drop ALL --security-opt no-new-privileges"
image() { engine image inspect --format "{{$1}}" localhost/mtls-edge; }
user=$(image .Config.User)
[ "$user" = 65532:65532 ] || fail "user: $user"
grep -q 0123456789ab <<<"$(run --rm --network none localhost/mtls-edge version)" || fail "the program does not know its commit"
config=$work/config
run --rm --network none --volume "$work:/work" --user 0 localhost/mtls-edge init /work/config >/dev/null
chown -R "$user" "$config"
run --detach --name edge --network host --read-only --cap-drop ALL --security-opt no-new-privileges \
  --volume "$config:/etc/mtls-edge:ro" localhost/mtls-edge >/dev/null
for _ in $(seq 100); do
  ! engine healthcheck run edge >/dev/null 2>&1 || break
  sleep 0.1
done
engine healthcheck run edge >/dev/null || fail "not healthy"
# No upstream runs: a verified request gets 503, another application's certificate 401.
call() {
  curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --cacert "$config/certs/server-ca.pem" --cert "$config/certs/$1.pem" \
    --key "$config/certs/$1.key" https://localhost:8443/oauth/token -d client_id=billing
}
[ "$(call billing)" = 503 ] || fail "billing: $(call billing)"
[ "$(call payments)" = 401 ] || fail "payments: $(call payments)"
# As process 1 it must take the signal by itself.
engine stop --time 20 edge >/dev/null
[ "$(engine inspect --format '{{.State.ExitCode}}' edge)" = 0 ] || fail "exit status $(engine inspect --format '{{.State.ExitCode}}' edge)"
grep -q 'drained' <<<"$(engine logs edge 2>&1)" || fail "no drain"
echo "the Dockerfile works: $(image .Size) bytes"
