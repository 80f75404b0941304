//! From the two files to the answer: each way to register an application takes effect as it is written.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::support::{Ca, Client, DOMAIN, Edge, EdgeBuilder, Upstream, self_signed};

/// `first secret` and `second+secret`, as `sha256sum` and `openssl dgst` print their hashes.
const FIRST_SECRET: &str = "a20576d9b8d428ea9011134b683e7cebd8f88b250e00520940635ccf23d9516f";
const SECOND_SECRET: &str = "8OxWao-NSJ6iY1oJY60pVoJopJda969cx_KRCwMyisw";

fn start(upstream: &Upstream, client_auth: &str, applications: &str) -> EdgeBuilder {
    EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, &format!("client_auth = \"{client_auth}\"\n"))
        .applications_file("registry.toml")
        .file("registry.toml", applications)
}

/// A token request whose body has these parameters besides.
fn post(client_id: &str, more: &str) -> Request<Full<Bytes>> {
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(format!("grant_type=client_credentials&client_id={client_id}{more}")))
        .unwrap()
}

/// A token request by HTTP Basic.
fn basic(client_id: &str, encoded_secret: &str) -> Request<Full<Bytes>> {
    let credentials = STANDARD.encode(format!("{client_id}:{encoded_secret}"));
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Basic {credentials}"))
        .body(Full::from("grant_type=client_credentials"))
        .unwrap()
}

async fn status(edge: &Edge, request: Request<Full<Bytes>>) -> u16 {
    Client::new(edge).connect().await.send(request).await.status.as_u16()
}

#[tokio::test]
async fn a_secret_is_verified_by_either_form_of_its_hash() {
    let upstream = Upstream::start().await;
    let colons: Vec<&str> = (0..32).map(|at| &FIRST_SECRET[2 * at..2 * at + 2]).collect();
    let edge = start(
        &upstream,
        "off",
        &format!(
            "[[application]]\nclient_id = \"web\"\nauth_method = \"client_secret_basic\"\n\
             [[application.credential]]\nname = \"a\"\nsecret_sha256 = \"{}\"\n\
             [[application.credential]]\nname = \"b\"\nsecret_sha256 = \"{SECOND_SECRET}\"\n\
             [[application]]\nclient_id = \"post\"\nauth_method = \"client_secret_post\"\n\
             [[application.credential]]\nname = \"a\"\nsecret_sha256 = \"{FIRST_SECRET}\"\n",
            colons.join(":")
        ),
    )
    .start();
    for (encoded, expected) in [("first+secret", 200), ("second%2Bsecret", 200), ("third", 401)] {
        assert_eq!(status(&edge, basic("web", encoded)).await, expected, "{encoded}");
    }
    for (encoded, expected) in [("first+secret", 200), ("second%2Bsecret", 401)] {
        let more = format!("&client_secret={encoded}");
        assert_eq!(status(&edge, post("post", &more)).await, expected, "{encoded}");
        // Each by the other's way.
        assert_eq!(status(&edge, post("web", &more)).await, 401, "{encoded}");
        assert_eq!(status(&edge, basic("post", encoded)).await, 401, "{encoded}");
    }
    assert_eq!(upstream.seen().len(), 3);
    let log = edge.stop();
    assert!(
        !log.contains("secret_sha256") && !log.contains("first+secret") && !log.contains(FIRST_SECRET),
        "{log}"
    );
}

#[tokio::test]
async fn a_bound_application_presents_one_of_its_certificates() {
    let upstream = Upstream::start().await;
    let (own, other, ca) = (self_signed("own"), self_signed("other"), Ca::new("Client CA"));
    let issued = ca.issue("batch", |_| {});
    let application = |id: &str, more: &str| {
        format!(
            "[[application]]\nclient_id = \"{id}\"\nauth_method = \"client_secret_post\"\ncertificate_bound = true\n{more}"
        )
    };
    let certificate = |matcher: &str| format!("[[application.certificate]]\nname = \"a\"\n{matcher}\n");
    let registry = [
        application("any", ""),
        application("one", &certificate(&format!("thumbprint = \"{}\"", own.thumbprint()))),
        application("key", &certificate("public_key = \"own.pem\"")),
        application("issued", &certificate("subject_dn = \"CN=batch,O=Example Bank,C=DE\"")),
    ];
    let edge = start(&upstream, "optional", &registry.concat())
        .trust("client-ca", &ca.pem())
        .file("own.pem", own.chain_pem())
        .start();
    let secret = "&client_secret=x";
    for (id, credentials, expected) in [
        ("any", &own, 200),
        ("any", &other, 200),
        ("one", &own, 200),
        ("one", &other, 401),
        ("key", &own, 200),
        ("key", &other, 401),
        ("issued", &issued, 200),
        ("issued", &own, 401),
    ] {
        let client = Client::with(&edge, credentials);
        let answer = client.connect().await.send(post(id, secret)).await;
        assert_eq!(answer.status.as_u16(), expected, "{id}");
        if expected == 200 {
            upstream.last().header("client-certificate");
        }
        assert_eq!(status(&edge, post(id, secret)).await, 401, "{id} without a certificate");
    }
}

#[tokio::test]
async fn each_certificate_of_a_pinned_key_is_accepted() {
    let upstream = Upstream::start().await;
    let (own, other) = (self_signed("own"), self_signed("other"));
    let registry = "[[application]]\nclient_id = \"pinned\"\nauth_method = \"self_signed_tls_client_auth\"\n\
                    [[application.credential]]\nname = \"a\"\npublic_key = \"own.pem\"\n";
    let edge = start(&upstream, "required", registry).file("own.pem", own.chain_pem()).start();
    assert_eq!(Client::with(&edge, &own).token("pinned").await.status.as_u16(), 200);
    assert_eq!(Client::with(&edge, &other).token("pinned").await.status.as_u16(), 401);
}

#[tokio::test]
async fn unknown_applications_are_forwarded_only_if_configured() {
    let upstream = Upstream::start().await;
    let registry = "[[application]]\nclient_id = \"web\"\nauth_method = \"none\"\n";
    for (trust, expected) in [("", 401), ("unknown_applications = \"forward\"", 200)] {
        let edge = start(&upstream, "off", registry).trust_settings(trust).start();
        assert_eq!(status(&edge, post("stranger", "&client_secret=x")).await, expected, "{trust}");
        assert_eq!(status(&edge, post("web", "")).await, 200);
        assert_eq!(status(&edge, post("web", "&client_secret=x")).await, 401);
    }
}

/// The configuration then has no application that can use the domain, which would be an error at the start.
#[tokio::test]
async fn the_removal_of_a_domains_last_application_takes_effect() {
    let upstream = Upstream::start().await;
    let registry = "[[application]]\nclient_id = \"web\"\nauth_method = \"client_secret_post\"\n";
    let edge = start(&upstream, "off", registry).start();
    let mut connection = Client::new(&edge).connect().await;
    let request = || post("web", "&client_secret=x");
    assert_eq!(connection.send(request()).await.status.as_u16(), 200);
    edge.reload("registry.toml", "# nobody\n");
    assert_eq!(connection.send(request()).await.status.as_u16(), 401);
}
