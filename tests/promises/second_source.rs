//! Applications of a second source, beside those of the files: active at once, whole or not at all.

use tokio::net::TcpStream;

use crate::support::{
    Client, Connection, Credentials, Edge, EdgeBuilder, Upstream,
    admin::{self, exchange, happens, metric, reloaded, status},
    program, self_signed, test_process,
    test_process::SOURCE,
};

const FAILING: &str = "mtls_edge_source_failing{source=\"second\"}";
const RELOAD_FAILING: &str = "mtls_edge_reload_failing";

/// An edge whose files register "billing", and a certificate for it and for one more application.
struct Parts {
    edge: Edge,
    billing: Credentials,
    reports: Credentials,
    _upstream: Upstream,
}

impl Parts {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let (billing, reports) = (self_signed("billing"), self_signed("reports"));
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .self_signed_application("billing", &[billing.thumbprint()])
            .second_source()
            .start();
        Self { edge, billing, reports, _upstream: upstream }
    }

    async fn connect(&self, credentials: &Credentials) -> Connection {
        Client::with(&self.edge, credentials).connect().await
    }

    /// The status of one request over a new connection.
    async fn token(&self, credentials: &Credentials, client_id: &str) -> u16 {
        Client::with(&self.edge, credentials).token(client_id).await.status.as_u16()
    }

    async fn generation(&self) -> u64 {
        status(&self.edge, "").await["generation"].as_u64().unwrap()
    }

    /// The failure that `/status` shows of the second source.
    async fn failure(&self) -> serde_json::Value {
        let status = status(&self.edge, "").await;
        let names: Vec<_> =
            status["sources"].as_array().unwrap().iter().map(|source| &source["name"]).collect();
        assert_eq!(names, ["files", SOURCE]);
        assert!(status["sources"][0]["failure"].is_null());
        status["sources"][1]["failure"].clone()
    }
}

#[tokio::test]
async fn an_application_of_a_second_source_is_served_until_removed() {
    let mut parts = Parts::start().await;
    assert_eq!(parts.token(&parts.reports, "reports").await, 401);
    assert_eq!(parts.edge.publish(&format!("put reports {}", parts.reports.thumbprint())), None);
    let mut connections = [parts.connect(&parts.reports).await, parts.connect(&parts.billing).await];
    for (connection, client_id) in connections.iter_mut().zip(["reports", "billing"]) {
        assert_eq!(connection.token(client_id).await.status, 200);
    }
    // A change of another application does not disturb it.
    assert_eq!(parts.edge.publish(&format!("put other {}", self_signed("other").thumbprint())), None);
    assert_eq!(connections[0].token("reports").await.status, 200);
    assert_eq!(parts.edge.publish("remove reports"), None);
    connections[0].token("reports").await.oauth_error(401, "invalid_client");
    assert_eq!(connections[1].token("billing").await.status, 200);
    let log = parts.edge.stop();
    for change in ["added application reports", "added application other", "removed application reports"] {
        assert!(log.contains(&format!("\"changes\":\"{change}\"")), "{log}");
    }
}

#[tokio::test]
async fn a_snapshot_replaces_all_applications_of_its_source() {
    let mut parts = Parts::start().await;
    let (reports, other) = (parts.reports.thumbprint(), self_signed("other"));
    assert_eq!(parts.edge.publish(&format!("snapshot reports={reports}")), None);
    let mut connection = parts.connect(&parts.reports).await;
    assert_eq!(connection.token("reports").await.status, 200);
    assert_eq!(parts.edge.publish(&format!("snapshot other={}", other.thumbprint())), None);
    connection.token("reports").await.oauth_error(401, "invalid_client");
    assert_eq!(parts.token(&other, "other").await, 200);
    assert_eq!(parts.token(&parts.billing, "billing").await, 200);
    parts.edge.stop();
}

