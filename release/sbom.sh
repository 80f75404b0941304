#!/usr/bin/env bash
# Writes the software bill of materials of the program, in CycloneDX 1.5: each crate that is linked, with its version, licence and hash.
#
#     release/sbom.sh FILE             # needs cargo-cyclonedx (packaging/build.sh tools) and python3
#     release/sbom.sh --check FILE     # fails unless the file names exactly the crates that are linked
#
# The same sources give the same file: its time is that of the commit, and it has no paths.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
# cargo-cyclonedx also lists crates of features that are off; cargo tree knows what is compiled.
linked() { cargo tree --locked --edges normal --target "$host" --prefix none --format '{p}' | cut -d' ' -f1,2 | sort -u; }

if [ "$1" = --check ]; then
  diff <(linked) <(python3 - "$2" <<'PYTHON' | sort -u
import json, sys
bom = json.load(open(sys.argv[1]))
for part in [bom["metadata"]["component"], *bom["components"]]:
    print(part["name"], "v" + part["version"])
PYTHON
  ) || { echo "error: $2 does not name the crates that are linked" >&2; exit 1; }
  exit
fi

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
cargo cyclonedx -qq --format json --spec-version 1.5 --describe binaries --no-build-deps --target "$host"
trap 'rm -f mtls-edge_bin.cdx.json' EXIT
linked | python3 -c '
import json, sys
linked = {tuple(line.split()) for line in sys.stdin}
bom = json.load(open("mtls-edge_bin.cdx.json"))
component = bom["metadata"]["component"]
own, purl = component["bom-ref"], "pkg:cargo/%s@%s" % (component["name"], component["version"])
component["bom-ref"] = component["purl"] = purl
bom["components"] = [part for part in bom["components"] if (part["name"], "v" + part["version"]) in linked]
refs = {part["bom-ref"] for part in bom["components"]} | {own}
rename = lambda ref: purl if ref == own else ref
bom["dependencies"] = [
    {"ref": rename(entry["ref"]), "dependsOn": [rename(ref) for ref in entry.get("dependsOn", []) if ref in refs]}
    for entry in bom["dependencies"] if entry["ref"] in refs
]
json.dump(bom, sys.stdout, indent=1, ensure_ascii=False)
print()
' >"$1"
"$0" --check "$1"
