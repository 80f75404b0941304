#!/usr/bin/env python3
"""A real Prometheus scrapes a real edge under a little load: every query of dashboards/mtls-edge.json and every alert of
dashboards/rules.yml, without its threshold, must give data.

Needs prometheus (Debian: prometheus), openssl, and MTLS_EDGE_BIN or target/debug/mtls-edge."""

import base64
import http.client
import http.server
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
EDGE = os.environ.get("MTLS_EDGE_BIN", str(ROOT / "target/debug/mtls-edge"))
DOMAIN = "mtls.example.test"
PATIENCE = 50
processes = []


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(*command):
    log = tempfile.NamedTemporaryFile("w+", suffix=".log")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    process.log = log
    processes.append(process)
    return process


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    """A CA with its CRL, a server and a client certificate."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "90", "-subj", "/CN=CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        host = DOMAIN if name == "server" else name
        (folder / f"{name}.ext").write_text(
            f"subjectAltName=DNS:{host},DNS:acme.{host}\nextendedKeyUsage={usage}\nbasicConstraints=CA:false\nkeyUsage=digitalSignature\n"
            "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "60", "-extfile", f"{name}.ext")
    # As a CA would have issued it: its renewal is not due.
    (folder / "state").mkdir(mode=0o700)
    issued = folder / "state" / f"acme.{DOMAIN}.pem"
    issued.write_text((folder / "server.pem").read_text() + (folder / "server.key").read_text())
    issued.chmod(0o600)
    (folder / "index.txt").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n"
        "crl_extensions=extensions\n[extensions]\nauthorityKeyIdentifier=keyid\n")
    (folder / "number").write_text("01\n")
    openssl(folder, "ca", "-config", "ca.conf", "-gencrl", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "ca.crl")


def jwks(folder):
    """The public key of the client certificate as a JWK set."""
    spki = subprocess.run(["openssl", "x509", "-in", "client.pem", "-noout", "-pubkey"], cwd=folder, check=True, capture_output=True).stdout
    der = base64.b64decode("".join(spki.decode().splitlines()[1:-1]))
    x, y = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (der[-64:-32], der[-32:]))
    return json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": "1"}]}).encode()


class Upstream(http.server.BaseHTTPRequestHandler):
    """The authorization server, the collector of traces, and the server of a CRL and a key set."""

    protocol_version = "HTTP/1.1"
    documents = {}

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = self.documents.get(self.path, b"{}")
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_):
        pass


def configuration(folder, https, admin, upstream, closed):
    (folder / "edge.toml").write_text(f"""
[listen]
https = ["127.0.0.1:{https}"]
admin = "127.0.0.1:{admin}"
[admin]
certificate = "server.pem"
private_key = "server.key"
[traces]
endpoint = "http://127.0.0.1:{upstream}"
sample = 1
interval = "100ms"
[trust]
client_ca = ["ca.pem"]
crls = [{{ url = "http://127.0.0.1:{upstream}/ca.crl", file = "state/ca.crl" }}]
[limits]
memory_bytes = 4294967296
[[upstream]]
name = "auth-server"
urls = ["http://127.0.0.1:{upstream}", "http://127.0.0.1:{closed}"]
[[upstream]]
name = "down"
urls = ["https://127.0.0.1:{closed}"]
ca = "ca.pem"
client_certificate = "client.pem"
private_key = "client.key"
[[domain]]
name = "{DOMAIN}"
issuer = "https://{DOMAIN}/"
certificate = "server.pem"
private_key = "server.key"
client_auth = "optional"
upstream = "auth-server"
[[domain.route]]
path = "/oauth/token"
methods = ["POST"]
authenticate = "client"
[acme]
directory = "https://127.0.0.1:{closed}/directory"
terms_of_service_agreed = true
state = "state"
[[domain]]
name = "acme.{DOMAIN}"
issuer = "https://{DOMAIN}/"
acme = true
client_auth = "optional"
upstream = "auth-server"
[[domain]]
name = "down.{DOMAIN}"
issuer = "https://{DOMAIN}/"
certificate = "server.pem"
private_key = "server.key"
client_auth = "optional"
upstream = "down"
[[domain.route]]
path = "/*"
methods = ["GET"]
authenticate = "none"
""")
    (folder / "applications.toml").write_text("""
