//! The headers of each profile equal those that independent tools make from the certificate files:
//! the `openssl` command and Python's own encoders (`src/vouch/tests/oracle.py`).

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Request;
use http_body_util::Full;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Answer, Client, Credentials, Edge, EdgeBuilder, Upstream, admin,
    tool::{openssl, run},
};

const BUILT_IN: [&str; 11] = [
    "auth0",
    "rfc9440",
    "envoy-xfcc",
    "nginx",
    "haproxy",
    "haproxy-chain",
    "apache",
    "traefik",
    "traefik-escaped",
    "aws-alb",
    "aws-alb-passthrough",
];

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const KEYS: [(&str, &[&str]); 5] = [
    ("rsa2048", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ("rsa4096", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]),
    ("p256", P256),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("ed25519", &["-algorithm", "ED25519"]),
];

/// UTF-8, commas, plus signs, quotes, a multi-valued RDN.
const SUBJECT: &str = "/C=DE/O=B\u{e4}cker, S\u{f6}hne+OU=a\"b;c\\+d/CN=x#y<z>";
/// The names that the oracle expects in an XFCC element.
const NAMES: &str = "subjectAltName=URI:spiffe://a/b,DNS:a.example";
const CLIENT: &[&str] = &[
    "-addext",
    "basicConstraints=critical,CA:FALSE",
    "-addext",
    "extendedKeyUsage=clientAuth",
    "-addext",
    "keyUsage=digitalSignature",
];
const AUTHORITY: &[&str] =
    &["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];

/// Certificates made by `openssl`: a root, an intermediate, and clients.
struct Workshop(TempDir);

struct Made {
    /// The files of leaf and intermediates.
    files: Vec<String>,
    credentials: Credentials,
}

impl Workshop {
    fn new() -> Self {
        let workshop = Self(TempDir::new().unwrap());
        // Only the requested extensions.
        std::fs::write(workshop.0.path().join("req.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n").unwrap();
        for name in ["root", "intermediate"] {
            workshop.key(name, P256);
        }
        workshop.certificate("root", "root", "/CN=Root \u{e9}", AUTHORITY);
        let under_root = [AUTHORITY, &["-CA", "root.pem", "-CAkey", "root.key"]].concat();
        workshop.certificate("intermediate", "intermediate", "/O=Ca, Inc./CN=Intermediate", &under_root);
        workshop
    }

    fn key(&self, name: &str, kind: &[&str]) {
        let file = format!("{name}.key");
        openssl(self.0.path(), &[&["genpkey", "-out", &file], kind].concat());
    }

    fn certificate(&self, name: &str, key: &str, subject: &str, more: &[&str]) {
        let (file, key) = (format!("{name}.pem"), format!("{key}.key"));
        let usual = ["req", "-x509", "-config", "req.cnf", "-utf8", "-days", "30", "-subj", subject];
        openssl(self.0.path(), &[&usual, &["-key", &key, "-out", &file][..], more].concat());
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    fn self_signed(&self, name: &str, key: &str, names: &str) -> Made {
        self.certificate(name, key, SUBJECT, &[CLIENT, &["-addext", names]].concat());
        self.made(name, key, &[])
    }

    /// A certificate issued by the intermediate, which the client presents too.
    fn issued(&self, name: &str, key: &str) -> Made {
        let issuer = ["-addext", NAMES, "-CA", "intermediate.pem", "-CAkey", "intermediate.key"];
        self.certificate(name, key, SUBJECT, &[CLIENT, &issuer].concat());
        self.made(name, key, &["intermediate"])
    }

    fn made(&self, name: &str, key: &str, others: &[&str]) -> Made {
        let files: Vec<String> =
            std::iter::once(&name).chain(others).map(|name| format!("{name}.pem")).collect();
        let chain: String = files.iter().map(|file| self.text(file)).collect();
        let (presented, key) = (format!("{name}.chain"), format!("{key}.key"));
        std::fs::write(self.0.path().join(&presented), chain).unwrap();
        let credentials = Credentials::read(&self.0.path().join(presented), &self.0.path().join(key));
        Made { files, credentials }
    }

    /// The output of openssl and Python for the files: `profiles`, and the facts that they contain.
    fn facts(&self, made: &Made, verdict: &str) -> Value {
        let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/src/vouch/tests/oracle.py");
        let files = made.files.iter().map(String::as_str);
        let arguments: Vec<&str> = [oracle, verdict].into_iter().chain(files).collect();
        serde_json::from_str(&run(self.0.path(), "python3", &arguments)).unwrap()
    }
}

fn domain(profile: &str) -> String {
    format!("{profile}.example.test")
}

fn with_domains(mut edge: EdgeBuilder, profiles: &[&str]) -> EdgeBuilder {
    for profile in profiles {
        edge = edge.domain(&domain(profile), &format!("header_profile = \"{profile}\""));
    }
    edge
}

async fn token(edge: &Edge, made: &Made, profile: &str, client_id: &str, http2: bool) -> Answer {
    let host = domain(profile);
    let client = Client::with(edge, &made.credentials).server_name(&host);
    let client = if http2 { client.http2() } else { client };
    client.connect().await.send(request(&host, client_id, http2)).await
}

fn request(host: &str, client_id: &str, http2: bool) -> Request<Full<bytes::Bytes>> {
    let uri = if http2 { format!("https://{host}/oauth/token") } else { "/oauth/token".to_owned() };
    let request = Request::post(uri).header("content-type", "application/x-www-form-urlencoded");
    let request = if http2 { request } else { request.header("host", host) };
    request.body(Full::from(format!("client_id={client_id}"))).unwrap()
}

/// Those headers of the last request that belong to any profile.
fn vouching(upstream: &Upstream, names: &BTreeSet<String>) -> Vec<(String, String)> {
    let seen = upstream.last();
    let mut headers: Vec<_> = seen
        .headers
        .iter()
        .filter(|(name, _)| names.contains(name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    headers
}

fn expected(facts: &Value, profile: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> =
        serde_json::from_value(facts["profiles"][profile].clone()).unwrap();
    assert!(!headers.is_empty(), "{profile}");
    headers.sort();
    headers
}

fn all_names(facts: &Value) -> BTreeSet<String> {
    BUILT_IN.iter().flat_map(|profile| expected(facts, profile)).map(|(name, _)| name).collect()
}

const SELF_SIGNED: &str = "FAILED:self signed certificate";

#[tokio::test]
async fn profiles_agree_with_openssl_and_python() {
    let workshop = Workshop::new();
    workshop.key("leaf", P256);
    let own = workshop.self_signed("own", "leaf", NAMES);
    let issued = workshop.issued("issued", "leaf");
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .trust("root", &workshop.text("root.pem"))
        .self_signed_application("own", &[own.credentials.thumbprint()])
        .ca_application("issued", "san_dns = \"a.example\"");
    let edge = with_domains(edge, &BUILT_IN).start();
    let facts = [(&own, workshop.facts(&own, SELF_SIGNED)), (&issued, workshop.facts(&issued, "SUCCESS"))];
    let names = all_names(&facts[1].1);
    assert!(names.contains("ssl_client_chain_0"), "{names:?}");
    for ((made, facts), client_id) in facts.iter().zip(["own", "issued"]) {
        assert_eq!(facts["profiles"].as_object().unwrap().len(), BUILT_IN.len());
        for (number, profile) in BUILT_IN.iter().enumerate() {
            let answer = token(&edge, made, profile, client_id, number % 2 == 1).await;
            assert_eq!(answer.status, 200, "{profile} {client_id} {answer:?}");
            assert_eq!(vouching(&upstream, &names), expected(facts, profile), "{profile} {client_id}");
        }
    }
}

#[tokio::test]
async fn every_kind_of_key_arrives_byte_for_byte() {
    let profiles = ["auth0", "rfc9440", "nginx"];
    let workshop = Workshop::new();
    let upstream = Upstream::start().await;
    let mut edge = EdgeBuilder::new(upstream.url())
        .trust("root", &workshop.text("root.pem"))
        .ca_application("issued", "san_dns = \"a.example\"");
    let mut clients = Vec::new();
    for (key, kind) in KEYS {
        workshop.key(key, kind);
        let own = workshop.self_signed(&format!("own-{key}"), key, NAMES);
        edge = edge.self_signed_application(&format!("own-{key}"), &[own.credentials.thumbprint()]);
        clients.push((format!("own-{key}"), own, SELF_SIGNED));
        clients.push(("issued".to_owned(), workshop.issued(&format!("issued-{key}"), key), "SUCCESS"));
    }
    let edge = with_domains(edge, &profiles).start();
    for (client_id, made, verdict) in &clients {
        let facts = workshop.facts(made, verdict);
        let names = all_names(&facts);
        for profile in profiles {
            let answer = token(&edge, made, profile, client_id, false).await;
            assert_eq!(answer.status, 200, "{profile} {:?} {answer:?}", made.files);
            assert_eq!(vouching(&upstream, &names), expected(&facts, profile), "{profile} {:?}", made.files);
        }
    }
}

#[tokio::test]
async fn a_custom_profile_sends_every_encoding() {
    let workshop = Workshop::new();
    workshop.key("leaf", P256);
    let issued = workshop.issued("issued", "leaf");
    let facts = workshop.facts(&issued, "SUCCESS");
    let value = |profile: &str, index: usize| facts["profiles"][profile][index][1].as_str().unwrap();
    let hash = facts["hash"].as_str().unwrap();
    let bytes: Vec<u8> =
        (0..hash.len()).step_by(2).map(|at| u8::from_str_radix(&hash[at..at + 2], 16).unwrap()).collect();
    let thumbprint = URL_SAFE_NO_PAD.encode(bytes);
    let xfcc = value("envoy-xfcc", 0);
    let chain = xfcc.split_once("Chain=\"").unwrap().1.split_once('"').unwrap().0;
    let encodings = [
        ("pem-url", value("auth0", 0)),
        ("pem-url-aws", value("aws-alb", 4)),
        ("pem-spaces", value("apache", 0)),
        ("der-base64", value("haproxy", 0)),
        ("der-sf", value("rfc9440", 0)),
        ("chain-sf", value("rfc9440", 1)),
        ("chain-der-base64", value("haproxy-chain", 1)),
        ("chain-pem-url", chain),
        ("chain-pem-url-aws", value("aws-alb-passthrough", 0)),
        ("chain-certs", value("traefik", 0)),
        ("chain-certs-escaped", value("traefik-escaped", 0)),
        ("subject-dn", value("nginx", 2)),
        ("issuer-dn", value("nginx", 3)),
        ("serial-hex", value("aws-alb", 0)),
        ("validity", value("aws-alb", 3)),
        ("thumbprint-hex", hash),
        ("thumbprint-base64url", &thumbprint),
        ("verdict", "SUCCESS"),
        ("xfcc", xfcc),
    ];
    let headers: Vec<String> = encodings.map(|(name, _)| format!("x-corp-{name} = \"{name}\"")).into();
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .trust("root", &workshop.text("root.pem"))
        .ca_application("issued", "san_dns = \"a.example\"")
        .extra(&format!("[[header_profile]]\nname = \"corp\"\nheaders = {{ {} }}", headers.join(", ")));
    let edge = with_domains(edge, &["corp"]).start();
    assert_eq!(token(&edge, &issued, "corp", "issued", true).await.status, 200);
    let seen = upstream.last();
    for (name, value) in encodings {
        assert_eq!(seen.header(&format!("x-corp-{name}")), value, "{name}");
    }
    assert!(all_names(&facts).iter().all(|name| !seen.headers.contains_key(name)));
}

#[tokio::test]
async fn a_certificate_too_large_for_auth0_is_refused() {
    let workshop = Workshop::new();
    workshop.key("leaf", P256);
    let names: Vec<String> = (0..120).map(|n| format!("DNS:host-{n}.a-rather-long-name.example")).collect();
    let large = workshop.self_signed("large", "leaf", &format!("subjectAltName={}", names.join(",")));
    let facts = workshop.facts(&large, SELF_SIGNED);
    let bytes = expected(&facts, "auth0")[0].1.len();
    assert!(bytes > 4096);
    let upstream = Upstream::start().await;
    let edge =
        EdgeBuilder::new(upstream.url()).self_signed_application("large", &[large.credentials.thumbprint()]);
    let edge = with_domains(edge, &["auth0", "rfc9440"]).start();
    for http2 in [false, true] {
        let answer = token(&edge, &large, "auth0", "large", http2).await;
        let description = answer.oauth_error(401, "invalid_client");
        assert_eq!(
            description,
            format!(
                "the client certificate is too large to forward ({bytes} bytes encoded, 4096 allowed): use a shorter key or fewer names"
            )
        );
    }
    assert!(upstream.seen().is_empty());
    admin::assert_counted(&edge, "certificate_too_large").await;
    assert_eq!(token(&edge, &large, "rfc9440", "large", false).await.status, 200);
    assert_eq!(vouching(&upstream, &all_names(&facts)), expected(&facts, "rfc9440"));
}

#[tokio::test]
async fn the_verdict_follows_the_matched_credential() {
    let workshop = Workshop::new();
    workshop.key("leaf", P256);
    let issued = workshop.issued("issued", "leaf");
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .trust("root", &workshop.text("root.pem"))
        .self_signed_application("by-thumbprint", &[issued.credentials.thumbprint()])
        .ca_application("by-subject", "san_dns = \"a.example\"");
    let edge = with_domains(edge, &["auth0", "nginx", "rfc9440"]).start();
    let by_subject = workshop.facts(&issued, "SUCCESS");
    let names = all_names(&by_subject);
    // A thumbprint does not depend on a CA, so that no chain is forwarded with it.
    let leaf_only = Made { files: issued.files[..1].to_vec(), credentials: issued.credentials.clone() };
    let by_thumbprint = workshop.facts(&leaf_only, "FAILED:unable to get local issuer certificate");
    for profile in ["auth0", "nginx", "rfc9440"] {
        let host = domain(profile);
        let mut kept = Client::with(&edge, &issued.credentials).server_name(&host).connect().await;
        for (client_id, facts) in [
            ("by-thumbprint", &by_thumbprint),
            ("by-subject", &by_subject),
            ("by-thumbprint", &by_thumbprint),
        ] {
            let answer = kept.send(request(&host, client_id, false)).await;
            assert_eq!(answer.status, 200, "{client_id} {answer:?}");
            assert_eq!(vouching(&upstream, &names), expected(facts, profile), "{profile} {client_id}");
        }
    }
}
