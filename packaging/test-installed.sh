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
  tail -20 /var/log/mtls-edge.log >&2 2>/dev/null || true
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

# Runs a command while clients call. Each call must get 200.
calls_during() {
  touch calling
  (while [ -e calling ]; do printf '%s\n' "$(call billing billing)"; done >calls) &
  local calls=$!
  "$@"
  # One more that began after it.
  local before
  before=$(wc -l <calls)
  timeout 20 sh -c "until [ \$(wc -l <calls) -ge $((before + 2)) ]; do sleep 0.1; done" || fail "no call ended"
  rm calling
  wait "$calls"
  [ "$(sort -u calls)" = 200 ] || fail "calls during $*: $(sort calls | uniq -c)"
}

# Blocks of docs/operate.md.
block() { ./block.sh operate.md "$1" "$2"; }
run() { # <block> [folder]
  block sh "$1" >"$1.sh"
  (cd "${2:-.}" && bash -e "/package-test/$1.sh") || fail "the block $1 of docs/operate.md"
}
drop_in() {
  mkdir -p /etc/systemd/system/mtls-edge.service.d
  block ini "$1" >/etc/systemd/system/mtls-edge.service.d/"$1.conf"
}
# Sets the keys of a block in the file's table.
set_keys() { # <block>
  block toml "$1" | grep ' = ' | while read -r key _ value; do
    sed -i "/^$key = /d" /etc/mtls-edge/edge.toml
    sed -i "s|^\\[\\[domain\\]\\]\$|&\\n$key = $value|" /etc/mtls-edge/edge.toml
  done
}
served() { # the serial number of the certificate that is served
  openssl s_client -connect 127.0.0.1:443 -servername mtls.auth.example.com </dev/null 2>/dev/null | openssl x509 -noout -serial
}

say "install: user, files, nothing started"
apt install ./1.deb
grep -q ':/usr/sbin/nologin$' <<<"$(getent passwd mtls-edge)" || fail "no user mtls-edge"
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
grep -q 'certs/server.pem' <<<"$(journalctl -u mtls-edge --no-pager)" || fail "the journal does not name the file"
systemctl reset-failed mtls-edge

say "configure, and start as the service"
new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 "$@" 2>/dev/null; }
new -keyout server.key -out server.pem -subj /CN=mtls.auth.example.com -addext subjectAltName=DNS:mtls.auth.example.com
cp server.pem server-ca.pem
for name in billing payments; do new -keyout $name.key -out $name.pem -subj "/CN=$name"; done
application() {
  printf '\n[[application]]\nclient_id = "%s"\nauth_method = "self_signed_tls_client_auth"\n[[application.credential]]\nname = "1"\nthumbprint = "%s"\n' \
    "$1" "$(openssl x509 -in "$1.pem" -noout -fingerprint -sha256 | cut -d= -f2)"
}
application billing >>/etc/mtls-edge/applications.toml
echo '# A line of the operator.' >>/etc/mtls-edge/edge.toml
./token-endpoint.py 127.0.0.1 &
trap "kill $!" EXIT
run install
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
# The number of landlock_create_ruleset, which returns the version that the kernel has.
if python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)'; then
  grep -q 'workers are not confined' <<<"$(journalctl -u mtls-edge --no-pager)" && fail "Landlock is filtered"
else
  say "NOT TRIED: Landlock, which this kernel does not have"
fi
[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9443/readyz)" = 200 ] || fail "not ready"
grep -q billing <<<"$(mtls-edge status --config /etc/mtls-edge/edge.toml)" || fail "status"

say "reload: another application, no restart"
application payments >>/etc/mtls-edge/applications.toml
systemctl reload mtls-edge
expect 200 payments payments
[ "$(systemctl show -P MainPID mtls-edge)" = "$pid" ] || fail "restarted by a reload"

