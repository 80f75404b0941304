//! The status of the active trust: `/status`, its page, its metrics, and the log line of a reload.

use rcgen::SerialNumber;

use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, Upstream,
    admin::{self, exchange, happens, metric, reloaded, status},
    certificates::{self_signed_with, time_from_now},
    edge_before, self_signed,
};

const DAY: i64 = 86_400;
const BY_THUMBPRINT: &str = "self_signed_tls_client_auth";
const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

#[tokio::test]
async fn status_shows_expiry_and_last_use_of_each_credential() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let billing = self_signed_with("billing", |params| params.not_after = time_from_now(10 * DAY + 3600));
    let payments = ca.issue("payments", |params| params.not_after = time_from_now(20 * DAY + 3600));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("ca.crl", ca.crl_between(&[], -3600, 3 * DAY + 3600))
        .trust_settings("crls = [\"ca.crl\"]")
        .file("billing.pem", billing.chain_pem())
        .application("billing", BY_THUMBPRINT, &["certificate = \"billing.pem\"".to_owned()])
        .ca_application("payments", DN)
        .start();
    let before = status(&edge, "").await;
    assert_eq!(before["generation"], 1);
    assert_eq!(before["trust"]["why"], "the start of the edge");
    let list = &before["applications"]["list"];
    let credential = &list[0]["credentials"][0];
    assert_eq!((&list[0]["client_id"], &list[0]["method"]), (&"billing".into(), &BY_THUMBPRINT.into()));
    assert_eq!(credential["name"], "c0");
    assert_eq!(credential["thumbprint"], billing.thumbprint());
    assert_eq!(credential["subject"], "CN=billing,O=Example Bank,C=DE");
    assert_eq!(credential["days_left"], 10);
    assert_eq!(credential["known_from"], "the registered certificate");
    assert!(credential["last_used"].is_null());
    let credential = &list[1]["credentials"][0];
    assert_eq!(credential["subject_dn"], "CN=payments,O=Example Bank,C=DE");
    assert!(credential["days_left"].is_null() && credential["last_used"].is_null());
    let domain = &before["domains"][0];
    assert_eq!(domain["name"], DOMAIN);
    // The result depends on the second in which the test runs.
    assert!(matches!(domain["certificate"]["days_left"].as_i64(), Some(364 | 365)), "{domain}");
    assert_eq!(domain["certificate"]["subject"], format!("CN={DOMAIN}"));
    assert_eq!(domain["certificate"]["thumbprint"].as_str().unwrap().len(), 64);
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    assert!(
        page.contains(&format!("thumbprint {} CN=billing,O=Example Bank,C=DE", billing.thumbprint())),
        "{page}"
    );
    assert_eq!(before["client_cas"][0]["subject"], "CN=Client CA");
    assert_eq!((&before["crls"][0]["days_left"], &before["crls"][0]["stale"]), (&3.into(), &false.into()));
    // Billing's certificate and the CRL; payments' certificate was not used yet.
    assert_eq!(before["expiring"]["total"], 2, "{before:#}");

    // A refused request does not count as a use; a served one does.
    assert_eq!(Client::with(&edge, &billing).token("payments").await.status, 401);
    assert_eq!(Client::with(&edge, &payments).token("payments").await.status, 200);
    let used = status(&edge, "").await;
    assert!(used["applications"]["list"][0]["credentials"][0]["last_used"].is_null());
    let credential = used["applications"]["list"][1]["credentials"][0].clone();
    assert!(credential["last_used"].as_str().unwrap().ends_with('Z'));
    assert_eq!(credential["days_left"], 20);
    assert_eq!(credential["known_from"], "the last certificate that matched");
    let soon: Vec<_> =
        used["expiring"]["list"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(soon, ["CN=Client CA", "billing/c0", "payments/c0"]);

    // A credential that a reload does not change keeps its last use; a new one has none.
    let file = edge.folder.path().join("applications.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{text}\n[[application.credential]]\nname = \"c1\"\nsan_dns = \"p.example\"\n"),
    )
    .unwrap();
    reloaded(&edge, 2);
    let after = status(&edge, "").await;
    assert_eq!(
        (&after["generation"], &after["trust"]["why"]),
        (&2.into(), &"changed: applications.toml".into())
    );
    let credentials = &after["applications"]["list"][1]["credentials"];
    assert_eq!(credentials[0], credential);
    assert_eq!(credentials[1]["san_dns"], "p.example");
    assert!(credentials[1]["last_used"].is_null());
    std::fs::write(&file, text.replace("CN=payments,O=Example Bank", "CN=payments,O=Other Bank")).unwrap();
    reloaded(&edge, 3);
    let after = status(&edge, "").await;
    assert!(after["applications"]["list"][1]["credentials"][0]["last_used"].is_null());
    edge.stop();
}

