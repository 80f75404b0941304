//! TLS of the admin address: operators with a certificate of their CA.

use std::fs;

use crate::support::{
    Ca, Edge, EdgeBuilder, Upstream, admin::happens, certificates::time_from_now, command::text, program,
    self_signed,
};

/// The folder of an edge, its files for a command, and its configuration with the port that the system chose.
struct Operator<'a> {
    edge: &'a Edge,
    config: String,
}

impl<'a> Operator<'a> {
    fn of(edge: &'a Edge) -> Self {
        let folder = edge.folder.path();
        let text = fs::read_to_string(folder.join("edge.toml")).unwrap();
        let config = folder.join("named.toml");
        fs::write(&config, text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{}\"", edge.admin)))
            .unwrap();
        Self { edge, config: config.to_str().unwrap().to_owned() }
    }

    /// Exit code, and output or error, of `status` with this certificate.
    fn status(&self, certificate: Option<&str>) -> (Option<i32>, String) {
        let file = |name: &str, kind: &str| self.edge.folder.path().join(format!("{name}.{kind}"));
        let mut command = program();
        command.args(["status", "--config", &self.config]);
        if let Some(name) = certificate {
            command.arg("--cert").arg(file(name, "pem")).arg("--key").arg(file(name, "key"));
        }
        let output = command.output().unwrap();
        let shown = if output.status.success() { &output.stdout } else { &output.stderr };
        (output.status.code(), text(shown).to_owned())
    }

    /// The status of a request by curl; 0 without a response.
    fn curl(&self, path: &str, arguments: &[&str]) -> u16 {
        let own = ["-o", "/dev/null", "-w", "%{http_code}"];
        self.read(path, &[&own, arguments].concat()).parse().unwrap()
    }

    /// The output of curl, which knows the server's certificate.
    fn read(&self, path: &str, arguments: &[&str]) -> String {
        let port = self.edge.admin.port();
        let output = std::process::Command::new("curl")
            .args(["-s", "--cacert", "server-ca.pem"])
            .args(arguments)
            .arg(format!("https://localhost:{port}{path}"))
            .current_dir(self.edge.folder.path())
            .output()
            .unwrap();
        text(&output.stdout).to_owned()
    }
}

async fn start(admin: &str) -> (Edge, Ca) {
    start_until(time_from_now(90 * 86_400), admin).await
}

/// An edge whose certificate for the admin address expires at this time.
async fn start_until(end: time::OffsetDateTime, admin: &str) -> (Edge, Ca) {
    let upstream = Upstream::start().await;
    let (servers, operators) = (Ca::new("Admin CA"), Ca::new("Operators CA"));
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .file("server-ca.pem", servers.pem())
        .file("operators.pem", operators.pem())
        .secret_file("admin.token", "0123456789abcdef\n");
    servers.server_with(&["localhost"], |params| params.not_after = end).write(builder.path(), "admin");
    operators.issue("operator", |_| ()).write(builder.path(), "operator");
    Ca::new("Operators CA").issue("operator", |_| ()).write(builder.path(), "stranger");
    self_signed("nobody").write(builder.path(), "nobody");
    let keys = "certificate = \"admin.pem\"\nprivate_key = \"admin.key\"";
    (builder.extra(&format!("[admin]\n{keys}\n{admin}")).start(), operators)
}

#[tokio::test]
async fn only_operators_with_a_certificate_are_served() {
    let (edge, _) = start("client_ca = [\"operators.pem\"]").await;
    let operator = Operator::of(&edge);
    let (code, output) = operator.status(Some("operator"));
    assert!(code == Some(0) && output.starts_with("healthy  "), "{output}");
    for stranger in [None, Some("stranger"), Some("nobody")] {
        let (code, error) = operator.status(stranger);
        assert_eq!(code, Some(1), "{stranger:?}: {error}");
        assert!(error.contains("no status from the edge at https://"), "{error}");
    }
    let own = ["--cert", "operator.pem", "--key", "operator.key"];
    for path in ["/status", "/healthz", "/metrics"] {
        assert_eq!((operator.curl(path, &own), operator.curl(path, &[])), (200, 0), "{path}");
    }
    assert!(edge.wait_for_log("admin handshake failed").contains("\"client_ip\":\"127.0.0.1\""));
    // Three by `status`, three by curl.
    let refused = |count: u32| format!("mtls_edge_admin_refusals_total{{reason=\"handshake\"}} {count}\n");
    let metrics = operator.read("/metrics", &own);
    assert!(metrics.contains(&refused(6)), "{metrics}");
    edge.stop();
}

#[tokio::test]
async fn another_client_ca_counts_from_the_next_request_on() {
    let (edge, operators) = start("client_ca = [\"operators.pem\"]").await;
    let operator = Operator::of(&edge);
    let own = ["--cert", "operator.pem", "--key", "operator.key"];
    assert_eq!(operator.curl("/metrics", &own), 200);
    edge.reload("operators.pem", &Ca::new("Other CA").pem());
    assert!(edge.log().contains("TLS of the admin address"), "{}", edge.log());
    assert_eq!(operator.curl("/metrics", &own), 0);
    // Both, as during a rotation.
    edge.reload("operators.pem", &format!("{}{}", Ca::new("Other CA").pem(), operators.pem()));
    happens(async || operator.curl("/metrics", &own) == 200).await;
    edge.stop();
}

#[tokio::test]
async fn a_token_over_tls_needs_no_client_certificate() {
    let (edge, _) = start("token = { file = \"admin.token\" }").await;
    let operator = Operator::of(&edge);
    let (code, output) = operator.status(None);
    assert!(code == Some(0) && output.starts_with("healthy  "), "{output}");
    let token = ["-H", "authorization: Bearer 0123456789abcdef"];
    assert_eq!((operator.curl("/status", &token), operator.curl("/status", &[])), (200, 401));
    assert_eq!(operator.curl("/healthz", &[]), 200);
    // The command accepts the configured certificate alone.
    fs::copy(edge.folder.path().join("nobody.pem"), edge.folder.path().join("pinned.pem")).unwrap();
    let text = fs::read_to_string(&operator.config).unwrap();
    fs::write(&operator.config, text.replace("admin.pem", "pinned.pem")).unwrap();
    let (code, error) = operator.status(None);
    assert!(code == Some(1) && error.contains("TLS handshake failed"), "{error}");
    edge.stop();
}

#[tokio::test]
async fn the_end_of_its_own_certificate_is_announced() {
    let (edge, _) = start_until(time_from_now(86_400), "").await;
    edge.wait_for_log("admin.pem expires in");
    let operator = Operator::of(&edge);
    let metrics = operator.read("/metrics", &[]);
    let name = "\nmtls_edge_admin_certificate_expiry_seconds ";
    let left = metrics.split_once(name).unwrap().1.lines().next().unwrap().parse::<i64>().unwrap();
    assert!((86_000..=86_400).contains(&left), "{left}");
    let status = operator.read("/status", &[]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert!(status["health"].to_string().contains("admin_certificate_expiring"), "{status}");
    assert_eq!(status["expiring"]["list"][0]["name"], "the admin address", "{status}");
}
