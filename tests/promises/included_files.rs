//! `include` and variables in `edge.toml`: the domains of a team stand in a file of their own, which may be added, changed or removed by
//! itself.

use std::fs;

use hyper::header::{HOST, HeaderValue};

use crate::support::{
    Client, Credentials, Edge, EdgeBuilder, Upstream, client::token_request, command::text, self_signed,
};

const DOMAIN: &str = "mtls.team.example.test";

/// A team's file: a domain of its own before its own upstream.
fn team(name: &str) -> String {
    format!(
        "[[upstream]]\nname = \"{name}\"\nurls = [\"${{TEAM_UPSTREAM}}\"]\n[[domain]]\nname = \"{DOMAIN}\"\ncertificate = \"team.pem\"\nprivate_key = \"team.key\"\nupstream = \"{name}\"\n"
    )
}

/// An edge whose `edge.d` has the team's file, which `edge.toml` does not include yet.
async fn start(theirs: &Upstream) -> (Edge, Credentials, Upstream) {
    let own = Upstream::start().await;
    let client = self_signed("billing");
    let edge = EdgeBuilder::new(own.url())
        .domain("mtls.own.example.test", "upstream = \"as\"")
        .self_signed_application("billing", &[client.thumbprint()])
        .environment("TEAM_UPSTREAM", &theirs.url())
        .file("edge.d/none.toml", "# none yet\n")
        .file("edge.d/team.toml", team("theirs"))
        .start();
    edge.issuer.server(&[DOMAIN]).write(&edge.folder.path().join("edge.d"), "team");
    (edge, client, own)
}

/// The edge's file with an `include`.
fn including(edge: &Edge) -> String {
    let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    format!("include = \"edge.d\"\n{text}")
}

/// The status of a request to the team's domain, if it is served.
async fn ask(edge: &Edge, client: &Credentials) -> Option<u16> {
    let client = Client::with(edge, client).server_name(DOMAIN);
    client.tls().await.ok()?;
    let mut request = token_request("billing");
    request.headers_mut().insert(HOST, HeaderValue::from_static(DOMAIN));
    Some(client.connect().await.send(request).await.status.as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_comes_and_goes_with_its_file() {
    let theirs = Upstream::start().await;
    let (edge, client, own) = start(&theirs).await;
    let file = |name: &str| edge.folder.path().join("edge.d").join(name);
    assert_eq!(ask(&edge, &client).await, None);
    edge.reload("edge.toml", &including(&edge));
    assert_eq!(ask(&edge, &client).await, Some(200));
    assert_eq!((theirs.seen().len(), own.seen().len()), (1, 0));

    // A problem in an included file rejects the change, and names its place.
    fs::write(file("team.toml"), "[limits]\n").unwrap();
    let line = edge.wait_for_log("reload rejected");
    assert!(line.contains("edge.d/team.toml:1:2") && line.contains("write limits in edge.toml"), "{line}");
    assert_eq!(ask(&edge, &client).await, Some(200));

    fs::remove_file(file("team.toml")).unwrap();
    edge.wait_for_log(&format!("removed domain {DOMAIN}"));
    assert_eq!(ask(&edge, &client).await, None);
    // A file with another name is noticed, too.
    edge.reload("edge.d/other.toml", &team("renamed"));
    assert_eq!(ask(&edge, &client).await, Some(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_files_removes_no_domain() {
    let theirs = Upstream::start().await;
    let (edge, client, _own) = start(&theirs).await;
    edge.reload("edge.toml", &including(&edge));
    let (folder, elsewhere) = (edge.folder.path().join("edge.d"), edge.folder.path().join("elsewhere"));
    fs::rename(&folder, &elsewhere).unwrap();
    let line = edge.wait_for_log("reload rejected");
    assert!(line.contains("edge.d: there is no such file"), "{line}");
    assert_eq!(ask(&edge, &client).await, Some(200));
    fs::rename(&elsewhere, &folder).unwrap();
    edge.wait_for_log("configuration files match the active configuration again");
}

#[test]
fn check_names_a_variable_that_is_not_set() {
    let edge = EdgeBuilder::new("${AS_URL:-http://127.0.0.1:1}").usual_domain("auth0");
    let output = edge.output("check");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let edge = EdgeBuilder::new("${MTLS_EDGE_TEST_UNSET}").usual_domain("auth0");
    let output = edge.output("check");
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let expected = "error: upstream.urls: the environment variable MTLS_EDGE_TEST_UNSET is not set\n";
    assert!(
        printed.contains(expected) && printed.contains("set MTLS_EDGE_TEST_UNSET in the environment"),
        "{printed}"
    );
}

#[test]
fn a_secret_in_a_variable_is_not_shown() {
    for line in [
        "urls = \"${SECRET}\"",
        "urls = [\"${SECRET}\"]",
        "urls = [\"http://127.0.0.1:1\"]\nhost = \"${SECRET}\"",
        "urls = [\"http://127.0.0.1:1\"]\nforwarded_for = [\"${SECRET}\"]",
        "urls = [\"http://127.0.0.1:1\"]\nheaders = { a = { env = \"${TOKEN}\" } }",
    ] {
        let edge = EdgeBuilder::new("http://127.0.0.1:2")
            .domain(DOMAIN, "upstream = \"b\"")
            .extra(&format!("[[upstream]]\nname = \"b\"\n{line}\n"))
            .environment("SECRET", "https://user:hun$ter2@as.example/?key=hunter2\n")
            .environment("TOKEN", "hunter2");
        let output = edge.output("check");
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {printed}");
        assert!(!printed.contains("ter2"), "{line}: {printed}");
    }
}
