//! Every field of the access log is on docs/log.md, with its type, and the reverse.

use std::collections::{BTreeMap, BTreeSet};

use http::Request;
use http_body_util::Full;
use serde_json::Value;
use testkit::Refusing;

use crate::support::{Client, DOMAIN, EdgeBuilder, Upstream, self_signed};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/log.md"));

/// The page's fields: name, type, when it is present, example.
fn documented() -> BTreeMap<&'static str, [&'static str; 3]> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = |row: &'static str| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        (cells.next().unwrap(), [(); 3].map(|()| cells.next().unwrap()))
    };
    rows.map(cells).collect()
}

/// Asserts that the page has each field of a line, with its type, and that those that are always there are there.
fn assert_documented(line: &Value, seen: &mut BTreeSet<String>) {
    let page = documented();
    let line = line.as_object().unwrap();
    for (name, value) in line {
        let [kind, ..] = page.get(name.as_str()).unwrap_or_else(|| panic!("docs/log.md lacks {name}"));
        let is_of_kind = match *kind {
            "string" => value.is_string(),
            "number" => value.is_u64(),
            "boolean" => value.is_boolean(),
            other => panic!("{name} has the unknown type {other}"),
        };
        assert!(is_of_kind, "{name} is not a {kind}: {value}");
        seen.insert(name.clone());
    }
    for (name, [_, when, _]) in page {
        assert!(when != "always" || line.contains_key(name), "{name} is not in {line:?}");
    }
}

#[tokio::test]
async fn the_log_page_has_every_field_of_real_lines() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, "client_auth = \"optional\"")
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    let mut seen = BTreeSet::new();
    let client = Client::with(&edge, &registered);
    let accepted = client.token("billing").await;
    let line = edge.log_of(&accepted);
    assert_documented(&line, &mut seen);
    let shown = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(shown("protocol"), "HTTP/1.1");
    assert_eq!(shown("route"), "/oauth/token");
    assert_eq!(shown("origin"), upstream.url());
    assert_eq!(shown("cipher"), "TLS_AES_128_GCM_SHA256");
    assert_eq!((shown("tls_version"), shown("client_ip")), ("1.3".to_owned(), "127.0.0.1".to_owned()));
    assert!(line["microseconds"].as_u64() >= line["upstream_microseconds"].as_u64());
    let declared = accepted.headers["content-length"].to_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(line["bytes_out"], declared);
    assert!(line["bytes_in"].as_u64().unwrap() > 0);

    let refused = Client::new(&edge).http2().token("billing").await;
    let line = edge.log_of(&refused);
    assert_documented(&line, &mut seen);
    assert_eq!(line["protocol"], "HTTP/2");
    assert!(line.get("upstream").is_none() && line.get("thumbprint").is_none(), "{line}");

    let unknown = Request::get("/nowhere").body(Full::default()).unwrap();
    let line = edge.log_of(&client.connect().await.send(unknown).await);
    assert_documented(&line, &mut seen);
    assert!(line.get("route").is_none(), "{line}");

    // Only a refusal shows at which CA the client got its certificate.
    assert_eq!(shown("issuer"), "");
    let line = edge.log_of(&client.token("nobody").await);
    assert_documented(&line, &mut seen);
    assert_eq!((&line["status"], &line["issuer"]), (&401.into(), &line["subject"]));

    // Those of aborted requests, authorization requests and sampling have their own tests.
    let elsewhere =
        ["aborted", "authorization_request", "contradicted", "only_outside", "sampled", "trace_id"];
    for name in documented().keys().filter(|name| !elsewhere.contains(name)) {
        assert!(seen.contains(*name), "no line has {name}");
    }
}

#[tokio::test]
async fn a_failing_upstream_is_a_warning_with_its_origin() {
    let registered = self_signed("billing");
    let refusing = Refusing::bind();
    let edge = EdgeBuilder::new(refusing.url())
        .domain(DOMAIN, "client_auth = \"optional\"")
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    let failed = Client::with(&edge, &registered).token("billing").await;
    let line = edge.log_of(&failed);
    assert_eq!((&line["status"], &line["level"]), (&503.into(), &"WARN".into()));
    assert_eq!(line["origin"], refusing.url());
    assert_documented(&line, &mut BTreeSet::new());
}
