//! No client can set a header of the edge, in any spelling, place or version of HTTP.

use std::{collections::BTreeSet, fmt::Write};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use mtls_edge::vouch::{Profile, ReservedName};

use crate::support::{
    Ca, Client, Credentials, Edge, EdgeBuilder, Upstream,
    bodies::with_trailers,
    http2::{self, Outcome},
};

const BODY: &str = "client_id=payments";
const FORM: &str = "application/x-www-form-urlencoded";
/// One of each kind of route.
const ROUTES: [&str; 3] = ["/oauth/token", "/userinfo", "/open/x"];
/// A part of every spoofed value.
const MARK: &[u8] = b"spoofed";

/// Every header of any profile, two of each numbered family, and those that the edge itself sets.
fn names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-client-cert",
        "forwarded",
        "x-real-ip",
        "true-client-ip",
        "cname-api-key",
        "x-corp-certificate",
        // Headers that other products trust.
        "cert_chain_0",
        "https",
        "iv-user",
        "l5d-client-id",
        "php-auth-user",
        "script-name",
        "sm_user",
        "tls-client-cert",
        "x-arr-ssl",
        "x-client-dn",
        "x-envoy-internal",
        "x-forwarded",
        "x-ms-client-principal",
        "x-wso2-mtls-cert",
    ]
    .map(str::to_owned)
    .into();
    for name in Profile::built_in_names() {
        for reserved in Profile::built_in(name).unwrap().reserved() {
            match reserved {
                ReservedName::Exact(name) => drop(names.insert(name.to_string())),
                ReservedName::Numbered(prefix) => names.extend([0, 17].map(|n| format!("{prefix}{n}"))),
            }
        }
    }
    names
}

/// Spellings of a name that some server treats as the same.
fn spellings(name: &str) -> Vec<String> {
    let hyphens = name.replace('_', "-");
    let mut title = String::new();
    for part in hyphens.split_inclusive('-') {
        title.push_str(&part[..1].to_ascii_uppercase());
        title.push_str(&part[1..]);
    }
    let mut signs = ['_', '.', '-', '~'].iter().cycle();
    let mixed = hyphens.chars().map(|c| if c == '-' { *signs.next().unwrap() } else { c }).collect();
    let (underscores, dots) = (hyphens.replace('-', "_"), hyphens.replace('-', "."));
    vec![
        name.to_ascii_uppercase(),
        underscores.to_ascii_uppercase(),
        hyphens,
        title,
        underscores,
        dots,
        mixed,
    ]
}

/// Every name in every spelling, twice: the second time with bytes that are not UTF-8.
fn spoofs(lower: bool) -> Vec<(String, Vec<u8>)> {
    let respelled = names().into_iter().flat_map(|name| spellings(&name));
    let respelled = respelled.map(|name| if lower { name.to_ascii_lowercase() } else { name });
    respelled
        .flat_map(|name| [(name.clone(), MARK.to_vec()), (name, [MARK, b"\xff\xfe\x80"].concat())])
        .collect()
}

struct Fixture {
    upstream: Upstream,
    edge: Edge,
    payments: Credentials,
    domains: Vec<String>,
}

impl Fixture {
    /// One domain per profile, each with every kind of route.
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let root = Ca::new("Client CA");
        let payments = root.intermediate("Issuing CA", |_| {}).issue("payments", |_| {});
        let mut builder = EdgeBuilder::new(upstream.url())
            .limits("headers = 2000\nheader_bytes = 262144")
            .upstream("headers = { cname-api-key = { env = \"CNAME_API_KEY\" } }\nclient_ip_header = \"true-client-ip\"\nforwarded = true")
            .environment("CNAME_API_KEY", "the true key")
            .extra("[[header_profile]]\nname = \"corp\"\nheaders = { x-corp-certificate = \"pem-url\" }")
            .trust("client-ca", &root.pem())
            .ca_application("payments", r#"subject_dn = "CN=payments,O=Example Bank,C=DE""#);
        let mut domains = Vec::new();
        for profile in Profile::built_in_names().iter().copied().chain(["corp"]) {
            let mut settings = format!("header_profile = \"{profile}\"\nclient_auth = \"optional\"\n");
            for (path, asks) in
                [("/oauth/token", "client"), ("/userinfo", "certificate"), ("/open/*", "none")]
            {
                write!(
                    settings,
                    "[[domain.route]]\npath = \"{path}\"\nmethods = [\"POST\"]\nauthenticate = \"{asks}\"\n"
                )
                .unwrap();
            }
            let domain = format!("{profile}.example.test");
            builder = builder.domain(&domain, &settings);
            domains.push(domain);
        }
        Self { upstream, edge: builder.start(), payments, domains }
    }

