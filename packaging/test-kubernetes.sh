#!/usr/bin/env bash
# Validates the manifests in packaging/kubernetes and each YAML file given, against the schemas of Kubernetes that the PyPI package
# kubernetes-validate brings. `cargo test` checks the configuration in them. Exits 3 if the package cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/tools/kubernetes
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
  python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 || exit 3
fi
"$venv/bin/kubernetes-validate" --strict packaging/kubernetes/*.yaml "$@"
