#!/usr/bin/env bash
# Checks the blocks of docs/operate.md that other programs read: units by systemd-analyze, manifests by kubernetes-validate, HAProxy's
# file by haproxy, Prometheus' by promtool, logrotate's by logrotate; and runs the block with kubectl, which only prints what it would create.
# `cargo test` checks the TOML and the syntax of the shell blocks; packaging/test.sh and packaging/test-container.sh run the others. A missing
# program is reported as NOT TRIED.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PATH="$PATH:/usr/sbin"

block() { packaging/block.sh docs/operate.md "$1" "$2"; }
tried() { command -v "$1" >/dev/null || { echo "NOT TRIED: $2: no $1"; false; }; }

# As installed, with the drop-ins beside it.
if tried systemd-analyze "units"; then
  mkdir -p "$work/mtls-edge.service.d"
  sed "s#/usr/bin/mtls-edge#$(command -v true)#" packaging/mtls-edge.service >"$work/mtls-edge.service"
  for name in connections credentials; do block ini $name >"$work/mtls-edge.service.d/$name.conf"; done
  found=$(systemd-analyze verify --man=no "$work/mtls-edge.service" 2>&1 | grep mtls-edge || true)
  [ -z "$found" ] || { echo "FAILED: $found"; exit 1; }
fi
# The block with kubectl, in a folder with its files. There is no cluster: what would be created is printed.
manifests=()
run() { # <block>
  block sh "$1" >"$work/$1.sh"
  (cd "$work" && PATH="$work/kubectl:$PATH" bash -e "$1.sh" >"$work/$1.yaml") || { echo "FAILED: the block $1"; exit 1; }
}
if tried kubectl "the Secrets"; then
  mkdir -p "$work/kubectl"
  cat >"$work/kubectl/kubectl" <<SHIM
#!/bin/sh
# Nothing is applied: the manifests are validated below.
if [ "\$*" = "apply -f packaging/kubernetes" ]; then exit; fi
echo ---
exec $(command -v kubectl) "\$@" --dry-run=client -o yaml
SHIM
  chmod 755 "$work/kubectl/kubectl"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=server -keyout "$work/server.key" -out "$work/server.pem" 2>/dev/null
  cp "$work/server.pem" "$work/client-ca.pem"
  run kubernetes
  manifests=("$work/kubernetes.yaml")
fi
block yaml only-from-the-edge >"$work/only-from-the-edge.yaml"
validated=0
packaging/test-kubernetes.sh "$work/only-from-the-edge.yaml" "${manifests[@]}" || validated=$?
case $validated in
  0)
    # No registry has the schema of cert-manager's resources. What must agree with the manifests is its Secret.
    block yaml cert-manager | target/tools/kubernetes/bin/python -c '
import sys, yaml
certificate = yaml.safe_load(sys.stdin)
deployment = yaml.safe_load(open("packaging/kubernetes/deployment.yaml"))
secrets = [v["secret"]["secretName"] for v in deployment["spec"]["template"]["spec"]["volumes"] if "secret" in v]
assert certificate["spec"]["secretName"] in secrets, secrets'
    # Each mounted Secret is made by the block, with each file that edge.toml names in it.
    [ "${#manifests[@]}" = 0 ] || target/tools/kubernetes/bin/python - "${manifests[@]}" <<'PY'
import re, sys, yaml
made = {secret["metadata"]["name"]: set(secret["data"]) for secret in yaml.safe_load_all(open(sys.argv[1]))}
pod = yaml.safe_load(open("packaging/kubernetes/deployment.yaml"))["spec"]["template"]["spec"]
edge = yaml.safe_load(open("packaging/kubernetes/configmap.yaml"))["data"]["edge.toml"]
mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
assert set(made) == set(secrets.values()), (made, secrets)
for folder, file in re.findall(r'"(/secrets/[^/"]+)/([^"]+)"', edge):
    assert file in made[secrets[mounts[folder]]], (folder, file, made)
PY
    ;;
  3) echo "NOT TRIED: manifests: kubernetes-validate could not be installed" ;;
  *) exit "$validated" ;;
esac
if tried haproxy "the balancer's configuration"; then
  block haproxy balancer >"$work/haproxy.cfg"
  haproxy -q -c -f "$work/haproxy.cfg"
fi
if tried promtool "Prometheus' files"; then
  block yaml prometheus | sed "s|/etc/prometheus/mtls-edge.token|$work/token|" >"$work/prometheus.yml"
  echo 0123456789abcdef >"$work/token"
  cp dashboards/rules.yml "$work/"
  promtool check config "$work/prometheus.yml"
fi
if tried logrotate "logrotate's file"; then
  cmp <(block logrotate log-file) packaging/logrotate
  # As this user, on a real file, with a recorder in place of systemctl.
  mkdir -p "$work/log" "$work/bin"
  echo line >"$work/log/edge.log"
  printf '#!/bin/sh\necho "$@" >>%s/signals\n' "$work" >"$work/bin/systemctl"
  chmod 755 "$work/bin/systemctl" "$work/log"
  sed -e "s#/var/log/mtls-edge#$work/log#" -e "s#su .*#su $(id -un) $(id -gn)#" -e "s#create .*#create 0640 $(id -un) $(id -gn)#" packaging/logrotate >"$work/logrotate"
  chmod 644 "$work/logrotate"
  PATH="$work/bin:$PATH" logrotate -f -s "$work/state" "$work/logrotate" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
  ! grep '^error' "$work/out"
  [ "$(cat "$work/log/edge.log.1")" = line ]
  [ "$(stat -c %a "$work/log/edge.log")" = 640 ]
  grep -q -- '--signal=SIGUSR1 mtls-edge.service' "$work/signals"
fi
echo "the blocks of docs/operate.md are valid"
