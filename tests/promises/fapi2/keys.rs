//! The applications of the tests, and what they sign.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use testkit::jws::SigningKey;

use super::{ISSUER, PUSHED, TOKEN_ENDPOINT};
use crate::support::{Credentials, DOMAIN, EdgeBuilder, Upstream, self_signed};

/// The keys of the applications.
pub(super) struct Keys {
    pub(super) certificate: Credentials,
    /// Of "jwt", by PS256.
    pub(super) jwt: SigningKey,
    /// Of "legacy", by RS256; also its request key.
    pub(super) legacy: SigningKey,
    /// The request key of "mtls", by ES256.
    pub(super) request: SigningKey,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            certificate: self_signed("mtls"),
            jwt: SigningKey::rsa(),
            legacy: SigningKey::rsa(),
            request: SigningKey::p256(),
        }
    }

    fn registry(&self) -> String {
        let credential = |lines: &str| format!("[[application.credential]]\nname = \"c\"\n{lines}\n");
        let request_key = |file: &str, alg: &str| {
            format!("[[application.request_key]]\nname = \"r\"\npublic_key = \"{file}\"\nalg = \"{alg}\"\n")
        };
        let thumbprint = self.certificate.thumbprint();
        let applications = [
            (
                "mtls",
                "self_signed_tls_client_auth",
                credential(&format!("thumbprint = \"{thumbprint}\"")) + &request_key("request.pem", "ES256"),
            ),
            (
                "jwt",
                "private_key_jwt",
                credential("public_key = \"jwt.pem\"\nalg = \"PS256\"") + &request_key("legacy.pem", "RS256"),
            ),
            ("legacy", "private_key_jwt", credential("public_key = \"legacy-jwt.pem\"\nalg = \"RS256\"")),
            ("secret", "client_secret_post", String::new()),
            ("public", "none", String::new()),
        ];
        let tables = applications.map(|(id, method, tables)| {
            format!("[[application]]\nclient_id = \"{id}\"\nauth_method = \"{method}\"\n{tables}")
        });
        tables.concat()
    }

    pub(super) fn builder(&self, upstream: &Upstream, profile: &str) -> EdgeBuilder {
        let route = |path: &str, methods: &str, rest: &str| {
            format!("[[domain.route]]\npath = \"{path}\"\nmethods = [{methods}]\n{rest}\n")
        };
        let routes = [
            route("/oauth/token", "\"POST\"", "authenticate = \"client\""),
            route("/oauth/par", "\"POST\"", "authenticate = \"client\"\nsigned_request = \"verify\""),
            route("/oauth/push", "\"POST\"", "authenticate = \"client\""),
            route(
                "/authorize",
                "\"GET\", \"POST\", \"OPTIONS\"",
                "authenticate = \"none\"\nsigned_request = \"verify\"",
            ),
            route("/*", "\"GET\", \"POST\"", "authenticate = \"none\""),
        ];
        let domain = format!(
            "issuer = \"{ISSUER}\"\naudiences = [\"{TOKEN_ENDPOINT}\"]\nclient_auth = \"optional\"\n{profile}\n{}",
            routes.concat()
        );
        EdgeBuilder::new(upstream.url())
            .domain(DOMAIN, &domain)
            .applications_file("registry.toml")
            .file("registry.toml", self.registry())
            .file("jwt.pem", self.jwt.public_pem())
            .file("legacy.pem", self.legacy.public_pem())
            .file("legacy-jwt.pem", self.legacy.public_pem())
            .file("request.pem", self.request.public_pem())
    }

    pub(super) fn assertion(&self, client_id: &str, alg: &str, aud: &Value) -> String {
        let key = if client_id == "legacy" { &self.legacy } else { &self.jwt };
        let now = now();
        let jti = next().to_string();
        let claims = json!({ "iss": client_id, "sub": client_id, "aud": aud, "iat": now, "exp": now + 60, "jti": jti });
        key.token(&json!({ "alg": alg }), &claims)
    }

    /// An assertion of "jwt" whose claim `name` is 90 seconds ahead.
    pub(super) fn assertion_ahead(&self, name: &str) -> String {
        let now = now();
        let jti = next().to_string();
        let mut claims =
            json!({ "iss": "jwt", "sub": "jwt", "aud": ISSUER, "iat": now, "exp": now + 120, "jti": jti });
        claims[name] = json!(now + 90);
        self.jwt.token(&json!({ "alg": "PS256" }), &claims)
    }

    /// A DPoP proof (RFC 9449 section 4.2).
    pub(super) fn proof(&self) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.request.jwk() });
        let claims = json!({ "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": now(), "jti": next().to_string() });
        self.request.token(&header, &claims)
    }

    /// A request object of "mtls", whose claims differ in one from a good one; null removes it.
    pub(super) fn object(&self, name: &str, value: &Value) -> String {
        let mut claims = Self::claims("mtls");
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
        self.request.token(&json!({ "alg": "ES256" }), &claims)
    }

    pub(super) fn claims(client_id: &str) -> Value {
        let now = now();
        let mut claims = json!({
            "client_id": client_id, "iss": client_id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60,
        });
        for (name, value) in PUSHED {
            claims[*name] = json!(value);
        }
        claims
    }
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// A number that no other call gets.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}
