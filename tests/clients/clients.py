#!/usr/bin/env python3
"""What HTTP clients report when the edge refuses them, by running each against a real edge.

    tests/clients/clients.py           compares with the tables of docs/for-applications.md
    tests/clients/clients.py --write   writes the tables

The program is MTLS_EDGE_BIN, or target/debug/mtls-edge. A client that is missing, or of another version than the page's, is reported as NOT TRIED,
and its rows are not compared. requests and httpx are those of the running Python (requirements.txt), undici and openid-client those of tests/interop.
"""
import concurrent.futures, http.server, importlib.metadata, json, os, re, shutil, socket, socketserver, subprocess, sys, tempfile, threading, time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/for-applications.md"
MODULES = ROOT / "tests/interop/node_modules"
EDGE = os.environ.get("MTLS_EDGE_BIN") or str(ROOT / "target/debug/mtls-edge")
FORM = "client_id=billing"

CONFIG = """
[listen]
https = ["127.0.0.1:0"]
deny = [{deny}]
admin = "127.0.0.1:0"
[limits]
body_timeout = "500ms"
client_id_body_bytes = 2048
{limits}
[log]
format = "json"
[[upstream]]
name = "as"
urls = ["{upstream}"]
response_timeout = "500ms"
[[domain]]
name = "{domain}"
certificate = "server.pem"
private_key = "server.key"
client_auth = "{client_auth}"
[[domain.route]]
path = "/oauth/token"
methods = ["POST"]
authenticate = "client"
[[domain.route]]
path = "/authorize"
methods = ["GET"]
authenticate = "none"
[[domain.route]]
path = "/pages/*"
methods = ["POST"]
authenticate = "none"
"""
USUAL = {"client_auth": "optional", "limits": "", "domain": "localhost", "deny": ""}
RATE = 'requests_per_second_per_address = 1\nrequest_burst = "1ms"'


class Case(NamedTuple):
    """A request that the edge refuses."""

    title: str
    # Which of the edges of `main`.
    edge: str = "live"
    url: str = "https://localhost:{}/oauth/token"
    ca: str = "ca.pem"
    certificate: str = "billing"
    host: str = ""
    body: str = FORM
    slow: str = ""
    times: int = 1


BEFORE_HTTP = [
    Case('no certificate, `client_auth = "required"`', "required", certificate=""),
    Case('no certificate, `client_auth = "optional"`', certificate=""),
    Case("an address in the URL, not the name", url="https://127.0.0.1:{}/oauth/token", certificate=""),
    Case("another name than a domain's", "elsewhere", certificate=""),
    Case("`http://` in the URL", url="http://localhost:{}/oauth/token", certificate=""),
    Case("another CA trusted", ca="other.pem", certificate=""),
    Case("the connection is closed at once", "denied", certificate=""),
]
IN_HTTP = [
    Case("a secret in the query", url="https://localhost:{}/oauth/token?client_secret=s"),
    Case("a certificate that is not the registered one", certificate="other"),
    Case("a wrong path", url="https://localhost:{}/oauth/tokens"),
    Case("a wrong method", url="https://localhost:{}/authorize"),
    Case("a body that arrives too slowly", slow="1"),
    Case("a body that is too long", body=f"{FORM}&x={'a' * 4000}"),
    Case("a path that is too long", url="https://localhost:{}/pages/" + "a" * 5000),
    Case("another `Host` than the URL's", host="other.example"),
    Case("too many requests", "limited", times=4),
    Case("an authorization server that breaks off", body=f"{FORM}&test=broken"),
    Case("an authorization server that is down", "down"),
    Case("an authorization server that is too slow", body=f"{FORM}&test=slow"),
    Case("a response that breaks off", body=f"{FORM}&test=truncated"),
]
# Everybody gets a token, or the rest proves nothing.
ACCEPTED = Case("a request that is accepted")


