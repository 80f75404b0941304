# Expected headers of every profile, made from PEM files by openssl and Python's own encoders.
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
numbered = lambda f, l: [["ssl_client_chain_%d" % i, f(x)] for i, x in enumerate(l[1:])]
chain = lambda n, v: [[n, v]] if len(files) > 1 else []
profiles = {
    "auth0": [["client-certificate", url(pems[0])], ["client-certificate-ca-verified", verdict]],
    "rfc9440": [["client-cert", sf[0]]] + chain("client-cert-chain", ", ".join(sf[1:])),
    "envoy-xfcc": [["x-forwarded-client-cert", 'Hash=%s;Cert="%s";Chain="%s";Subject="%s";URI=spiffe://a/b;DNS=a.example' % (
        hash_, url(pems[0]), url("".join(pems)), subject.replace("\\;", "\\3B"))]],
    "nginx": [["ssl-client-cert", url(pems[0])], ["ssl-client-verify", verdict],
              ["ssl-client-subject-dn", subject], ["ssl-client-issuer-dn", issuer]],
    "haproxy": [["ssl_client_cert", b64[0]]] + numbered(str, b64),
    "haproxy-chain": [["ssl_client_cert", b64[0]]]
        + chain("client-cert-chain", base64.b64encode(b"".join(ders[1:])).decode()),
    "apache": [["ssl_client_cert", spaces(pems[0])]] + numbered(spaces, pems),
    "traefik": [["x-forwarded-tls-client-cert", ",".join(b64)]],
    "traefik-escaped": [["x-forwarded-tls-client-cert", ",".join(map(url, b64))]],
    "aws-alb": [["x-amzn-mtls-clientcert-serial-number", serial], ["x-amzn-mtls-clientcert-issuer", issuer],
                ["x-amzn-mtls-clientcert-subject", subject],
                ["x-amzn-mtls-clientcert-validity", "NotBefore=%s;NotAfter=%s" % (when(nb), when(na))],
                ["x-amzn-mtls-clientcert-leaf", aws(pems[0])]],
    "aws-alb-passthrough": [["x-amzn-mtls-clientcert", aws("".join(pems))]],
}
print(json.dumps({"ders": b64, "subject": subject, "issuer": issuer, "serial": serial, "not_before": nb,
                  "not_after": na, "hash": hash_, "profiles": profiles}))
