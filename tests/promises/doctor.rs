//! `doctor`: which origins believe forged headers, and what it may not conclude.

use std::process::Output;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::support::{
    Ca, EdgeBuilder, Seen, Upstream,
    scripted::{Scripted, https, mutual_acceptor, serve_http},
    self_signed,
};

const TOKEN: &str = "token-of-the-server";
const SECRET: &str = "secret-of-the-edge";

fn token() -> Response<Full<Bytes>> {
    Response::new(Full::from(format!("{{\"access_token\":\"{TOKEN}\",\"token_type\":\"Bearer\"}}")))
}

fn refusal(status: u16, error: &str) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::from(format!("{{\"error\":\"{error}\"}}"))).unwrap()
}

fn verified(seen: &Seen) -> bool {
    seen.headers.get("ssl-client-verify").is_some_and(|value| value == "SUCCESS")
}

fn vouched(seen: &Seen) -> bool {
    seen.headers.contains_key("ssl-client-cert")
}

/// A configuration in front of this server, with the profile `auth0`, to examine.
fn configuration(url: &str) -> EdgeBuilder {
    let client = self_signed("billing");
    EdgeBuilder::new(url)
        .file("billing.pem", client.chain_pem())
        .trust("ca", &Ca::new("Client CA").pem())
        .usual_domain("nginx")
        .application("billing", "self_signed_tls_client_auth", &["certificate = \"billing.pem\"".to_owned()])
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .secret_file("edge-key", SECRET)
}

/// Runs it beside the servers of the test; nothing that it prints is secret.
async fn doctor(configuration: EdgeBuilder, arguments: &'static [&'static str]) -> (Option<i32>, String) {
    let output: Output =
        tokio::task::spawn_blocking(move || configuration.output_of("doctor", arguments)).await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!text.contains(TOKEN) && !text.contains(SECRET), "{text}");
    (output.status.code(), text)
}

