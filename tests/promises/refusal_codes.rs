//! Every reason code is documented, and a test provokes it: here, or the one that is named.

use std::{collections::BTreeSet, fs, path::Path};

use bytes::Bytes;
use http::{Request, request::Builder};
use http_body_util::Full;
use mtls_edge::observe::metrics::RefusalCode;
use testkit::{Refusing, jws::SigningKey};
use tokio::io::AsyncWriteExt;

use crate::{
    applications_page,
    support::{
        Ca, Client, DOMAIN, Edge, EdgeBuilder, Upstream,
        admin::{self, happens, metric},
        certificates::{common_name, self_signed_with, time_from_now},
        openssl_sha256, self_signed,
    },
};

/// Codes that a test elsewhere provokes: its file and its name.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("address_denied", "client_addresses.rs", "a_denied_address_is_refused_on_open_connections"),
    ("address_rate", "request_rates.rs", "an_address_beyond_its_rate_gets_429"),
    ("application_rate", "request_rates.rs", "an_application_beyond_its_rate_gets_429"),
    ("request_timeout", "request_timeout.rs", "a_request_without_a_response_gets_504"),
    ("header_whitespace", "one_reading.rs", "blank_edges_of_any_field_are_malformed_over_http2"),
    ("header_name", "smuggling.rs", "no_request_over_http2_smuggles_another"),
    ("request_signature", "request_objects/refusals.rs", "an_object_without_a_valid_signature_is_refused"),
    ("request_lifetime", "request_objects/refusals.rs", "an_object_with_a_wrong_claim_is_refused"),
    ("request_claims", "request_objects/refusals.rs", "an_object_with_a_wrong_claim_is_refused"),
    ("profile", "fapi2.rs", "each_clause_refuses_a_request_that_passes_without_the_profile"),
    ("certificate_unreadable", "possession.rs", "a_certificate_readable_only_to_its_key_is_refused"),
    ("certificate_too_large", "profiles.rs", "a_certificate_too_large_for_auth0_is_refused"),
    ("certificate_revoked", "crls.rs", "the_depth_is_the_whole_chain_or_the_leaf_only"),
    ("credential_expired", "expires_at.rs", "expires_at_holds_from_its_second_on_open_connections"),
    ("certificate_binding", "certificate_bound.rs", "a_bound_client_without_a_certificate_is_refused"),
    ("assertion_ids_full", "private_key_jwt/replay.rs", "a_full_store_refuses_and_forgets_nothing"),
    ("token_unavailable", "access_tokens/key_sets.rs", "without_a_key_set_requests_wait_for_it"),
    ("body_timeout", "limits.rs", "a_body_that_does_not_arrive_is_408"),
    ("body_memory", "body_memory.rs", "an_application_leaves_body_memory_to_others"),
    ("upstream_busy", "descriptors.rs", "waiting_requests_do_not_delay_a_reload"),
    ("upstream_failed", "upstream_failures.rs", "an_upstream_that_always_closes_is_502"),
    ("upstream_timeout", "upstream_failures.rs", "an_upstream_that_does_not_answer_in_time_is_504"),
];

const DAY: i64 = 86_400;
const DOMAIN_SETTINGS: &str = r#"
client_auth = "optional"
issuer = "https://as.example/"
[[domain.route]]
path = "/oauth/token"
methods = ["POST"]
authenticate = "client"
[[domain.route]]
path = "/cert"
methods = ["GET"]
authenticate = "certificate"
[[domain.route]]
path = "/open/*"
methods = ["GET", "POST"]
authenticate = "none"
[[domain.route]]
path = "/authorize"
methods = ["GET"]
authenticate = "none"
signed_request = "require"
[[domain.route]]
path = "/api"
methods = ["GET"]
authenticate = "token"
token_issuer = "as"
"#;
const ISSUER: &str = "[[token_issuer]]\nname = \"as\"\nissuer = \"https://as.example/\"\naudience = [\"api\"]\njwks = { url = \"http://127.0.0.1:9/jwks\", file = \"jwks.json\" }";
const ASSERTED: &str = "client_id=asserted&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=";

