//! `mtls-edge status`: what it shows in a terminal and to a script, and its exit code.

use std::{
    env,
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use crate::support::{
    Ca, Client, Edge, EdgeBuilder, Upstream,
    admin::{exchange, happens, status},
    certificates::{self_signed_with, time_from_now},
    command::text,
    program, self_signed,
    terminal::in_terminal,
    tool::run,
};

const DAY: i64 = 86_400;

fn command(arguments: &[&str]) -> Output {
    program().arg("status").args(arguments).output().unwrap()
}

/// An edge on a clock that stands still, with something of every kind to show.
async fn full_edge() -> (Edge, Upstream) {
    let upstream = Upstream::start().await;
    let ca = Ca::with("Client CA", |params| params.not_after = time_from_now(3000 * DAY + 3600));
    let ends_in =
        |days: i64| self_signed_with("billing", |params| params.not_after = time_from_now(days * DAY + 3600));
    let payments = ca.issue("payments", |params| params.not_after = time_from_now(200 * DAY + 3600));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("ca.crl", ca.crl_between(&[], -3600, 3 * DAY + 3600))
        .trust_settings("crls = [\"ca.crl\"]")
        .file("old.pem", ends_in(-2).chain_pem())
        .file("soon.pem", ends_in(12).chain_pem())
        .application(
            "billing",
            "self_signed_tls_client_auth",
            &["certificate = \"old.pem\"".to_owned(), "certificate = \"soon.pem\"".to_owned()],
        )
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .self_signed_application("reports", &["ab".repeat(32)])
        .clock(time_from_now(60))
        .start();
    assert_eq!(Client::with(&edge, &payments).token("payments").await.status, 200);
    (edge, upstream)
}

/// The output without what differs between two runs: ports, thumbprints and times.
fn steady(output: &str, edge: &Edge, status: &serde_json::Value) -> String {
    let mut text = output.replace('\u{1b}', "^[");
    let mut hide = |value: &str, name: char| {
        for length in [value.len(), 12] {
            text = text.replace(&value[..length], &name.to_string().repeat(length));
        }
    };
    for (list, name) in [("domains", 'd'), ("client_cas", 'c')] {
        let item = &status[list][0];
        hide(item["certificate"].get("thumbprint").unwrap_or(&item["thumbprint"]).as_str().unwrap(), name);
    }
    for (credential, name) in [(0, 'o'), (1, 's')] {
        let credential = &status["applications"]["list"][0]["credentials"][credential];
        hide(credential["thumbprint"].as_str().unwrap(), name);
    }
    let origin = status["upstreams"][0]["origins"][0]["url"].as_str().unwrap();
    text = text.replace(origin, "http://127.0.0.1:30000");
    text = text.replace(&edge.admin.to_string(), "127.0.0.1:9443");
    let mut steady = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        steady.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_time = rest.get(10..11) == Some("T") && rest.get(19..20) == Some("Z");
        let (shown, length) = if is_time { ("2026-11-28T12:00:00Z", 20) } else { (&rest[..1], 1) };
        steady.push_str(shown);
        rest = &rest[length..];
    }
    steady + rest
}

#[tokio::test]
async fn each_option_shows_its_part_of_the_status() {
    let (edge, _upstream) = full_edge().await;
    let address = edge.admin.to_string();
    let document = status(&edge, "").await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/promises/status_command");
    let mut wrong = String::new();
    for (name, size, arguments) in [
        ("80-columns", Some("80x24"), &["--color=never"][..]),
        ("120-columns", Some("120x24"), &["--color=never"]),
        ("80-columns-colours", Some("80x24"), &[]),
        ("80-columns-wide", Some("80x24"), &["--wide", "--color=never"]),
        ("no-terminal", None, &[]),
        ("client-id", Some("80x24"), &["--client-id", "billing", "--color=never"]),
        ("expiring", None, &["--expiring"]),
        ("expiring-in-300-days", None, &["--expiring", "300"]),
    ] {
        let arguments = [&["status", "--admin", &address], arguments].concat();
        let output = match size {
            Some(size) => in_terminal(size, &[], &arguments),
            None => program().args(&arguments).output().unwrap(),
        };
        assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
        let shown = steady(text(&output.stdout), &edge, &document);
        let longest = shown.lines().map(|line| line.chars().count()).max().unwrap();
        match name {
            "80-columns" => assert!(longest <= 80, "{shown}"),
            "120-columns" => assert!(longest <= 120, "{shown}"),
            _ => {}
        }
        let file = folder.join(format!("{name}.txt"));
        if env::var_os("UPDATE_MESSAGES").is_some() {
            fs::write(&file, &shown).unwrap();
        }
        if fs::read_to_string(&file).unwrap_or_default() != shown {
            writeln!(wrong, "{}:\n{shown}", file.display()).unwrap();
        }
    }
    edge.stop();
    assert!(wrong.is_empty(), "{wrong}`UPDATE_MESSAGES=1` writes what is printed into the files");
}