#[tokio::test]
async fn an_update_that_conflicts_with_the_files_is_rejected_whole() {
    let mut parts = Parts::start().await;
    let (reports, billing) = (parts.reports.thumbprint(), parts.billing.thumbprint());
    for snapshot in
        [format!("snapshot reports={reports} billing={:064x}", 7), format!("snapshot reports={billing}")]
    {
        let conflict = parts.edge.publish(&snapshot).unwrap();
        assert!(conflict.contains("\"second\"") && conflict.contains("\"files\""), "{conflict}");
    }
    assert_eq!(parts.generation().await, 1);
    let error = parts.failure().await["error"].as_str().unwrap().to_owned();
    assert!(error.contains("\"second\"") && error.contains("\"files\""), "{error}");
    assert_eq!(metric(&parts.edge, FAILING).await, 1);
    assert_eq!(parts.token(&parts.billing, "billing").await, 200);
    assert_eq!(parts.token(&parts.reports, "reports").await, 401);

    // Once the files give it up, the same update is accepted.
    parts.edge.reload("applications.toml", "# nobody\n");
    assert_eq!(parts.token(&parts.billing, "billing").await, 401);
    assert_eq!(parts.edge.publish(&format!("snapshot billing={reports}")), None);
    assert_eq!(parts.token(&parts.reports, "billing").await, 200);
    assert!(parts.failure().await.is_null());
    assert_eq!(metric(&parts.edge, FAILING).await, 0);
    let log = parts.edge.stop();
    let rejected: Vec<_> = log.lines().filter(|line| line.contains("update rejected")).collect();
    assert_eq!(rejected.len(), 2, "{log}");
    for line in rejected {
        assert!(line.contains("\"WARN\"") && line.contains("\"source\":\"second\""), "{line}");
        assert!(line.contains("contradicts \\\"files\\\""), "{line}");
    }
}

