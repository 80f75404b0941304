#!/usr/bin/env python3
"""An authorization server for the tests of packages: packaging/token-endpoint.py ADDRESS answers each POST at ADDRESS:3000 with a token."""

import http.server
import sys


class Token(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"token")

    def log_message(self, *_):
        pass


http.server.HTTPServer((sys.argv[1], 3000), Token).serve_forever()
