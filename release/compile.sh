#!/usr/bin/env bash
# Compiles the program in release mode, and prints its path: release/compile.sh [RUSTC FLAG]...
#
# The same sources, tools and flags give the same bytes, wherever the sources, Cargo's folders and the build are: paths of this machine
# are replaced. release/reproducible.sh shows that. Sources without git's data need MTLS_EDGE_COMMIT ("HASH DATE"), for `version`.
set -euo pipefail
cd "$(dirname "$0")/.."

sources=$PWD
cargo_home=${CARGO_HOME:-$HOME/.cargo}
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
host=$(rustc -vV | sed -n 's/^host: //p')

# The last one that matches counts: the target folder may be in that of the sources.
rust=() c=()
for pair in "$sources=/mtls-edge" "$cargo_home=/cargo" "$target=/target"; do
  rust+=("--remap-path-prefix=$pair")
  c+=("-ffile-prefix-map=$pair")
done

# For C sources that contain the time: the day of the commit.
day=${MTLS_EDGE_COMMIT:-$(git log -1 --no-show-signature --format=%cs 2>/dev/null || echo 1970-01-01)}
SOURCE_DATE_EPOCH=$(date -u -d "${day##* }" +%s)

export SOURCE_DATE_EPOCH CARGO_TARGET_DIR=$target REMAPPED_PATHS="${rust[*]}" RUSTC_WRAPPER=$sources/release/rustc.sh
export CFLAGS="${CFLAGS:-} ${c[*]}" RUSTFLAGS="${RUSTFLAGS:-} ${rust[*]} $*"
# With --target, RUSTFLAGS are for the program alone: build scripts would leave counts too.
cargo build --locked --release --target "$host" --bin mtls-edge >&2
echo "$target/$host/release/mtls-edge"
