#!/usr/bin/env bash
# Builds the packages: target/package/mtls-edge_VERSION_ARCH.deb and .rpm.
#
#     packaging/build.sh [deb|rpm]...    # both by default
#     packaging/build.sh tools           # only install the tools that it needs
#
# They contain the program of MTLS_EDGE_BIN if it is set (target/guided/mtls-edge, after release/build.sh), else a release build.
# The tools, cargo-deb, cargo-generate-rpm and cargo-cyclonedx, are installed into target/tools if they are missing.
# PACKAGE_FAST=1 builds the tools without optimization and compresses less, for tests.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- deb rpm

out=target/package
tools=$PWD/target/tools
PATH="$tools/bin:$PATH"
tool() {
  command -v "$1" >/dev/null ||
    CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked ${PACKAGE_FAST:+--debug} --root "$tools" "$1@$2"
}
cargo_deb() { tool cargo-deb 3.8.0; }
cargo_generate_rpm() { tool cargo-generate-rpm 0.21.1; }
cargo_cyclonedx() { tool cargo-cyclonedx 0.5.9; }
if [ "$1" = tools ]; then
  cargo_deb
  cargo_generate_rpm
  cargo_cyclonedx
  exit
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
if [ -z "${MTLS_EDGE_BIN:-}" ]; then
  MTLS_EDGE_BIN=$(release/compile.sh)
fi

rm -rf "$out/man" "$out/completions" "$out/documents"
mkdir -p "$out/man" "$out/completions"
strip -o "$out/mtls-edge" "$MTLS_EDGE_BIN"
cp packaging/mtls-edge.service "$out/"
# A package dates what is newer than the sources with their date. Files of a checkout may be older, and are copied.
rm -rf "$out/sources"
mkdir "$out/sources"
cp packaging/{take-over.sh,sysusers.conf,edge.toml,applications.toml,logrotate} LICENSE "$out/sources/"
packaging/documents.sh "$out/documents"
"$out/mtls-edge" man "$out/man"
"$out/mtls-edge" completions bash >"$out/completions/mtls-edge"
"$out/mtls-edge" completions zsh >"$out/completions/_mtls-edge"
"$out/mtls-edge" completions fish >"$out/completions/mtls-edge.fish"
gzip -9kn "$out"/man/*.1

# The date of the sources, so that two builds of one commit are the same.
date=$(git log -1 --format=%cD 2>/dev/null || date -R)
SOURCE_DATE_EPOCH=$(date -d "$date" +%s)
export SOURCE_DATE_EPOCH
printf 'mtls-edge (%s-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' \
  "$version" "$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)" "$date" >"$out/changelog.Debian"
cargo_cyclonedx
release/sbom.sh "$out/mtls-edge.cdx.json"

for kind in "$@"; do
  rm -f "$out"/*."$kind"
  case $kind in
    deb)
      cargo_deb
      cargo deb --quiet --no-build --no-strip ${PACKAGE_FAST:+--fast} --output "$out/" >/dev/null
      ;;
    rpm)
      cargo_generate_rpm
      cargo generate-rpm ${PACKAGE_FAST:+--payload-compress none} --output "$out/"
      ;;
    *)
      echo "error: $kind: deb or rpm" >&2
      exit 2
      ;;
  esac
done
find "$out" -name "*.deb" -o -name "*.rpm"
