//! `certificate_bound`: a client of another method presents a certificate besides, which is vouched for (RFC 8705 section 3).

use std::fmt::Write;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use testkit::{certificates::time_from_now, jws::SigningKey};

use crate::{
    registered_methods::credentials::{ISSUER, assertion, seen},
    support::{
        Answer, Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, admin, openssl_sha256,
        self_signed, self_signed_with,
    },
};

const SECRET: &str = "a-secret";

struct Fixture {
    upstream: Upstream,
    edge: Edge,
    keys: Vec<(&'static str, SigningKey)>,
    registered: Credentials,
    ca: Ca,
}

impl Fixture {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let (registered, ca) = (self_signed("registered"), Ca::new("Client CA"));
        let keys: Vec<_> =
            ["jwt", "jwt-one", "jwt-ca"].map(|client_id| (client_id, SigningKey::p256())).into();
        let routes = format!(
            "client_auth = \"optional\"\nissuer = \"{ISSUER}\"\nheader_profile = \"rfc9440\"\n[[domain.route]]\npath = \"/oauth/token\"\nmethods = [\"POST\"]\nauthenticate = \"client\""
        );
        let bound = |client_id: &str, method: &str, credential: &str, certificate: &str| {
            let credential = if credential.is_empty() {
                String::new()
            } else {
                format!("[[application.credential]]\nname = \"one\"\n{credential}\n")
            };
            let certificate = if certificate.is_empty() {
                String::new()
            } else {
                format!("[[application.certificate]]\nname = \"bound\"\n{certificate}\n")
            };
            format!(
                "[[application]]\nclient_id = \"{client_id}\"\nauth_method = \"{method}\"\ncertificate_bound = true\n{credential}{certificate}"
            )
        };
        let jwt = |client_id: &str| format!("public_key = \"{client_id}.pem\"\nalg = \"ES256\"");
        let secret = format!("secret_sha256 = \"{}\"", openssl_sha256(SECRET));
        let thumbprint = format!("thumbprint = \"{}\"", registered.thumbprint());
        let applications = [
            bound("jwt", "private_key_jwt", &jwt("jwt"), ""),
            bound("jwt-one", "private_key_jwt", &jwt("jwt-one"), &thumbprint),
            bound(
                "jwt-ca",
                "private_key_jwt",
                &jwt("jwt-ca"),
                "subject_dn = \"CN=payments,O=Example Bank,C=DE\"",
            ),
            bound("post", "client_secret_post", &secret, ""),
            bound("public", "none", "", ""),
            bound("public-one", "none", "", &thumbprint),
            bound("unverified", "client_secret_post", "", ""),
            bound("unverified-basic", "client_secret_basic", "", ""),
        ];
        let edge = EdgeBuilder::new(upstream.url())
            .domain(DOMAIN, &routes)
            .trust("ca", &ca.pem())
            .applications_file("bound.toml")
            .file("bound.toml", applications.concat());
        let edge = keys
            .iter()
            .fold(edge, |edge, (client_id, key)| edge.file(&format!("{client_id}.pem"), key.public_pem()))
            .start();
        Self { upstream, edge, keys, registered, ca }
    }

    fn request(&self, client_id: &str) -> Request<Full<Bytes>> {
        let mut body = format!("grant_type=client_credentials&client_id={client_id}");
        if let Some((_, key)) = self.keys.iter().find(|(owner, _)| *owner == client_id) {
            let _ = write!(
                body,
                "&client_assertion={}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
                assertion(key, client_id)
            );
        } else if ["post", "unverified", "unknown"].contains(&client_id) {
            let _ = write!(body, "&client_secret={SECRET}");
        }
        Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(body))
            .unwrap()
    }

    async fn send(&self, client_id: &str, certificate: Option<&Credentials>) -> Answer {
        let client = match certificate {
            Some(certificate) => Client::with(&self.edge, certificate),
            None => Client::new(&self.edge),
        };
        client.connect().await.send(self.request(client_id)).await
    }

    /// Asserts that the request is forwarded, and that this certificate is vouched for.
    async fn assert_bound(&self, client_id: &str, certificate: &Credentials) {
        let answer = self.send(client_id, Some(certificate)).await;
        assert_eq!(answer.status, 200, "{client_id}: {answer:?}");
        let header = self.upstream.last().header("client-cert");
        let der = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate.leaf());
        assert_eq!(header, format!(":{der}:"), "{client_id}");
    }
}

