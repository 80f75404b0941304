#!/usr/bin/env bash
# Shows that the release is reproducible: compiles the tracked files of this checkout twice, in folders, with Cargo homes, users' homes,
# locales and time zones of their own, and fails unless both programs are the same, byte for byte, and have no path of this machine.
#
#     release/reproducible.sh [RUSTC FLAG]...    # such as "-Cprofile-use=$PWD/target/guided/counts.profdata"; prints the SHA-256
#
# It needs the crates of Cargo.lock, which it fetches once, and room for two builds.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

commit=${MTLS_EDGE_COMMIT:-$(git log -1 --no-show-signature --format='%h %cs' --abbrev=12)}
cargo fetch --locked --quiet
fetched=${CARGO_HOME:-$HOME/.cargo}/registry
rustc=$(rustup which rustc 2>/dev/null || command -v rustc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git ls-files -z | tar -c --null --files-from=- -f "$work/sources.tar"

# Compiles in a folder, for a locale and a time zone.
compile() { # <folder> <locale> <zone> <flags>...
  local folder=$1 locale=$2 zone=$3
  shift 3
  mkdir -p "$folder/sources" "$folder/home" "$folder/cargo/registry"
  tar -x -f "$work/sources.tar" -C "$folder/sources"
  # What was downloaded; Cargo unpacks it in its home.
  cp -r "$fetched"/{cache,index} "$folder/cargo/registry/"
  env HOME="$folder/home" CARGO_HOME="$folder/cargo" CARGO_TARGET_DIR="$folder/built" CARGO_NET_OFFLINE=true \
    PATH="$(dirname "$rustc"):$PATH" LC_ALL="$locale" TZ="$zone" MTLS_EDGE_COMMIT="$commit" \
    "$folder/sources/release/compile.sh" "$@"
}

one=$(compile "$work/one" C UTC "$@")
two=$(compile "$work/second/further" C.UTF-8 Asia/Tokyo "$@")

# Names that only a path of this machine has.
for path in "$work" "$PWD" "$HOME/" "$(dirname "$fetched")" "$(rustc --print sysroot)"; do
  found=$(grep -aoE -m 5 "[[:print:]]*$path[[:print:]]*" "$one") || continue
  fail "the program contains $path: $found"
done
cmp "$one" "$two" >&2 || fail "two builds of the same sources differ"
sha256sum <"$one" | cut -d' ' -f1