/// The block `doctor` of these deployments' pages is what was printed, but for the origin, the server's codes and the number of requests.
fn assert_shown(servers: &[&str], printed: &str) {
    let lines = |text: &str| -> Vec<String> {
        let start = |line: &str| {
            let varying = ["without headers: ", ": no answer: ", "with forged headers: "];
            let end = varying.iter().find_map(|part| Some(line.find(part)? + part.len()));
            line.get(..end.unwrap_or(line.len())).unwrap().to_owned()
        };
        text.trim_end().lines().skip(1).map(start).collect()
    };
    for server in servers {
        let path = format!("{}/docs/deploy/{server}/README.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(path).unwrap();
        let (_, block) = page.split_once("```text doctor\n").unwrap();
        let (block, _) = block.split_once("```\n").unwrap();
        assert_eq!(lines(block), lines(printed), "docs/deploy/{server}");
    }
}

#[tokio::test]
async fn a_server_that_trusts_headers_of_anyone_is_found() {
    let server = Upstream::answering(|seen| {
        let is_payments = seen
            .headers
            .get("ssl-client-subject-dn")
            .is_some_and(|dn| dn == "CN=payments,O=Example Bank,C=DE");
        if verified(seen) && is_payments { token() } else { refusal(401, "invalid_client") }
    })
    .await;
    let (code, text) = doctor(configuration(&server.url()), &[]).await;
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "BELIEVES FORGED HEADERS",
        "without headers: 401 invalid_client",
        "with forged headers of the profile nginx, as \"payments\": 200 with an access token",
        "\norigins that give tokens to anyone: 0, that believe forged headers: 1, that refuse them: 0, that cannot be judged: 0, that were not asked: 0\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("0 errors"), "{text}");
    let (code, text) = doctor(configuration(&server.url()), &["--json"]).await;
    // Behind it is what was printed on standard error.
    let mut printed = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let found = printed.next().unwrap().unwrap();
    let origin = &found["origins"][0];
    assert_eq!((code, &origin["verdict"], &origin["reason"]), (Some(1), &"believes".into(), &().into()));
    assert_eq!((&origin["url"], &origin["upstream"]), (&server.url().into(), &"as".into()));
    assert_eq!(
        (&origin["plain"]["status"], &origin["plain"]["error"]),
        (&401.into(), &"invalid_client".into())
    );
    let forged = &origin["forged"];
    assert_eq!((&forged["client_id"], &forged["answer"]["token"]), (&"payments".into(), &true.into()));
    // Another profile than the domain's, which the server understands, too.
    let other = Upstream::answering(|seen| {
        if seen.headers.contains_key("client-cert") { token() } else { refusal(401, "invalid_client") }
    })
    .await;
    let (code, text) = doctor(configuration(&other.url()), &["--client-id", "billing"]).await;
    assert!(code == Some(1) && text.contains("of the profile rfc9440, as \"billing\""), "{text}");
}

#[tokio::test]
async fn no_upstream_is_passed_over_in_silence() {
    let is_edge = |seen: &Seen| seen.headers.get("x-edge-key").is_some_and(|key| key == SECRET);
    let believing =
        Upstream::answering(|seen| if verified(seen) { token() } else { refusal(401, "invalid_client") })
            .await;
    let refusing = Upstream::answering(move |seen| {
        if vouched(seen) && is_edge(seen) { token() } else { refusal(401, "invalid_client") }
    })
    .await;
    let resource = Upstream::answering(|seen| {
        if seen.uri.to_string().starts_with("/accounts?") && verified(seen) {
            refusal(200, "")
        } else {
            refusal(403, "")
        }
    })
    .await;
    let none = || "http://127.0.0.1:1";
    let upstream = |name: &str, url: &str| {
        format!(
            "[[upstream]]\nname = \"{name}\"\nurls = [\"{url}\"]\nheaders = {{ x-edge-key = {{ file = \"edge-key\" }} }}\n"
        )
    };
    let domain = |upstream: &str, path: &str, method: &str, authenticate: &str| {
        format!(
            "upstream = \"{upstream}\"\nheader_profile = \"nginx\"\n[[domain.route]]\npath = \"{path}\"\nmethods = [\"{method}\"]\nauthenticate = \"{authenticate}\""
        )
    };
    let configuration = |is_believing: bool| {
        let client = self_signed("billing");
        let first = if is_believing { believing.url() } else { refusing.url() };
        let mut builder = EdgeBuilder::new(first)
            .also_upstream(refusing.url())
            .upstream("headers = { x-edge-key = { file = \"edge-key\" } }")
            .file("billing.pem", client.chain_pem())
            .application(
                "billing",
                "self_signed_tls_client_auth",
                &["certificate = \"billing.pem\"".to_owned()],
            )
            .secret_file("edge-key", SECRET)
            // By a path in a subtree, for any registered certificate.
            .domain("a.example", &domain("as", "/oauth2/*", "POST", "certificate"))
            // Its upstream is examined for the domain above.
            .domain("login.example", &domain("as", "/authorize", "GET", "none"));
        if is_believing {
            builder = builder
                .domain("api.example", &domain("resource", "/accounts", "GET", "certificate"))
                .domain("dead.example", &domain("dead", "/token", "POST", "client"))
                .domain("pages.example", &domain("pages", "/*", "GET", "none"))
                .domain("put.example", &domain("put", "/files/*", "PUT", "certificate"))
                .extra(&upstream("resource", &resource.url()))
                .extra(&upstream("dead", none()))
                .extra(&upstream("pages", none()))
                .extra(&upstream("put", none()))
                .extra(&upstream("unused", none()));
        }
        builder
    };
    let (code, text) = doctor(configuration(true), &[]).await;
    assert_eq!(code, Some(1), "{text}");
    let (b, r, x) = (believing.url(), refusing.url(), resource.url());
    for part in [
        format!("{b} (upstream \"as\", domain a.example, POST /oauth2/token)\n  BELIEVES FORGED HEADERS"),
        format!("{r} (upstream \"as\", domain a.example, POST /oauth2/token)\n  refuses forged headers"),
        format!("{x} (upstream \"resource\", domain api.example, GET /accounts)\n  BELIEVES FORGED HEADERS"),
        "(upstream \"dead\", domain dead.example, POST /token)\n  cannot tell: it answers nobody".to_owned(),
        "not asked: http://127.0.0.1:1 (upstream \"pages\", domain pages.example): no route has authenticate = \"client\" or \"certificate\"; try it by hand, as docs/doctor.md shows\n".to_owned(),
        "(upstream \"put\", domain put.example): its routes with authenticate = \"client\" or \"certificate\" have neither".to_owned(),
        "(upstream \"unused\"): no domain uses it; remove it, or name it as upstream of a [[domain]]\n".to_owned(),
        "domain login.example): no route has authenticate = \"client\" or \"certificate\"; its origins were examined for another domain; ".to_owned(),
        "\norigins that give tokens to anyone: 0, that believe forged headers: 2, that refuse them: 1, that cannot be judged: 1, that were not asked: 3\n".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\n{text}");
    }
    let (_, text) = doctor(configuration(true), &["--json"]).await;
    let mut printed = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let found = printed.next().unwrap().unwrap();
    let not_asked = found["not_asked"].as_array().unwrap();
    let names: Vec<_> = not_asked
        .iter()
        .map(|one| (one["upstream"].as_str().unwrap(), one["asked_elsewhere"] == true))
        .collect();
    assert_eq!(names, [("as", true), ("pages", false), ("put", false), ("unused", false)], "{found:#}");
    assert_eq!(
        (&found["origins"][0]["asked"], &not_asked[3]["domain"]),
        (&"POST /oauth2/token".into(), &().into())
    );
    // Only an upstream that was not asked at all prevents the all-clear.
    let (code, text) = doctor(configuration(false), &[]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = doctor(configuration(false).extra(&upstream("unused", none())), &[]).await;
    assert!(code == Some(3) && text.contains("that were not asked: 1"), "{text}");
}

#[tokio::test]
async fn a_server_that_checks_the_edges_secret_refuses() {
    let server = Upstream::answering(|seen| {
        let is_edge = seen.headers.get("x-edge-key").is_some_and(|key| key == SECRET);
        if is_edge && vouched(seen) { token() } else { refusal(403, "access_denied") }
    })
    .await;
    let secret = "headers = { x-edge-key = { file = \"edge-key\" } }";
    let (code, text) = doctor(configuration(&server.url()).upstream(secret), &[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_shown(&["auth0"], &text);
    // Each profile with both verdicts, for both applications, none twice.
    assert!(text.contains("requests with forged headers: 4"), "{text}");
}

#[tokio::test]
async fn the_edges_own_request_has_the_edges_verdict() {
    // As a server that selects the method by the verdict: `billing` is registered with a self-signed certificate.
    let server = Upstream::answering(|seen| {
        let is_edge = seen.headers.get("x-edge-key").is_some_and(|key| key == SECRET);
        if is_edge && !verified(seen) { token() } else { refusal(401, "invalid_client") }
    })
    .await;
    let secret = "headers = { x-edge-key = { file = \"edge-key\" } }";
    let (code, text) = doctor(configuration(&server.url()).upstream(secret), &[]).await;
    assert_eq!(code, Some(0), "{text}");
}

#[tokio::test]
async fn a_server_that_demands_the_edges_certificate_is_closed() {
    let ca = Ca::new("Upstream CA");
    let acceptor = mutual_acceptor(&ca.server(&["localhost"]), &["http/1.1"], &ca);
    let server = Scripted::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_http(stream, false, |_| async { token() }).await;
            }
        }
    })
    .await;
    let configuration = configuration(&https(&server))
        .file("upstream-ca.pem", ca.pem())
        .upstream("ca = \"upstream-ca.pem\"\nclient_certificate = \"edge.pem\"\nprivate_key = \"edge.key\"");
    ca.issue("edge", |_| {}).write(configuration.path(), "edge");
    let (code, text) = doctor(configuration, &[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("closed: only the edge") && text.contains("alert"), "{text}");
    assert_shown(&["keycloak", "oidc-provider", "spring"], &text);
}

#[tokio::test]
async fn a_server_that_gives_tokens_to_anyone_is_found() {
    let open = Upstream::answering(|_| token()).await;
    let (code, text) = doctor(configuration(&open.url()), &[]).await;
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "  GIVES TOKENS TO ANYONE: a request that names an application gets an access token without any credential",
        "  without headers: 200 with an access token",
        "  register the application at the server with its authentication method, not as a public client",
        "  requests with forged headers: 0",
        "\norigins that give tokens to anyone: 1, that believe forged headers: 0, that",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // One that only some applications need no credential for.
    let partly = Upstream::answering(|seen| {
        if String::from_utf8_lossy(&seen.body).contains("client_id=payments") {
            token()
        } else {
            refusal(401, "invalid_client")
        }
    })
    .await;
    let (code, text) = doctor(configuration(&partly.url()), &[]).await;
    assert!(code == Some(1) && text.contains("  GIVES TOKENS TO ANYONE: "), "{text}");
    assert!(text.contains(", as \"payments\": 200 with an access token\n"), "{text}");
    let (code, text) = doctor(configuration(&open.url()), &["--json"]).await;
    let mut printed = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
    let origin = &printed.next().unwrap().unwrap()["origins"][0];
    assert_eq!((code, &origin["verdict"], &origin["reason"]), (Some(1), &"open".into(), &().into()));
    assert_eq!((&origin["plain"]["token"], &origin["forged_requests"]), (&true.into(), &0.into()));
}

#[tokio::test]
async fn what_cannot_be_told_is_no_all_clear() {
    let refusing = Upstream::answering(|_| refusal(401, "invalid_client")).await;
    let (code, text) = doctor(configuration(&refusing.url()), &[]).await;
    assert!(
        code == Some(3) && text.contains("cannot tell: it gives no token for what the edge sends"),
        "{text}"
    );

    let page = Upstream::answering(|_| refusal(200, "")).await;
    let client = self_signed("billing");
    let domain =
        "[[domain.route]]\npath = \"/accounts\"\nmethods = [\"GET\"]\nauthenticate = \"certificate\"";
    let public = EdgeBuilder::new(page.url())
        .domain("a.example", domain)
        .self_signed_application("billing", &[client.thumbprint()]);
    let (code, text) = doctor(public, &[]).await;
    let expected =
        "cannot tell: it gives a success to a client that nobody vouches for, as a public page does";
    assert!(code == Some(3) && text.contains(expected), "{text}");

    let differing = Upstream::answering(|seen| {
        if verified(seen) { refusal(400, "unauthorized_client") } else { refusal(401, "invalid_client") }
    })
    .await;
    let (code, text) = doctor(configuration(&differing.url()), &[]).await;
    assert!(code == Some(3) && text.contains("400 unauthorized_client"), "{text}");

    // Like a firewall that lets the edge and usual requests pass.
    let dropping = Scripted::start(|_, stream| {
        serve_http(stream, false, |request: http::Request<hyper::body::Incoming>| async move {
            match (
                request.headers().contains_key("x-edge-key"),
                request.headers().contains_key("ssl-client-cert"),
            ) {
                (true, _) => token(),
                (false, false) => refusal(401, "invalid_client"),
                (false, true) => std::future::pending().await,
            }
        })
    })
    .await;
    let secret = "headers = { x-edge-key = { file = \"edge-key\" } }\nresponse_timeout = \"50ms\"";
    let (code, text) =
        doctor(configuration(&dropping.url()).upstream(secret), &["--client-id", "billing"]).await;
    assert!(
        code == Some(3) && text.contains("it did not answer every request with forged headers: "),
        "{text}"
    );
    assert!(text.contains(", of which 2 got no answer"), "{text}");

    let (code, text) = doctor(configuration("http://127.0.0.1:1"), &[]).await;
    assert!(code == Some(3) && text.contains("it answers nobody"), "{text}");

    let (code, text) = doctor(configuration("http://127.0.0.1:1"), &["--client-id", "unknown"]).await;
    assert!(code == Some(1) && text.contains("\"unknown\" is not an application"), "{text}");
}
