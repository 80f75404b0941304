#!/usr/bin/env bash
# Tests the packages: builds them from the program MTLS_EDGE_BIN (default: target/debug/mtls-edge), lints them, and installs, starts,
# reloads, upgrades, removes and purges the deb, then the rpm, with systemd as PID 1 of a throwaway copy of this machine (an overlay and namespaces).
# Needs root on Debian, and the packages lintian, rpm, systemd, curl, openssl and python3.
# PACKAGE_TEST_ROOT=DIR uses another Debian, such as one of debootstrap, in place of this machine's.
set -euo pipefail
cd "$(dirname "$0")/.."
export MTLS_EDGE_BIN="${MTLS_EDGE_BIN:-$PWD/target/debug/mtls-edge}"

say() { printf '== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

say "build"
PACKAGE_FAST=1 packaging/build.sh
deb=$(echo target/package/*.deb)
rpm=$(echo target/package/*.rpm)

say "lintian: no errors, no warnings but those of packages that Debian itself publishes"
# deb-systemd-invoke knows no signals.
lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs,maintainer-script-calls-systemctl "$deb"

say "the bill of materials names each crate that is linked, and both packages have it"
release/sbom.sh --check target/package/mtls-edge.cdx.json
[ "$(dpkg-deb --fsys-tarfile "$deb" | tar -xO ./usr/share/doc/mtls-edge/mtls-edge.cdx.json | sha256sum)" = \
  "$(sha256sum <target/package/mtls-edge.cdx.json)" ] || fail "the deb has another one, or none"

say "both packages have every document, whose links are checked by cargo test"
documents=$(cd target/package/documents && find . -type f | sed 's#^\.#/usr/share/doc/mtls-edge#' | sort)
for package in "$(dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's#^\.##')" "$(rpm -qpl "$rpm")"; do
  [ -z "$(comm -23 <(echo "$documents") <(sort <<<"$package"))" ] || fail "documents are missing: $(comm -23 <(echo "$documents") <(sort <<<"$package"))"
done

say "rpm: contents, configuration files, scripts"
grep -q '^systemd' <<<"$(rpm -qp --requires "$rpm")"
for path in /usr/bin/mtls-edge /usr/lib/systemd/system/mtls-edge.service /usr/libexec/mtls-edge/take-over /usr/lib/sysusers.d/mtls-edge.conf \
  /usr/share/man/man1/mtls-edge.1.gz /usr/share/licenses/mtls-edge/LICENSE \
  /usr/share/doc/mtls-edge/mtls-edge.cdx.json; do
  grep -qx "$path" <<<"$(rpm -qpl "$rpm")" || fail "the rpm has no $path"
done
[ "$(rpm -qpc "$rpm" | tr '\n' ' ')" = "/etc/logrotate.d/mtls-edge /etc/mtls-edge/applications.toml /etc/mtls-edge/edge.toml " ] || fail "configuration files: $(rpm -qpc "$rpm")"
grep -q 'useradd --system' <<<"$(rpm -qp --scripts "$rpm")" || fail "the rpm adds no user"
if command -v rpmlint >/dev/null; then
  rpmlint --ignore-unused-rpmlintrc --rpmlintrc packaging/rpmlintrc "$rpm" || fail "rpmlint"
fi

# A copy of the machine whose changes are in memory and vanish with it.
work=$(mktemp -d)
mkdir "$work/memory" "$work/root"
cp "$deb" "$work/1.deb"

say "a second version, with another edge.toml"
dpkg-deb -R "$deb" "$work/second"
sed -i 's/^Version: .*/Version: 99.0-1/' "$work/second/DEBIAN/control"
echo '# A line of the second version.' >>"$work/second/etc/mtls-edge/edge.toml"
(cd "$work/second" && find usr etc -type f -exec md5sum {} + >DEBIAN/md5sums)
dpkg-deb -b --root-owner-group -Zgzip -z1 "$work/second" "$work/2.deb" >/dev/null
rm -r "$work/second"
cp "$rpm" "$work/1.rpm"
cp target/package/sources/edge.toml "$work/edge.toml"
echo '# A line of the second version.' >>target/package/sources/edge.toml
PATH="$PWD/target/tools/bin:$PATH" cargo generate-rpm --payload-compress none --set-metadata 'version = "99.0"' --output "$work/2.rpm"
mv "$work/edge.toml" target/package/sources/edge.toml

cat >"$work/boot" <<'BOOT'
set -e
work=$1
root=$work/root
mount --make-rprivate /
mount -t tmpfs tmpfs "$work/memory"
mkdir "$work/memory/upper" "$work/memory/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$work/memory/upper,workdir=$work/memory/work" "$root"
# Of container images: it forbids packages to start and stop services.
rm -f "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
chmod 1777 "$root/tmp"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
: >"$root/dev/console"
mkdir "$root/package-test"
cp "$work"/[12].deb "$work"/[12].rpm "$work/installed" "$work/block.sh" "$work/token-endpoint.py" "$work/operate.md" "$root/package-test/"
ip link set lo up
cd "$root"
mkdir old
pivot_root . old
umount -l old
rmdir old
# As systemd has it outside of containers: the folders of credentials are mounted by another process.
mount --make-rshared /
exec /usr/bin/env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target
BOOT
cp packaging/test-installed.sh "$work/installed"
cp packaging/block.sh packaging/token-endpoint.py docs/operate.md "$work/"

say "systemd in a copy of ${PACKAGE_TEST_ROOT:-this machine}"
unshare --kill-child -m -p -n -u -i -C -f sh "$work/boot" "$work" "${PACKAGE_TEST_ROOT:-/}" >"$work/boot.log" 2>&1 </dev/null &
unshare=$!
trap 'kill -9 $unshare 2>/dev/null || true; wait $unshare 2>/dev/null || true; rm -rf "$work"' EXIT
inside() { nsenter -t "$init" -m -p -n -u -i -C -r -w -- /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
init=
for _ in $(seq 300); do
  init=$(cat "/proc/$unshare/task/$unshare/children" 2>/dev/null | tr -d ' ') || true
  if [ -n "$init" ] && [ "$(cat "/proc/$init/comm")" = systemd ] && inside systemctl is-active -q basic.target 2>/dev/null; then
    break
  fi
  kill -0 $unshare 2>/dev/null || { cat "$work/boot.log"; fail "systemd did not start"; }
  sleep 0.1
done
inside systemctl is-active -q basic.target || { cat "$work/boot.log"; fail "systemd did not start"; }
inside bash /package-test/installed </dev/null
say "the packages work"
