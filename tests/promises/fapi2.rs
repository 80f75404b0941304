//! `profile = "fapi2"`: the FAPI 2.0 Security Profile at the front door. Each request here passes without the profile, and breaks
//! one clause with it.

mod clauses;
mod keys;

use http::{Request, Response, header};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{
    CipherSuite,
    crypto::{CryptoProvider, aws_lc_rs},
};
use serde_json::json;

use self::{
    clauses::{
        Clause, PUSHED_SPELLINGS, SPELLINGS, of_authorization_requests, of_clients, of_every_domain,
        of_pushed_requests,
    },
    keys::Keys,
};
use crate::support::{Answer, Client, Edge, Upstream, admin};

const ISSUER: &str = "https://as.example";
const TOKEN_ENDPOINT: &str = "https://as.example/oauth/token";
const REFERENCE: &str = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The parameters of a good pushed request.
const PUSHED: Pairs<'static> = &[
    ("response_type", "code"),
    ("redirect_uri", "https://app.example/cb"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("code_challenge_method", "S256"),
];

fn form(parameters: Pairs<'_>) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// A request: method, path, query, body, whether it presents the certificate of "mtls", and whether it has a DPoP proof.
#[derive(Clone, Debug, Default)]
struct Call {
    path: &'static str,
    query: String,
    body: Option<String>,
    certificate: bool,
    dpop: bool,
}

impl Call {
    fn get(path: &'static str, query: Pairs<'_>) -> Self {
        Self { path, query: form(query), ..Self::default() }
    }

    fn post(path: &'static str, body: Pairs<'_>) -> Self {
        Self { path, body: Some(form(body)), ..Self::default() }
    }

    /// By "mtls", with its certificate.
    fn mtls(path: &'static str, body: Pairs<'_>) -> Self {
        let body = [&[("client_id", "mtls")], body].concat();
        Self { certificate: true, ..Self::post(path, &body) }
    }

    /// By an assertion.
    fn asserted(path: &'static str, client_id: &str, assertion: &str, body: Pairs<'_>) -> Self {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion =
            [("client_id", client_id), ("client_assertion_type", kind), ("client_assertion", assertion)];
        Self::post(path, &[&assertion[..], body].concat())
    }

    async fn send(&self, edge: &Edge, keys: &Keys) -> Answer {
        let client = if self.certificate { Client::with(edge, &keys.certificate) } else { Client::new(edge) };
        let uri = if self.query.is_empty() {
            self.path.to_owned()
        } else {
            format!("{}?{}", self.path, self.query)
        };
        let mut request = Request::get(uri);
        if let Some(body) = &self.body {
            request =
                request.method("POST").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        if self.dpop {
            request = request.header("dpop", keys.proof());
        }
        let body = Full::from(self.body.clone().unwrap_or_default());
        client.connect().await.send(request.body(body).unwrap()).await
    }
}

/// A good pushed request in which one parameter differs; `None` leaves it out.
fn pushed_with(name: &str, value: Option<&'static str>) -> Call {
    let mut body: Vec<(&str, &str)> = PUSHED.iter().copied().filter(|(other, _)| *other != name).collect();
    let name = PUSHED.iter().find(|(other, _)| *other == name).unwrap().0;
    body.extend(value.map(|value| (name, value)));
    Call::mtls("/oauth/par", &body)
}

#[tokio::test]
async fn each_clause_refuses_a_request_that_passes_without_the_profile() {
    let (keys, upstream, behind) = (Keys::new(), Upstream::start().await, Upstream::start().await);
    let lax = keys.builder(&upstream, "").start();
    let strict = keys.builder(&behind, "profile = \"fapi2\"").start();
    let clauses = [of_clients(&keys), of_pushed_requests(&keys), of_authorization_requests(&keys)].concat();
    assert!(clauses.len() >= 30);
    let everywhere = of_every_domain(&keys);
    assert_eq!(listed(&[&clauses[..], &everywhere].concat()), of_the_page());
    for (clause, call, status, code) in everywhere {
        for edge in [&lax, &strict] {
            let answer = call.send(edge, &keys).await;
            assert_eq!(answer.status, status, "{clause}: {call:?} {answer:?}");
            answer.oauth_error(status, code);
        }
    }
    for (clause, call, status, code) in clauses {
        // Of two edges each accepts an assertion once.
        let answer = call.send(&lax, &keys).await;
        assert_eq!(answer.status, 200, "{clause}: {call:?} {answer:?}");
        let answer = call.send(&strict, &keys).await;
        assert_eq!(answer.status, status, "{clause}: {call:?} {answer:?}");
        answer.oauth_error(status, code);
        assert!(!answer.headers.contains_key(header::LOCATION));
    }
    assert_eq!(behind.seen().len(), 0);
    admin::assert_counted(&strict, "profile").await;
    lax.stop();
    strict.stop();
}

/// The names and answers of requests, as docs/fapi2.md has them.
fn listed(clauses: &[Clause]) -> Vec<[String; 2]> {
    let row = |(name, _, status, code): &Clause| [(*name).to_owned(), format!("{status} `{code}`")];
    clauses.iter().map(row).collect()
}

/// The names and answers in the table of docs/fapi2.md.
fn of_the_page() -> Vec<[String; 2]> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fapi2.md")).unwrap();
    let (_, table) = page.split_once("| request | section | the edge | oidc-provider alone |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| [cells[1].to_owned(), cells[3].to_owned()]).collect()
}

#[tokio::test]
async fn no_spelling_of_a_request_evades_its_clause() {
    let (keys, upstream) = (Keys::new(), Upstream::start().await);
    let edge = keys.builder(&upstream, "profile = \"fapi2\"").start();
    let mut calls = Vec::new();
    for (path, query, body) in SPELLINGS.iter().copied() {
        let body = (!body.is_empty()).then(|| body.to_owned());
        calls.push(Call { path, query: query.to_owned(), body, certificate: true, dpop: false });
    }
    for (name, instead) in PUSHED_SPELLINGS {
        let rest: Vec<_> = PUSHED.iter().copied().filter(|(other, _)| other != name).collect();
        let body = format!("client_id=mtls&{}&{instead}", form(&rest));
        calls.push(Call { path: "/oauth/par", body: Some(body), certificate: true, ..Call::default() });
        // Beside a good one, in the other place.
        let query = (*instead).to_owned();
        calls.push(Call { query, ..Call::mtls("/oauth/par", PUSHED) });
    }
    let mut passed = Vec::new();
    for call in calls {
        let answer = call.send(&edge, &keys).await;
        if !matches!(answer.status.as_u16(), 400 | 401) {
            passed.push((call, answer.status));
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
    assert_eq!(upstream.seen().len(), 0);
    edge.stop();
}

#[tokio::test]
async fn requests_that_follow_the_profile_pass() {
    let (keys, upstream) = (Keys::new(), Upstream::start().await);
    let edge = keys.builder(&upstream, "profile = \"fapi2\"").start();
    let code: Pairs<'_> = &[("grant_type", "authorization_code"), ("code", "c"), ("code_verifier", "v")];
    let object = keys.object("x", &json!(1));
    let assertion = || keys.assertion("jwt", "PS256", &json!(ISSUER));
    let jwt = Call::asserted("/oauth/token", "jwt", &assertion(), code);
    for call in [
        Call::mtls("/oauth/par", PUSHED),
        Call::mtls("/oauth/push", PUSHED),
        Call::mtls("/oauth/push", &[("token", "t")]),
        Call::mtls("/oauth/par", &[("request", &object)]),
        Call::asserted("/oauth/par", "jwt", &assertion(), PUSHED),
        pushed_with("redirect_uri", Some("http://127.0.0.1:8080/cb")),
        pushed_with("redirect_uri", Some("com.example.app:/cb")),
        Call::get("/authorize", &[("client_id", "mtls"), ("request_uri", REFERENCE)]),
        Call::get("/authorize", &[("client_id", "mtls"), ("request_uri", REFERENCE), ("ui_locales", "de")]),
        Call::mtls("/oauth/token", code),
        Call { dpop: true, ..jwt },
        Call::get("/login", &[("state", "s")]),
    ] {
        let answer = call.send(&edge, &keys).await;
        assert_eq!(answer.status, 200, "{call:?} {answer:?}");
    }
    edge.stop();
}

#[tokio::test]
async fn only_a_proof_that_reaches_the_server_binds_tokens() {
    let (keys, upstream) = (Keys::new(), Upstream::start().await);
    let edge = keys.builder(&upstream, "profile = \"fapi2\"").start();
    let mut connection = Client::new(&edge).connect().await;
    let proof = keys.proof();
    let (garbage, plain) = ("e.e.e".to_owned(), keys.object("x", &json!(1)));
    for (proofs, status) in
        [(&[&proof][..], 200), (&[&garbage], 400), (&[&plain], 400), (&[&proof, &proof], 400), (&[], 400)]
    {
        let assertion = keys.assertion("jwt", "PS256", &json!(ISSUER));
        let call = Call::asserted("/oauth/token", "jwt", &assertion, &[("grant_type", "client_credentials")]);
        let mut request = Request::post("/oauth/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONNECTION, "dpop");
        for proof in proofs {
            request = request.header("dpop", *proof);
        }
        let answer = connection.send(request.body(Full::from(call.body.unwrap())).unwrap()).await;
        assert_eq!(answer.status, status, "{proofs:?}: {answer:?}");
    }
    // Although the request's Connection line lists it.
    assert_eq!(upstream.last().header("dpop"), proof);
    edge.stop();
}

#[tokio::test]
async fn an_unproved_client_does_not_learn_what_is_registered() {
    let (keys, upstream) = (Keys::new(), Upstream::start().await);
    let edge = keys.builder(&upstream, "profile = \"fapi2\"").start();
    let mut answers = Vec::new();
    for client in ["public", "secret", "nobody"] {
        for secret in [None, Some("x")] {
            let mut body = vec![("client_id", client), ("grant_type", "client_credentials")];
            body.extend(secret.map(|secret| ("client_secret", secret)));
            let answer = Call::post("/oauth/token", &body).send(&edge, &keys).await;
            answers.push((secret, answer.status, answer.body));
        }
    }
    for secret in [None, Some("x")] {
        let alike: Vec<_> = answers.iter().filter(|(other, ..)| *other == secret).collect();
        assert!(alike.iter().all(|answer| *answer == alike[0]), "{alike:?}");
    }
    edge.stop();
}

#[tokio::test]
async fn browsers_get_no_cors_at_the_authorization_endpoint() {
    let keys = Keys::new();
    let upstream = Upstream::answering(|_| {
        Response::builder()
            .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET")
            .body(Full::default())
            .unwrap()
    })
    .await;
    let edge = keys.builder(&upstream, "profile = \"fapi2\"").start();
    let by_reference: Pairs<'_> = &[("client_id", "mtls"), ("request_uri", REFERENCE)];
    let answer = Call::get("/authorize", by_reference).send(&edge, &keys).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{answer:?}");
    assert_eq!(answer.headers[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    let answer = Call::get("/login", &[]).send(&edge, &keys).await;
    assert!(answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    edge.stop();
}

#[tokio::test]
async fn only_the_suites_of_the_profile_are_offered() {
    let (keys, upstream) = (Keys::new(), Upstream::start().await);
    let chacha = || {
        let mut provider: CryptoProvider = aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|suite| {
            matches!(
                suite.suite(),
                CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            )
        });
        provider
    };
    let lax = keys.builder(&upstream, "").start();
    assert!(Client::with_provider(&lax, &keys.certificate, chacha()).tls().await.is_ok());
    let strict = keys.builder(&upstream, "profile = \"fapi2\"").start();
    Client::with_provider(&strict, &keys.certificate, chacha()).refused().await;
    lax.stop();
    strict.stop();
}

#[tokio::test]
async fn check_lists_the_applications_that_would_not_pass() {
    let (keys, upstream) = (Keys::new(), Upstream::start().await);
    let output = keys.builder(&upstream, "profile = \"fapi2\"").output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    for says in [
        "\"public\" (and 1 more) does not authenticate by mTLS or private_key_jwt",
        "\"legacy\" has a key of RS256 or RS384",
        "\"jwt\" has a request key of RS256 or RS384",
        "\"jwt\" (and 1 more) has no certificate to which its tokens can be bound",
    ] {
        assert!(printed.replace('\n', " ").contains(says), "{says}: {printed}");
    }
    let without = keys.builder(&upstream, "").output("check");
    assert!(!String::from_utf8(without.stderr).unwrap().contains("FAPI"));
}
