#!/usr/bin/env bash
# Writes the documents of the packages into a folder: docs/, with what its pages link to beside it.
#
#     packaging/documents.sh DIR
#
# The pages of docs/ are at the top there. A link to what is not packaged becomes its path in the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
beside=(config dashboards packaging/kubernetes)

mkdir -p "$out/packaging"
cp -r docs/. "$out/"
for path in "${beside[@]}"; do cp -r "$path" "$out/$path"; done
packaged=$(IFS='|' && echo "${beside[*]}")
sed -Ei \
  -e "s#\]\(\.\./($packaged)([)/\#])#](\1\2#g" \
  -e 's#\[[^]]*\]\(\.\./([^)\#]*)[^)]*\)#`\1` in the repository#g' "$out"/*.md
sed -Ei 's#\[[^]]*\]\((\.\./){3}([^)\#]*)[^)]*\)#`\2` in the repository#g' "$out"/deploy/*/README.md
find "$out" -type d -exec chmod 755 {} + -o -exec chmod 644 {} +
