//! `explain`: the verdict of a configuration on a certificate or a token, which is that of the running edge.

use std::{fs, process::Output};

use mtls_edge::clock::Clock;
use rcgen::{ExtendedKeyUsagePurpose, SanType, SerialNumber};
use serde_json::json;
use testkit::{certificates::time_from_now, jws::SigningKey};

use crate::support::{
    Ca, Client, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream,
    command::{edge, text},
    self_signed,
};

const ISSUER: &str = "https://auth.example.test/";
const SUBJECT: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

/// An edge with applications of several kinds, one of which has credentials that end, and what they present.
struct Scene {
    edge: Edge,
    ca: Ca,
    billing: Credentials,
    old: Credentials,
    reports: SigningKey,
    bound: Credentials,
}

impl Scene {
    fn start(upstream: &Upstream) -> Self {
        let ca = Ca::new("Client CA");
        let [billing, old, bound] = ["billing", "old", "bound"].map(self_signed);
        let reports = SigningKey::p256();
        let ended = Clock::System.now().previous();
        let print = |credentials: &Credentials| format!("thumbprint = \"{}\"", credentials.thumbprint());
        let key = "public_key = \"reports.pem\"\nalg = \"ES256\"".to_owned();
        let settings = format!(
            "client_auth = \"optional\"\nissuer = \"{ISSUER}\"\n[[domain.route]]\n[[domain.route]]\npath = \"/cert\"\nauthenticate = \"certificate\"\nmethods = [\"GET\"]"
        );
        let edge = EdgeBuilder::new(upstream.url())
            .domain(DOMAIN, &settings)
            .domain("off.example.test", "client_auth = \"off\"\n[[domain.route]]\nauthenticate = \"none\"")
            .file("reports.pem", reports.public_pem())
            .trust("client-ca", &ca.pem())
            .file("ca.crl", ca.crl(&[4711]))
            .trust_settings("crls = [\"ca.crl\"]")
            .self_signed_application("billing", &[billing.thumbprint()])
            .application(
                "old",
                "self_signed_tls_client_auth",
                &[format!("{}\nexpires_at = {ended}", print(&old))],
            )
            .ca_application("payments", SUBJECT)
            .application("reports", "private_key_jwt", &[key])
            .start();
        Self { edge, ca, billing, old, reports, bound }
    }

    /// The output of a command on a file of this content.
    fn run(&self, command: &str, content: &str, arguments: &[&str]) -> Output {
        let folder = self.edge.folder.path();
        let file = folder.join("presented");
        fs::write(&file, content).unwrap();
        let config = folder.join("edge.toml");
        let start = [command, file.to_str().unwrap(), "--config", config.to_str().unwrap()];
        edge(&[&start, arguments].concat())
    }

