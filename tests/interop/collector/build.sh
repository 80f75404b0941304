#!/usr/bin/env bash
# Builds OpenTelemetry's collector from the Go module proxy, by its own builder: target/collector/otelcol. About a minute on two cores, less
# than a second once it is there. Exits 3 if there is no Go, or the modules cannot be fetched.
set -euo pipefail
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-../../../target}"
mkdir -p "$target/collector"
target="$(cd "$target/collector" && pwd)"
# The version is part of the name, so that another one is built.
version="$(sed -n 's/.*otlpreceiver v//p' builder.yaml)"
[ ! -x "$target/otelcol-$version" ] || exit 0
command -v go >/dev/null || exit 3
GOBIN="$target" go install "go.opentelemetry.io/collector/cmd/builder@v$version" || exit 3
sed "/name: otelcol/a\\  output_path: $target/source" builder.yaml >"$target/builder.yaml"
"$target/builder" --config "$target/builder.yaml" || exit 3
mv "$target/source/otelcol" "$target/otelcol-$version"
rm -r "$target/source" "$target/builder" "$target/builder.yaml"