fn get(target: &str) -> Builder {
    Request::get(target)
}

fn empty(builder: Builder) -> Request<Full<Bytes>> {
    builder.body(Full::default()).unwrap()
}

fn post_to(target: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(target)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body.to_owned()))
        .unwrap()
}

fn post(body: &str) -> Request<Full<Bytes>> {
    post_to("/oauth/token", body)
}

/// Sends a request; says what is wrong unless it is logged and counted under this code, and answered as the page for applications says.
async fn provoke(edge: &Edge, client: &Client, request: Request<Full<Bytes>>, code: &str) -> Option<String> {
    let series = format!("mtls_edge_refusals_total{{reason=\"{code}\"}}");
    let before = metric(edge, &series).await;
    let what = format!("{} {}", request.method(), request.uri());
    let answer = client.connect().await.send(request).await;
    let log = edge.log_of(&answer);
    let counted = metric(edge, &series).await - before;
    let error = if answer.body.is_empty() { "none".into() } else { answer.json()["error"].clone() };
    let is_documented = applications_page::errors(code).iter().any(|shown| error == *shown);
    (log["code"] != code || counted != 1 || !is_documented)
        .then(|| format!("{code} for {what}: {counted} counted, error {error}, {log}"))
}

/// The codes that [`each_refusal_is_counted_under_its_code`] provokes.
const HERE: &[&str] = &[
    "upgrade",
    "host",
    "misdirected",
    "too_many_headers",
    "method_override",
    "not_found",
    "ambiguous_path",
    "path_too_long",
    "method_not_allowed",
    "no_client_id",
    "parameters",
    "several_mechanisms",
    "credential_in_query",
    "incomplete_assertion",
    "request_required",
    "request_parameters",
    "request_token",
    "no_certificate",
    "certificate_expired",
    "certificate_not_yet_valid",
    "chain",
    "unknown_client",
    "unknown_certificate",
    "thumbprint_mismatch",
    "subject_mismatch",
    "issuer_mismatch",
    "no_credential",
    "other_method",
    "secret_mismatch",
    "assertion_signature",
    "assertion_replayed",
    "assertion",
    "token_missing",
    "token_request",
    "token_invalid",
    "body_too_large",
    "upstream_unreachable",
    "crl",
    "body_incomplete",
];

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "most are a table")]
async fn each_refusal_is_counted_under_its_code() {
    let upstream = Upstream::start().await;
    let (ca, other_ca, third_ca) = (Ca::new("Client CA"), Ca::new("Other CA"), Ca::new("Third CA"));
    let (billing, key, other_key) = (self_signed("billing"), SigningKey::p256(), SigningKey::p256());
    let set = serde_json::json!({ "keys": [key.jwk()] }).to_string();
    let lookalike = self_signed_with("x", |params| params.distinguished_name = common_name("subject"));
    let of_days = |from, to| {
        self_signed_with("old", |params| {
            params.not_before = time_from_now(from * DAY);
            params.not_after = time_from_now(to * DAY);
        })
    };
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, DOMAIN_SETTINGS)
        .limits("body_bytes = 100000")
        .trust("ca", &ca.pem())
        .trust("other-ca", &other_ca.pem())
        .trust("third-ca", &third_ca.pem())
        .file("lists.pem", third_ca.crl_between(&[], -7200, -3600))
        .trust_settings("crls = [\"lists.pem\"]")
        .file("key.pem", key.public_pem())
        .file("jwks.json", &set)
        .extra(ISSUER)
        .self_signed_application("billing", &[billing.thumbprint()])
        .ca_application("subject", "subject_dn = \"CN=subject\"\nca = \"ca.pem\"")
        .ca_application("stale", "subject_dn = \"CN=stale\"")
        .application("asserted", "private_key_jwt", &["public_key = \"key.pem\"\nalg = \"ES256\"".to_owned()])
        .application(
            "secret",
            "client_secret_post",
            &[format!("secret_sha256 = \"{}\"", openssl_sha256("s3cret"))],
        )
        .start();
    let anybody = Client::new(&edge);
    let (with, http2) = (Client::with(&edge, &billing), anybody.clone().http2());
    let of_ca = |ca: &Ca, name: &str| {
        Client::with(&edge, &ca.issue("x", |params| params.distinguished_name = common_name(name)))
    };
    let mut headers = get("/open/x");
    for number in 0..120 {
        headers = headers.header(format!("x-{number}"), "1");
    }
    let now = time_from_now(0).unix_timestamp();
    let claims = |iss: &str| serde_json::json!({ "iss": iss, "sub": "asserted", "aud": "https://as.example/", "iat": now, "exp": now + 60, "jti": iss });
    let header = serde_json::json!({ "alg": "ES256" });
    let signed =
        |key: &SigningKey, iss: &str| post(&format!("{ASSERTED}{}", key.token(&header, &claims(iss))));
    let used = signed(&key, "asserted");
    let answer = anybody.connect().await.send(used.clone()).await;
    assert_eq!(answer.status, 200, "{}", edge.log_of(&answer));

    let websocket = get("/open/x").header("connection", "upgrade").header("upgrade", "websocket");
    let long = format!("/open/{}", "a".repeat(5000));
    let cases: Vec<(Client, Request<Full<Bytes>>, &str)> = vec![
        (anybody.clone(), empty(websocket), "upgrade"),
        (anybody.clone(), empty(get("/open/x").header("host", "a b")), "host"),
        (anybody.clone(), empty(get("/open/x").header("host", "other.example")), "misdirected"),
        (http2.clone(), empty(headers.uri(format!("https://{DOMAIN}/open/x"))), "too_many_headers"),
        (anybody.clone(), empty(get("/open/x?_method=DELETE")), "method_override"),
        (anybody.clone(), empty(get("/nothing")), "not_found"),
        (anybody.clone(), empty(get("/open/%2e%2e/cert")), "ambiguous_path"),
        (anybody.clone(), empty(get(&long)), "path_too_long"),
        (anybody.clone(), empty(get("/oauth/token")), "method_not_allowed"),
        (with.clone(), post("grant_type=client_credentials"), "no_client_id"),
        (with.clone(), post("client_id=billing&client_id=other"), "parameters"),
        (
            anybody.clone(),
            post("client_id=secret&client_secret=s&client_assertion=a&client_assertion_type=b"),
            "several_mechanisms",
        ),
        (
            anybody.clone(),
            post_to("/oauth/token?client_secret=s", "client_id=secret&client_secret=s"),
            "credential_in_query",
        ),
        (anybody.clone(), post("client_id=asserted&client_assertion=a"), "incomplete_assertion"),
        (anybody.clone(), empty(get("/authorize?client_id=billing&response_type=code")), "request_required"),
        (
            anybody.clone(),
            empty(get("/authorize?client_id=billing&request=a&request_uri=b")),
            "request_parameters",
        ),
        (anybody.clone(), empty(get("/authorize?client_id=billing&request=a")), "request_token"),
        (anybody.clone(), empty(get("/cert")), "no_certificate"),
        (Client::with(&edge, &of_days(-9, -1)), post("client_id=billing"), "certificate_expired"),
        (Client::with(&edge, &of_days(1, 9)), post("client_id=billing"), "certificate_not_yet_valid"),
        (Client::with(&edge, &lookalike), post("client_id=subject"), "chain"),
        (with.clone(), post("client_id=nobody"), "unknown_client"),
        (Client::with(&edge, &self_signed("x")), empty(get("/cert")), "unknown_certificate"),
        (Client::with(&edge, &self_signed("x")), post("client_id=billing"), "thumbprint_mismatch"),
        (of_ca(&ca, "other"), post("client_id=subject"), "subject_mismatch"),
        (of_ca(&other_ca, "subject"), post("client_id=subject"), "issuer_mismatch"),
        (of_ca(&third_ca, "stale"), post("client_id=stale"), "crl"),
        (anybody.clone(), post("client_id=billing"), "no_credential"),
        (with.clone(), post("client_id=secret"), "other_method"),
        (anybody.clone(), post("client_id=secret&client_secret=wrong"), "secret_mismatch"),
        (anybody.clone(), signed(&other_key, "asserted"), "assertion_signature"),
        (anybody.clone(), used, "assertion_replayed"),
        (anybody.clone(), signed(&key, "another"), "assertion"),
        (anybody.clone(), empty(get("/api")), "token_missing"),
        (anybody.clone(), empty(get("/api?access_token=a")), "token_request"),
        (anybody.clone(), empty(get("/api").header("authorization", "Bearer a")), "token_invalid"),
        (anybody.clone(), post_to("/open/x", &"a".repeat(200_000)), "body_too_large"),
    ];
    let mut provoked: BTreeSet<&str> = cases.iter().map(|(_, _, code)| *code).collect();
    let mut wrong = Vec::new();
    for (client, request, code) in cases {
        wrong.extend(provoke(&edge, &client, request, code).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The client ends the connection within its body.
    let mut stream = anybody.tls().await.unwrap();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 99\r\n\r\nclient_id="
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    happens(async || metric(&edge, "mtls_edge_refusals_total{reason=\"body_incomplete\"}").await == 1).await;
    provoked.insert("body_incomplete");
    // Each is counted by domain and class, with its route if it had one.
    let of_route = |route: &str, status: &str| {
        format!("mtls_edge_route_requests_total{{domain=\"{DOMAIN}\",{route}status=\"{status}\"}}")
    };
    assert_eq!(metric(&edge, &of_route("route=\"/oauth/token\",", "2xx")).await, 1);
    assert_eq!(metric(&edge, &of_route("route=\"/cert\",", "4xx")).await, 2);
    assert_eq!(metric(&edge, &of_route("route=\"/open/*\",", "4xx")).await, 1);
    assert!(metric(&edge, &of_route("", "4xx")).await > 5);
    assert_eq!(metric(&edge, "mtls_edge_requests_in_flight").await, 0);
    let (_, text) = admin::get(&edge, "/metrics").await;
    assert!(text.contains("mtls_edge_upstream_duration_seconds_count{upstream=\"as\"} "), "{text}");
    edge.stop();

    let refusing = Refusing::bind();
    let edge = EdgeBuilder::new(refusing.url())
        .domain(DOMAIN, DOMAIN_SETTINGS)
        .file("jwks.json", &set)
        .extra(ISSUER)
        .start();
    assert_eq!(
        provoke(&edge, &Client::new(&edge), empty(get("/open/x")), "upstream_unreachable").await,
        None
    );
    provoked.insert("upstream_unreachable");
    let origin = refusing.url();
    let failing = format!("mtls_edge_upstream_origin_failing{{upstream=\"as\",origin=\"{origin}\"}}");
    assert_eq!(metric(&edge, &failing).await, 1);
    assert_eq!(provoked, HERE.iter().copied().collect());
}

#[test]
fn every_reason_code_is_documented_and_provoked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/observe.md")).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("| code |")).skip(2);
    let documented: Vec<&str> =
        table.take_while(|line| line.starts_with('|')).map(|line| line.split('`').nth(1).unwrap()).collect();
    assert_eq!(documented, RefusalCode::VALUES, "the table has each code once, in the order of the enum");
    let mut provoked: Vec<&str> =
        HERE.iter().copied().chain(ELSEWHERE.iter().map(|(code, ..)| *code)).collect();
    provoked.sort_unstable();
    let mut codes = RefusalCode::VALUES.to_vec();
    codes.sort_unstable();
    assert_eq!(provoked, codes);
    for (code, file, name) in ELSEWHERE {
        let source = fs::read_to_string(root.join("tests/promises").join(file)).unwrap();
        let body = source
            .split(&format!("fn {name}("))
            .nth(1)
            .unwrap_or_else(|| panic!("{file} has no test {name}"));
        let body = body.split("\n}\n").next().unwrap();
        let asserts = |text: &str| body.contains(&format!("\"{text}\""));
        assert!(asserts(code), "{name} in {file} does not assert the code {code}");
        let errors = applications_page::errors(code);
        // The profile has an error for each clause.
        let is_asserted = *code == "profile" || errors.into_iter().any(asserts);
        assert!(is_asserted || !body.contains("oauth_error("), "{name} in {file}: another error for {code}");
    }
}
