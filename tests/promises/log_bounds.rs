//! Log text that comes from clients is bounded and escaped.

use http::Request;
use http_body_util::Full;
use rcgen::DnType;

use crate::support::{
    Ca, Client, Credentials, DOMAIN, EdgeBuilder, Upstream, certificates::self_signed_with, self_signed,
};

/// The longest log line that a peer can cause, in bytes.
const LONGEST: usize = 2048;

const OPTIONAL: &str = r#"client_auth = "optional"
[[domain.route]]
path = "/oauth/token"
methods = ["POST"]
authenticate = "client"
[[domain.route]]
path = "/any/*"
methods = ["GET"]
authenticate = "none"
"#;

/// A self-signed certificate with a subject of this length.
fn named(text: &str, bytes: usize) -> Credentials {
    Ca::new("Nobody's CA").issue("stranger", |params| {
        params.distinguished_name.push(DnType::OrganizationalUnitName, text.repeat(bytes / text.len()));
    })
}

/// Control characters, format characters, separators: those that could end, reorder or hide a line.
fn is_hidden(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

fn form(body: String) -> Request<Full<bytes::Bytes>> {
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(body.into()))
        .unwrap()
}

#[tokio::test]
async fn log_lines_from_clients_are_at_most_2_kib() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, OPTIONAL)
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    let strangers = [
        named("x", 60_000),
        named("\u{200b}", 55_000),
        named("\u{fdfa}", 55_000),
        named("\"\\", 50_000),
        named("a\u{202e}\u{85}\u{7f}\u{e0041}", 50_000),
        // Its issuer is its subject.
        self_signed_with("stranger", |params| {
            let unit = "\"\\".repeat(10_000);
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        }),
    ];
    let mut asked = 0;
    for stranger in &strangers {
        for client in [Client::with(&edge, stranger), Client::with(&edge, stranger).http2()] {
            let mut connection = client.connect().await;
            for method in ["GET", "M".repeat(2_000).as_str()] {
                for path in ["/x".to_owned(), format!("/{}", "\"".repeat(3_000)), "/%00".repeat(1_000)] {
                    let request = Request::builder().method(method).uri(path).body(Full::default());
                    connection.send(request.unwrap()).await.oauth_error(404, "invalid_request");
                    asked += 1;
                }
            }
        }
        for client_id in ["%00", "%E2%80%AE", "%22", "%C2%85", "%F3%A0%81%81", "%F0%9F%98%80"] {
            let client = Client::with(&edge, stranger);
            let body = format!("client_id={}", client_id.repeat(5_000));
            assert_eq!(client.connect().await.send(form(body)).await.status, 401);
            asked += 1;
        }
    }
    edge.wait_for_logs("mtls_edge::access", asked);
    for line in edge.stop().lines() {
        assert!(line.len() <= LONGEST, "{} bytes: {line}", line.len());
        assert!(!line.contains(is_hidden), "{line:?}");
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[tokio::test]
async fn honest_log_lines_are_not_shortened() {
    let upstream = Upstream::start().await;
    let registered = self_signed("M\u{fc}ller \u{4f60}");
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, OPTIONAL)
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    let answer = Client::with(&edge, &registered).token("billing").await;
    let line = edge.log_of(&answer);
    assert_eq!(line["subject"], "CN=M\u{fc}ller \u{4f60},O=Example Bank,C=DE");
    assert_eq!((&line["client_id"], &line["path"]), (&"billing".into(), &"/oauth/token".into()));
    // Only the text beyond the limit is omitted.
    let path = format!("/any/{}", "y".repeat(251));
    let request = |path: &str| Request::get(path).body(Full::default()).unwrap();
    let answer = Client::new(&edge).connect().await.send(request(&path)).await;
    assert_eq!(edge.log_of(&answer)["path"], path.as_str());
    let answer = Client::new(&edge).connect().await.send(request(&format!("{path}yz"))).await;
    assert_eq!(edge.log_of(&answer)["path"], format!("{path}\u{2026}"));
}

#[tokio::test]
async fn request_ids_do_not_reveal_a_count() {
    let upstream = Upstream::start().await;
    let registered = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .domain(DOMAIN, OPTIONAL)
        .self_signed_application("billing", &[registered.thumbprint()])
        .start();
    let mut connection = Client::with(&edge, &registered).connect().await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        let answer = connection.token("billing").await;
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(upstream.last().headers["x-request-id"], id.as_str());
        ids.push(u128::from_str_radix(&id, 16).unwrap());
    }
    // In successive random values about half of the 128 bits differ; in those of a counter, only the last ones.
    for pair in ids.windows(2) {
        let differ = (pair[0] ^ pair[1]).count_ones();
        assert!((20..=108).contains(&differ), "{:032x} {:032x}", pair[0], pair[1]);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}
