#!/usr/bin/env bash
# Tests the Dockerfile, and the section Docker of docs/operate.md, with a real container engine (podman, with runc): each block runs as it is,
# with podman in place of docker, in a network namespace where port 443 is free. The stage `rust:1-bookworm` is made here, by debootstrap and
# with this machine's Rust, so that no registry of images is needed. Needs root, podman, runc, debootstrap, git, curl, openssl and python3.
# The program is hardly optimised: only the Dockerfile is tested.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
  CONTAINER_TEST=$(mktemp -d)
  export CONTAINER_TEST
  trap 'rm -rf "$CONTAINER_TEST"' EXIT
  echo "== the base image"
  debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates bookworm "$CONTAINER_TEST/base" >"$CONTAINER_TEST/log" 2>&1 || { cat "$CONTAINER_TEST/log"; exit 1; }
  mkdir -p "$CONTAINER_TEST/base/usr/local/rust"
  cp -a "$(rustc --print sysroot)"/{bin,lib} "$CONTAINER_TEST/base/usr/local/rust/"
  ln -s ../rust/bin/cargo ../rust/bin/rustc "$CONTAINER_TEST/base/usr/local/bin/"
  # What this machine's cargo has fetched: the build needs no network.
  cargo fetch --locked --quiet
  # Containers, addresses and mounts vanish with the namespaces.
  unshare --kill-child -m -n -p -f --mount-proc "$0" inside
  exit
fi

work=$CONTAINER_TEST
engine() {
  podman --root "$work/images" --runroot "$work/run" --network-config-dir "$work/networks" --storage-driver overlay --runtime runc \
    --cgroup-manager cgroupfs --events-backend none "$@"
}
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  engine logs mtls-edge >&2 || true
  exit 1
}
ip link set lo up
# CNI remembers addresses there.
mkdir -p "$work/cni" /var/lib/cni
mount --bind "$work/cni" /var/lib/cni

cat >"$work/Dockerfile" <<'BASE'
FROM scratch
COPY base/ /
ENV CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
BASE
build() { engine build --quiet --isolation chroot --format docker --pull=never "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "build $*"; }; }
build --tag docker.io/library/rust:1-bookworm "$work"
rm -rf "$work/base"

# What the blocks call. Limits are given since an engine raises them otherwise, which a machine may forbid. Not each podman resolves the
# names of containers as Docker does: the upstream is an entry in the hosts file.
sources=$PWD
export GIT_DIR
GIT_DIR=$(git rev-parse --absolute-git-dir)
docker() {
  local command=$1 hosts=()
  shift
  case $command in
    build) build --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/cargo/registry" "${@:1:$#-1}" "$sources" ;;
    run)
      ! engine network exists auth || hosts=(--add-host "auth-server:$(engine network inspect auth --format '{{range .Subnets}}{{.Gateway}}{{end}}')")
      engine run --pull never --ulimit nofile=1024:1024 --ulimit nproc=1000:1000 "${hosts[@]}" "${@/nofile=65536/nofile=1024:1024}"
      ;;
    *) engine "$command" "$@" ;;
  esac
}
run() { # <block>
  packaging/block.sh docs/operate.md sh "$1" >"$work/$1.sh"
  # Not as a condition, where a failing line would not end it.
  set +e
  (set -e && cd "$work" && . "$work/$1.sh") >"$work/log" 2>&1
  local status=$?
  set -e
  [ $status = 0 ] || { cat "$work/log"; fail "the block $1 of docs/operate.md"; }
}

echo "== docker build, and a configuration by init"
run docker-init
image() { engine image inspect --format "{{$1}}" localhost/mtls-edge; }
[ "$(image .Config.User)" = 65532:65532 ] || fail "user: $(image .Config.User)"
grep -q "$(git log -1 --format=%h --abbrev=12)" <<<"$(docker run --rm --network none mtls-edge version)" || fail "the program does not know its commit"

echo "== docker run --read-only --cap-drop ALL --security-opt no-new-privileges --publish 443:8443"
packaging/token-endpoint.py 0.0.0.0 &
run docker
for _ in $(seq 100); do
  ! engine healthcheck run mtls-edge >/dev/null 2>&1 || break
  sleep 0.1
done
engine healthcheck run mtls-edge >/dev/null || fail "not healthy"
run docker-call
grep -q 'token$' "$work/log" || fail "no token: $(cat "$work/log")"
# Another application's certificate.
cd "$work"
status=$(curl -s -o /dev/null -w '%{http_code}' --resolve mtls.auth.example.com:443:127.0.0.1 --cacert my-edge/certs/server-ca.pem \
  --cert my-edge/certs/payments.pem --key my-edge/certs/payments.key https://mtls.auth.example.com/oauth/token -d client_id=billing)
[ "$status" = 401 ] || fail "payments: $status"
# As process 1 it must take the signal by itself.
engine stop --time 20 mtls-edge >/dev/null
[ "$(engine inspect --format '{{.State.ExitCode}}' mtls-edge)" = 0 ] || fail "exit status $(engine inspect --format '{{.State.ExitCode}}' mtls-edge)"
grep -q 'drained' <<<"$(engine logs mtls-edge 2>&1)" || fail "no drain"
echo "the Dockerfile works: $(image .Size) bytes"
