//! Signed authorization requests (JAR, RFC 9101), pushed or not: what is verified is forwarded byte for byte, all else is refused.

mod contradictions;
mod forms;
mod keys;
mod refusals;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use testkit::jws::SigningKey;

use crate::support::{
    Answer, Client, Connection, Credentials, DOMAIN, Edge, EdgeBuilder, Seen, Upstream,
    admin::{assert_counted, metric},
    self_signed,
};

const ISSUER: &str = "https://as.example/";
/// The domain of browsers, which never present a certificate.
const BROWSERS: &str = "login.example.test";
const APP: &str = "billing";

/// An edge with one application, "billing", and its request key, in front of a recording upstream.
struct Setup {
    edge: Edge,
    upstream: Upstream,
    /// Signs request objects by ES256.
    key: SigningKey,
    /// Authenticates the application.
    certificate: Credentials,
}

/// What differs between the tests.
struct Settings {
    /// `signed_request` of both routes.
    signed_request: &'static str,
    /// Lines of `[[application]]`.
    rules: &'static str,
    /// Lines of `[trust]`.
    trust: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self { signed_request: "verify", rules: "", trust: "" }
    }
}

/// The text of `applications.toml` with these tables of request keys.
fn applications(certificate: &Credentials, rules: &str, request_keys: &str) -> String {
    format!(
        "[[application]]\nclient_id = \"{APP}\"\nauth_method = \"self_signed_tls_client_auth\"\n{rules}\n\
         [[application.credential]]\nname = \"c\"\nthumbprint = \"{}\"\n{request_keys}\n",
        certificate.thumbprint()
    )
}

/// A table of a request key whose file is `NAME.pem`.
fn request_key(name: &str, alg: &str) -> String {
    format!("[[application.request_key]]\nname = \"{name}\"\npublic_key = \"{name}.pem\"\nalg = \"{alg}\"\n")
}

impl Setup {
    async fn start(settings: Settings) -> Self {
        let key = SigningKey::p256();
        let pem = key.public_pem();
        Self::with_keys(settings, key, &[("jar", &pem)], &request_key("jar", "ES256")).await
    }

    /// With these files of public keys, and these tables.
    async fn with_keys(
        Settings { signed_request, rules, trust }: Settings,
        key: SigningKey,
        files: &[(&str, &str)],
        tables: &str,
    ) -> Self {
        let (upstream, certificate) = (Upstream::start().await, self_signed(APP));
        let route = |path: &str, methods: &str, authenticate: &str| {
            format!(
                "[[domain.route]]\npath = \"{path}\"\nmethods = [{methods}]\nauthenticate = \"{authenticate}\"\n\
                 signed_request = \"{signed_request}\"\n"
            )
        };
        let authorize = route("/authorize", "\"GET\", \"POST\"", "none");
        let par = route("/oauth/par", "\"POST\"", "client");
        let mut edge = EdgeBuilder::new(upstream.url())
            .domain(DOMAIN, &format!("issuer = \"{ISSUER}\"\nclient_auth = \"optional\"\n{authorize}{par}"))
            .domain(BROWSERS, &format!("issuer = \"{ISSUER}\"\nclient_auth = \"off\"\n{authorize}"))
            .trust_settings(trust)
            .applications_file("registry.toml")
            .file("registry.toml", applications(&certificate, rules, tables));
        for (name, pem) in files {
            edge = edge.file(&format!("{name}.pem"), pem);
        }
        Self { edge: edge.start(), upstream, key, certificate }
    }

    /// A request object of the application.
    fn object(&self) -> String {
        sign(&self.key, &claims())
    }

    async fn browser(&self) -> Connection {
        Client::new(&self.edge).server_name(BROWSERS).connect().await
    }

    async fn application(&self) -> Connection {
        Client::with(&self.edge, &self.certificate).connect().await
    }