    fn client(&self, domain: &str) -> Client {
        Client::with(&self.edge, &self.payments).server_name(domain)
    }

    /// The headers of the last request, without its id. Asserts that none has a spoofed value.
    fn arrived(&self, what: &str) -> HeaderMap {
        let mut seen = self.upstream.last();
        assert!(seen.trailers.is_none(), "{what}: trailers {:?}", seen.trailers);
        assert_eq!(seen.body, BODY, "{what}");
        for (name, value) in &seen.headers {
            let spoofed = value.as_bytes().windows(MARK.len()).any(|window| window == MARK);
            assert!(!spoofed, "{what}: {name}: {value:?}");
        }
        seen.headers.remove("x-request-id").unwrap();
        seen.headers
    }

    async fn raw(&self, domain: &str, path: &str, lines: &[u8], body: &str) -> HeaderMap {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {domain}\r\nContent-Type: {FORM}\r\nX-Mine: kept\r\n");
        let bytes = [head.as_bytes(), lines, b"Connection: close\r\n\r\n", body.as_bytes()].concat();
        let answer = self.client(domain).raw(&bytes).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{domain}{path}: {answer}");
        self.arrived(&format!("{domain}{path}"))
    }

    async fn frames(&self, domain: &str, path: &str, more: &[http2::Field<'_>]) -> Outcome {
        let mut fields: Vec<http2::Field<'_>> = vec![
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", domain.as_bytes()),
            (b":path", path.as_bytes()),
            (b"content-type", FORM.as_bytes()),
            (b"x-mine", b"kept"),
        ];
        fields.extend_from_slice(more);
        http2::request(&self.client(domain), &fields, BODY.as_bytes(), &[]).await
    }
}

fn length() -> String {
    format!("Content-Length: {}\r\n", BODY.len())
}

fn line(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b": ", value, b"\r\n"].concat()
}

