//! A client authenticates in the way that is registered for it, with one mechanism, and in no other way.

pub mod credentials;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use self::credentials::{APPLICATIONS, Applications, Sent, seen};
use crate::support::{Answer, Client, Edge, EdgeBuilder, Upstream, openssl_sha256};

struct Fixture {
    upstream: Upstream,
    edge: Edge,
    applications: Applications,
}

impl Fixture {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(trust: &str) -> Self {
        let upstream = Upstream::start().await;
        let applications = Applications::new();
        let edge = applications.register(EdgeBuilder::new(upstream.url()).trust_settings(trust)).start();
        Self { upstream, edge, applications }
    }

    /// Sends a token request of this client, with these credentials.
    async fn send(&self, client_id: &str, sent: &[Sent]) -> Answer {
        self.send_over(client_id, sent, false).await
    }

    async fn send_over(&self, client_id: &str, sent: &[Sent], http2: bool) -> Answer {
        let (request, certificate) = self.applications.request(client_id, sent);
        let client = match certificate {
            Some(certificate) => Client::with(&self.edge, certificate),
            None => Client::new(&self.edge),
        };
        let client = if http2 { client.http2() } else { client };
        client.connect().await.send(request).await
    }
}

#[tokio::test]
async fn each_application_authenticates_in_its_registered_way() {
    let fixture = Fixture::start().await;
    for (client_id, sent) in APPLICATIONS {
        for http2 in [false, true] {
            let answer = fixture.send_over(client_id, sent, http2).await;
            assert_eq!(answer.status, 200, "{client_id} with {sent:?}: {answer:?}");
            let line = fixture.edge.log_of(&answer);
            assert_eq!(line["client_id"], *client_id);
        }
    }
    assert_eq!(fixture.upstream.seen().len(), 2 * APPLICATIONS.len());
}

/// Whether an application that sends `own` is accepted with `sent`: `server` and `basic` have the same secret, and the certificate
/// of a public client's connection does not count.
fn is_same_way(own: &[Sent], sent: &[Sent]) -> bool {
    match (own, sent) {
        ([Sent::Basic(_)], [Sent::Basic(_)]) | ([], [Sent::Own | Sent::Ca]) => true,
        _ => own == sent,
    }
}

