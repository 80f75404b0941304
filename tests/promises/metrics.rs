//! The metrics of `/metrics`, and that each is documented.

use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, Upstream,
    admin::{self, happens, metric, status},
    certificates::{self_signed_with, time_from_now},
    self_signed,
};

const DAY: i64 = 86_400;
const BY_THUMBPRINT: &str = "self_signed_tls_client_auth";

#[tokio::test]
async fn an_end_that_a_request_shows_is_counted() {
    let upstream = Upstream::start().await;
    let client = self_signed_with("a", |params| params.not_after = time_from_now(5 * DAY));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("a", &[client.thumbprint()])
        .start();
    let shown = async |start: &str| {
        let (_, text) = admin::get(&edge, "/metrics").await;
        text.lines().any(|line| line.starts_with(start))
    };
    let problem = "mtls_edge_problems{code=\"credential_expiring\",level=\"warning\"}";
    assert!(!shown("mtls_edge_credential_soonest_expiry_seconds ").await, "nothing ends as far as is known");
    assert_eq!(metric(&edge, problem).await, 0);
    assert_eq!(status(&edge, "").await["expiring"]["total"], 0);
    assert_eq!(Client::with(&edge, &client).token("a").await.status, 200);
    happens(async || shown("mtls_edge_credential_soonest_expiry_seconds ").await).await;
    assert_eq!(metric(&edge, problem).await, 1);
    assert_eq!(status(&edge, "").await["expiring"]["list"][0]["name"], "a/c0");
    edge.stop();
}

#[tokio::test]
async fn expiry_metrics_count_the_seconds_left() {
    let upstream = Upstream::start().await;
    let ca = Ca::with("Client \\\"CA\"", |params| params.not_after = time_from_now(365 * DAY));
    let with_end = |days| self_signed_with("a", |params| params.not_after = time_from_now(days * DAY));
    let (expired, soon, late) = (with_end(-1), with_end(5), with_end(50));
    let certificate = |name: &str| vec![format!("certificate = \"{name}.pem\"")];
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("ca.crl", ca.crl(&[]))
        .trust_settings("crls = [\"ca.crl\"]")
        .file("expired.pem", expired.chain_pem())
        .file("soon.pem", soon.chain_pem())
        .file("late.pem", late.chain_pem())
        .application("a", BY_THUMBPRINT, &certificate("late"))
        .application("b", BY_THUMBPRINT, &certificate("soon"))
        .application("c", BY_THUMBPRINT, &certificate("expired"))
        .start();
    let near =
        |found: i64, wanted: i64| assert!((wanted - 60..=wanted + 60).contains(&found), "{found} {wanted}");
    let domain = format!("mtls_edge_server_certificate_expiry_seconds{{domain=\"{DOMAIN}\"}}");
    near(metric(&edge, &domain).await, 365 * DAY);
    near(metric(&edge, "mtls_edge_credential_soonest_expiry_seconds").await, 5 * DAY);
    assert_eq!(metric(&edge, "mtls_edge_credentials_expired").await, 1);
    assert_eq!(metric(&edge, "mtls_edge_trust_generation").await, 1);
    let (_, text) = admin::get(&edge, "/metrics").await;
    for (name, wanted) in [
        ("mtls_edge_client_ca_expiry_seconds{", 365 * DAY),
        ("mtls_edge_crl_next_update_seconds{", DAY),
        ("mtls_edge_crl_age_seconds{", 3600),
    ] {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
        assert_eq!(lines.len(), 1, "{text}");
        near(lines[0].rsplit(' ').next().unwrap().parse().unwrap(), wanted);
        assert!(!lines[0].contains("Client \"") && lines[0].contains("CA"), "{lines:?}");
    }
    edge.stop();
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_exists() {
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observe.md")).unwrap();
    assert!(documented.contains("OCSP is out of scope"), "OCSP is documented as out of scope");
    // From `name{label}` or `name` in backticks.
    let documented: std::collections::BTreeSet<String> = documented
        .split('`')
        .filter(|text| ["mtls_edge_", "process_"].iter().any(|start| text.starts_with(start)))
        .map(|text| text.split('{').next().unwrap().to_owned())
        .collect();
    let upstream = Upstream::start().await;
    let (client, ca) = (self_signed("billing"), Ca::new("Client CA"));
    let ordered = ca.server(&["ordered.example"]);
    // Everything that has a time series: a credential with a known expiry, a client CA, a CRL, a CRL source, and a key set.
    // One CRL: a fetched one that was issued a second before the cached one is rejected.
    let list = ca.crl(&[]);
    let served = list.clone();
    let lists =
        Upstream::answering(move |_| http::Response::new(http_body_util::Full::from(served.clone()))).await;
    let set = serde_json::json!({ "keys": [testkit::jws::SigningKey::p256().jwk()] }).to_string();
    let keys =
        Upstream::answering(move |_| http::Response::new(http_body_util::Full::from(set.clone()))).await;
    let source = format!("crls = [{{ url = \"{}/ca.crl\", file = \"ca.crl\" }}]", lists.url());
    // A client certificate is only for https.
    let edge = EdgeBuilder::new(upstream.url())
        .also_upstream("https://127.0.0.1:1")
        .upstream("ca = \"ca.pem\"\nclient_certificate = \"own.pem\"\nprivate_key = \"own.key\"");
    client.write(edge.path(), "own");
    let edge = edge
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("ca.crl", list)
        .trust_settings(&source)
        .extra(&format!(
            "[[token_issuer]]\nname = \"as\"\nissuer = \"https://as.example/\"\naudience = [\"api\"]\njwks = {{ url = \"{}/jwks\", file = \"jwks.json\" }}",
            keys.url()
        ))
        .acme_domain("ordered.example", "")
        .extra("[acme]\ndirectory = \"http://127.0.0.1:1/\"\nterms_of_service_agreed = true")
        .secret_file("state/acme/ordered.example.pem", ordered.chain_pem() + "\n" + &ordered.key_pem())
        .file("billing.pem", client.chain_pem())
        .application("billing", BY_THUMBPRINT, &["certificate = \"billing.pem\"".to_owned()])
        .start();
    for sources in ["crl_sources", "key_set_sources"] {
        happens(async || status(&edge, "").await[sources][0]["fetched"].as_u64().unwrap() > 0).await;
    }
    // Routes have series once they have requests.
    crate::support::verdict::passes(&Client::with(&edge, &client), &upstream, "billing").await;
    let (_, text) = admin::get(&edge, "/metrics").await;
    let names: std::collections::BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .map(|name| {
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            of_histogram
                .filter(|name| text.contains(&format!("# TYPE {name} histogram")))
                .unwrap_or(name)
                .to_owned()
        })
        .collect();
    // This admin address has no certificate; `admin_tls` has an edge with one.
    let of_admin_tls = ["mtls_edge_admin_certificate_expiry_seconds".to_owned()].into();
    assert_eq!(&names | &of_admin_tls, documented);
    for name in names {
        for kind in ["HELP", "TYPE"] {
            assert_eq!(text.matches(&format!("# {kind} {name} ")).count(), 1, "{kind} of {name}");
        }
    }
    edge.stop();
}