/// Asserts that each header of the edge is present exactly once, and vouching headers only on routes that vouch.
fn assert_own(headers: &HeaderMap, domain: &str, path: &str) {
    assert_eq!(headers["x-mine"], "kept");
    assert_eq!(headers["cname-api-key"], "the true key");
    assert_eq!(headers["true-client-ip"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], domain);
    assert_eq!(headers["forwarded"], format!("for=127.0.0.1;host=\"{domain}\";proto=https"));
    for name in headers.keys() {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
    let others = [
        "x-mine",
        "cname-api-key",
        "true-client-ip",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "forwarded",
        "host",
        "content-type",
        "content-length",
        "transfer-encoding",
    ];
    let vouching = headers.keys().filter(|name| !others.contains(&name.as_str())).count();
    assert_eq!(vouching > 0, path != ROUTES[2], "{domain}{path}: {headers:?}");
}

/// Names such as `Content_Type`, which CGI and its successors read as the header that they resemble.
#[tokio::test]
async fn no_respelled_framing_header_gets_through() {
    let fixture = Fixture::start().await;
    let names = ["Content_Type", "content.length", "CONTENT_ENCODING", "Transfer_Encoding", "x_request_id"];
    let domain = &fixture.domains[0];
    for path in ROUTES {
        let plain = fixture.raw(domain, path, length().as_bytes(), BODY).await;
        let mut lines = length().into_bytes();
        for name in names {
            lines.extend(line(name, MARK));
        }
        assert_eq!(fixture.raw(domain, path, &lines, BODY).await, plain, "{path}");
        let lower = names.map(str::to_ascii_lowercase);
        let fields: Vec<http2::Field<'_>> = lower.iter().map(|name| (name.as_bytes(), MARK)).collect();
        assert_eq!(fixture.frames(domain, path, &[]).await, Outcome::Status(200));
        let plain = fixture.arrived(path);
        assert_eq!(fixture.frames(domain, path, &fields).await, Outcome::Status(200));
        assert_eq!(fixture.arrived(path), plain, "{path}");
    }
}

#[tokio::test]
async fn no_copy_of_an_edge_header_passes_over_http1() {
    let fixture = Fixture::start().await;
    let spoofed: Vec<u8> = spoofs(false).iter().flat_map(|(name, value)| line(name, value)).collect();
    for domain in &fixture.domains {
        for path in ROUTES {
            let plain = fixture.raw(domain, path, length().as_bytes(), BODY).await;
            assert_own(&plain, domain, path);
            let lines = [&spoofed, length().as_bytes(), &spoofed].concat();
            assert_eq!(fixture.raw(domain, path, &lines, BODY).await, plain, "{domain}{path}");
        }
    }
}

#[tokio::test]
async fn no_copy_of_an_edge_header_passes_over_http2() {
    let fixture = Fixture::start().await;
    let spoofed = spoofs(true);
    let spoofed: Vec<http2::Field<'_>> =
        spoofed.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
    for domain in &fixture.domains {
        for path in ROUTES {
            assert_eq!(fixture.frames(domain, path, &[]).await, Outcome::Status(200));
            let plain = fixture.arrived(path);
            assert_own(&plain, domain, path);
            assert_eq!(fixture.frames(domain, path, &spoofed).await, Outcome::Status(200));
            assert_eq!(fixture.arrived(path), plain, "{domain}{path}");
        }
    }
    // Upper case, connection-specific fields and line ends are malformed in HTTP/2 (RFC 9113 section 8.2).
    let before = fixture.upstream.seen().len();
    for field in [
        (&b"Client-Certificate"[..], MARK),
        (b"client-certificate ", MARK),
        (b"client-certificate:", MARK),
        (b"client-certificate", b"spoofed\r\nx: y"),
        (b"client-certificate", b"spoofed\0"),
        (b"connection", b"client-certificate"),
        (b"transfer-encoding", b"chunked"),
        (b"te", b"client-certificate"),
    ] {
        let outcome = fixture.frames(&fixture.domains[0], ROUTES[0], &[field]).await;
        outcome.assert_refused(&String::from_utf8_lossy(field.0));
    }
    assert_eq!(fixture.upstream.seen().len(), before);
}

#[tokio::test]
async fn trailers_add_no_headers() {
    let fixture = Fixture::start().await;
    let chunked = |trailers: &[u8]| -> String {
        let trailers = String::from_utf8_lossy(trailers);
        format!("9\r\n{}\r\n{:x}\r\n{}\r\n0\r\n{trailers}\r\n", &BODY[..9], BODY.len() - 9, &BODY[9..])
    };
    let spoofed = spoofs(true);
    let spoofed: Vec<_> = spoofed.iter().filter(|(_, value)| value == MARK).collect();
    // An HTTP/1.1 server limits trailers more tightly than headers: a few at a time.
    let few: Vec<Vec<u8>> = spoofed
        .chunks(20)
        .map(|few| few.iter().flat_map(|(name, value)| line(name, value)).collect())
        .collect();
    let mut map = HeaderMap::new();
    for (name, value) in &spoofed {
        map.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    for (number, domain) in fixture.domains.iter().enumerate() {
        for path in ROUTES {
            let lines = b"Transfer-Encoding: chunked\r\nTrailer: client-certificate, ssl-client-verify\r\n";
            let plain = fixture.raw(domain, path, &lines[..28], &chunked(b"")).await;
            // Every name on some domain; not every name on every domain.
            for trailers in few.iter().skip(number % 3).step_by(3) {
                let headers = fixture.raw(domain, path, lines, &chunked(trailers)).await;
                assert_eq!(headers, plain, "{domain}{path}");
            }
            let mut connection = fixture.client(domain).http2().connect().await;
            let request = |trailers| {
                let request = Request::post(format!("https://{domain}{path}")).header("content-type", FORM);
                request.header("x-mine", "kept").body(with_trailers(BODY.as_bytes(), 9, trailers)).unwrap()
            };
            assert_eq!(connection.send(request(HeaderMap::new())).await.status, 200);
            let plain = fixture.arrived(path);
            assert_eq!(connection.send(request(map.clone())).await.status, 200);
            assert_eq!(fixture.arrived(path), plain, "{domain}{path}");
        }
    }
}

#[tokio::test]
async fn connection_cannot_remove_the_edges_headers() {
    let fixture = Fixture::start().await;
    let named: Vec<String> = names().into_iter().chain(["host".into(), "x-request-id".into()]).collect();
    let mut lines = length().into_bytes();
    lines.extend(b"X-Private: spoofed\r\nConnection: x-private, keep-alive\r\n");
    for name in &named {
        lines.extend(line("Connection", format!("te, {}, {name}", name.to_ascii_uppercase()).as_bytes()));
        lines.extend(line("connection", name.replace('-', "_").as_bytes()));
        if name != "host" && name != "x-request-id" {
            lines.extend(line(name, MARK));
        }
    }
    lines.extend(b"Connection: content-length, content-type, authorization\r\n");
    for domain in &fixture.domains {
        for path in ROUTES {
            let plain = fixture.raw(domain, path, length().as_bytes(), BODY).await;
            assert_own(&plain, domain, path);
            assert_eq!(fixture.raw(domain, path, &lines, BODY).await, plain, "{domain}{path}");
        }
    }
}
