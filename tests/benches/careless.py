"""A proxy that asks for a client certificate and goes on without one. Arguments: port, certificate, key, CA of the clients,
upstream, and the header in which certificates are passed on, empty for none."""

import base64
import http.client
import http.server
import ssl
import sys

PORT, CERTIFICATE, KEY, CLIENT_CA, UPSTREAM, HEADER = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() == "x-probe"}
        certificate = self.connection.getpeercert(binary_form=True)
        if HEADER:
            headers[HEADER] = base64.b64encode(certificate or b"").decode()
        upstream = http.client.HTTPConnection(UPSTREAM)
        upstream.request("POST", self.path, body, headers)
        answer = upstream.getresponse().read()
        upstream.close()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
context.load_verify_locations(CLIENT_CA)
context.verify_mode = ssl.CERT_OPTIONAL
context.set_alpn_protocols(["http/1.1"])
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