/// Every pair of an application and what another one sends: refused, whatever the authorization server would do.
#[tokio::test]
async fn no_application_authenticates_in_the_way_of_another() {
    let fixture = Fixture::start().await;
    for (client_id, own) in APPLICATIONS {
        for (_, sent) in APPLICATIONS {
            if is_same_way(own, sent) {
                continue;
            }
            let answer = fixture.send(client_id, sent).await;
            answer.oauth_error(401, "invalid_client");
            let reason = fixture.edge.log_of(&answer)["reason"].to_string();
            assert!(reason.contains(client_id), "{client_id} with {sent:?}: {reason}");
        }
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

/// The answer depends on what the request carries, and not on what is registered for the client, or whether it is.
#[tokio::test]
async fn an_answer_does_not_reveal_what_is_registered() {
    let fixture = Fixture::start().await;
    for (_, sent) in APPLICATIONS.iter().filter(|(_, sent)| !sent.is_empty()) {
        let expected = seen(&fixture.send("unknown", sent).await);
        for (client_id, own) in APPLICATIONS {
            if is_same_way(own, sent) {
                continue;
            }
            let found = seen(&fixture.send(client_id, sent).await);
            assert_eq!(found, expected, "{client_id} with {sent:?}");
        }
    }
    // Without any credential all clients but public ones get the same answer.
    for presented in [&[][..], &[Sent::Stranger], &[Sent::Expired]] {
        let expected = seen(&fixture.send("unknown", presented).await);
        for (client_id, sent) in APPLICATIONS.iter().filter(|(_, sent)| !sent.is_empty()) {
            let found = seen(&fixture.send(client_id, presented).await);
            assert_eq!(found, expected, "{client_id}, which is registered with {sent:?}: {presented:?}");
        }
    }
}

#[tokio::test]
async fn a_confidential_client_without_a_credential_is_refused() {
    let fixture = Fixture::start().await;
    for (client_id, _) in APPLICATIONS.iter().filter(|(_, sent)| !sent.is_empty()) {
        for http2 in [false, true] {
            let answer = fixture.send_over(client_id, &[], http2).await;
            let description = answer.oauth_error(401, "invalid_client");
            assert!(description.contains("client authentication is required"), "{description}");
        }
        // A certificate that is not registered does not help.
        fixture.send(client_id, &[Sent::Stranger]).await.oauth_error(401, "invalid_client");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_public_client_that_sends_a_credential_is_refused() {
    let fixture = Fixture::start().await;
    for sent in [Sent::Basic("basic"), Sent::Post("post"), Sent::Assertion("jwt"), Sent::Attestation] {
        fixture.send("public", &[sent]).await.oauth_error(401, "invalid_client");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
    // A certificate of the connection is not sent by the request, and is not vouched for.
    assert_eq!(fixture.send("public", &[Sent::Stranger]).await.status, 200);
    let headers = &fixture.upstream.last().headers;
    assert!(headers.keys().all(|name| !name.as_str().starts_with("client-certificate")), "{headers:?}");
}

#[tokio::test]
async fn two_mechanisms_are_refused_for_every_client() {
    let fixture = Fixture::start().await;
    let mechanisms = [Sent::Basic("basic"), Sent::Post("basic"), Sent::Assertion("basic"), Sent::Attestation];
    for (index, one) in mechanisms.iter().enumerate() {
        for other in &mechanisms[index + 1..] {
            for client_id in ["basic", "jwt", "own", "public", "unknown"] {
                let both = [one.of(client_id), other.of(client_id)];
                let description = fixture.send(client_id, &both).await.oauth_error(400, "invalid_request");
                assert!(description.contains("two client authentications"), "{description}");
            }
        }
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn only_a_proved_client_learns_its_registered_method() {
    let fixture = Fixture::start().await;
    for sent in [Sent::Basic("own"), Sent::Post("own"), Sent::Assertion("own"), Sent::Attestation] {
        let proved = fixture.send("own", &[Sent::Own, sent]).await;
        let description = proved.oauth_error(400, "invalid_request");
        assert!(description.contains("registered with self_signed_tls_client_auth"), "{description}");
        for certificate in [Sent::Stranger, Sent::Ca] {
            let other = fixture.send("own", &[certificate, sent]).await;
            let description = other.oauth_error(401, "invalid_client");
            assert!(!description.contains("tls"), "{description}");
        }
    }
    let answer = fixture.send("ca", &[Sent::Ca, Sent::Basic("ca")]).await;
    assert!(answer.oauth_error(400, "invalid_request").contains("registered with tls_client_auth"));
    assert_eq!(fixture.upstream.seen().len(), 0);
}

/// A certificate on the connection of a client of another method neither helps nor hinders, even an expired one.
#[tokio::test]
async fn a_certificate_beside_another_credential_is_not_vouched_for() {
    let fixture = Fixture::start().await;
    for (client_id, sent) in [("jwt", Sent::Assertion("jwt")), ("basic", Sent::Basic("basic"))] {
        for certificate in [Sent::Own, Sent::Stranger, Sent::Expired] {
            assert_eq!(fixture.send(client_id, &[certificate, sent]).await.status, 200);
            let headers = &fixture.upstream.last().headers;
            assert!(headers.keys().all(|name| !name.as_str().starts_with("client-certificate")));
        }
    }
}

#[tokio::test]
async fn credentials_in_the_query_are_refused() {
    let fixture = Fixture::start().await;
    let client = Client::new(&fixture.edge);
    for query in ["client_secret=x", "client_assertion=x", "client_assertion_type=x"] {
        let request = Request::post(format!("/oauth/token?{query}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::<Bytes>::from("client_id=public&grant_type=authorization_code"));
        let answer = client.connect().await.send(request.unwrap()).await;
        let description = answer.oauth_error(400, "invalid_request");
        assert!(description.contains("must not be sent in the query"), "{description}");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

#[tokio::test]
async fn unknown_applications_are_forwarded_only_if_configured() {
    let refusing = Fixture::start().await;
    let forwarding = Fixture::with("unknown_applications = \"forward\"").await;
    for (_, sent) in APPLICATIONS {
        refusing.send("unknown", sent).await.oauth_error(401, "invalid_client");
        assert_eq!(forwarding.send("unknown", sent).await.status, 200, "{sent:?}");
        // Nothing is vouched for, not even a certificate of another application.
        let seen = forwarding.upstream.last();
        assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("client-certificate")));
    }
    assert_eq!(refusing.upstream.seen().len(), 0);
    // Registered applications are judged all the same, and no request has two mechanisms.
    forwarding.send("jwt", &[]).await.oauth_error(401, "invalid_client");
    forwarding.send("own", &[Sent::Stranger]).await.oauth_error(401, "invalid_client");
    let both = [Sent::Basic("unknown"), Sent::Post("unknown")];
    forwarding.send("unknown", &both).await.oauth_error(400, "invalid_request");
}

/// An unknown client is not forwarded where a server could read a registered one: from the assertion, without regard to case, or
/// without decoding HTTP Basic.
#[tokio::test]
async fn no_unknown_application_hides_a_registered_one() {
    let fixture = Fixture::with("unknown_applications = \"forward\"").await;
    let assertion = credentials::assertion(&fixture.applications.key, "jwt");
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let post = |body: String| {
        Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::<Bytes>::from(body))
            .unwrap()
    };
    let mut basic = post(String::new());
    // "own+x" and a secret.
    basic.headers_mut().insert("authorization", "Basic b3duK3g6cw==".parse().unwrap());
    let mut requests = vec![basic];
    for named in ["unknown", "JWT", "Jwt"] {
        let assertion = format!("client_assertion={assertion}&client_assertion_type={kind}");
        requests.push(post(format!("client_id={named}&{assertion}")));
    }
    requests.push(post("client_id=unknown&client_assertion=x&client_assertion_type=y".to_owned()));
    for named in ["OWN", "Basic", "PUBLIC", "b%C3%A4sic"] {
        requests.push(post(format!("client_id={named}&grant_type=client_credentials")));
    }
    for request in requests {
        let shown = format!("{request:?}");
        let answer = Client::new(&fixture.edge).connect().await.send(request).await;
        assert_eq!(answer.status, 401, "{shown}: {answer:?}");
    }
    assert_eq!(fixture.upstream.seen().len(), 0);
}

/// Removing, adding or switching a method counts for the next request of an open connection.
#[tokio::test]
async fn a_switched_method_counts_on_open_connections() {
    let fixture = Fixture::start().await;
    let hash = openssl_sha256("a-secret");
    for http2 in [false, true] {
        let client = Client::new(&fixture.edge);
        let client = if http2 { client.http2() } else { client };
        let mut connection = client.connect().await;
        let basic = || fixture.applications.request("basic", &[Sent::Basic("basic")]).0;
        let post = || fixture.applications.request("basic", &[Sent::Post("basic")]).0;
        assert_eq!(connection.send(basic()).await.status, 200);
        connection.send(post()).await.oauth_error(401, "invalid_client");

        let switched = format!(
            "[[application]]\nclient_id = \"basic\"\nauth_method = \"client_secret_post\"\n[[application.credential]]\nname = \"one\"\nsecret_sha256 = \"{hash}\"\n"
        );
        let before = std::fs::read_to_string(fixture.edge.folder.path().join("applications.toml")).unwrap();
        fixture.edge.reload("applications.toml", &switched);
        connection.send(basic()).await.oauth_error(401, "invalid_client");
        assert_eq!(connection.send(post()).await.status, 200);
        fixture.edge.reload("applications.toml", &before);
    }
}
