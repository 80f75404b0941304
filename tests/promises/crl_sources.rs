//! CRLs from URLs: fetched in the background, verified, cached, and never blocking a request.
//!
//! The tests' runtimes have a second thread, so that the CRL server runs while a test waits for its edge.

mod server;

use std::{fs, sync::atomic::Ordering};

use rcgen::SerialNumber;
use testkit::Refusing;

use crate::support::{
    Ca, Client, Credentials, EdgeBuilder, TlsUpstream, Upstream,
    admin::{self, metric},
    command::start_problems,
    tool::run,
};
use server::{Answer, CrlServer};

const FILE: &str = "state/corp.crl";

fn client(ca: &Ca) -> Credentials {
    ca.issue("payments", |params| params.serial_number = Some(SerialNumber::from(4711u64)))
}

fn builder(upstream: &Upstream, ca: &Ca, settings: &str) -> EdgeBuilder {
    EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &ca.pem())
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .trust_settings(settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetched_revocation_applies_to_open_connections() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server = CrlServer::start(Answer::Crl(ca.crl(&[]))).await;
    let edge = builder(&upstream, &ca, &server.item("")).start();
    assert!(edge.folder.path().join(FILE).exists(), "the first CRL is fetched before any request is served");
    let mut connection = Client::with(&edge, &credentials).connect().await;
    assert_eq!(connection.token("payments").await.status, 200);
    server.wait_for_requests(2).await;
    assert!(!edge.log().contains("\"reloaded\""), "an unchanged CRL is not a change");

    server.respond_with(Answer::Crl(ca.crl(&[4711])));
    edge.wait_for_log("\"reloaded\",\"generation\":2,\"why\":\"changed: corp.crl\"");
    assert_eq!(connection.token("payments").await.status, 401);
    connection.closed().await;

    let status = admin::status(&edge, "").await;
    let source = &status["crl_sources"][0];
    assert_eq!(source["url"], server.url.split('?').next().unwrap());
    assert!(source["fetched"].as_u64().unwrap() >= 2 && source["failure"].is_null(), "{source}");
    let labels = format!("{{url=\"{}\",outcome=\"taken\"}}", source["url"].as_str().unwrap());
    assert!(metric(&edge, &format!("mtls_edge_crl_fetches_total{labels}")).await >= 2);
    let url = source["url"].as_str().unwrap();
    let age = metric(&edge, &format!("mtls_edge_crl_fetch_age_seconds{{url=\"{url}\"}}")).await;
    assert!((0..60).contains(&age), "{age}");
    assert!(!edge.stop().contains("zQ7hidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_fetched_crl_is_logged_once() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let good = ca.crl_between(&[], -1000, 86_400);
    let server = CrlServer::start(Answer::Crl(good.clone())).await;
    let second = Ca::new("Second client CA");
    let edge = builder(&upstream, &ca, &server.item("")).trust("second", &second.pem()).start();
    let path = edge.folder.path().join(FILE);
    let raw = |head: &str| Answer::Raw(format!("HTTP/1.1 {head}\r\n\r\n"));
    let (impostor, other) = (Ca::new("Client CA"), Ca::new("Other CA"));
    for (answer, message) in [
        (raw("404 Not Found\r\ncontent-length: 0"), "the server responded with 404 Not Found, expected 200"),
        (
            raw("302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0"),
            "the server responded with 302 Found, expected 200: redirects are not followed",
        ),
        (Answer::Crl("no list".to_owned()), "the fetched document contains no CRL"),
        (Answer::Crl(String::new()), "the fetched document is empty"),
        (Answer::Crl(good[..good.len() / 2].to_owned()), "the fetched document is truncated"),
        (raw("200 OK\r\ncontent-length: 100"), "the response is incomplete"),
        (
            Answer::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(33 << 20))),
            "the response has more than 32 MiB",
        ),
        (Answer::Crl(impostor.crl(&[])), "but not signed by it"),
        (Answer::Crl(other.crl(&[])), "is not signed by a client CA or an issuer of its source"),
        (
            Answer::Crl(good.clone() + &other.crl(&[])),
            "the CRL of \\\"CN=Other CA\\\" is not signed by a client CA",
        ),
        (Answer::Crl(second.crl(&[])), "the fetched document lacks the CRL of"),
        (
            Answer::Crl(good.trim_end().to_owned() + &good),
            "a BEGIN or END boundary with something else on its line",
        ),
        (Answer::Crl(ca.crl_between(&[4711], 3600, 86_400)), "is dated in the future"),
        (Answer::Crl(ca.crl_between(&[4711], -2000, 86_400)), "is older than the cached one"),
        (Answer::Crl(ca.crl_between(&[4711], -900, -10)), "has been stale since"),
        (Answer::Raw("nonsense\r\n\r\n".to_owned()), "no response: "),
    ] {
        server.respond_with(answer);
        let line = edge.wait_for_log(message);
        assert!(line.contains("CRL fetch failed; keeping the cached CRL"), "{line}");
        server.wait_for_requests(2).await;
        assert_eq!(edge.log().matches(message).count(), 1, "logged again: {message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), good, "{message}");
        assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200, "{message}");
    }
    let status = admin::status(&edge, "").await;
    assert!(status["crl_sources"][0]["failure"]["why"].as_str().unwrap().starts_with("no response: "));
    server.respond_with(Answer::Crl(ca.crl_between(&[4711], -10, 86_400)));
    edge.wait_for_log("\"CRL fetched\"");
    edge.wait_for_log("\"reloaded\"");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    assert!(!edge.stop().contains("zQ7hidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_crl_server_delays_no_request() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server = CrlServer::start(Answer::Nothing).await;
    let edge = builder(&upstream, &ca, &server.item(", timeout = \"10m\"")).file(FILE, ca.crl(&[])).start();
    server.wait_for_requests(usize::from(server.requests.load(Ordering::SeqCst) == 0)).await;
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);
    edge.reload(FILE, &ca.crl(&[4711]));
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    // The wait for the end is limited to less than the fetch's own time limit.
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_crl_server_times_out() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let server = CrlServer::start(Answer::Nothing).await;
    let edge = builder(&upstream, &ca, &server.item(", timeout = \"30ms\"")).file(FILE, ca.crl(&[])).start();
    edge.wait_for_log("no response within 30ms");
    server.respond_with(Answer::Crl(ca.crl(&[4711])));
    edge.wait_for_log("\"CRL fetched\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_crl_needs_no_network() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let refusing = Refusing::bind();
    let gone = refusing.address;
    let item = format!("crls = [{{ url = \"http://{gone}/corp.crl\", file = \"{FILE}\" }}]");

    let message = format!("no CRL from http://{gone}/corp.crl, and none is cached in ");
    let output = builder(&upstream, &ca, &item).output("run");
    assert_eq!(output.status.code(), Some(1));
    let printed = start_problems(&output);
    assert!(printed.contains(&format!("trust.crls.url: {message}{FILE}: cannot connect: ")), "{printed}");
    assert!(
        printed.contains("help: restore connectivity, place a CRL in the file manually, or set stale_crl"),
        "{printed}"
    );

    let output = builder(&upstream, &ca, &item).output("check");
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        printed.contains(&format!("{FILE} does not exist yet: `run` fetches it from http://{gone}/corp.crl")),
        "{printed}"
    );

    let edge = builder(&upstream, &ca, &format!("{item}\nstale_crl = \"report\"")).start();
    edge.wait_for_log(&message);
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);

    let edge = builder(&upstream, &ca, &item).file(FILE, ca.crl(&[4711])).start();
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_waits_for_a_new_sources_crl() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server =
        CrlServer::start(Answer::Raw("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
    let edge = builder(&upstream, &ca, "crls = []").start();
    let config = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("crls = []", &server.item(""))).unwrap();
    let line = edge.wait_for_log("reload rejected");
    assert!(line.contains("it has not been fetched yet"), "{line}");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);
    server.respond_with(Answer::Crl(ca.crl(&[4711])));
    edge.wait_for_log("\"reloaded\",\"generation\":2,");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    // Without the source, the server is no longer called, and its metrics are gone.
    edge.reload("edge.toml", &text);
    assert_eq!(admin::status(&edge, "").await["crl_sources"].as_array().unwrap().len(), 0);
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_sources_are_fetched_despite_a_rejected_reload() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server = CrlServer::start(Answer::Crl(ca.crl(&[]))).await;
    let edge = builder(&upstream, &ca, &server.item("")).start();
    let config = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    // It lacks the source, and changes a setting that needs a restart.
    let refused = text.replace(&server.item(""), "").replace("[limits]", "[limits]\nconnections = 7");
    fs::write(&config, refused).unwrap();
    edge.wait_for_log("reload rejected");
    server.wait_for_requests(2).await;
    assert_eq!(admin::status(&edge, "").await["crl_sources"].as_array().unwrap().len(), 1);
    fs::write(&config, &text).unwrap();
    edge.wait_for_log("configuration files match the active configuration again");
    server.respond_with(Answer::Crl(ca.crl(&[4711])));
    edge.wait_for_log("\"reloaded\",\"generation\":2,\"why\":\"changed: corp.crl\"");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_configurations_source_is_dropped() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let server =
        CrlServer::start(Answer::Raw("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n".to_owned())).await;
    let edge = builder(&upstream, &ca, "crls = []").start();
    let config = edge.folder.path().join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("crls = []", &server.item(""))).unwrap();
    edge.wait_for_log("it has not been fetched yet");
    server.wait_for_requests(1).await;
    fs::write(&config, &text).unwrap();
    edge.wait_for_log("configuration files match the active configuration again");
    assert_eq!(admin::status(&edge, "").await["crl_sources"].as_array().unwrap().len(), 0);
    let log = edge.stop();
    assert!(!log.contains("\"reloaded\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crl_is_fetched_over_https() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let (web, other) = (Ca::new("Web CA"), Ca::new("Other Web CA"));
    let list = ca.crl(&[]);
    let server = TlsUpstream::answering(&web.server(&["localhost"]), &["http/1.1"], move |seen| {
        assert_eq!(seen.uri, "/corp.crl");
        http::Response::new(http_body_util::Full::from(list.clone()))
    })
    .await;
    let item =
        format!("crls = [{{ url = \"{}/corp.crl\", file = \"{FILE}\", ca = \"web.pem\" }}]", server.url());
    let edge = builder(&upstream, &ca, &item).file("web.pem", web.pem()).start();
    assert!(edge.folder.path().join(FILE).exists());
    edge.stop();

    let output = builder(&upstream, &ca, &item).file("web.pem", other.pem()).output("run");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(
        printed.contains("TLS handshake failed: no trusted CA has issued the server's certificate"),
        "{printed}"
    );
    let output = builder(&upstream, &ca, &item).file("web.pem", "").output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("error: trust.crls.ca: web.pem is empty"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetched_crl_must_be_signed_by_the_configured_issuer() {
    let (upstream, root) = (Upstream::start().await, Ca::new("Root CA"));
    let issuing = root.intermediate("Issuing CA", |_| {});
    let revoked = client(&issuing);
    let good = issuing.crl(&[4711]);
    // Over plain HTTP, an attacker on the path can sign a CRL of any name with a key of their own.
    let forged = Ca::new("Issuing CA").crl(&[]);
    let server = CrlServer::start(Answer::Crl(forged.clone())).await;
    let build =
        |settings: &str| builder(&upstream, &root, &server.item(settings)).file("issuing.pem", issuing.pem());
    for settings in ["", ", issuer = \"issuing.pem\""] {
        let edge = build(settings);
        let path = edge.path().join(FILE);
        let output = edge.output("run");
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && printed.contains("no CRL from"), "{printed}");
        assert!(!path.exists(), "it was kept");
    }
    server.respond_with(Answer::Crl(good.clone()));
    let output = build("").output("run");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("set issuer, beside url, to its CA's certificate"), "{printed}");

    let edge = build(", issuer = \"issuing.pem\"").start();
    assert_eq!(fs::read_to_string(edge.folder.path().join(FILE)).unwrap(), good);
    assert_eq!(Client::with(&edge, &revoked).token("payments").await.status, 401);
    // The file with the issuer's certificate is watched.
    fs::write(edge.folder.path().join("issuing.pem"), "").unwrap();
    assert!(edge.wait_for_log("reload rejected").contains("issuing.pem is empty"));
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_cached_crl_is_replaced() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    // Newer than the cached ones, whichever second they are made in.
    let server = CrlServer::start(Answer::Crl(ca.crl_between(&[4711], -60, 86_400))).await;
    let years = 10 * 365 * 86_400;
    for poison in [
        Ca::new("Issuing CA").crl_between(&[], years, 2 * years),
        Ca::new("Client CA").crl_between(&[], -10, years),
        ca.crl_between(&[], years, 2 * years),
        ca.crl(&[]) + &Ca::new("Other CA").crl(&[]),
        "-----BEGIN X509 CRL-----\n".to_owned(),
    ] {
        let output = builder(&upstream, &ca, &server.item("")).file(FILE, &poison).output("check");
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(
            printed.contains("contains no valid CRL: ") && printed.contains("`run` fetches one"),
            "{printed}"
        );
        let edge = builder(&upstream, &ca, &server.item("")).file(FILE, &poison).start();
        assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401, "{poison}");
        // The cached file is deleted and restored while the edge runs: the active CRL stays, and the next fetch repairs the file.
        fs::write(edge.folder.path().join(FILE), &poison).unwrap();
        edge.wait_for_log("\"CRL fetched\"");
        assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401, "{poison}");
        edge.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_cached_crl_never_replaces_the_active_one() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server = CrlServer::start(Answer::Nothing).await;
    for policy in ["refuse", "report"] {
        let settings = format!("{}\nstale_crl = \"{policy}\"", server.item(", timeout = \"10m\""));
        let edge = builder(&upstream, &ca, &settings).file(FILE, ca.crl(&[4711])).start();
        for (count, bad) in
            ["", "nonsense", &Ca::new("Client CA").crl(&[]), &ca.crl_between(&[], 86_400, 172_800)]
                .into_iter()
                .enumerate()
        {
            fs::write(edge.folder.path().join(FILE), bad).unwrap();
            edge.wait_for_logs("reload rejected", count + 1);
            assert_eq!(
                Client::with(&edge, &credentials).token("payments").await.status,
                401,
                "{policy}: {bad}"
            );
        }
        edge.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_cached_crl_stays_in_force() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server = CrlServer::start(Answer::Nothing).await;
    for (policy, why) in
        [("refuse", "none is cached in"), ("report", "was deleted, with the CRL of the client CA")]
    {
        let settings = format!("{}\nstale_crl = \"{policy}\"", server.item(", timeout = \"10m\""));
        let edge = builder(&upstream, &ca, &settings).file(FILE, ca.crl(&[4711])).start();
        fs::remove_file(edge.folder.path().join(FILE)).unwrap();
        let line = edge.wait_for_log("reload rejected");
        assert!(line.contains(why), "{line}");
        assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401, "{policy}");
        // With the file, changes apply again.
        edge.reload(FILE, &ca.crl(&[]));
        assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200, "{policy}");
        edge.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crl_in_a_renamed_file_stays_in_force() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let server = CrlServer::start(Answer::Nothing).await;
    let settings = format!("{}\nstale_crl = \"report\"", server.item(", timeout = \"500ms\""));
    let edge = builder(&upstream, &ca, &settings).file(FILE, ca.crl(&[4711])).start();
    let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    fs::write(edge.folder.path().join("edge.toml"), text.replace(FILE, "state/other.crl")).unwrap();
    let line = edge.wait_for_log("reload rejected");
    assert!(
        line.contains("is not fetched yet, and ") && line.contains("is not configured any more"),
        "{line}"
    );
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    // The new file is fetched though it is not in force.
    server.respond_with(Answer::Crl(ca.crl(&[])));
    edge.wait_for_log("\"reloaded\"");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crl_of_an_intermediate_ca_stays_in_force() {
    let (upstream, root) = (Upstream::start().await, Ca::new("Root CA"));
    let sub = root.intermediate("Sub CA", |_| {});
    let credentials = client(&sub);
    let edge = builder(&upstream, &root, "crls = [\"sub.crl\"]").file("sub.crl", sub.crl(&[4711])).start();
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    fs::write(edge.folder.path().join("sub.crl"), root.crl(&[])).unwrap();
    let line = edge.wait_for_log("reload rejected");
    assert!(line.contains("sub.crl does not contain the CRL of the CA \\\"CN=Sub CA"), "{line}");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_cached_crl_is_fetched_at_once() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let server = CrlServer::start(Answer::Crl(ca.crl(&[4711]))).await;
    for policy in ["refuse", "report"] {
        let settings = format!("{}\nstale_crl = \"{policy}\"", server.item("").replace("50ms", "1h"));
        let edge = builder(&upstream, &ca, &settings).start();
        let url = server.url.split('?').next().unwrap();
        let fetched = format!("mtls_edge_crl_fetches_total{{url=\"{url}\",outcome=\"taken\"}}");
        admin::happens(async || metric(&edge, &fetched).await >= 1).await;
        let before = server.requests.load(Ordering::SeqCst);
        fs::remove_file(edge.folder.path().join(FILE)).unwrap();
        edge.wait_for_log("reload rejected");
        // Not after an hour.
        edge.wait_for_log("configuration files match the active configuration again");
        assert!(server.requests.load(Ordering::SeqCst) > before, "{policy}");
        edge.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crl_that_was_never_fetched_is_a_problem() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let unavailable = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let server = CrlServer::start(Answer::Raw(unavailable.to_owned())).await;
    let settings = format!("{}\nstale_crl = \"report\"", server.item(""));
    let edge = builder(&upstream, &ca, &settings).start();
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);
    let status = admin::status(&edge, "").await;
    let problem = &status["health"]["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["level"]),
        (&"crl_missing".into(), &"degraded".into()),
        "{status}"
    );
    server.respond_with(Answer::Crl(ca.crl(&[])));
    edge.wait_for_log("\"reloaded\"");
    let state = async || admin::status(&edge, "").await["health"]["state"].clone();
    admin::happens(async || state().await == "healthy").await;
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_leaves_the_cached_crl_intact() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let credentials = client(&ca);
    let kept = ca.crl(&[]);
    let server = CrlServer::start(Answer::Crl(kept.clone())).await;
    let edge = builder(&upstream, &ca, &server.item("")).start();
    let path = edge.folder.path().join(FILE);
    let room = |bytes: &str| {
        let script = "import resource, sys\nhard = resource.prlimit(int(sys.argv[1]), resource.RLIMIT_FSIZE)[1]\nresource.prlimit(int(sys.argv[1]), resource.RLIMIT_FSIZE, (hard if sys.argv[2] == 'all' else int(sys.argv[2]), hard))";
        run(edge.folder.path(), "python3", &["-c", script, &edge.id().to_string(), bytes]);
    };
    room("4096");
    server.respond_with(Answer::Crl(ca.crl_between(&(4600..4800).collect::<Vec<_>>(), -10, 86_400)));
    let line = edge.wait_for_log("cannot write ");
    assert!(line.contains("CRL fetch failed; keeping the cached CRL") && line.contains(FILE), "{line}");
    assert_eq!(fs::read_to_string(&path).unwrap(), kept);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "a partly written file is left over"
    );
    let status = admin::status(&edge, "").await;
    assert!(status["crl_sources"][0]["failure"]["why"].as_str().unwrap().contains("cannot write "));
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 200);
    room("all");
    edge.wait_for_log("\"reloaded\"");
    assert_eq!(Client::with(&edge, &credentials).token("payments").await.status, 401);
    edge.stop();
}