#[tokio::test]
async fn json_is_the_document_of_the_edge() {
    let (edge, _upstream) = full_edge().await;
    let address = edge.admin.to_string();
    let (_, document) = exchange(&edge, "/status", "application/json").await;
    let output = command(&["--json", "--admin", &address]);
    let compact: String = text(&output.stdout).lines().map(str::trim_start).collect();
    // The order of the members is the same, too.
    assert_eq!(compact.replace("\": ", "\":"), document);
    let output = command(&["--json", "--client-id", "payments", "--admin", &address]);
    let one: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(one["applications"]["list"].as_array().unwrap().len(), 1);
    assert_eq!(one["applications"]["list"][0]["client_id"], "payments");
    let output = command(&["--client-id", "nobody", "--admin", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "error: no application is registered with the client_id \"nobody\"\nhelp: `mtls-edge status` lists the registered ones\n"
    );
    edge.stop();
}

fn small_edge(upstream: &Upstream) -> Edge {
    EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start()
}

#[tokio::test]
async fn the_exit_code_follows_the_health() {
    let upstream = Upstream::start().await;
    let edge = small_edge(&upstream);
    let address = edge.admin.to_string();
    let code = |arguments: &[&str]| command(arguments).status.code();
    assert_eq!(code(&["--admin", &address]), Some(0));
    fs::write(edge.folder.path().join("applications.toml"), "nonsense = 1\n").unwrap();
    edge.wait_for_log("reload rejected");
    for arguments in [&[][..], &["--json"], &["--expiring"], &["--client-id", "billing"]] {
        assert_eq!(code(&[&["--admin", &address], arguments].concat()), Some(3), "{arguments:?}");
    }
    let output = command(&["--admin", &address]);
    assert!(text(&output.stdout).contains("\nproblems\n  degraded  the changed"), "{}", text(&output.stdout));
    for usage in [&["--page", "0"][..], &["--json", "--watch"], &["--expiring", "x"], &["--watch", "0"]] {
        assert_eq!(code(&[&["--admin", &address], usage].concat()), Some(2), "{usage:?}");
    }
    edge.stop();
    let output = command(&["--admin", &address]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.starts_with(&format!("error: no status from the edge at http://{address}: ")),
        "{message}"
    );
}

#[tokio::test]
async fn a_port_that_the_system_chose_must_be_given() {
    let upstream = Upstream::start().await;
    let edge = small_edge(&upstream);
    let config = edge.folder.path().join("edge.toml");
    let output = command(&["--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("give it with --admin"));
    let address = edge.admin.to_string();
    let written = fs::read_to_string(&config).unwrap();
    let named = edge.folder.path().join("named.toml");
    fs::write(&named, written.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{address}\""))).unwrap();
    let output = command(&["--config", named.to_str().unwrap()]);
    assert!(text(&output.stdout).starts_with("healthy  "), "{}", text(&output.stderr));
    edge.stop();
}

#[test]
fn the_scope_of_a_link_local_address_is_kept() {
    // Scope 1 is the loopback interface, where nothing answers. Without its scope the address is invalid to the system.
    let output = command(&["--admin", "[fe80::1%1]:9"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("http://[fe80::1%1]:9: "), "{message}");
    assert!(!message.contains("Invalid argument"), "{message}");
}

#[tokio::test]
async fn watch_prints_blocks_until_it_is_interrupted() {
    let upstream = Upstream::start().await;
    let edge = small_edge(&upstream);
    let mut watch = program()
        .args(["status", "--watch", "1", "--admin", &edge.admin.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.next().unwrap().starts_with("healthy  "));
    fs::write(edge.folder.path().join("applications.toml"), "nonsense = 1\n").unwrap();
    assert!(lines.any(|line| line.starts_with("degraded  ")));
    run(edge.folder.path(), "kill", &["-INT", &watch.id().to_string()]);
    assert_eq!(watch.wait().unwrap().code(), Some(3));

    // A reader that has read enough ends it.
    let pipe = format!("\"$0\" status --watch 1 --admin {} | head -1", edge.admin);
    let output = Command::new("sh").args(["-c", &pipe]).arg(program().get_program()).output().unwrap();
    assert!(text(&output.stdout).starts_with("degraded  "));
    edge.stop();
}

#[tokio::test]
async fn watch_repaints_a_terminal_and_restores_it() {
    let upstream = Upstream::start().await;
    let edge = small_edge(&upstream);
    happens(async || status(&edge, "").await["ready"] == true).await;
    let address = edge.admin.to_string();
    let arguments = ["status", "--watch", "600", "--admin", &address, "--color=never"];
    let output = in_terminal("80x24", &["40x5", "interrupt"], &arguments);
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    let screens = shown.strip_prefix("\u{1b}[?1049h\u{1b}[?25l").unwrap();
    let screens = screens.strip_suffix("\u{1b}[?25h\u{1b}[?1049l").unwrap();
    // Painted over from the first line; nothing is cleared before, which would flicker.
    let screens: Vec<&str> = screens.split("\u{1b}[H").collect();
    assert_eq!(screens.len(), 3, "{shown:?}");
    assert!(!shown.contains("\u{1b}[2J") && screens[0].is_empty());
    // A new size is used at once, long before the next interval.
    assert!(screens[1].contains("thumbprint") && screens[1].lines().count() > 5, "{shown:?}");
    let small: Vec<&str> = screens[2].lines().collect();
    assert!(small.len() == 5 && small[4].contains(" more lines"), "{small:?}");
    edge.stop();
}

#[tokio::test]
async fn status_ready_exits_by_the_readiness() {
    let upstream = Upstream::start().await;
    let edge =
        EdgeBuilder::new(upstream.url()).usual_domain("auth0").limits("drain_delay = \"700ms\"").start();
    let admin = edge.admin.to_string();
    let ready = || {
        let output = program().args(["status", "--ready", "--admin", &admin]).output().unwrap();
        (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    assert_eq!(ready(), (Some(0), "ready\n".to_owned(), String::new()));
    edge.signal("TERM");
    edge.wait_for_log("draining");
    let (code, printed, error) = ready();
    assert_eq!((code, printed.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains(&format!("error: the edge at http://{admin} is not ready: ")), "{error}");
    edge.wait_for_log("drained");
    let (code, _, error) = ready();
    assert!(code == Some(1) && error.contains("is not ready: "), "{error}");
}