    /// GET `/authorize` as a browser.
    async fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        self.browser().await.send(get(parameters)).await
    }

    /// POST `/authorize` as a browser.
    async fn post_authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        self.browser().await.send(post("/authorize", parameters, BROWSERS)).await
    }

    /// POST `/oauth/par` as the application.
    async fn push(&self, parameters: &[(&str, &str)]) -> Answer {
        self.application().await.send(post("/oauth/par", parameters, DOMAIN)).await
    }

    /// Sends the parameters to each endpoint by each method.
    async fn everywhere(&self, parameters: &[(&str, &str)]) -> [Answer; 3] {
        [self.authorize(parameters).await, self.post_authorize(parameters).await, self.push(parameters).await]
    }

    /// The last request that reached the upstream, if `count` have.
    fn seen(&self, count: usize) -> Seen {
        assert_eq!(self.upstream.seen().len(), count);
        self.upstream.last()
    }

    /// Asserts that an answer is a refusal with this code, without a redirect, that nothing reached the upstream, and that the log
    /// has the same reason. Returns the description and the outcome in the log.
    /// The reason in the log: the description, except where that would show something about the registered keys.
    fn refused(&self, answer: &Answer, code: &str) -> (String, String) {
        let description = answer.oauth_error(400, code);
        assert!(!answer.headers.contains_key(header::LOCATION), "{answer:?}");
        assert_eq!(self.upstream.seen().len(), 0, "the upstream saw a refused request");
        let log = self.edge.log_of(answer);
        let outcome = log["authorization_request"].as_str().unwrap_or_default().to_owned();
        if outcome == "refused_signature" {
            assert_eq!(description, NOT_VERIFIED, "{log}");
        } else {
            assert_eq!(log["reason"], description, "{log}");
        }
        (log["reason"].as_str().unwrap().to_owned(), outcome)
    }

    /// The number of requests with this outcome.
    async fn counted(&self, outcome: &str) -> i64 {
        metric(&self.edge, &format!("mtls_edge_authorization_requests_total{{outcome=\"{outcome}\"}}")).await
    }
}

/// The description of every refusal because of the key or the signature.
const NOT_VERIFIED: &str = "the request object is not signed by a key that is registered for request objects of this client_id: check the key, its alg, kid and expiry";

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// The claims that oauth4webapi makes.
fn claims() -> Value {
    let now = now();
    json!({
        "client_id": APP, "response_type": "code", "redirect_uri": "https://app.example/cb", "scope": "openid",
        "state": "s1", "code_challenge": "c", "code_challenge_method": "S256", "max_age": 60,
        "iss": APP, "aud": ISSUER, "exp": now + 60, "iat": now, "nbf": now, "jti": "j1",
    })
}

/// The claims with one member that differs; null removes it.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    key.token(&json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" }), claims)
}

/// Everything but letters, digits and underscores.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');

fn form(parameters: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, ESCAPED).to_string();
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

fn get(parameters: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let uri = format!("/authorize?{}", form(parameters));
    Request::get(uri).header(header::HOST, BROWSERS).body(Full::default()).unwrap()
}

fn post(uri: &str, parameters: &[(&str, &str)], host: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form(parameters)))
        .unwrap()
}

#[tokio::test]
async fn a_verified_request_object_is_forwarded_byte_for_byte() {
    let setup = Setup::start(Settings::default()).await;
    let object = setup.object();
    // As openid-client sends it: nothing else outside.
    let parameters = [("client_id", APP), ("request", object.as_str())];
    let answer = setup.authorize(&parameters).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = setup.seen(1);
    assert_eq!(seen.uri.to_string(), format!("/authorize?{}", form(&parameters)));
    let log = setup.edge.log_of(&answer);
    assert_eq!(
        (log["authorization_request"].as_str(), log["client_id"].as_str()),
        (Some("verified"), Some(APP))
    );
    assert!(!setup.edge.log().contains(&object), "a request object is in the log");

    // As OpenID Connect Core 6.1 wants it, by POST. A browser may send the same again.
    let parameters =
        [("response_type", "code"), ("client_id", APP), ("scope", "openid"), ("request", &object)];
    assert_eq!(setup.post_authorize(&parameters).await.status, 200);
    assert_eq!(setup.seen(2).body, form(&parameters));

    let answer = setup.push(&[("client_id", APP), ("request", &object)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = setup.seen(3);
    assert_eq!(seen.body, form(&[("client_id", APP), ("request", &object)]));
    assert!(seen.headers.contains_key("client-certificate"));
    assert_eq!(setup.counted("verified").await, 3);
    setup.edge.stop();
}

#[tokio::test]
async fn request_objects_are_verified_over_http2() {
    let setup = Setup::start(Settings::default()).await;
    let mut browser = Client::new(&setup.edge).server_name(BROWSERS).http2().connect().await;
    for (object, status) in [(setup.object(), 200), (sign(&SigningKey::p256(), &claims()), 400)] {
        let uri =
            format!("https://{BROWSERS}/authorize?{}", form(&[("client_id", APP), ("request", &object)]));
        let answer = browser.send(Request::get(uri).body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    setup.edge.stop();
}

#[tokio::test]
async fn a_json_body_can_push_a_request_object() {
    let setup = Setup::start(Settings::default()).await;
    let body = json!({ "client_id": APP, "request": setup.object(), "max_age": 60 }).to_string();
    let request = Request::post("/oauth/par").header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Full::from(body.clone())).unwrap();
    assert_eq!(setup.application().await.send(request).await.status, 200);
    assert_eq!(setup.seen(1).body, body);
    let request = Request::post("/oauth/par").header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Full::from(body.replace("\"max_age\":60", "\"max_age\":0"))).unwrap();
    let answer = setup.application().await.send(request).await;
    assert_eq!(setup.edge.log_of(&answer)["contradicted"], "max_age");
    setup.edge.stop();
}
