#!/usr/bin/env bash
# Builds the profile-guided (PGO) binary for deployment, which uses 4 to 13 % less CPU per operation (benches/RESULTS.md): builds with
# counters, runs the load test against that, and builds again with the profile.
#
#     release/build.sh        # about ten minutes on two cores; writes target/guided/mtls-edge
#
# The counts differ from run to run, and the program with them. Publish target/guided/counts.profdata beside it: with that file anyone gets
# the same program (release/reproducible.sh).
#
# Arguments replace the load test arguments below (cargo bench --bench load -- --help).
# RELEASE_TESTS names the modules of tests/promises/ to run against the result, such as "credentials handover"; without it all are run.
# It needs llvm-profdata of the LLVM version of rustc: `rustup component add llvm-tools`, or Debian's package llvm-22 for LLVM 22.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
rustc_has() { rustc -vV | sed -n "s/^$1: //p"; }

host=$(rustc_has host)
llvm=$(rustc_has "LLVM version")
llvm=${llvm%%.*}

# Profiles of another LLVM's make are not read.
profdata=
for candidate in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" "llvm-profdata-$llvm" llvm-profdata; do
  if "$candidate" --version 2>/dev/null | grep -q "LLVM version $llvm\."; then
    profdata=$candidate
    break
  fi
done
[ -n "$profdata" ] || fail "rustc has LLVM $llvm and there is no llvm-profdata of it: \
run \`rustup component add llvm-tools\`, or install the package llvm-$llvm"

mkdir -p "${CARGO_TARGET_DIR:-target}/guided"
guided=$(cd "${CARGO_TARGET_DIR:-target}/guided" && pwd)
# Cargo does not see that counts have changed.
rm -rf "$guided/counts" "$guided/compiled"

build() { # <folder> <flag>
  CARGO_TARGET_DIR="$guided/$1" release/compile.sh "$2"
}

say "the edge with counters"
counted=$(build counted "-Cprofile-generate=$guided/counts")

say "load on it: every row of the load test"
[ $# -gt 0 ] || set -- --rounds 2 --seconds 1 --idle 1000
cargo bench --locked --profile dev --bench load -- --edge "$counted" "$@"

say "the edge by what was counted"
"$profdata" merge -o "$guided/counts.profdata" "$guided/counts"
compiled=$(build compiled "-Cprofile-use=$guided/counts.profdata")

say "the tests, against it"
read -ra tests <<<"${RELEASE_TESTS:-}"
MTLS_EDGE_BIN="$compiled" cargo test --locked --test promises -- "${tests[@]/%/::}"
cp "$compiled" "$guided/mtls-edge"
say "$guided/mtls-edge"