    /// The verdict on a file of this content, as that of this client if one is given.
    fn explain(&self, content: &str, client_id: &str) -> (Option<i32>, String) {
        let arguments = if client_id.is_empty() { vec![] } else { vec!["--client-id", client_id] };
        let output = self.run("explain", content, &arguments);
        assert_eq!(text(&output.stderr), "");
        (output.status.code(), text(&output.stdout).to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_what_is_registered_instead() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let (code, printed) = scene.explain(&scene.old.chain_pem(), "billing");
    assert_eq!(code, Some(3));
    let registered =
        format!("  registered as \"c0\": the certificate with SHA-256 {}\n", scene.billing.thumbprint());
    assert!(printed.contains(&registered), "{printed}");
    assert!(printed.contains("  the certificate or its subject is registered for \"old\"\n"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_agrees_with_the_running_edge() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let (ca, stranger) = (&scene.ca, Ca::new("Other CA"));
    let usage =
        |purpose| move |params: &mut rcgen::CertificateParams| params.extended_key_usages = vec![purpose];
    let many = |params: &mut rcgen::CertificateParams| {
        let names = (0..120).map(|n| format!("host-{n}.a-rather-long-name.example").try_into().unwrap());
        params.subject_alt_names = names.map(SanType::DnsName).collect();
    };
    let cases = [
        (scene.billing.clone(), "billing", "accepted now by the credential \"c0\" until "),
        (scene.billing.clone(), "payments", "RDN 3 of 3: expected \"CN=payments\", found \"CN=billing\""),
        (scene.billing.clone(), "reports", "registered with private_key_jwt, but the request uses"),
        (scene.billing.clone(), "nobody", "REFUSED: no application is registered as \"nobody\""),
        (scene.old.clone(), "old", "REFUSED now: the credential \"c0\" of \"old\" has expired (expires_at "),
        (
            self_signed("else"),
            "billing",
            "thumbprint is not registered for \"billing\"; waiting does not help",
        ),
        (ca.issue("payments", |_| {}), "payments", "chain: verified by a client CA"),
        (
            ca.issue("payments", usage(ExtendedKeyUsagePurpose::ServerAuth)),
            "payments",
            "does not include clientAuth",
        ),
        (stranger.issue("payments", |_| {}), "payments", "no client CA is found for the issuer"),
        (
            ca.issue("payments", |params| params.serial_number = Some(SerialNumber::from(4711_u64))),
            "payments",
            "revoked",
        ),
        (
            ca.issue("payments", |params| params.not_after = time_from_now(-60)),
            "payments",
            "REFUSED now: the client certificate has expired; was accepted from ",
        ),
        (
            ca.issue("payments", |params| params.not_before = time_from_now(3600)),
            "payments",
            "not yet valid; accepted from ",
        ),
        (
            ca.issue("payments", many),
            "payments",
            "where the upstream accepts 4096 (header_profile = \"auth0\")",
        ),
    ];
    for (credentials, client_id, expected) in cases {
        let (code, printed) = scene.explain(&credentials.chain_pem(), client_id);
        assert!(printed.contains(expected), "{client_id}: {expected}: {printed}");
        let answer = Client::with(&scene.edge, &credentials).token(client_id).await;
        assert_eq!(code, Some(if answer.status == 200 { 0 } else { 3 }), "{printed}{answer:?}");
        if code == Some(3) && client_id != "nobody" && !printed.contains("where the upstream accepts") {
            let description = answer.oauth_error(401, "invalid_client");
            assert!(
                printed.contains(&format!("  the response: 401 invalid_client, {description:?}")),
                "{printed}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_names_application_credential_and_routes() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let (code, printed) = scene.explain(&scene.billing.chain_pem(), "");
    assert_eq!(code, Some(0), "{printed}");
    let mut lines = printed.lines();
    let subject =
        format!("certificate: CN=billing,O=Example Bank,C=DE (SHA-256 {})", scene.billing.thumbprint());
    assert_eq!(lines.next(), Some(&*subject));
    assert!(
        lines.next().unwrap().starts_with("chain: none (self-signed); only tls_client_auth needs one"),
        "{printed}"
    );
    let verdict = lines.next().unwrap();
    assert!(
        verdict.starts_with(
            "billing (self_signed_tls_client_auth): accepted now by the credential \"c0\" until "
        )
    );
    let served = lines.next().unwrap();
    assert!(served.starts_with(&format!("  {DOMAIN}: POST /oauth/token, GET /cert; ")), "{printed}");
    assert!(served.ends_with(" bytes of \"auth0\" headers"), "{printed}");
    assert_eq!(lines.next(), Some("  off.example.test: no certificate is requested (client_auth = \"off\")"));
    assert_eq!(lines.next(), None);

    // A certificate that nobody has registered.
    let (code, printed) = scene.explain(&self_signed("stranger").chain_pem(), "");
    assert_eq!(code, Some(3));
    assert!(printed.contains("REFUSED: no application has registered this certificate"), "{printed}");

    // `inspect` shows the same below the facts.
    let inspected = scene.run("inspect", &scene.billing.chain_pem(), &[]);
    assert!(inspected.status.success());
    let (_, verdict) = text(&inspected.stdout).split_once("\nby this configuration:\n").unwrap();
    // But for the time that is left, which passes.
    let without_rest = |text: &str| {
        text.lines().map(|line| line.split(" (in ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(without_rest(verdict), without_rest(&scene.explain(&scene.billing.chain_pem(), "").1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_judges_a_bound_certificate() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let applications = fs::read_to_string(scene.edge.folder.path().join("applications.toml")).unwrap();
    let bound = format!(
        "certificate_bound = true\n[[application.certificate]]\nname = \"b\"\nthumbprint = \"{}\"\n",
        scene.bound.thumbprint()
    );
    let marker = "auth_method = \"private_key_jwt\"\n";
    scene.edge.reload("applications.toml", &applications.replace(marker, &format!("{marker}{bound}")));
    let (code, printed) = scene.explain(&scene.bound.chain_pem(), "");
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("reports (private_key_jwt): accepted now, besides its own method, as the certificate to which its tokens are bound until "), "{printed}");
    let (code, printed) = scene.explain(&scene.billing.chain_pem(), "reports");
    assert_eq!(code, Some(3), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_judges_tokens_and_refuses_keys() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let now = Clock::System.now().unix();
    let claims =
        json!({ "iss": "reports", "sub": "reports", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "1" });
    let token = |key: &SigningKey| key.token(&json!({ "alg": "ES256" }), &claims);
    let (code, printed) = scene.explain(&token(&scene.reports), "");
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.starts_with(&format!("{DOMAIN}: accepted now by the credential \"c0\" until ")),
        "{printed}"
    );
    let (code, printed) = scene.explain(&token(&SigningKey::p256()), "");
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("REFUSED now: the assertion of \"reports\" is refused: "), "{printed}");

    for (content, complaint, help) in [
        (
            scene.reports.public_pem(),
            "contains a public key or other JSON, which no client presents",
            "inspect shows a key",
        ),
        ("nothing".to_owned(), "contains no certificate", ""),
    ] {
        let output = scene.run("explain", &content, &[]);
        assert_eq!(output.status.code(), Some(1));
        let printed = text(&output.stderr);
        assert!(printed.contains(complaint) && printed.contains(help), "{printed}");
    }
    let output = edge(&["explain", "-", "--config", "-"]);
    assert!(text(&output.stderr).contains("standard input can be read only once"));
    // An invalid configuration judges nothing.
    fs::write(scene.edge.folder.path().join("applications.toml"), "[[application]]\n").unwrap();
    let output = scene.run("explain", &scene.billing.chain_pem(), &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("client_id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_lists_a_route_only_where_it_identifies_the_application() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let payments = scene.ca.issue("payments", |_| {});
    let registry = scene.edge.folder.path().join("applications.toml");
    let pinned = format!(
        "[[application]]\nclient_id = \"dual\"\n[[application.credential]]\nname = \"x\"\nthumbprint = \"{}\"\n[[application]]\nclient_id = \"web\"\nauth_method = \"none\"\n",
        payments.thumbprint()
    );
    scene.edge.reload("applications.toml", &(fs::read_to_string(registry).unwrap() + &pinned));
    // By the certificate alone it is "dual", which has registered the certificate itself.
    let (_, printed) = scene.explain(&payments.chain_pem(), "payments");
    assert!(printed.contains(&format!("  {DOMAIN}: POST /oauth/token; ")), "{printed}");
    let (_, printed) = scene.explain(&payments.chain_pem(), "dual");
    assert!(printed.contains(&format!("  {DOMAIN}: POST /oauth/token, GET /cert; ")), "{printed}");
    let request = http::Request::get("/cert").body(http_body_util::Full::<bytes::Bytes>::default()).unwrap();
    Client::with(&scene.edge, &payments).connect().await.send(request).await;
    scene.edge.wait_for_log("\"client_id\":\"dual\"");
    // A public client does not authenticate: no certificate refuses it.
    let (code, printed) = scene.explain(&payments.chain_pem(), "web");
    assert_eq!(code, Some(3));
    assert!(printed.contains("web (none): its requests are not authenticated"), "{printed}");
    assert_eq!(Client::with(&scene.edge, &payments).token("web").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_knows_the_times_of_intermediates() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let soon = scene.ca.intermediate("Soon", |params| params.not_before = time_from_now(3600));
    let (code, printed) = scene.explain(&soon.issue("payments", |_| {}).chain_pem(), "payments");
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("is not valid before") && printed.contains("; accepted from "), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_prints_no_line_that_a_token_makes_up() {
    let upstream = Upstream::start().await;
    let scene = Scene::start(&upstream);
    let forged = "a\u{1b}[31m\nlocalhost: accepted now";
    let claims = json!({ "iss": forged, "sub": forged, "aud": ISSUER, "iat": 1, "exp": 2, "jti": "1" });
    let token = scene.reports.token(&json!({ "alg": "ES256" }), &claims);
    for client_id in ["", forged] {
        let (code, printed) = scene.explain(&token, client_id);
        assert_eq!(code, Some(3));
        assert!(!printed.contains('\u{1b}') && !printed.contains("\nlocalhost"), "{printed}");
    }
    let (_, printed) = scene.explain(&scene.billing.chain_pem(), forged);
    assert!(!printed.contains('\u{1b}') && !printed.contains("\nlocalhost"), "{printed}");
}

#[test]
fn explain_judges_nothing_while_a_crl_is_missing() {
    let ca = Ca::new("Client CA");
    let builder = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .trust("client-ca", &ca.pem())
        .trust_settings("crls = [{ url = \"http://127.0.0.1:9/corp.crl\", file = \"state/corp.crl\" }]")
        .ca_application("payments", SUBJECT)
        .file("presented", ca.issue("payments", |_| {}).chain_pem());
    let output = builder.output_of("explain", &["presented"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(
        text(&output.stderr).contains("no CRL from http://127.0.0.1:9/corp.crl"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn explain_awaits_a_key_set_that_was_never_fetched() {
    let claims = json!({ "iss": "reports", "sub": "reports", "aud": ISSUER, "iat": Clock::System.now().unix(),
        "exp": Clock::System.now().unix() + 60, "jti": "1" });
    let registered = "[[application]]\nclient_id = \"reports\"\nauth_method = \"private_key_jwt\"\n\
        jwks_uri = { url = \"http://127.0.0.1:9/jwks.json\", file = \"state/reports.json\" }\n";
    let builder = EdgeBuilder::new("http://127.0.0.1:1")
        .domain(DOMAIN, &format!("issuer = \"{ISSUER}\""))
        .applications_file("published.toml")
        .file("published.toml", registered)
        .file("assertion", SigningKey::p256().token(&json!({ "alg": "ES256" }), &claims));
    let output = builder.output_of("explain", &["assertion"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{printed}{}", text(&output.stderr));
    let expected = "its key set has not been fetched yet; judged again once it is";
    assert!(printed.contains(expected) && !printed.contains("no time"), "{printed}");
}

#[test]
fn explain_judges_no_client_that_is_forwarded() {
    let key = SigningKey::p256();
    let claims = |more: serde_json::Value| {
        let mut claims = json!({ "iss": "new", "aud": ISSUER, "iat": 1, "exp": 2, "jti": "1" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key.token(&json!({ "alg": "ES256" }), &claims)
    };
    let builder = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .trust_settings("unknown_applications = \"forward\"")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .file("certificate", self_signed("new").chain_pem())
        .file("assertion", claims(json!({ "sub": "new" })))
        .file("object", claims(json!({ "client_id": "new", "response_type": "code" })));
    for (file, client_id, expected) in [
        (
            "certificate",
            "new",
            "NOT JUDGED: no application is registered as \"new\": its requests are forwarded",
        ),
        (
            "assertion",
            "new",
            "NOT JUDGED: no application is registered as \"new\": its requests are forwarded",
        ),
        (
            "object",
            "new",
            "signed_request = \"require\" refuses its request objects, and others forward them",
        ),
        // A server may take it for the registered application.
        ("certificate", "Billing", "REFUSED: no application is registered as \"Billing\""),
        ("assertion", "billing", "REFUSED now: "),
    ] {
        let output = builder.output_of("explain", &[file, "--client-id", client_id]);
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{file}: {printed}{}", text(&output.stderr));
        assert!(printed.contains(expected), "{file}: {printed}");
    }
}

#[test]
fn explain_lists_a_domain_without_a_certificate_yet() {
    let payments = self_signed("payments");
    let builder = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .acme_domain("ordered.example", "")
        .extra("[acme]\ndirectory = \"https://localhost:9/dir\"\nterms_of_service_agreed = true\nstate = \"acme\"")
        .self_signed_application("payments", &[payments.thumbprint()])
        .file("certificate", payments.chain_pem());
    let output = builder.output_of("explain", &["certificate"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    assert!(
        printed.ends_with("ordered.example: not served until ACME has obtained its certificate\n"),
        "{printed}"
    );
}
