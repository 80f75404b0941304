#!/bin/sh
# After an upgrade: the installed program takes over from the running service, without an outage. Waits until it has, and says so if it
# could not. Called by the packages' scripts.
set -e
unit=mtls-edge.service

[ -d /run/systemd/system ] && systemctl -q is-active $unit || exit 0
property() { systemctl show --property="$1" --value $unit; }
process=$(property MainPID)
report=$(property StatusText)
systemctl kill --kill-whom=main --signal=SIGUSR2 $unit
# 30 seconds.
for _ in $(seq 300); do
    [ "$(property MainPID)" = "$process" ] || exit 0
    now=$(property StatusText)
    case $now in
        "$report") ;;
        *failed*) break ;;
    esac
    sleep 0.1
done
echo "mtls-edge: the former version continues to serve: ${now:-it gave no reason}" >&2
echo "mtls-edge: the reason is in: journalctl -u $unit; after the cure: systemctl restart $unit, or systemctl kill --kill-whom=main --signal=SIGUSR2 $unit" >&2