#[tokio::test]
async fn another_source_does_not_hide_that_the_files_are_invalid() {
    let mut parts = Parts::start().await;
    let config = parts.edge.folder.path().join("edge.toml");
    let valid = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{valid}\n[nonsense]\n")).unwrap();
    parts.edge.wait_for_log("reload rejected");
    assert_eq!(parts.edge.publish(&format!("put reports {}", parts.reports.thumbprint())), None);
    assert_eq!(parts.generation().await, 2);
    assert_eq!(metric(&parts.edge, RELOAD_FAILING).await, 1);
    let failure = status(&parts.edge, "").await["trust"]["failure"].to_string();
    assert!(failure.contains("nonsense"), "{failure}");

    std::fs::write(&config, valid).unwrap();
    parts.edge.wait_for_log("configuration files match the active configuration again");
    assert_eq!(metric(&parts.edge, RELOAD_FAILING).await, 0);
    parts.edge.stop();
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_not_a_reload() {
    let mut parts = Parts::start().await;
    let reports = parts.reports.thumbprint();
    for update in [format!("snapshot reports={reports}"), format!("put reports {reports}")] {
        assert_eq!(parts.edge.publish(&update), None);
    }
    // The first is registered by the files, the second nowhere.
    for update in ["remove billing", "remove nobody"] {
        assert_eq!(parts.edge.publish(update), None);
    }
    assert_eq!(parts.generation().await, 2);
    assert_eq!(metric(&parts.edge, "mtls_edge_reloads_total").await, 1);
    assert_eq!(parts.token(&parts.billing, "billing").await, 200);
    assert_eq!(parts.edge.stop().matches("\"reloaded\"").count(), 1);
}

#[tokio::test]
async fn files_that_conflict_are_accepted_when_the_source_gives_way() {
    let mut parts = Parts::start().await;
    let (reports, file) = (parts.reports.thumbprint(), parts.edge.folder.path().join("applications.toml"));
    assert_eq!(parts.edge.publish(&format!("put reports {reports}")), None);
    let text = std::fs::read_to_string(&file).unwrap();
    let also =
        "\n[[application]]\nclient_id = \"reports\"\n[[application.credential]]\nname = \"a\"\nthumbprint = ";
    std::fs::write(&file, format!("{text}{also}\"{:064x}\"\n", 7)).unwrap();
    let line = parts.edge.wait_for_log("reload rejected");
    assert!(line.contains("\\\"files\\\"") && line.contains("\\\"second\\\""), "{line}");
    assert_eq!(metric(&parts.edge, RELOAD_FAILING).await, 1);
    let mut connection = parts.connect(&parts.reports).await;
    assert_eq!(connection.token("reports").await.status, 200);

    assert_eq!(parts.edge.publish("remove reports"), None);
    connection.token("reports").await.oauth_error(401, "invalid_client");
    // The files are read again although no file has changed.
    let line = reloaded(&parts.edge, 4);
    assert!(line.contains("added application reports"), "{line}");
    assert_eq!(metric(&parts.edge, RELOAD_FAILING).await, 0);
    parts.edge.stop();
}

#[tokio::test]
async fn a_failed_source_keeps_its_last_applications_and_is_reported() {
    let mut parts = Parts::start().await;
    let put = format!("put reports {}", parts.reports.thumbprint());
    assert_eq!(parts.edge.publish(&put), None);
    let mut connection = parts.connect(&parts.reports).await;
    assert_eq!(connection.token("reports").await.status, 200);
    assert!(parts.failure().await.is_null());
    assert_eq!(metric(&parts.edge, FAILING).await, 0);

    for error in ["connection refused", "connection refused", "<timed out>"] {
        assert_eq!(parts.edge.publish(&format!("fail {error}")), None);
    }
    assert_eq!(connection.token("reports").await.status, 200);
    assert_eq!(parts.generation().await, 2);
    let failure = parts.failure().await;
    assert_eq!(failure["error"], "<timed out>");
    let since = failure["since"].as_str().unwrap();
    assert_eq!(metric(&parts.edge, FAILING).await, 1);
    let (_, page) = exchange(&parts.edge, "/status", "text/html").await;
    let row = page.lines().find(|line| line.contains(&format!("<td>{SOURCE}</td>"))).unwrap();
    assert!(row.contains(since) && row.contains("<td>&lt;timed out&gt;</td>"), "{page}");
    let command = program().args(["status", "--admin", &parts.edge.admin.to_string()]).output().unwrap();
    let printed = String::from_utf8(command.stdout).unwrap();
    let row = printed.lines().find(|line| line.trim_start().starts_with(SOURCE)).unwrap();
    assert!(row.contains("<timed out>"), "{printed}");
    assert_eq!(admin::get(&parts.edge, "/readyz").await.0, 200);

    assert_eq!(parts.edge.publish(&put), None);
    assert!(parts.failure().await.is_null());
    assert_eq!(metric(&parts.edge, FAILING).await, 0);
    let log = parts.edge.stop();
    assert_eq!(log.matches("source failed; keeping its last applications").count(), 2, "{log}");
}

#[tokio::test]
async fn a_source_that_ends_is_named_as_the_cause() {
    let mut parts = Parts::start().await;
    // The edge may end before it has logged that it executed this.
    test_process::send(parts.edge.input().unwrap(), "end");
    let line = parts.edge.wait_for_log("\"fatal\"");
    assert!(line.contains("the thread of the source \\\"second\\\" ended"), "{line}");
    assert_eq!(parts.edge.wait().code(), Some(0), "{}", parts.edge.log());
}

#[tokio::test]
async fn a_source_that_stops_slowly_does_not_delay_the_drain() {
    let mut parts = Parts::start().await;
    assert_eq!(admin::get(&parts.edge, "/readyz").await.0, 200);
    assert_eq!(parts.edge.publish("stall"), None);
    parts.edge.signal("TERM");
    happens(async || TcpStream::connect(parts.edge.https).await.is_err()).await;
    assert_eq!(admin::get(&parts.edge, "/readyz").await.0, 503);
    // The edge may end before it has logged that it executed this.
    test_process::send(parts.edge.input().unwrap(), "end");
    assert_eq!(parts.edge.wait().code(), Some(0), "{}", parts.edge.log());
}
