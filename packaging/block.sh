#!/bin/sh
# Prints a fenced block of a page: packaging/block.sh PAGE LANGUAGE NAME, for ```LANGUAGE NAME.
awk -v open="\`\`\`$2 $3" '$0 == open { on = 1; found = 1; next } /^```/ { on = 0 } on; END { exit !found }' "$1"