say "operate.md: what init has written, installed for the service"
cp -a /etc/mtls-edge /root/before-init
run init-install
for _ in $(seq 100); do
  status=$(curl -s -o answer -w '%{http_code}' --noproxy '*' --cacert my-edge/certs/server-ca.pem --cert my-edge/certs/billing.pem \
    --key my-edge/certs/billing.key --resolve mtls.auth.example.com:443:127.0.0.1 https://mtls.auth.example.com/oauth/token -d client_id=billing || true)
  [ "$status" != 200 ] || break
  sleep 0.1
done
[ "$status" = 200 ] || fail "what init has written: $status, not 200: $(cat answer)"
rm -r /etc/mtls-edge
mv /root/before-init /etc/mtls-edge
systemctl restart mtls-edge
expect 200 billing billing
pid=$(systemctl show -P MainPID mtls-edge)

say "operate.md: connections, a credential, the log in a file, rotated by logrotate"
cp /etc/mtls-edge/edge.toml /root/before-log.toml
sed -i '/^\[log\]$/d' /etc/mtls-edge/edge.toml
block toml log-file >>/etc/mtls-edge/edge.toml
drop_in connections
drop_in credentials
run ticket-keys
set_keys credentials
run restart
expect 200 billing billing
log=/var/log/mtls-edge/edge.log
grep -q 'HTTPS listener ready' $log || fail "no log file"
[ "$(stat -c '%a %U' $log)" = '640 mtls-edge' ] || fail "mode of the log file"
cmp <(block logrotate log-file) /etc/logrotate.d/mtls-edge || fail "operate.md has another logrotate file"
if command -v logrotate >/dev/null; then
  logrotate -f -s /root/logrotate.state /etc/logrotate.d/mtls-edge
  timeout 10 sh -c "until grep -qs 'log file reopened' $log; do sleep 0.1; done" || fail "not reopened"
  grep -q 'HTTPS listener ready' $log.1 || fail "not rotated"
fi
cp /root/before-log.toml /etc/mtls-edge/edge.toml
rm -r /etc/systemd/system/mtls-edge.service.d
sed -i /^ticket_keys/d /etc/mtls-edge/edge.toml
run restart
expect 200 billing billing

say "operate.md: a token for the admin address, and for Prometheus"
cp /etc/mtls-edge/edge.toml /root/before-token.toml
run admin-token
[ "$(stat -c '%a %U %G' /etc/mtls-edge/secrets/admin)" = '640 root mtls-edge' ] || fail "mode of the token"
getent group prometheus >/dev/null || groupadd --system prometheus
mkdir -p /etc/prometheus
run prometheus-token
[ "$(stat -c '%a %U %G' /etc/prometheus/mtls-edge.token)" = '640 root prometheus' ] || fail "mode of Prometheus' token"
sed -i "s|^admin = .*|$(block toml scrape | grep '^admin = ')|" /etc/mtls-edge/edge.toml
block toml scrape | sed -n '/^\[admin\]$/,$p' >>/etc/mtls-edge/edge.toml
run restart
expect 200 billing billing
metrics() { curl -s -o answer -w '%{http_code}' "$@" http://127.0.0.1:9443/metrics; }
[ "$(metrics)" = 401 ] || fail "metrics without the token: $(cat answer)"
[ "$(metrics -H "Authorization: Bearer $(cat /etc/prometheus/mtls-edge.token)")" = 200 ] || fail "metrics with the token: $(cat answer)"
mtls-edge status --config /etc/mtls-edge/edge.toml >answer || fail "status with the token: $(cat answer)"
cp /root/before-token.toml /etc/mtls-edge/edge.toml
rm -r /etc/mtls-edge/secrets
run restart
expect 200 billing billing

say "operate.md: systemd opens port 443: no capability, and no call fails during a restart"
cp /etc/mtls-edge/edge.toml /root/before-socket.toml
sed -i 's/^https = .*/https = ["127.0.0.1:1"]/' /etc/mtls-edge/edge.toml
systemctl stop mtls-edge
block ini socket >/etc/systemd/system/mtls-edge.socket
drop_in without-capability
run socket
expect 200 billing billing
pid=$(systemctl show -P MainPID mtls-edge)
for line in 'CapEff:	0000000000000000' 'CapBnd:	0000000000000000'; do
  grep -qx "$line" /proc/$pid/status || fail "not $line: $(grep "^${line%%:*}" /proc/$pid/status)"
done
calls_during systemctl restart mtls-edge
[ "$(systemctl show -P MainPID mtls-edge)" != "$pid" ] || fail "not restarted"
systemctl disable --now mtls-edge.socket 2>/dev/null
systemctl stop mtls-edge
rm -r /etc/systemd/system/mtls-edge.service.d /etc/systemd/system/mtls-edge.socket
cp /root/before-socket.toml /etc/mtls-edge/edge.toml
run restart
expect 200 billing billing

say "operate.md: certbot renews, with no hook"
live=/etc/letsencrypt/live/mtls.auth.example.com
archive=/etc/letsencrypt/archive/mtls.auth.example.com
mkdir -p -m 700 /etc/letsencrypt/live /etc/letsencrypt/archive
mkdir -p "$live" "$archive"
# As certbot does it: numbered files, the new key with group and mode of the old one, links replaced one after the other.
issue() { # <number>
  (umask 077 && new -keyout "$archive/privkey$1.pem" -out "$archive/fullchain$1.pem" -subj /CN=mtls.auth.example.com -addext subjectAltName=DNS:mtls.auth.example.com)
  chmod 644 "$archive/fullchain$1.pem"
  if [ "$1" != 1 ]; then
    chown --reference="$archive/privkey1.pem" "$archive/privkey$1.pem"
    chmod --reference="$archive/privkey1.pem" "$archive/privkey$1.pem"
  fi
  for file in privkey fullchain; do ln -sfn "../../archive/mtls.auth.example.com/$file$1.pem" "$live/$file.pem"; done
}
issue 1
run certbot
set_keys certbot
systemctl reload mtls-edge
for number in 1 2; do
  [ $number = 1 ] || issue $number
  wanted=$(openssl x509 -in "$archive/fullchain$number.pem" -noout -serial)
  for _ in $(seq 100); do
    [ "$(served)" != "$wanted" ] || break
    sleep 0.1
  done
  [ "$(served)" = "$wanted" ] || fail "certificate $number of certbot is not served"
done
cp "$live/fullchain.pem" server-ca.pem

say "operate.md: the journal's limits"
mkdir -p /etc/systemd/journald.conf.d
block ini journald >/etc/systemd/journald.conf.d/size.conf
systemctl restart systemd-journald
! journalctl -t systemd-journald --no-pager | grep -i unknown || fail "journald.conf"

say "upgrade: the operator's edge.toml stays, the new version takes over, and no call fails"
cp /etc/mtls-edge/edge.toml before
pid=$(systemctl show -P MainPID mtls-edge)
# As an answer to dpkg's question, which of the two to keep.
echo force-confold >/etc/dpkg/dpkg.cfg.d/answer
mkdir new-package
cp 2.deb new-package/mtls-edge_99.0-1_amd64.deb
run upgrade-check new-package
[ "$(dpkg-query -W -f '${Version}' mtls-edge)" != 99.0-1 ] || fail "installed by the check"
# What the program would refuse, the block reports before anything is installed.
echo 'no_such_key = 1' >>/etc/mtls-edge/edge.toml
! (cd new-package && bash -e ../upgrade-check.sh >../answer 2>&1) || fail "an invalid configuration passes the block upgrade-check"
rm -rf new-package/new
cp before /etc/mtls-edge/edge.toml
calls_during run upgrade new-package
cmp before /etc/mtls-edge/edge.toml || fail "edge.toml was replaced"
grep -q 'second version' /etc/mtls-edge/edge.toml.dpkg-dist || fail "no edge.toml.dpkg-dist"
[ "$(dpkg-query -W -f '${Version}' mtls-edge)" = 99.0-1 ] || fail "version"
[ "$(systemctl show -P MainPID mtls-edge)" != "$pid" ] || fail "the upgrade did not wait for the new process"
timeout 60 sh -c "until [ ! -d /proc/$pid ]; do sleep 0.1; done" || fail "the replaced process stays"
systemctl is-active -q mtls-edge || fail "not active after the upgrade"
expect 200 billing billing

say "operate.md: a takeover without the package"
pid=$(systemctl show -P MainPID mtls-edge)
calls_during run take-over
timeout 20 sh -c "until [ \$(systemctl show -P MainPID mtls-edge) != $pid ]; do sleep 0.1; done" || fail "no other process"
timeout 60 sh -c "until [ ! -d /proc/$pid ]; do sleep 0.1; done" || fail "the replaced process stays"
expect 200 billing billing

say "an upgrade that cannot serve: the message says so, and the former version serves on"
pid=$(systemctl show -P MainPID mtls-edge)
echo 'no_such_key = 1' >>/etc/mtls-edge/edge.toml
calls_during apt --reinstall install ./2.deb
grep -q 'mtls-edge: the former version continues to serve: serving; upgrade 1 failed' apt.log || fail "no message: $(cat apt.log)"
grep -q 'no_such_key' <<<"$(journalctl -u mtls-edge -p warning -r --no-pager)" || fail "the journal does not say why"
! journalctl -u mtls-edge -p warning --no-pager | grep -q 'HTTPS listener ready' || fail "lines of the journal have no priority"
[ "$(systemctl show -P MainPID mtls-edge)" = "$pid" ] || fail "another process"
cp before /etc/mtls-edge/edge.toml

say "remove: stopped, the configuration stays"
cp -a /etc/mtls-edge configured
apt remove mtls-edge
systemctl is-active -q mtls-edge && fail "still running"
[ ! -e /usr/bin/mtls-edge ] || fail "the program stays"
grep -q operator /etc/mtls-edge/edge.toml || fail "the configuration went"

say "purge: nothing stays but the operator's keys and the user"
apt purge mtls-edge
[ ! -e /var/log/mtls-edge ] || fail "/var/log/mtls-edge stays"
[ ! -e /var/lib/mtls-edge ] || fail "/var/lib/mtls-edge stays"
[ ! -e /etc/systemd/system/multi-user.target.wants/mtls-edge.service ] || fail "still enabled"
[ "$(find /etc/mtls-edge -type f | sort | tr '\n' ' ')" = "/etc/mtls-edge/certs/server.key /etc/mtls-edge/certs/server.pem " ] ||
  fail "$(find /etc/mtls-edge)"
apt install ./1.deb
rm -r /etc/mtls-edge/certs
apt purge mtls-edge
[ ! -e /etc/mtls-edge ] || fail "$(find /etc/mtls-edge)"

if ! command -v rpm >/dev/null; then
  say "NOT TRIED: the rpm, since this Debian has no rpm"
  exit
fi
# rpm knows nothing of Debian's packages.
by_rpm() { rpm --nodeps --force-debian "$@" >rpm.log 2>&1 || { cat rpm.log; fail "rpm $*"; }; }
say "rpm: installed, not started, then started with the same configuration"
userdel mtls-edge
by_rpm --install 1.rpm
id mtls-edge >/dev/null || fail "no user"
systemctl is-active -q mtls-edge && fail "started by the installation"
cp -r configured/. /etc/mtls-edge/
chown root:mtls-edge /etc/mtls-edge/certs /etc/mtls-edge/certs/*.key
systemctl enable -q --now mtls-edge
expect 200 billing billing
expect 401 payments billing

say "rpm: upgraded, the operator's edge.toml stays, the new version takes over, and no call fails"
cp /etc/mtls-edge/edge.toml before
pid=$(systemctl show -P MainPID mtls-edge)
calls_during by_rpm --upgrade 2.rpm
[ "$(rpm -q mtls-edge)" = "mtls-edge-99.0-1.$(uname -m)" ] || fail "$(rpm -q mtls-edge)"
cmp before /etc/mtls-edge/edge.toml || fail "edge.toml was replaced"
grep -q 'second version' /etc/mtls-edge/edge.toml.rpmnew || fail "no edge.toml.rpmnew"
timeout 60 sh -c "until [ ! -d /proc/$pid ]; do sleep 0.1; done" || fail "the replaced process stays"
expect 200 billing billing

say "rpm: erased, the operator's configuration stays"
by_rpm --erase mtls-edge
systemctl is-active -q mtls-edge && fail "still running"
[ ! -e /usr/bin/mtls-edge ] || fail "the program stays"
[ ! -e /etc/systemd/system/multi-user.target.wants/mtls-edge.service ] || fail "still enabled"
cmp before /etc/mtls-edge/edge.toml.rpmsave || fail "the configuration went"