[[application]]
client_id = "billing"
auth_method = "self_signed_tls_client_auth"
[[application.credential]]
name = "prod"
certificate = "client.pem"
[[application]]
client_id = "reports"
auth_method = "private_key_jwt"
jwks_uri = { url = "http://127.0.0.1:%d/jwks", file = "state/reports.json" }
""" % upstream)


def tls(folder, version, with_certificate=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if with_certificate:
        context.load_cert_chain(folder / "client.pem", folder / "client.key")
    return context


def request(port, context, head, body=b"", name=DOMAIN, session=None):
    """Sends one request on a connection of its own; gives the status and the TLS session."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name, session=session) as stream:
            stream.sendall(f"{head} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\ncontent-type: "
                           f"application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            answer = b""
            while piece := stream.recv(65536):
                answer += piece
            return int(answer.split(b" ")[1]), stream.session


def load(folder, port, stop):
    """Honest requests, refusals and handshakes of each kind, until `stop` is set."""
    new, old, without = (tls(folder, ssl.TLSVersion.TLSv1_3), tls(folder, ssl.TLSVersion.TLSv1_2),
                         tls(folder, ssl.TLSVersion.TLSv1_3, False))
    token = ("POST /oauth/token", b"grant_type=client_credentials&client_id=billing")
    rounds = 0
    while not stop.is_set():
        session = None
        for context in (new, old):
            status, session = request(port, context, *token)
            assert status == 200, status
            assert request(port, context, *token, session=session)[0] == 200
        assert request(port, new, token[0], b"client_id=other")[0] == 401
        assert request(port, without, *token)[0] == 401
        assert request(port, new, "GET /nothing")[0] == 404
        assert request(port, without, "GET /x", name=f"down.{DOMAIN}")[0] == 503
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            plain.recv(100)
        with socket.create_connection(("127.0.0.1", port)) as plain:
            try:
                new.wrap_socket(plain, server_hostname="unknown.example")
            except ssl.SSLError:
                pass
        socket.create_connection(("127.0.0.1", port)).close()
        rounds += 1
        stop.wait(0.2)
    return rounds


def queries():
    """What must give data: each query of the dashboard, and each alert without its threshold."""
    dashboard = json.loads((ROOT / "dashboards/mtls-edge.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expr = target["expr"].replace("$job", "mtls-edge").replace("$instance", ".*")
            yield f"panel {panel['title']!r}", expr.replace("$__rate_interval", "5s")
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series = re.fullmatch(r"label_values\((.*), \w+\)", variable["query"]["query"])[1]
            yield f"variable {variable['name']!r}", series.replace("$job", "mtls-edge")


def without_threshold(expr):
    bare, count = re.subn(r"\s(==|>|<) -?[\d.* ]+\s*$", "", expr.split(" unless ")[0])
    assert count == 1, f"no threshold at the end of {expr!r}"
    return re.sub(r"\[\d+m\]", "[5s]", bare)


def api(port, path, **parameters):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{path} {parameters}: {error.read().decode()}") from error
    except OSError:
        return None


def read(folder, admin, path):
    """What the admin address returns."""
    context = tls(folder, ssl.TLSVersion.TLSv1_3, with_certificate=False)
    with urllib.request.urlopen(f"https://127.0.0.1:{admin}{path}", timeout=2, context=context) as answer:
        return answer.read().decode()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        certificates(folder)
        Upstream.documents = {"/ca.crl": (folder / "ca.crl").read_bytes(), "/jwks": jwks(folder)}
        upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        https, admin, prometheus, closed = free_ports(4)
        configuration(folder, https, admin, upstream.server_port, closed)
        edge = start(EDGE, "run", "--config", str(folder / "edge.toml"))
        (folder / "prometheus.yml").write_text(
            f"global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{ROOT}/dashboards/rules.yml]\n"
            f"scrape_configs: [{{ job_name: mtls-edge, scheme: https, tls_config: {{ ca_file: {folder}/ca.pem, server_name: {DOMAIN} }},\n"
            f"  static_configs: [{{ targets: ['127.0.0.1:{admin}'] }}] }}]\n")
        start("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
              f"--web.listen-address=127.0.0.1:{prometheus}")
        until = time.monotonic() + PATIENCE
        while True:
            assert edge.poll() is None and time.monotonic() < until, "the edge did not start"
            try:
                read(folder, admin, "/readyz")
                break
            except OSError:
                time.sleep(0.1)

        stop, failures = threading.Event(), []

        def background():
            try:
                load(folder, https, stop)
            except BaseException as error:
                failures.append(repr(error))
        loader = threading.Thread(target=background)
        loader.start()

        checked = subprocess.run(["promtool", "check", "metrics"], capture_output=True, text=True,
                                 input=read(folder, admin, "/metrics"))
        assert checked.returncode == 0, f"promtool check metrics: {checked.stdout}{checked.stderr}"

        wanted = list(queries())
        rules = None
        while time.monotonic() < until and not (rules := api(prometheus, "rules")):
            time.sleep(0.2)
        rules = [rule for group in rules["groups"] for rule in group["rules"]]
        wanted += [(f"alert {rule['name']}", without_threshold(rule["query"])) for rule in rules]
        missing = wanted
        while missing and time.monotonic() < until and not failures:
            missing = [(what, expr) for what, expr in missing if not (api(prometheus, "query", query=expr) or {}).get("result")]
            time.sleep(0.5)
        stop.set()
        loader.join()
        assert not failures, failures
        assert not missing, "no data: " + "\n".join(f"{what}: {expr}" for what, expr in missing)
        # The upstream "down" is down: its alert and no other one of origins is waiting.
        alerts = {alert["labels"]["alertname"] for alert in api(prometheus, "alerts")["alerts"]}
        assert {"MtlsEdgeOriginFailing", "MtlsEdgeDegraded"} <= alerts, alerts
        broken = [rule for rule in rules if rule["health"] == "err"]
        assert not broken, broken
        print(f"{len(wanted)} queries gave data; alerts pending or firing: {', '.join(sorted(alerts))}")


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        for process in processes:
            process.log.seek(0)
            print(f"-- {process.args[0]}:\n{process.log.read()[-4000:]}", file=sys.stderr)
        raise
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