#[tokio::test]
async fn any_certificate_of_the_client_is_vouched_for() {
    let fixture = Fixture::start().await;
    for client_id in ["jwt", "post", "public"] {
        fixture.assert_bound(client_id, &self_signed("any")).await;
        fixture.assert_bound(client_id, &fixture.ca.issue("any", |_| {})).await;
    }
}

#[tokio::test]
async fn a_bound_client_without_a_certificate_is_refused() {
    let fixture = Fixture::start().await;
    for client_id in ["jwt", "jwt-one", "jwt-ca", "post"] {
        let description = fixture.send(client_id, None).await.oauth_error(401, "invalid_client");
        // The client has proved its identity, so the answer may say what is registered.
        assert!(description.contains("tokens are bound to its certificate"), "{description}");
    }
    let description = fixture.send("public", None).await.oauth_error(401, "invalid_client");
    assert!(!description.contains("bound"), "{description}");
    admin::assert_counted(&fixture.edge, "certificate_binding").await;
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_expired_certificate_binds_no_token() {
    let fixture = Fixture::start().await;
    let expired = self_signed_with("expired", |params| params.not_after = time_from_now(-3600));
    let future = self_signed_with("future", |params| params.not_before = time_from_now(3600));
    for certificate in [expired, future] {
        for client_id in ["jwt", "post", "public"] {
            fixture.send(client_id, Some(&certificate)).await.oauth_error(401, "invalid_client");
        }
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn only_registered_certificates_bind_where_there_are_any() {
    let fixture = Fixture::start().await;
    let issued = fixture.ca.issue("payments", |_| {});
    fixture.assert_bound("jwt-one", &fixture.registered).await;
    fixture.assert_bound("jwt-ca", &issued).await;
    fixture.upstream.forget();
    let other_ca = Ca::new("Other CA").issue("payments", |_| {});
    for (client_id, certificate) in [
        ("jwt-one", &issued),
        ("jwt-one", &self_signed("registered")),
        ("jwt-ca", &fixture.registered),
        ("jwt-ca", &fixture.ca.issue("another", |_| {})),
        ("jwt-ca", &other_ca),
    ] {
        let answer = fixture.send(client_id, Some(certificate)).await;
        let description = answer.oauth_error(401, "invalid_client");
        assert!(description.contains("tokens are bound to its certificate"), "{description}");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

/// The certificate alone does not authenticate a client of another method.
#[tokio::test]
async fn a_binding_certificate_does_not_authenticate() {
    let fixture = Fixture::start().await;
    for client_id in ["jwt-one", "post"] {
        let client = Client::with(&fixture.edge, &fixture.registered);
        client.token(client_id).await.oauth_error(401, "invalid_client");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn an_unproved_bound_client_is_answered_as_an_unknown_one() {
    let fixture = Fixture::start().await;
    let answered = async |certificate: Option<&Credentials>, request: Request<Full<Bytes>>| {
        let client = certificate.map_or_else(
            || Client::new(&fixture.edge),
            |certificate| Client::with(&fixture.edge, certificate),
        );
        seen(&client.connect().await.send(request).await)
    };
    // Only the server knows whether the secret is the right one.
    let wrong = answered(None, fixture.request("unverified")).await;
    assert_eq!(wrong, answered(None, fixture.request("unknown")).await);
    let basic = |client_id: &str| {
        let value = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{client_id}:{SECRET}"),
        );
        let mut request = fixture.request("public").map(|_| Full::from("grant_type=client_credentials"));
        request.headers_mut().insert("authorization", format!("Basic {value}").try_into().unwrap());
        request
    };
    let wrong = answered(None, basic("unverified-basic")).await;
    assert_eq!(wrong, answered(None, basic("unknown")).await);
    let named = |client_id: &str| {
        fixture.request("public-one").map(|_| Full::from(format!("grant_type=x&client_id={client_id}")))
    };
    let expired = self_signed_with("expired", |params| params.not_after = time_from_now(-60));
    for certificate in [None, Some(&self_signed("stranger")), Some(&expired)] {
        let public = answered(certificate, named("public-one")).await;
        assert_eq!(public, answered(certificate, named("unknown")).await);
    }
}
