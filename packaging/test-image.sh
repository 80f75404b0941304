#!/usr/bin/env bash
# Tests the image without a container engine: assembles the root of the Dockerfile's last stage from the program MTLS_EDGE_BIN
# (default: target/debug/mtls-edge), and runs its ENTRYPOINT, CMD and HEALTHCHECK in it as its USER, with the root read-only, without
# capabilities. Needs root, and curl, openssl and python3. test-container.sh also shows the build stage, with an engine.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${MTLS_EDGE_BIN:-$PWD/target/debug/mtls-edge}

if [ "${1:-}" != inside ]; then
  export IMAGE_TEST
  IMAGE_TEST=$(mktemp -d)
  trap 'rm -rf "$IMAGE_TEST"' EXIT
  unshare --kill-child -m -n -p -f --mount-proc "$0" inside
  exit
fi

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  cat "$IMAGE_TEST/log" >&2 || true
  exit 1
}
# The arguments of an instruction of the last stage, one a line.
instruction() { python3 - "$1" <<'PY'; }
import json, re, sys
stage = open("Dockerfile").read().split("\nFROM ")[-1]
line = next(line for line in stage.splitlines() if line.startswith(sys.argv[1] + " "))
words = re.search(r"\[.*\]", line)
print("\n".join(json.loads(words[0]) if words else line.split()[1:]))
PY
[ "$(grep ^FROM Dockerfile | tail -1)" = "FROM scratch" ] || fail "the last stage is not from scratch"
[ "$(grep -c '^COPY --from' Dockerfile)" = 1 ] && [ "$(instruction COPY | tail -2 | tr '\n' ' ')" = "/image/ / " ] || fail "COPY"
grep -q 'packaging/image-root.sh "$(release/compile.sh)" /image' Dockerfile || fail "the build stage"
user=$(instruction USER)
mapfile -t command < <(instruction ENTRYPOINT && instruction CMD)
mapfile -t health < <(instruction HEALTHCHECK)

root=$IMAGE_TEST/root
packaging/image-root.sh "$program" "$root"
[ -z "$(find "$root" -perm /6000)" ] || fail "a setuid file"
! find "$root" -name '*.key' -o -name '*sh' -type f | grep . || fail "a key or a shell"

config=$IMAGE_TEST/config
"$program" init "$config" >/dev/null
chown -R "$user" "$config"
ip link set lo up
mount --bind "$root" "$root"
mount --bind "$config" "$root/etc/mtls-edge"
mount -o remount,bind,ro "$root/etc/mtls-edge"
mount -t tmpfs -o "uid=${user%:*},gid=${user#*:}" tmpfs "$root/var/lib/mtls-edge"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root"
# chroot needs a capability, and the image has no program that drops them after it.
cat >"$IMAGE_TEST/enter.py" <<'PY'
import ctypes, os, sys
root, user, *command = sys.argv[1:]
uid, gid = map(int, user.split(":"))
os.chroot(root)
os.chdir("/")
prctl = ctypes.CDLL(None).prctl
for capability in range(41):
    prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
os.setgroups([])
os.setresgid(gid, gid, gid)
os.setresuid(uid, uid, uid)
os.execve(command[0], command, {"PATH": "/usr/bin"})
PY
in_image=(python3 "$IMAGE_TEST/enter.py" "$root" "$user")

if "${in_image[@]}" "${health[@]}" >/dev/null 2>&1; then fail "healthy before the start"; fi
"${in_image[@]}" "${command[@]}" >"$IMAGE_TEST/log" 2>&1 &
edge=$!
for _ in $(seq 100); do
  "${in_image[@]}" "${health[@]}" >"$IMAGE_TEST/status" 2>&1 && break
  kill -0 $edge || fail "ended"
  sleep 0.1
done
grep -q "^ready$" "$IMAGE_TEST/status" || fail "not healthy: $(cat "$IMAGE_TEST/status")"
grep -q '^CapBnd:	0000000000000000$' /proc/$edge/status && grep -q "^Uid:	${user%:*}	" /proc/$edge/status || fail "privileges"
# No upstream runs: a verified request gets 503, another application's certificate 401.
call() {
  curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --cacert "$config/certs/server-ca.pem" --cert "$config/certs/$1.pem" \
    --key "$config/certs/$1.key" https://localhost:8443/oauth/token -d client_id=billing
}
[ "$(call billing)" = 503 ] || fail "billing: $(call billing)"
[ "$(call payments)" = 401 ] || fail "payments: $(call payments)"
kill -TERM $edge
wait $edge || fail "exit status $?"
echo "the image works: uid ${user%:*}, read-only, no capabilities; $(du -sh "$root/usr/bin" | cut -f1) program, $(find "$root" -xdev -type f | wc -l) files"
