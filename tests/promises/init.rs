//! The first hour: what `init` writes for each server works as it stands, with a token endpoint and further certificates.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tempfile::TempDir;

use crate::support::{
    Credentials,
    command::{check, edge, text},
    program,
    tool::{openssl, run},
};

/// `demo --token-endpoint`, on a free port.
struct TokenEndpoint {
    child: Child,
    url: String,
}

impl TokenEndpoint {
    fn start() -> Self {
        let mut child = program()
            .args(["demo", "--token-endpoint", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split([' ', ',']).find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { child, url }
    }

    fn stop(mut self) {
        run(Path::new("/"), "kill", &["-TERM", &self.child.id().to_string()]);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for TokenEndpoint {
    /// A failed test leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that `init` has written, and what it printed.
fn init(folder: &TempDir, arguments: &[&str]) -> String {
    let output = program().args(["init", "e"]).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// Runs the edge of that folder on free ports, in front of this upstream.
fn serve(folder: &TempDir, upstream: &str) -> testkit::Edge {
    let config = folder.path().join("e/edge.toml");
    let written = fs::read_to_string(&config).unwrap();
    let written = written.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
    let written = written.replace("http://127.0.0.1:3000", upstream);
    fs::write(&config, written.replace("\n[log]\n", "\n[log]\nformat = \"json\"\n")).unwrap();
    testkit::Edge::start(Command::new(program().get_program()).args(["run", "--config"]).arg(&config))
}

/// Runs the curl command of a text, as it stands but for the port.
fn call(folder: &TempDir, printed: &str, port: u16) -> Output {
    let mut lines = printed.lines().filter(|line| line.starts_with("  curl "));
    let (line, None) = (lines.next().unwrap(), lines.next()) else { panic!("two commands: {printed}") };
    let line = line.replace(":8443", &format!(":{port}")) + " -sS --noproxy '*'";
    Command::new("sh").args(["-ec", &line]).current_dir(folder).output().unwrap()
}

/// The claims of the token in a response.
fn claims(response: &Output) -> serde_json::Value {
    let answer: serde_json::Value = serde_json::from_slice(&response.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&response.stdout), text(&response.stderr)));
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The thumbprint to which a token of this client is bound.
fn thumbprint(folder: &TempDir, name: &str) -> String {
    let certs = folder.path().join("e/certs");
    let credentials =
        Credentials::read(&certs.join(format!("{name}.pem")), &certs.join(format!("{name}.key")));
    let hex = credentials.thumbprint();
    let bytes: Vec<u8> =
        (0..32).map(|byte| u8::from_str_radix(&hex[2 * byte..2 * byte + 2], 16).unwrap()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn the_printed_call_gets_a_token_with_each_server() {
    let endpoint = TokenEndpoint::start();
    let either = "tls_client_auth or self_signed_tls_client_auth";
    for (arguments, method) in [
        (&["--for", "auth0"][..], "self_signed_tls_client_auth"),
        (&["--for", "keycloak", "--realm", "acme"], either),
        (&["--for", "oidc-provider"], "self_signed_tls_client_auth"),
        (&["--for", "hydra"], "client_secret_post"),
        (&["--for", "spring"], "self_signed_tls_client_auth"),
        (&["--for", "generic"], either),
        (&["--domain", "mtls.auth.example.com"], either),
    ] {
        let folder = TempDir::new().unwrap();
        let printed = init(&folder, arguments);
        let strict =
            program().args(["check", "--strict", "--config", "e/edge.toml"]).current_dir(&folder).output();
        let strict = strict.unwrap();
        assert_eq!(strict.status.code(), Some(0), "{arguments:?}: {}", text(&strict.stderr));
        assert_eq!(text(&strict.stdout), "e/edge.toml: no problems\n");
        let edge = serve(&folder, &endpoint.url);
        let claims = claims(&call(&folder, &printed, edge.https.port()));
        assert_eq!(claims["auth_method"], method, "{arguments:?}");
        assert_eq!(claims["cnf"]["x5t#S256"], thumbprint(&folder, "billing"), "{arguments:?}");
        edge.stop();
    }
    endpoint.stop();
}

/// A client whose library resolves names with the system's resolver.
const PYTHON: &str = r#"
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="e/certs/server-ca.pem")
context.load_cert_chain("e/certs/payments.pem", "e/certs/payments.key")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
print(opener.open(sys.argv[1], b"grant_type=client_credentials&client_id=payments").read().decode())
"#;

#[test]
fn every_client_library_can_resolve_the_default_domain() {
    let endpoint = TokenEndpoint::start();
    let folder = TempDir::new().unwrap();
    init(&folder, &[]);
    let edge = serve(&folder, &endpoint.url);
    let url = format!("https://localhost:{}/oauth/token", edge.https.port());
    let output = Command::new("python3").args(["-c", PYTHON, &url]).current_dir(&folder).output().unwrap();
    assert_eq!(claims(&output)["cnf"]["x5t#S256"], thumbprint(&folder, "payments"));
    edge.stop();
    endpoint.stop();
}

#[test]
fn a_server_gets_its_profile_endpoints_and_issuer() {
    let folder = TempDir::new().unwrap();
    init(&folder, &["--for", "keycloak", "--realm", "acme", "--domain", "mtls.auth.example.com"]);
    let config = fs::read_to_string(folder.path().join("e/edge.toml")).unwrap();
    let column = |code: &str, comment: &str| format!("\n{code:35} {comment}");
    for part in [
        "header_profile = \"rfc9440\"",
        "issuer = \"https://auth.example.com/realms/acme\"",
        "path = \"/realms/acme/protocol/openid-connect/token\"",
        "path = \"/realms/acme/protocol/openid-connect/ext/par/request\"",
        &column("https = [\"127.0.0.1:8443\"]", "# addresses"),
        &column("certificate = \"certs/server.pem\"", "# PEM chain"),
    ] {
        assert!(config.contains(part), "{part} in {config}");
    }
    // Auth0's secret belongs to Auth0; no path leads into the repository.
    for part in ["cname-api-key", "../", "docs/", "generate.sh", "realm}"] {
        assert!(!config.contains(part), "{part} in {config}");
    }
    assert!(!folder.path().join("e/certs/cname-api-key").exists());

    let folder = TempDir::new().unwrap();
    let printed = init(&folder, &["--for", "auth0", "--upstream", "https://tenant.edge.example"]);
    let config = fs::read_to_string(folder.path().join("e/edge.toml")).unwrap();
    for part in [
        "urls = [\"https://tenant.edge.example\"]",
        "host = \"tenant.edge.example\"",
        "cname-api-key = { file = \"certs/cname-api-key\" }",
        "forwarded_for = \"client\"",
        "client_ip_header = \"true-client-ip\"",
        "issuer = \"https://localhost:8443/\"",
    ] {
        assert!(
            config.lines().any(|line| line.contains(part) && !line.starts_with('#')),
            "{part} in {config}"
        );
    }
    assert!(!printed.contains("--token-endpoint"), "{printed}");

    let folder = TempDir::new().unwrap();
    init(&folder, &["--upstream", "unix:/run/as.sock"]);
    let config = fs::read_to_string(folder.path().join("e/edge.toml")).unwrap();
    assert!(config.contains("\nurls = [\"unix:/run/as.sock\"]"), "{config}");
}

/// What the routes of a configuration are, how certificates are requested and which headers vouch for them.
fn contract(configuration: &str) -> Vec<&str> {
    let keys = ["path", "methods", "authenticate", "client_auth", "header_profile", "issuer"];
    let is_contract = |line: &&str| keys.iter().any(|key| line.starts_with(&format!("{key} = ")));
    let lines = configuration.lines().filter(is_contract);
    lines.map(|line| line.split_once('#').map_or(line, |(code, _)| code).trim_end()).collect()
}

#[test]
fn each_deployment_routes_what_init_writes() {
    for server in ["auth0", "keycloak", "oidc-provider", "hydra", "spring"] {
        let folder = TempDir::new().unwrap();
        let realm: &[&str] = if server == "keycloak" { &["--realm", "acme"] } else { &[] };
        init(&folder, &[&["--for", server, "--domain", "mtls.auth.example.com"], realm].concat());
        let written = fs::read_to_string(folder.path().join("e/edge.toml")).unwrap();
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy").join(server);
        let shown = fs::read_to_string(page.join("edge.toml")).unwrap();
        assert_eq!(contract(&shown), contract(&written), "{server}");
    }
}

#[test]
fn options_that_make_no_sense_are_usage_errors() {
    let folder = TempDir::new().unwrap();
    for (arguments, part) in [
        (&["--for", "nginx"][..], "possible values: auth0, keycloak, oidc-provider, hydra, spring, generic"),
        (&["--realm", "acme"], "--realm belongs to --for keycloak, not to --for generic"),
        (&["--for", "keycloak", "--realm", "a/b"], "expected letters, digits, - and _"),
        (&["--domain", "*.example.com"], "without a wildcard"),
        (&["--domain", "127.0.0.1"], "not an address"),
        (&["--upstream", "as.example"], "write \"http://as.example\""),
        (&["--upstream", "https://as.example/oauth"], "without a path"),
    ] {
        let output = program().args(["init", "e"]).args(arguments).current_dir(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(part), "{arguments:?}: {}", text(&output.stderr));
        assert!(!folder.path().join("e").exists(), "{arguments:?}");
    }
    for arguments in
        [&["demo", "--token-endpoint", "0", "--once"][..], &["dev-cert", "../x"], &["dev-cert", ""]]
    {
        assert_eq!(edge(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn init_into_a_file_says_what_to_give() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("afile"), "mine").unwrap();
    fs::create_dir_all(folder.path().join("used/schema")).unwrap();
    for (dir, what) in [
        (
            "afile",
            "afile is not a folder: nothing was written; expected a folder, or a name that does not exist yet\nhelp: give another folder, which is created if it does not exist\n",
        ),
        ("afile/new", "afile is not a folder: nothing was written; expected a folder"),
        ("used", "used/schema exists already: nothing was written; give another folder\n"),
    ] {
        let output = edge(&["init", folder.path().join(dir).to_str().unwrap()]);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.starts_with("error: ") && printed.contains(what), "{printed}");
        assert!(!printed.contains("os error"), "{printed}");
    }
    assert_eq!(fs::read(folder.path().join("afile")).unwrap(), b"mine");
}

fn dev_cert(folder: &TempDir, arguments: &[&str]) -> Output {
    program().args(["dev-cert", "--dir", "e"]).args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn dev_cert_s_application_and_call_work_when_pasted() {
    let endpoint = TokenEndpoint::start();
    let folder = TempDir::new().unwrap();
    init(&folder, &["--for", "oidc-provider"]);
    let registry = folder.path().join("e/applications.toml");
    let mut calls = Vec::new();
    for (name, arguments, method) in [
        ("issued", &[][..], "tls_client_auth"),
        ("named", &["--ca", "--dns", "named.example", "--days", "7"], "tls_client_auth"),
        ("signed", &["--self-signed"], "self_signed_tls_client_auth"),
    ] {
        let output = dev_cert(&folder, &[&[name], arguments].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed = text(&output.stdout).to_owned();
        let (_, pasted) = printed.split_once("applications.toml:\n").unwrap();
        let (pasted, _) = pasted.split_once("\nthen call").unwrap();
        fs::write(&registry, fs::read_to_string(&registry).unwrap() + pasted).unwrap();
        calls.push((name, printed, method));
    }
    assert!(calls[1].1.contains("san_dns = \"named.example\"") && calls[1].1.contains("valid for 7 days"));
    let edge = serve(&folder, &endpoint.url);
    for (name, printed, method) in calls {
        let claims = claims(&call(&folder, &printed, edge.https.port()));
        assert_eq!((&claims["client_id"], &claims["auth_method"]), (&name.into(), &method.into()));
        assert_eq!(claims["cnf"]["x5t#S256"], thumbprint(&folder, name));
    }
    edge.stop();
    endpoint.stop();
}

#[test]
fn dev_cert_registers_as_hydra_needs_it() {
    let folder = TempDir::new().unwrap();
    init(&folder, &["--for", "hydra"]);
    let registry = folder.path().join("e/applications.toml");
    for (name, option) in [("issued", "--ca"), ("signed", "--self-signed")] {
        let output = dev_cert(&folder, &[name, option]);
        let printed = text(&output.stdout);
        let (_, pasted) = printed.split_once("applications.toml:\n").unwrap();
        let (pasted, call) = pasted.split_once("\nthen call").unwrap();
        assert!(call.contains("-d client_secret=SECRET"), "{printed}");
        assert!(
            pasted.contains("auth_method = \"client_secret_post\"\ncertificate_bound = true\n"),
            "{printed}"
        );
        fs::write(&registry, fs::read_to_string(&registry).unwrap() + pasted).unwrap();
    }
    let output = check(&folder.path().join("e/edge.toml"));
    assert!(text(&output.stdout).ends_with("no problems\n"), "{}", text(&output.stderr));
}

#[test]
fn a_development_certificate_is_version_3_for_clients() {
    let folder = TempDir::new().unwrap();
    init(&folder, &[]);
    assert!(dev_cert(&folder, &["another", "--dns", "a.example"]).status.success());
    let certs = folder.path().join("e/certs");
    let printed = openssl(&certs, &["x509", "-in", "another.pem", "-noout", "-text"]);
    for part in ["Version: 3", "TLS Web Client Authentication", "DNS:a.example", "CN = another"] {
        assert!(printed.replace("CN=", "CN = ").contains(part), "{part} in {printed}");
    }
    openssl(&certs, &["verify", "-CAfile", "client-ca.pem", "-purpose", "sslclient", "another.pem"]);
    for key in ["another.key", "client-ca.key", "server.key"] {
        assert_eq!(fs::metadata(certs.join(key)).unwrap().permissions().mode() & 0o777, 0o600, "{key}");
    }
    assert!(fs::read_to_string(certs.join("README")).unwrap().starts_with("For development only"));
}

#[test]
fn dev_cert_overwrites_nothing_and_says_what_is_missing() {
    let folder = TempDir::new().unwrap();
    init(&folder, &[]);
    let refused = |arguments: &[&str], part: &str| {
        let output = dev_cert(&folder, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(part), "{arguments:?}: {}", text(&output.stderr));
    };
    refused(&["billing"], "e/certs/billing.pem exists already: nothing was written; choose another name");
    refused(&["server"], "e/certs/server.pem exists already");
    refused(&["client-ca"], "e/certs/client-ca.pem exists already");
    let certs = folder.path().join("e/certs");
    fs::remove_file(certs.join("billing.pem")).unwrap();
    refused(&["billing"], "e/certs/billing.key exists already");

    // The CA of somebody else.
    fs::copy(certs.join("server-ca.pem"), certs.join("client-ca.pem")).unwrap();
    refused(&["new"], "client-ca.key is not the key of e/certs/client-ca.pem");
    fs::remove_file(certs.join("client-ca.key")).unwrap();
    refused(&["new"], "the development CA is missing: e/certs/client-ca.key: No such file or directory");
    refused(&["new"], "or --self-signed, which needs no CA");
    assert!(!certs.join("new.key").exists() && !certs.join("new.pem").exists());
    fs::write(folder.path().join("e/edge.toml"), "nonsense = 1\n").unwrap();
    let output = dev_cert(&folder, &["new", "--self-signed"]);
    assert!(output.status.success() && text(&output.stdout).contains("certificate = \"certs/new.pem\""));
    assert!(
        text(&output.stdout).ends_with("e/edge.toml is not valid: mtls-edge check --config e/edge.toml\n")
    );
    let output = program().args(["dev-cert", "new"]).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no folder ./certs: `mtls-edge init DIR` creates one"));
}

/// A configuration whose lines for ACME are switched on, and those of the domain's certificate off.
fn with_acme(configuration: &str) -> String {
    let mut is_acme = false;
    let lines = configuration.lines().filter_map(|line| {
        is_acme = line == "# [acme]" || (is_acme && !line.is_empty());
        let is_own = ["certificate = ", "private_key = "].iter().any(|key| line.starts_with(key));
        let of_acme = is_acme || line.starts_with("# acme = ");
        (!is_own).then(|| if of_acme { line.trim_start_matches("# ") } else { line })
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_lines_for_acme_only_have_to_be_switched_on() {
    let folder = TempDir::new().unwrap();
    init(&folder, &["--domain", "mtls.auth.example.com"]);
    let packaged = folder.path().join("packaged");
    fs::create_dir(&packaged).unwrap();
    for file in ["edge.toml", "applications.toml"] {
        let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging")).join(file);
        fs::copy(from, packaged.join(file)).unwrap();
    }
    for (config, state) in
        [("e/edge.toml", "e/state/acme"), ("packaged/edge.toml", "/var/lib/mtls-edge/acme")]
    {
        let config = folder.path().join(config);
        let written = fs::read_to_string(&config).unwrap();
        fs::write(&config, with_acme(&written)).unwrap();
        let checked = check(&config);
        let output = text(&checked.stdout);
        let line = "acme    mtls.auth.example.com: no certificate in ";
        assert!(checked.status.success() && output.contains(line), "{output}{}", text(&checked.stderr));
        assert!(output.contains(&format!("{state}/mtls.auth.example.com.pem")), "{output}");
        assert!(
            output.contains("`run` orders one from https://acme-v02.api.letsencrypt.org/directory"),
            "{output}"
        );
    }
}

#[test]
fn init_listens_where_it_is_asked_to() {
    let folder = TempDir::new().unwrap();
    let printed = init(&folder, &["--domain", "mtls.example.com", "--listen", "0.0.0.0:443"]);
    let written = fs::read_to_string(folder.path().join("e/edge.toml")).unwrap();
    assert!(written.contains("\nhttps = [\"0.0.0.0:443\"]"), "{written}");
    // This machine calls it on loopback.
    assert!(
        printed.contains(" --resolve mtls.example.com:443:127.0.0.1 https://mtls.example.com:443/"),
        "{printed}"
    );
    let wrong = edge(&["init", "e", "--listen", "mtls.example.com:443"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("mtls.example.com:443"), "{}", text(&wrong.stderr));
}
