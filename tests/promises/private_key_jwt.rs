//! `private_key_jwt`: client assertions (RFC 7523 section 2.2), verified at the edge before the authorization server sees them.

mod accepted;
mod claims;
mod forged;
mod published;
mod replay;
mod rotation;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use testkit::jws::SigningKey;
use time::OffsetDateTime;

use crate::support::{Answer, Client, Connection, DOMAIN, Edge, EdgeBuilder, Seen, Upstream};

pub(super) const ISSUER: &str = "https://auth.example.test/";
/// A further value of `aud` that the domain accepts.
const AUDIENCE: &str = "https://auth.example.test/oauth/token";
pub(super) const CLIENT: &str = "reports";
const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(super) const DOMAIN_SETTINGS: &str = r#"
client_auth = "optional"
issuer = "https://auth.example.test/"
audiences = ["https://auth.example.test/oauth/token"]
[[domain.route]]
path = "/oauth/token"
methods = ["POST"]
authenticate = "client"
"#;

/// An edge whose clock stands still, in front of an upstream that records.
struct Setup {
    edge: Edge,
    upstream: Upstream,
    now: i64,
}

impl Setup {
    /// With "reports" and these keys, each with `alg` and further lines of its credential.
    async fn with(keys: &[(&SigningKey, &str)]) -> Self {
        Self::changed(keys, |edge| edge).await
    }

    async fn changed(keys: &[(&SigningKey, &str)], change: impl FnOnce(EdgeBuilder) -> EdgeBuilder) -> Self {
        Self::start(|edge| change(application(edge, CLIENT, keys))).await
    }

    async fn start(change: impl FnOnce(EdgeBuilder) -> EdgeBuilder) -> Self {
        let upstream = Upstream::start().await;
        let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let builder = EdgeBuilder::new(upstream.url()).domain(DOMAIN, DOMAIN_SETTINGS).clock(now);
        Self { edge: change(builder).start(), upstream, now: now.unix_timestamp() }
    }

    /// The claims of a valid assertion with a new `jti`, changed by `changes`; null removes one.
    fn claims(&self, changes: &Value) -> Value {
        let jti = format!("{:032x}", rand());
        let now = self.now;
        let mut claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": jti, "iat": now, "nbf": now, "exp": now + 60
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    /// A valid assertion of this algorithm.
    fn assertion(&self, key: &SigningKey, algorithm: &str) -> String {
        key.token(&json!({ "alg": algorithm }), &self.claims(&json!({})))
    }

    /// A connection without a client certificate.
    async fn connect(&self) -> Connection {
        Client::new(&self.edge).connect().await
    }

    /// The answer to a token request with this assertion.
    async fn send(&self, assertion: &str) -> Answer {
        self.connect().await.send(request(assertion)).await
    }

    /// Asserts that a token request with this assertion passes, and returns what the upstream saw.
    async fn passes(&self, assertion: &str) -> Seen {
        let before = self.upstream.seen().len();
        let answer = self.send(assertion).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(self.upstream.seen().len(), before + 1);
        self.upstream.last()
    }

    /// Asserts that a token request with this assertion gets 401 and never reaches the upstream. Returns the description, and the
    /// reason in the log.
    async fn refuses(&self, assertion: &str) -> (String, String) {
        self.refuses_request(request(assertion)).await
    }

    async fn refuses_request(&self, request: Request<Full<Bytes>>) -> (String, String) {
        let before = self.upstream.seen().len();
        let answer = self.connect().await.send(request).await;
        let description = answer.oauth_error(401, "invalid_client");
        assert_eq!(self.upstream.seen().len(), before, "the upstream saw a refused request");
        let log = self.edge.log_of(&answer);
        (description, log["reason"].as_str().unwrap_or_else(|| panic!("no reason: {log}")).to_owned())
    }
}

/// Registers an application with these keys.
pub(super) fn application(
    mut edge: EdgeBuilder,
    client_id: &str,
    keys: &[(&SigningKey, &str)],
) -> EdgeBuilder {
    let mut credentials = Vec::new();
    for (number, (key, lines)) in keys.iter().enumerate() {
        let file = format!("{client_id}-{number}.pem");
        credentials.push(format!("public_key = \"{file}\"\n{lines}"));
        edge = edge.file(&file, key.public_pem());
    }
    edge.application(client_id, "private_key_jwt", &credentials)
}

/// A token request with an assertion.
pub(super) fn request(assertion: &str) -> Request<Full<Bytes>> {
    request_as(CLIENT, assertion)
}

/// A token request of this client.
fn request_as(client_id: &str, assertion: &str) -> Request<Full<Bytes>> {
    request_of(&format!(
        "grant_type=client_credentials&client_id={client_id}&client_assertion_type={JWT}&client_assertion={assertion}"
    ))
}

fn request_of(body: &str) -> Request<Full<Bytes>> {
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body.to_owned()))
        .unwrap()
}

/// A number that no other test has.
pub(super) fn rand() -> u128 {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    u128::from_be_bytes(bytes)
}
