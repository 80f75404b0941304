//! An API behind the edge, an issuer that serves its key set, and a client.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use testkit::jws::SigningKey;

use crate::support::{Answer, Client, Credentials, DOMAIN, EdgeBuilder, Upstream, self_signed};

pub const ISSUER: &str = "https://as.example.test/";
const API: &str = "https://api.example.test";

/// Everything but the edge.
pub struct Setup {
    /// The API.
    pub resources: Upstream,
    /// The authorization server: its key set.
    pub issuer: Upstream,
    /// What it serves.
    pub served: Arc<Mutex<(u16, String)>>,
    /// Its key.
    pub key: SigningKey,
    /// The client's certificate.
    pub client: Credentials,
}

impl Setup {
    pub async fn start() -> Self {
        let key = SigningKey::p256();
        let served = Arc::new(Mutex::new((200, key_set(&[("k1", &key)]))));
        let issuer = Upstream::answering({
            let served = Arc::clone(&served);
            move |_| {
                let (status, body) = served.lock().unwrap().clone();
                Response::builder().status(status).body(Full::from(body)).unwrap()
            }
        })
        .await;
        Self { resources: Upstream::start().await, issuer, served, key, client: self_signed("billing") }
    }

    /// What the issuer serves from now on.
    pub fn serve(&self, status: u16, body: &str) {
        *self.served.lock().unwrap() = (status, body.to_owned());
    }

    /// The issuer's table, verified by its key set, with further lines.
    pub fn keys(&self, lines: &str) -> String {
        format!(
            "[[token_issuer]]\nname = \"as\"\nissuer = \"{ISSUER}\"\naudience = [\"api\", \"{API}\"]\njwks = {{ url = \"{}/jwks?key=zQ7hidden\", file = \"state/jwks.json\", refresh = \"50ms\" }}\n{lines}",
            self.issuer.url()
        )
    }

    /// An edge with `/api/*` for tokens that the key set verifies, and further lines of the route.
    pub fn builder(&self, route: &str) -> EdgeBuilder {
        self.builder_of(&self.keys(""), route)
    }

    /// An edge with this issuer.
    pub fn builder_of(&self, issuer: &str, route: &str) -> EdgeBuilder {
        let domain = format!(
            "client_auth = \"optional\"\nheader_profile = \"rfc9440\"\n[[domain.route]]\npath = \"/api/*\"\nmethods = [\"GET\", \"POST\"]\nauthenticate = \"token\"\n{route}"
        );
        EdgeBuilder::new(self.resources.url()).domain(DOMAIN, &domain).extra(issuer)
    }

    /// The claims of a valid token.
    pub fn claims(&self) -> Value {
        json!({
            "iss": ISSUER, "aud": [API], "sub": "billing", "client_id": "billing", "jti": "t1",
            "iat": now(), "exp": now() + 300, "cnf": { "x5t#S256": x5t(&self.client) },
        })
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.key.token(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" }), claims)
    }

    /// A valid token of the client.
    pub fn token(&self) -> String {
        self.sign(&self.claims())
    }

    /// A valid token, bound to another certificate.
    pub fn token_for(&self, client: &Credentials) -> String {
        let mut claims = self.claims();
        claims["cnf"]["x5t#S256"] = json!(x5t(client));
        self.sign(&claims)
    }
}

/// A key set with these keys.
pub fn key_set(keys: &[(&str, &SigningKey)]) -> String {
    let jwks: Vec<Value> = keys
        .iter()
        .map(|(kid, key)| {
            let mut jwk = key.jwk();
            jwk["kid"] = json!(kid);
            jwk
        })
        .collect();
    json!({ "keys": jwks }).to_string()
}

/// The thumbprint as RFC 8705 section 3.1 writes it.
pub fn x5t(client: &Credentials) -> String {
    hash(client.leaf())
}

/// The base64url of SHA-256.
pub fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

pub fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

pub type Headers = Vec<(&'static str, String)>;

pub fn bearer(token: &str) -> Headers {
    vec![("authorization", format!("Bearer {token}"))]
}

/// A GET on a new connection.
pub async fn get(client: &Client, path: &str, headers: &[(&'static str, impl AsRef<str>)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, value.as_ref());
    }
    client.connect().await.send(request.body(Full::<Bytes>::default()).unwrap()).await
}

/// A POST to `/api/x` on a new connection.
pub async fn post(client: &Client, headers: &[(&'static str, String)], kind: &str, body: &str) -> Answer {
    let mut request = Request::post("/api/x").header("content-type", kind);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    client.connect().await.send(request.body(Full::from(body.to_owned())).unwrap()).await
}
