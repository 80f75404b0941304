#!/bin/sh
# Cargo's RUSTC_WRAPPER in release/compile.sh. RUSTFLAGS do not apply to macros and build scripts, whose hashes depend on the paths of
# their sources, and those of the program on them.
# shellcheck disable=SC2086 # A list of flags.
exec "$@" $REMAPPED_PATHS
