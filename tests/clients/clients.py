#!/usr/bin/env python3
"""What HTTP clients print when the edge refuses them before HTTP, by running each against a real edge.

    tests/clients/clients.py           compares with the table of docs/for-applications.md
    tests/clients/clients.py --write   writes the table

The program is MTLS_EDGE_BIN, or target/debug/mtls-edge. A client that is missing is reported as NOT TRIED, and its row is not compared.
requests and httpx are those of the running Python.
"""
import importlib.util, json, os, re, shutil, subprocess, sys, tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs/for-applications.md"
BEGIN, END = "<!-- clients.py -->\n", "<!-- end -->\n"
EDGE = os.environ.get("MTLS_EDGE_BIN") or str(ROOT / "target/debug/mtls-edge")

CONFIG = """
[listen]
https = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
[log]
format = "json"
[[upstream]]
name = "as"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "localhost"
certificate = "server.pem"
private_key = "server.key"
client_auth = "%s"
"""

PYTHON = """
import sys, %(module)s
try:
    answer = %(module)s.post(sys.argv[1], data={"client_id": "billing"}, verify=sys.argv[2])
    print(answer.status_code, answer.text)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


def run(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
    return (done.stdout + done.stderr).strip()


class Clients:
    """Each method is one client: it posts a client_id to a URL, trusts this CA, and returns what it prints."""

    def __init__(self, folder):
        self.folder = folder
        self.built = {}

    def curl(self, url, ca):
        return run(["curl", "-sS", "--http1.1", "--cacert", ca, "-d", "client_id=billing", url])

    def python(self, module, url, ca):
        return run([sys.executable, "-c", PYTHON % {"module": module}, url, ca])

    def node(self, url, ca):
        return run(["node", str(HERE / "client.mjs"), url], NODE_EXTRA_CA_CERTS=ca)

    def go(self, url, ca):
        if "go" not in self.built:
            self.built["go"] = str(self.folder / "go-client")
            print(run(["go", "build", "-o", self.built["go"], str(HERE / "client.go")]), end="")
        return run([self.built["go"], url, ca])

    def java(self, url, ca):
        return run(["java", str(HERE / "Client.java"), url, ca])


def clients(folder):
    own = Clients(folder)
    has = lambda name: importlib.util.find_spec(name) is not None
    return [
        ("curl", shutil.which("curl"), own.curl),
        ("Node `fetch`", shutil.which("node"), own.node),
        ("Python requests", has("requests"), lambda url, ca: own.python("requests", url, ca)),
        ("Python httpx", has("httpx"), lambda url, ca: own.python("httpx", url, ca)),
        ("Go `net/http`", shutil.which("go"), own.go),
        ("Java `HttpClient`", shutil.which("java"), own.java),
    ]


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for name in ("ca", "other"):
        openssl(folder, *new, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    openssl(folder, *new, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:false", "-addext", "extendedKeyUsage=serverAuth")


class Edge:
    def __init__(self, folder, client_auth):
        config = folder / f"{client_auth}.toml"
        config.write_text(CONFIG % client_auth)
        (folder / "applications.toml").write_text(
            '[[application]]\nclient_id = "billing"\nauth_method = "self_signed_tls_client_auth"\n'
            f'[[application.credential]]\nname = "a"\nthumbprint = "{"ab" * 32}"\n')
        self.process = subprocess.Popen([EDGE, "run", "--config", config, "--workers", "1"], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            line = json.loads(line)
            if line["message"] == "HTTPS listener ready":
                self.port = line["address"].rsplit(":", 1)[1]
                break

    def __enter__(self):
        return self.port

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


# What the client does, the edge's client_auth, the URL, and the CA that it trusts.
CASES = [
    ("no certificate, `client_auth = \"required\"`", "required", "https://localhost:{}/oauth/token", "ca.pem"),
    ("no certificate, `client_auth = \"optional\"`", "optional", "https://localhost:{}/oauth/token", "ca.pem"),
    ("an address in the URL, not the name", "optional", "https://127.0.0.1:{}/oauth/token", "ca.pem"),
    ("`http://` in the URL", "optional", "http://localhost:{}/oauth/token", "ca.pem"),
    ("another CA trusted", "optional", "https://localhost:{}/oauth/token", "other.pem"),
]


def cell(text, port):
    text = re.sub(rf"\b{port}\b", "443", " ".join(text.split()))
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)
    text = re.sub(r"\(\d+:\d+\)|\(_ssl.c:\d+\)|\[\w+\.c:\d+\]", "", text)
    # Node names an address and a source file of OpenSSL; curl and Java repeat themselves.
    text = re.sub(r"[0-9A-F]{8,}:error:|:\.\./deps/\S+", "", text)
    text = text.split(" More details here")[0]
    text = " <- ".join(dict.fromkeys(text.split(" <- "))).strip()
    return text.replace("|", "\\|")[:300]


def table():
    rows, missing = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        with Edge(folder, "required") as required, Edge(folder, "optional") as optional:
            ports = {"required": required, "optional": optional}
            for title, mode, url, ca in CASES:
                rows.append(f"\n**{title}**\n\n| client | what it prints |\n| --- | --- |\n")
                for client, is_there, post in clients(folder):
                    if not is_there:
                        missing.append(client)
                        continue
                    said = cell(post(url.format(ports[mode]), str(folder / ca)), ports[mode])
                    rows.append(f"| {client} | `{said}` |\n")
    for client in sorted(set(missing)):
        print(f"NOT TRIED: {client}: not installed")
    return "".join(rows), set(missing)


def main():
    made, missing = table()
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    written, after = rest.split(END)
    if "--write" in sys.argv:
        PAGE.write_text(before + BEGIN + made.lstrip("\n") + "\n" + END + after)
        return 0
    skip = lambda text: [line for line in text.splitlines() if line and not any(line.startswith(f"| {client} |") for client in missing)]
    if skip(made) != skip(written):
        print(f"{PAGE.name} differs; tests/clients/clients.py --write\n{made}")
        return 1
    print("docs/for-applications.md has what the clients print")
    return 0


sys.exit(main())
