#!/usr/bin/env bash
# Validates the manifests in packaging/kubernetes and each YAML file given, against the schemas of Kubernetes that the PyPI package
# kubernetes-validate brings: its newest, and 1.30, the oldest in which `preStop: sleep` needs no feature gate. Also that the pod is killed after
# its drain at the earliest. `cargo test` checks the configuration in them. Exits 3 if the package cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=target/tools/kubernetes
if [ ! -x "$venv/bin/kubernetes-validate" ]; then
  python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 || exit 3
fi
for version in 1.37 1.30; do
  "$venv/bin/kubernetes-validate" --quiet --strict -k "$version" packaging/kubernetes/*.yaml "$@"
done
"$venv/bin/python" - <<'PY'
import re, yaml
pod = yaml.safe_load(open("packaging/kubernetes/deployment.yaml"))["spec"]["template"]["spec"]
edge = yaml.safe_load(open("packaging/kubernetes/configmap.yaml"))["data"]["edge.toml"]
steps = [pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]]
steps += [int(re.search(rf'^{key} = "(\d+)s"', edge, re.M)[1]) for key in ("drain_delay", "drain_timeout")]
grace = pod["terminationGracePeriodSeconds"]
assert grace > sum(steps), f"terminationGracePeriodSeconds {grace}: preStop, drain_delay and drain_timeout are {steps}"
PY
