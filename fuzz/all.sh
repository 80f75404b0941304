#!/usr/bin/env bash
# Fuzzes one target after the other: fuzz/all.sh SECONDS [TARGET]... (all targets by default). CONTRIBUTING.md has what it needs.
# The inputs that were found are kept in fuzz/corpus/, and those that fail a check in fuzz/artifacts/; the line that is printed for a
# target has its executions, coverage and time. Ends with an error if a check failed.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list)

failed=0
for target in "$@"; do
  mkdir -p "fuzz/corpus/$target"
  log="fuzz/corpus/$target.log"
  if ! cargo +nightly fuzz run -s none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -print_final_stats=1 >"$log" 2>&1; then
    failed=1
    printf '%s: FAILED, see %s\n' "$target" "$log"
  fi
  printf '%s: %s executions in %s s, %s\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
    "$(sed -n 's/^Done .* in \([0-9]*\) second.*/\1/p' "$log")" \
    "$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -1)"
done
exit $failed