class AuthorizationServer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        test = form.get("test", [""])[0]
        self.close_connection = test != ""
        token = b'{"access_token":"t","token_type":"bearer"}'
        if test == "slow":
            time.sleep(1.5)
            return
        if test == "broken":
            return
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(token) + (test == "truncated")))
        self.end_headers()
        self.wfile.write(token)
        if test == "truncated":
            # The client has the head by then.
            time.sleep(0.5)

    def log_message(self, *_):
        pass


class Edge:
    def __init__(self, folder, name, upstream, **others):
        config = folder / f"{name}.toml"
        config.write_text(CONFIG.format(upstream=upstream, **{**USUAL, **others}))
        command = [EDGE, "run", "--config", config, "--workers", "1"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            line = json.loads(line)
            if line["message"] == "HTTPS listener ready":
                self.port = line["address"].rsplit(":", 1)[1]
                break
        # Its log must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.kill()
        self.process.wait()


def closed_first(port):
    """A port that passes on that the edge closes each connection, before it passes on what the client sends: otherwise it is chance whether
    the kernel closes the connection or resets it, since the edge has not read all."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as edge:
                edge.recv(1)
            self.request.recv(65536)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return str(server.server_address[1])


class Run(NamedTuple):
    """The folder of certificates and of what is built, and the ports of the edges."""

    folder: Path
    ports: dict

    def fields(self, case):
        path = lambda name: str(self.folder / name)
        own = (path(f"{case.certificate}.pem"), path(f"{case.certificate}.key")) if case.certificate else ("", "")
        url = case.url.format(self.ports[case.edge])
        return [url, path(case.ca), *own, case.host, case.body, case.slow, str(case.times)]


def run(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
    return (done.stdout + done.stderr).strip()


def by_program(*command, ca_of_process=False):
    """A client whose program takes a file of cases, and prints a line of JSON for each request."""

    def posts(run_, cases):
        said = []
        # Node reads further CAs when it starts.
        for group in [[case] for case in cases] if ca_of_process else [cases]:
            file = run_.folder / f"{abs(hash((command, group[0])))}.tsv"
            file.write_text("".join("\t".join(run_.fields(case)) + "\n" for case in group))
            printed = run([word.format(folder=run_.folder) for word in command] + [str(file)],
                          NODE_EXTRA_CA_CERTS=run_.fields(group[0])[1] if ca_of_process else "")
            lines = [json.loads(line) if line.startswith('"') else line for line in printed.splitlines()]
            for case in group:
                answers, lines = lines[: case.times], lines[case.times :]
                said.append(next((answer for answer in answers if "access_token" not in answer), answers[0] if answers else printed))
        return said

    return posts


def curl(run_, cases):
    """curl prints the body only."""
    said = []
    for case in cases:
        url, ca, certificate, key, host, body, slow, times = run_.fields(case)
        command = ["curl", "-sS", "--http1.1", "--cacert", ca, url]
        command += ["--cert", certificate, "--key", key] if certificate else []
        command += ["-H", f"Host: {host}"] if host else []
        for _ in range(int(times)):
            if slow:
                half = len(body) // 2
                script = 'printf %s "$1"; sleep 1; printf %s "$2"'
                piped = subprocess.Popen(["sh", "-c", script, "sh", body[:half], body[half:]], stdout=subprocess.PIPE)
                type_ = "Content-Type: application/x-www-form-urlencoded"
                done = subprocess.run(command + ["-X", "POST", "-H", type_, "-T", "-"], stdin=piped.stdout, capture_output=True, text=True)
                piped.stdout.close()
                piped.wait()
                printed = (done.stdout + done.stderr).strip()
            else:
                printed = run(command + ["--data-raw", body])
            if "access_token" not in printed or len(said) == 0:
                break
        said.append(printed)
    return said


def go(run_, cases):
    printed = run(["go", "build", "-o", str(run_.folder / "go-client"), str(HERE / "client.go")])
    if printed:
        sys.exit(printed)
    return by_program("{folder}/go-client")(run_, cases)


def version(command, pattern):
    found = shutil.which(command[0]) and re.search(pattern, run(command))
    return found and found[1]


def python_version(name):
    try:
        short = ".".join(importlib.metadata.version(name).split(".")[:2])
        return f"{short} (Python {sys.version_info.major}.{sys.version_info.minor})"
    except importlib.metadata.PackageNotFoundError:
        return None


def npm_version(name):
    file = MODULES / name / "package.json"
    return ".".join(json.loads(file.read_text())["version"].split(".")[:2]) if file.exists() and shutil.which("node") else None


NODE = version(["node", "--version"], r"v(\d+)")
# Name, version here, what posts the cases, and whether it can present a certificate.
CLIENTS = [
    ("curl", version(["curl", "--version"], r"curl (\d+\.\d+)"), curl, True),
    ("Node `fetch`", NODE, by_program("node", str(HERE / "fetch.mjs"), ca_of_process=True), False),
    ("undici `Agent`", npm_version("undici"), by_program("node", str(HERE / "undici.mjs")), True),
    ("openid-client", npm_version("openid-client"), by_program("node", str(HERE / "openid-client.mjs")), True),
    ("Python requests", python_version("requests"), by_program(sys.executable, str(HERE / "python.py"), "requests"), True),
    ("Python httpx", python_version("httpx"), by_program(sys.executable, str(HERE / "python.py"), "httpx"), True),
    ("Go `net/http`", version(["go", "version"], r"go(\d+\.\d+)"), go, True),
    ("Java `HttpClient`", version(["javac", "-version"], r"javac (\d+)"), by_program("java", str(HERE / "Client.java")), True),
]


def named(client):
    """Name and version as the page has them."""
    name, here, *_ = client
    return f"{name.split(' `')[0].split()[-1]} {here}"


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for name in ("ca", "other", "billing"):
        openssl(folder, *new, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
        openssl(folder, "pkcs12", "-export", "-in", f"{name}.pem", "-inkey", f"{name}.key", "-out", f"{name}.p12", "-passout", "pass:changeit")
    openssl(folder, *new, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:false", "-addext", "extendedKeyUsage=serverAuth")
    (folder / "applications.toml").write_text(
        '[[application]]\nclient_id = "billing"\nauth_method = "self_signed_tls_client_auth"\n'
        '[[application.credential]]\nname = "a"\ncertificate = "billing.pem"\n')


def plain(text, ports):
    """The text without what differs from run to run or from machine to machine, for a cell of a table."""
    text = re.sub(rf"\b({'|'.join(ports)})\b", "443", " ".join(text.split()))
    text = re.sub(r"a{40,}", "aaa...", re.sub(r"0x[0-9a-f]{6,}", "0x...", text))
    text = re.sub(r"\(\d+:\d+\)|\(_ssl.c:\d+\)|\[\w+\.c:\d+\]", "", text)
    # Node names an address and a source file of OpenSSL; Go may name where it reads; curl and Java repeat themselves; httpx links a page of MDN.
    text = re.sub(r"[0-9A-F]{8,}:error:|:\.\./deps/\S+|readLoopPeekFailLocked: ", "", text)
    text = re.sub(r"OpenSSL/3[.\d]+", "OpenSSL/3", text)
    text = text.split(" More details here")[0].split(" For more information check")[0]
    text = " <- ".join(dict.fromkeys(text.split(" <- "))).strip()
    return text.replace("|", "\\|")[:300]


def reports(run_, skipped):
    """What each client says to each case: {client: {case: text}}."""
    def of(client):
        name, _, posts, presents = client
        cases = BEFORE_HTTP + ([ACCEPTED] + IN_HTTP if presents else [])
        said = [plain(text, run_.ports.values()) for text in posts(run_, cases)]
        return name, dict(zip(cases, said, strict=True))

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return dict(pool.map(of, [client for client in CLIENTS if client[0] not in skipped]))


def before_http(said):
    rows = []
    for case in BEFORE_HTTP:
        rows += ["", f"**{case.title}**", "", "| client | what it reports |", "| --- | --- |"]
        rows += [f"| {client} | `{of[case]}` |" for client, of in said.items()]
    return rows[1:]


def in_http(said):
    """The responses, as most clients report them, and then the clients that report something else."""
    answers, rows = {}, ["| request | status | body |", "| --- | --- | --- |"]
    for case in IN_HTTP:
        whole = [re.fullmatch(r"(\d{3}) (\{.*\})", of[case]) for of in said.values() if case in of]
        answers[case] = max((found[0] for found in whole if found), key=[found and found[0] for found in whole].count, default="")
        if answers[case]:
            status, body = answers[case].split(" ", 1)
            rows.append(f"| {case.title} | {status} | `{body}` |")
    rows += ["", "| client | request | what it reports |", "| --- | --- | --- |"]
    for client, of in said.items():
        if ACCEPTED not in of:
            continue
        if "access_token" not in of[ACCEPTED]:
            sys.exit(f"{client} gets no token: {of[ACCEPTED]}")
        other = {case: text for case, text in of.items() if case in answers and text and text not in (answers[case], answers[case][4:])}
        usual = [case for case in IN_HTTP if of[case] and case not in other]
        if usual:
            what = "the body" if client == "curl" else "status and body"
            rows.append(f"| {client} | {'all others' if other else 'each'} | {what}, as above |")
        rows += [f"| {client} | {case.title} | `{text}` |" for case, text in other.items()]
    return rows


def made(skipped):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AuthorizationServer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        live = f"http://127.0.0.1:{server.server_port}"
        edges = {}
        try:
            edges["live"] = Edge(folder, "live", live)
            edges["required"] = Edge(folder, "required", live, client_auth="required")
            edges["limited"] = Edge(folder, "limited", live, limits=RATE)
            edges["elsewhere"] = Edge(folder, "elsewhere", live, domain="mtls.auth.example.com")
            edges["denied"] = Edge(folder, "denied", live, deny='"127.0.0.1"')
            edges["down"] = Edge(folder, "down", "http://127.0.0.1:1")
            ports = {name: edge.port for name, edge in edges.items()}
            ports["denied"] = closed_first(ports["denied"])
            said = reports(Run(folder, ports), skipped)
        finally:
            for edge in edges.values():
                edge.stop()
            server.shutdown()
    return {
        "versions": ["Run with " + "; ".join(map(named, CLIENTS)) + "."],
        "before HTTP": before_http(said),
        "in HTTP": in_http(said),
    }


def part(name):
    """Where a part of the page begins and ends."""
    page = PAGE.read_text()
    begin, end = f"<!-- clients.py: {name} -->\n", "<!-- end -->\n"
    start = page.index(begin) + len(begin)
    return page[:start], page[start : page.index(end, start)], page[page.index(end, start) :]


def main():
    is_written = "--write" in sys.argv
    recorded = part("versions")[1].strip().removeprefix("Run with ").removesuffix(".").split("; ")
    skipped = {}
    for client in CLIENTS:
        if not client[1]:
            skipped[client[0]] = "not installed"
        elif not is_written and named(client) not in recorded:
            skipped[client[0]] = f"this is {named(client)}, the page was written with {'; '.join(recorded)}"
    for name, why in skipped.items():
        print(f"NOT TRIED: {name}: {why}")
    if is_written and skipped:
        return 1
    wrong = 0
    for name, rows in made(skipped).items():
        before, written, after = part(name)
        if is_written:
            PAGE.write_text(before + "\n".join(rows) + "\n" + after)
            continue
        kept = lambda rows: [row for row in rows if row and not any(row.startswith(f"| {client} |") for client in skipped)]
        if name != "versions" and kept(rows) != kept(written.splitlines()):
            wrong += 1
            differs = [f"  the page: {row}" for row in kept(written.splitlines()) if row not in rows]
            differs += [f"  the run:  {row}" for row in kept(rows) if row not in written.splitlines()]
            print(f"{PAGE.name}, {name}: tests/clients/clients.py --write", *differs, sep="\n")
    if not wrong and not is_written:
        print(f"{PAGE.name} has what {len(CLIENTS) - len(skipped)} clients report")
    return int(wrong > 0)


sys.exit(main())
