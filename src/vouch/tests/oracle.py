# Expected headers of every profile and values of every encoding, made from PEM files by openssl and Python's own encoders.
# usage: oracle.py VERDICT LEAF.pem [INTERMEDIATE.pem ...]
import base64, datetime, hashlib, json, ssl, subprocess, sys
from urllib.parse import quote

verdict, *files = sys.argv[1:]
ssl_ = lambda *a: subprocess.run(["openssl", "x509", "-in", *a], check=True, capture_output=True, text=True).stdout
pems = [ssl_(f, "-outform", "PEM") for f in files]
ders = [ssl.PEM_cert_to_DER_cert(p) for p in pems]
b64 = [base64.b64encode(d).decode() for d in ders]
sf = [":%s:" % b for b in b64]
field = lambda opt: ssl_(files[0], "-noout", opt, "-nameopt", "RFC2253").rstrip("\n").split("=", 1)[1]
subject, issuer, serial = field("-subject"), field("-issuer"), field("-serial")
seconds = lambda opt: ssl.cert_time_to_seconds(field(opt))
when = lambda s: datetime.datetime.fromtimestamp(s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
nb, na = seconds("-startdate"), seconds("-enddate")
url = lambda s: quote(s, safe="")
aws = lambda s: quote(s, safe="+=/")
hash_ = hashlib.sha256(ders[0]).hexdigest()
spaces = lambda p: p.strip().replace("\n", " ")
xfcc = 'Hash=%s;Cert="%s";Chain="%s";Subject="%s";URI=spiffe://a/b;DNS=a.example' % (
    hash_, url(pems[0]), url("".join(pems)), subject.replace("\\;", "\\3B"))
# In the order of the documentation.
encodings = {
    "pem-url": url(pems[0]), "pem-url-aws": aws(pems[0]), "pem-spaces": spaces(pems[0]),
    "der-base64": b64[0], "der-sf": sf[0], "chain-sf": ", ".join(sf[1:]),
    "chain-der-base64": base64.b64encode(b"".join(ders[1:])).decode(),
    "chain-pem-url": url("".join(pems)), "chain-pem-url-aws": aws("".join(pems)),
    "chain-certs": ",".join(b64), "chain-certs-escaped": ",".join(map(url, b64)),
    "subject-dn": subject, "issuer-dn": issuer, "serial-hex": serial,
    "validity": "NotBefore=%s;NotAfter=%s" % (when(nb), when(na)), "thumbprint-hex": hash_,
    "thumbprint-base64url": base64.urlsafe_b64encode(bytes.fromhex(hash_)).decode().rstrip("="),
    "verdict": verdict, "xfcc": xfcc,
}
one = lambda header, encoding: [[header, encodings[encoding]]] if encodings[encoding] else []
numbered = lambda f, l: [["ssl_client_chain_%d" % i, f(x)] for i, x in enumerate(l[1:])]
alb = "x-amzn-mtls-clientcert"
profiles = {
    "auth0": one("client-certificate", "pem-url") + one("client-certificate-ca-verified", "verdict"),
    "rfc9440": one("client-cert", "der-sf") + one("client-cert-chain", "chain-sf"),
    "envoy-xfcc": one("x-forwarded-client-cert", "xfcc"),
    "nginx": one("ssl-client-cert", "pem-url") + one("ssl-client-verify", "verdict")
        + one("ssl-client-subject-dn", "subject-dn") + one("ssl-client-issuer-dn", "issuer-dn"),
    "haproxy": one("ssl_client_cert", "der-base64") + numbered(str, b64),
    "haproxy-chain": one("ssl_client_cert", "der-base64") + one("client-cert-chain", "chain-der-base64"),
    "apache": one("ssl_client_cert", "pem-spaces") + numbered(spaces, pems),
    "traefik": one("x-forwarded-tls-client-cert", "chain-certs"),
    "traefik-escaped": one("x-forwarded-tls-client-cert", "chain-certs-escaped"),
    "aws-alb": one(alb + "-serial-number", "serial-hex") + one(alb + "-issuer", "issuer-dn")
        + one(alb + "-subject", "subject-dn") + one(alb + "-validity", "validity") + one(alb + "-leaf", "pem-url-aws"),
    "aws-alb-passthrough": one(alb, "chain-pem-url-aws"),
}
print(json.dumps({"ders": b64, "subject": subject, "issuer": issuer, "serial": serial, "not_before": nb,
                  "not_after": na, "hash": hash_, "profiles": profiles,
                  "encodings": [[k, v] for k, v in encodings.items() if v]}))