#[tokio::test]
async fn no_name_is_markup_in_the_status_page() {
    let upstream = Upstream::start().await;
    let client = self_signed("billing");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("<script>alert('&')</script>", &[client.thumbprint()])
        .start();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let (head, body) = exchange(&edge, "/status", browser).await;
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("content-security-policy: default-src 'none'"), "{head}");
    assert!(body.contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"), "{body}");
    assert_eq!(body.matches("<script").count(), 1, "{body}");
    assert!(!head.contains("unsafe-inline") && body.contains("<script src=\"/status.js\""), "{head}");
    assert!(body.contains(DOMAIN) && body.contains(&client.thumbprint()), "{body}");
    for accept in ["*/*", "application/json", "application/json, text/html;q=0.5"] {
        let (head, _) = exchange(&edge, "/status", accept).await;
        assert!(head.contains("content-type: application/json"), "{accept}: {head}");
    }
    edge.stop();
}

#[tokio::test]
async fn the_page_says_first_how_the_edge_is() {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url()).usual_domain("auth0").start();
    let (head, _) = exchange(&edge, "/", "text/html").await;
    assert!(head.contains("303") && head.contains("location: /status"), "{head}");
    let mut size = 0;
    for (part, kind) in
        [("/status", "text/html"), ("/status.css", "text/css"), ("/status.js", "text/javascript")]
    {
        let (head, body) = exchange(&edge, part, "text/html").await;
        assert!(head.contains(&format!("content-type: {kind}")) && head.contains("nosniff"), "{head}");
        assert!(head.contains("frame-ancestors 'none'") && head.contains("no-store"), "{head}");
        size += body.len();
    }
    assert!(size < 50_000, "{size}");
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    assert!(page.contains("<p class=\"state healthy\">Healthy: everything is served</p>"), "{page}");
    let file = edge.folder.path().join("applications.toml");
    std::fs::write(file, "[[application]]\nclient_ids = \"<b>\"\n").unwrap();
    edge.wait_for_log("reload rejected");
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    let state =
        page.find("<p class=\"state degraded\">Degraded: the changed configuration is rejected").unwrap();
    assert!(state < page.find("<table").unwrap() && !page.contains("<b>"), "{page}");
    edge.stop();
}

