#!/usr/bin/env bash
# The part of packaging/test.sh that runs beside systemd in the throwaway machine. It must never run elsewhere.
set -euo pipefail
[ "$(cat /proc/1/environ | tr '\0' '\n' | grep ^container=)" = container=test ] || exit 1
cd /package-test
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

say() { printf '== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*" >&2
  journalctl -u mtls-edge --no-pager | tail -40 >&2
  exit 1
}
apt() { apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >apt.log 2>&1 || { cat apt.log; fail "apt-get $*"; }; }
# The response's status, or 000.
call() { # <certificate> <client_id>
  curl -s -o answer -w '%{http_code}' --noproxy '*' --cacert server-ca.pem --cert "$1.pem" --key "$1.key" \
    --resolve mtls.auth.example.com:443:127.0.0.1 https://mtls.auth.example.com/oauth/token -d "client_id=$2" || true
}
expect() { # <status> <certificate> <client_id>
  for _ in $(seq 100); do
    status=$(call "$2" "$3")
    [ "$status" != "$1" ] || return 0
    sleep 0.1
  done
  fail "$3 with the certificate $2: $status, not $1: $(cat answer)"
}

say "install: user, files, nothing started"
apt install ./1.deb
getent passwd mtls-edge | grep -q ':/usr/sbin/nologin$' || fail "no user mtls-edge"
systemctl is-active -q mtls-edge && fail "started without a certificate"
systemctl is-enabled -q mtls-edge && fail "enabled"
mtls-edge --version
[ -s /usr/share/man/man1/mtls-edge.1.gz ] || [ ! -d /usr/share/man/man1 ] || fail "no man page"
bash -n /usr/share/bash-completion/completions/mtls-edge

say "the unit: verified, exposure at most 2.0"
systemd-analyze verify --man=no mtls-edge.service
systemd-analyze security --offline=true --threshold=20 --no-pager mtls-edge.service | tail -1

say "a start without certificates says which file is missing"
systemctl start mtls-edge 2>/dev/null && fail "started without a certificate"
journalctl -u mtls-edge --no-pager | grep -q 'certs/server.pem' || fail "the journal does not name the file"
systemctl reset-failed mtls-edge

say "configure, and start as the service"
new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 "$@" 2>/dev/null; }
new -keyout server.key -out server.pem -subj /CN=mtls.auth.example.com -addext subjectAltName=DNS:mtls.auth.example.com
cp server.pem server-ca.pem
for name in billing payments; do new -keyout $name.key -out $name.pem -subj "/CN=$name"; done
install -d -m 750 -g mtls-edge /etc/mtls-edge/certs
install -m 644 server.pem /etc/mtls-edge/certs/
install -m 640 -g mtls-edge server.key /etc/mtls-edge/certs/
application() {
  printf '\n[[application]]\nclient_id = "%s"\nauth_method = "self_signed_tls_client_auth"\n[[application.credential]]\nname = "1"\nthumbprint = "%s"\n' \
    "$1" "$(openssl x509 -in "$1.pem" -noout -fingerprint -sha256 | cut -d= -f2)"
}
application billing >>/etc/mtls-edge/applications.toml
echo '# A line of the operator.' >>/etc/mtls-edge/edge.toml
mtls-edge check --config /etc/mtls-edge/edge.toml
python3 -c '
import http.server
class Token(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200); self.send_header("content-length", "5"); self.end_headers(); self.wfile.write(b"token")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", 3000), Token).serve_forever()' &
trap "kill $!" EXIT
systemctl enable -q --now mtls-edge
expect 200 billing billing
expect 401 payments billing
expect 401 payments payments

say "the process: not root, one capability, a seccomp filter"
pid=$(systemctl show -P MainPID mtls-edge)
grep -q "^Uid:.*$(id -u mtls-edge)" /proc/$pid/status || fail "user"
# Bit 10 is CAP_NET_BIND_SERVICE.
for line in 'CapEff:	0000000000000400' 'CapBnd:	0000000000000400' 'NoNewPrivs:	1' 'Seccomp:	2'; do
  grep -qx "$line" /proc/$pid/status || fail "not $line: $(grep "^${line%%:*}" /proc/$pid/status)"
done
[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9443/readyz)" = 200 ] || fail "not ready"
mtls-edge status --config /etc/mtls-edge/edge.toml | grep -q billing || fail "status"

say "reload: another application, no restart"
application payments >>/etc/mtls-edge/applications.toml
systemctl reload mtls-edge
expect 200 payments payments
[ "$(systemctl show -P MainPID mtls-edge)" = "$pid" ] || fail "restarted by a reload"

say "upgrade: the operator's edge.toml stays, the new version runs"
cp /etc/mtls-edge/edge.toml before
apt -o Dpkg::Options::=--force-confold install ./2.deb
cmp before /etc/mtls-edge/edge.toml || fail "edge.toml was replaced"
grep -q 'second version' /etc/mtls-edge/edge.toml.dpkg-dist || fail "no edge.toml.dpkg-dist"
[ "$(dpkg-query -W -f '${Version}' mtls-edge)" = 99.0-1 ] || fail "version"
[ "$(systemctl show -P MainPID mtls-edge)" != "$pid" ] || fail "not restarted"
expect 200 billing billing

say "remove: stopped, the configuration stays"
apt remove mtls-edge
systemctl is-active -q mtls-edge && fail "still running"
[ ! -e /usr/bin/mtls-edge ] || fail "the program stays"
grep -q operator /etc/mtls-edge/edge.toml || fail "the configuration went"

say "purge: nothing stays but the operator's keys and the user"
apt purge mtls-edge
[ ! -e /var/lib/mtls-edge ] || fail "/var/lib/mtls-edge stays"
[ ! -e /etc/systemd/system/multi-user.target.wants/mtls-edge.service ] || fail "still enabled"
[ "$(find /etc/mtls-edge -type f | sort | tr '\n' ' ')" = "/etc/mtls-edge/certs/server.key /etc/mtls-edge/certs/server.pem " ] ||
  fail "$(find /etc/mtls-edge)"
apt install ./1.deb
rm -r /etc/mtls-edge/certs
apt purge mtls-edge
[ ! -e /etc/mtls-edge ] || fail "$(find /etc/mtls-edge)"
