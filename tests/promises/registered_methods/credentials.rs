//! One application for each method, and what requests may carry.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use testkit::jws::SigningKey;

use crate::support::{
    Answer, Ca, Credentials, DOMAIN, EdgeBuilder, openssl_sha256, self_signed, self_signed_with,
};

pub const ISSUER: &str = "https://auth.example.test/";

/// What a request carries, or its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The certificate that `own` has registered.
    Own,
    /// The certificate that a client CA has issued to `ca`.
    Ca,
    /// A certificate that nobody has registered.
    Stranger,
    /// The same, expired.
    Expired,
    /// HTTP Basic of this client.
    Basic(&'static str),
    /// `client_secret` of this client in the body.
    Post(&'static str),
    /// An assertion of this client by the key of `jwt`.
    Assertion(&'static str),
    /// The headers of a client attestation.
    Attestation,
}

impl Sent {
    /// The same mechanism for another client.
    pub fn of(self, client_id: &'static str) -> Self {
        match self {
            Self::Basic(_) => Self::Basic(client_id),
            Self::Post(_) => Self::Post(client_id),
            Self::Assertion(_) => Self::Assertion(client_id),
            other => other,
        }
    }
}

/// Each application with what it sends.
pub const APPLICATIONS: &[(&str, &[Sent])] = &[
    ("own", &[Sent::Own]),
    ("ca", &[Sent::Ca]),
    ("jwt", &[Sent::Assertion("jwt")]),
    ("basic", &[Sent::Basic("basic")]),
    ("post", &[Sent::Post("post")]),
    ("server", &[Sent::Basic("server")]),
    ("public", &[]),
];

/// The secret of every client that has one.
const SECRET: &str = "a-secret";

pub struct Applications {
    own: Credentials,
    ca: Ca,
    issued: Credentials,
    stranger: Credentials,
    expired: Credentials,
    pub key: SigningKey,
}

impl Applications {
    pub fn new() -> Self {
        let ca = Ca::new("Client CA");
        Self {
            own: self_signed("own"),
            issued: ca.issue("payments", |_| {}),
            ca,
            stranger: self_signed("stranger"),
            expired: self_signed_with("expired", |params| {
                params.not_after = testkit::certificates::time_from_now(-3600);
            }),
            key: SigningKey::p256(),
        }
    }

    /// Registers all, on a domain that asks for a certificate but does not require one.
    pub fn register(&self, edge: EdgeBuilder) -> EdgeBuilder {
        let secret = || vec![format!("secret_sha256 = \"{}\"", openssl_sha256(SECRET))];
        let settings = format!(
            "client_auth = \"optional\"\nissuer = \"{ISSUER}\"\nheader_profile = \"rfc9440\"\n[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\nauthenticate = \"client\""
        );
        edge.domain(DOMAIN, &settings)
            .trust("ca", &self.ca.pem())
            .file("jwt.pem", self.key.public_pem())
            .self_signed_application("own", &[self.own.thumbprint()])
            .ca_application("ca", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
            .application("jwt", "private_key_jwt", &["public_key = \"jwt.pem\"\nalg = \"ES256\"".to_owned()])
            .application("basic", "client_secret_basic", &secret())
            .application("post", "client_secret_post", &secret())
            .application("server", "client_secret_basic", &[])
            .application("public", "none", &[])
    }

    /// A token request of this client, and the certificate for its connection.
    pub fn request(&self, client_id: &str, sent: &[Sent]) -> (Request<Full<Bytes>>, Option<&Credentials>) {
        let mut request =
            Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        let mut body = format!("grant_type=client_credentials&client_id={client_id}");
        let mut certificate = None;
        for one in sent {
            match one {
                Sent::Own => certificate = Some(&self.own),
                Sent::Ca => certificate = Some(&self.issued),
                Sent::Stranger => certificate = Some(&self.stranger),
                Sent::Expired => certificate = Some(&self.expired),
                Sent::Basic(_) => {
                    let basic = STANDARD.encode(format!("{client_id}:{SECRET}"));
                    request = request.header("authorization", format!("Basic {basic}"));
                }
                Sent::Post(_) => {
                    let _ = write!(body, "&client_secret={SECRET}");
                }
                Sent::Assertion(_) => {
                    let assertion = assertion(&self.key, client_id);
                    let _ = write!(
                        body,
                        "&client_assertion={assertion}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
                    );
                }
                Sent::Attestation => {
                    request = request
                        .header("oauth-client-attestation", "a.b.c")
                        .header("oauth-client-attestation-pop", "a.b.c");
                }
            }
        }
        (request.body(Full::from(body)).unwrap(), certificate)
    }
}

/// A new assertion of this client.
pub fn assertion(key: &SigningKey, client_id: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let jti = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60
    });
    key.token(&json!({ "alg": "ES256" }), &claims)
}

/// What a caller sees of a refusal: status, text, challenge, and whether the connection is closed.
pub fn seen(answer: &Answer) -> (StatusCode, String, [Option<HeaderValue>; 2]) {
    let text = answer.oauth_error(401, "invalid_client");
    (answer.status, text, ["www-authenticate", "connection"].map(|name| answer.headers.get(name).cloned()))
}