#[tokio::test]
async fn applications_come_in_pages() {
    let upstream = Upstream::start().await;
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    for number in 0..250 {
        builder = builder.self_signed_application(&format!("app-{number:03}"), &[format!("{number:064x}")]);
    }
    let edge = builder.start();
    let mut seen = Vec::new();
    for (page, count) in [(1, 100), (2, 100), (3, 50), (4, 0)] {
        let status = status(&edge, &format!("?page={page}")).await;
        let applications = &status["applications"];
        assert_eq!((&applications["total"], &applications["pages"]), (&250.into(), &3.into()));
        let list = applications["list"].as_array().unwrap();
        assert_eq!(list.len(), count);
        seen.extend(list.iter().map(|item| item["client_id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen, (0..250).map(|number| format!("app-{number:03}")).collect::<Vec<_>>());
    for wrong in ["0", "-1", "x", ""] {
        assert_eq!(admin::get(&edge, &format!("/status?page={wrong}")).await.0, 400);
    }
    for (search, found) in [("APP-01", 10), ("self_signed", 250), ("%61pp-249", 1), ("nobody", 0)] {
        let status = status(&edge, &format!("?q={search}")).await;
        assert_eq!(status["applications"]["total"], found, "{search}");
    }
    let (_, body) = exchange(&edge, "/status?page=2&q=%22%3E%3Cb%3Eapp", "text/html").await;
    assert!(body.contains("value=\"&quot;&gt;&lt;b&gt;app\"") && !body.contains("<b>"), "{body}");
    let (_, body) = exchange(&edge, "/status?page=2&q=app-", "text/html").await;
    assert!(body.contains("?page=3&amp;q=app%2D"), "{body}");
    // The page has shorter ones.
    assert!(body.contains("(250 in all, page 2 of 10)"), "{body}");
    let (_, body) = exchange(&edge, "/status?page=2", "text/html").await;
    assert!(
        body.contains("href=\"/status\" data-list>previous") && body.contains("?page=3\" data-list>next")
    );
    edge.stop();
}

#[tokio::test]
async fn the_page_stays_small_with_many_applications() {
    let upstream = Upstream::start().await;
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    let soon = mtls_edge::clock::Clock::System.now() + std::time::Duration::from_secs(86_400);
    for number in 0..300 {
        let credential = |number: u32, end: &str| format!("thumbprint = \"{number:064x}\"{end}");
        let credentials =
            [credential(2 * number, &format!("\nexpires_at = {soon}")), credential(2 * number + 1, "")];
        let id = format!("an-application-of-the-department-{number:03}");
        builder = builder.application(&id, "self_signed_tls_client_auth", &credentials);
    }
    let edge = builder.start();
    for target in ["/status", "/status?page=2&sort=-expires"] {
        let mut size = 0;
        for part in [target, "/status.css", "/status.js"] {
            size += exchange(&edge, part, "text/html").await.1.len();
        }
        assert!(size < 50_000, "{target}: {size}");
    }
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    assert!(page.contains("75 more, which <code>mtls-edge status</code> lists"), "{page}");
    assert_eq!(page.matches("<td>an-application-of-the-department-").count(), 25 + 2 * 25);
    edge.stop();
}

#[tokio::test]
async fn a_failed_reload_shows_in_status_and_metrics() {
    let upstream = Upstream::start().await;
    let (edge, _) = edge_before(upstream.url(), "");
    // Old enough that its replacement differs by whole seconds.
    happens(async || metric(&edge, "mtls_edge_trust_age_seconds").await >= 2).await;
    let before = status(&edge, "").await["trust"].clone();
    assert!(before["in_force_seconds"].as_u64().unwrap() >= 2 && before["failure"].is_null(), "{before}");
    let file = edge.folder.path().join("applications.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("client_id", "client_idd")).unwrap();
    edge.wait_for_log("reload rejected");

    let failed = status(&edge, "").await;
    let trust = &failed["trust"];
    assert_eq!((&failed["generation"], &failed["ready"]), (&1.into(), &true.into()));
    assert_eq!((&trust["in_force_since"], &trust["why"]), (&before["in_force_since"], &before["why"]));
    assert!(trust["in_force_seconds"].as_u64() >= before["in_force_seconds"].as_u64(), "{trust}");
    assert_eq!((&trust["reloads"], &trust["failed_reloads"]), (&0.into(), &1.into()));
    let problem = trust["failure"]["problems"].as_str().unwrap();
    assert!(problem.contains("applications.toml:2:1: ") && problem.contains("client_idd"), "{problem}");
    let at = trust["failure"]["at"].as_str().unwrap();
    assert!(at > before["in_force_since"].as_str().unwrap() && at.ends_with('Z'), "{at}");
    assert!(metric(&edge, "mtls_edge_trust_age_seconds").await >= 2);
    let counts = |edge| async move {
        let reloads = metric(edge, "mtls_edge_reloads_total").await;
        let failed = metric(edge, "mtls_edge_reloads_failed_total").await;
        (reloads, failed, metric(edge, "mtls_edge_reload_failing").await)
    };
    assert_eq!(counts(&edge).await, (0, 1, 1));
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    for part in ["failing now", at, "applications.toml:2:1", before["in_force_since"].as_str().unwrap()] {
        assert!(page.contains(part), "{part} in {page}");
    }

    std::fs::write(&file, text + "# fixed\n").unwrap();
    reloaded(&edge, 2);
    let after = status(&edge, "").await["trust"].clone();
    assert!(after["in_force_since"].as_str() > before["in_force_since"].as_str(), "{after}");
    assert_eq!(
        (&after["failure"], &after["why"]),
        (&serde_json::Value::Null, &"changed: applications.toml".into())
    );
    assert_eq!(counts(&edge).await, (1, 1, 0));
    edge.stop();
}

#[tokio::test]
async fn a_stale_crl_refuses_unless_it_is_only_to_be_reported() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let serial = |number: u64| {
        move |params: &mut rcgen::CertificateParams| {
            params.serial_number = Some(SerialNumber::from(number));
        }
    };
    let (good, revoked) = (ca.issue("payments", serial(6)), ca.issue("payments", serial(7)));
    for (setting, passes) in
        [("", false), ("stale_crl = \"refuse\"", false), ("stale_crl = \"report\"", true)]
    {
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("ca", &ca.pem())
            .file("ca.crl", ca.crl_between(&[7], -7200, -3600))
            .trust_settings(&format!("crls = [\"ca.crl\"]\n{setting}"))
            .ca_application("payments", DN)
            .start();
        edge.wait_for_log("the CRL of \\\"CN=Client CA\\\" has been stale since");
        let answer = Client::with(&edge, &good).token("payments").await;
        assert_eq!(answer.status, if passes { 200 } else { 401 }, "{setting}");
        assert_eq!(Client::with(&edge, &revoked).token("payments").await.status, 401, "{setting}");
        let status = status(&edge, "").await;
        assert_eq!(
            (&status["crls"][0]["stale"], &status["crls"][0]["days_left"]),
            (&true.into(), &(-1).into())
        );
        edge.stop();
    }
}
