//! The traps of an operator's first day: for each, what `check`, `check --strict` and `check --probe` report, and their exit codes.

use std::{
    net::TcpListener,
    os::unix::net::UnixListener,
    process::{Command, Output},
};

use super::*;
use crate::support::tool::not_tried;

#[test]
fn the_errors_of_both_files_are_shown_at_once() {
    let folder = Folder::new();
    folder.matcher("certificate = \"nowhere.pem\"");
    for (edge, expected) in [
        (EDGE.replace("[[upstream]]", "[[upstreem]]"), "unknown key \"upstreem\""),
        (EDGE.replace("[[domain]]", "[[domain"), "edge.toml:8:9"),
        (
            EDGE.replace("[trust]", "[trust]\napplications = \"applications.toml\"\nclient_cas = 1"),
            "client_cas",
        ),
    ] {
        folder.write("edge.toml", edge);
        let (succeeded, printed) = folder.check();
        assert!(!succeeded && printed.contains(expected), "{printed}");
        assert!(printed.contains("applications.toml:5:15") && printed.contains("nowhere.pem"), "{printed}");
    }
    // A path that is wrong itself is reported once.
    folder.write("edge.toml", EDGE.replace("[trust]", "[trust]\napplications = 5"));
    let (_, printed) = folder.check();
    assert!(printed.contains("applications = 5") && !printed.contains("nowhere.pem"), "{printed}");
}

const ADDRESSES: &str = "[listen]\nhttps = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n";

/// A problem that must be the only one: its severity, and the beginning of its message.
type Expected = Option<(&'static str, &'static str)>;

/// A trap, and what reports it.
struct Trap {
    name: &'static str,
    set: fn(&Folder),
    /// What starts the program.
    launcher: &'static [&'static str],
    check: Expected,
    /// What `--probe` reports.
    probe: Expected,
}

/// A trap in the files, which needs no probe.
const fn in_files(name: &'static str, set: fn(&Folder), expected: (&'static str, &'static str)) -> Trap {
    Trap { name, set, launcher: &[], check: Some(expected), probe: Some(expected) }
}

/// A trap that only a probe finds.
const fn in_system(
    name: &'static str,
    set: fn(&Folder),
    launcher: &'static [&'static str],
    probe: (&'static str, &'static str),
) -> Trap {
    Trap { name, set, launcher, check: None, probe: Some(probe) }
}

/// Replaces a part of `edge.toml`.
fn edit(folder: &Folder, from: &str, to: &str) {
    let text = fs::read_to_string(folder.path().join("edge.toml")).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    folder.write("edge.toml", text.replacen(from, to, 1));
}

fn https(folder: &Folder, address: &str) {
    edit(folder, "https = [\"127.0.0.1:0\"]", &format!("https = [\"{address}\"]"));
}

fn server(folder: &Folder, change: impl FnOnce(&mut CertificateParams)) {
    folder.credentials("server", &Ca::new("Server CA").server_with(&["mtls.example.test"], change));
}

fn by_subject(client_id: &str, lines: &str) -> String {
    format!(
        "[[application]]\nclient_id = \"{client_id}\"\nauth_method = \"tls_client_auth\"\n[[application.credential]]\nname = \"a\"\n{lines}\n"
    )
}

/// Without the capability to bind privileged ports, also for root.
const UNPRIVILEGED: &[&str] = &["setpriv", "--bounding-set", "-net_bind_service"];
const FEW_FILES: &[&str] = &["sh", "-c", "ulimit -n 256 && exec \"$0\" \"$@\""];
const SHORT_QUEUE: &[&str] =
    &["unshare", "--net", "sh", "-c", "echo 128 > /proc/sys/net/core/somaxconn && exec \"$0\" \"$@\""];

const TRAPS: &[Trap] = &[
    in_files(
        "an expired server certificate",
        |folder| server(folder, |params| params.not_after = time_from_now(-60)),
        ("error", "domain.certificate: server.pem has expired (on "),
    ),
    in_files(
        "a server certificate of the day after tomorrow",
        |folder| server(folder, |params| params.not_before = time_from_now(3 * 86_400)),
        ("error", "domain.certificate: server.pem is not valid yet (before "),
    ),
    in_files(
        "a certificate of another host",
        |folder| {
            folder.credentials("server", &Ca::new("CA").server(&["other.example.test"]));
        },
        ("warning", "domain.certificate: server.pem does not name mtls.example.test"),
    ),
    in_files(
        "an application's certificate that is not valid yet",
        |folder| {
            let early = self_signed_with("billing", |params| params.not_before = time_from_now(86_400));
            folder.credentials("billing", &early);
        },
        ("warning", "application.credential.certificate: billing.pem is not valid yet (before "),
    ),
    in_system(
        "a privileged port",
        |folder| https(folder, "127.0.0.1:443"),
        UNPRIVILEGED,
        ("error", "listen.https: 127.0.0.1:443: cannot bind: Permission denied: ports below "),
    ),
    in_system(
        "an address of another machine",
        |folder| https(folder, "203.0.113.9:8443"),
        &[],
        ("error", "listen.https: 203.0.113.9:8443: cannot bind: Cannot assign requested address"),
    ),
    in_system(
        "a short accept queue",
        |folder| https(folder, "0.0.0.0:0"),
        SHORT_QUEUE,
        ("warning", "listen.https: net.core.somaxconn is 128: the kernel queues 128 connections"),
    ),
    Trap {
        name: "an upstream that does not resolve",
        // Names in `.invalid` do not exist (RFC 6761 section 6.4).
        set: |folder| {
            edit(folder, "urls = [", "connect_timeout = \"2s\"\nca = \"client-ca.pem\"\nurls = [");
            let text = fs::read_to_string(folder.path().join("edge.toml")).unwrap();
            let urls = text.lines().find(|line| line.starts_with("urls = ")).unwrap();
            edit(folder, urls, "urls = [\"https://keycloak.internal.invalid\"]");
        },
        launcher: &[],
        check: Some(("warning", "upstream.urls: the host name \"keycloak.internal.invalid\" could not be")),
        probe: Some(("error", "upstream.urls: as: cannot connect: ")),
    },
    in_files(
        "no client CA",
        |folder| {
            edit(folder, "[\"client-ca.pem\"]", "[]");
            folder.write("applications.toml", by_subject("payments", "subject_dn = \"CN=payments,O=X\""));
        },
        ("error", "trust.client_ca: names no client CA, but \"payments\" authenticates with tls_client_auth"),
    ),
    in_files(
        "a pinned CA that is not a client CA",
        |folder| {
            folder.write("other-ca.pem", Ca::new("Other CA").pem());
            let pinned = by_subject("payments", "subject_dn = \"CN=payments,O=X\"\nca = \"other-ca.pem\"");
            folder.write("applications.toml", pinned);
        },
        ("error", "application.credential.ca: other-ca.pem: the CA \"CN=Other CA\" is neither a client CA"),
    ),
    in_files(
        "one subject of two applications",
        |folder| {
            let both = ["a", "b"].map(|name| by_subject(name, "subject_dn = \"CN=payments,O=X\""));
            folder.write("applications.toml", both.concat());
        },
        ("error", "application.credential: the subject \"CN=payments,O=X\" is registered for \"a\" already"),
    ),
    in_files(
        "a wildcard",
        |folder| {
            folder.write("applications.toml", by_subject("a", "san_dns = \"*.example.com\""));
        },
        ("error", "application.credential.san_dns: found \"*.example.com\", expected a full DNS name"),
    ),
    in_files(
        "everybody as a trusted proxy",
        |folder| edit(folder, "[listen]\n", "[listen]\ntrusted_proxies = [\"0.0.0.0/0\"]\n"),
        ("warning", "listen.trusted_proxies: found 0.0.0.0/0, expected the addresses of load balancers"),
    ),
    Trap {
        launcher: FEW_FILES,
        ..in_files(
            "few open files",
            |_| {},
            ("warning", "limits.connections: 10000 connections and 1024 to upstreams need 11128"),
        )
    },
];

impl Trap {
    /// Why it cannot be set here.
    fn skipped(&self) -> Option<String> {
        let (tool, arguments) = self.launcher.split_first()?;
        let first_port = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        if self.launcher == UNPRIVILEGED && first_port.is_ok_and(|port| port.trim() == "0") {
            return Some("every user may bind every port".to_owned());
        }
        let tried = Command::new(tool).args(arguments).arg("true").output();
        match tried {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Some(format!("{tool}: {error}")),
        }
    }

    fn check(&self, folder: &Folder, option: &[&str]) -> Output {
        let mut words = self.launcher.iter();
        let mut command = words.next().map_or_else(program, |tool| {
            let mut command = Command::new(tool);
            command.args(words).arg(program().get_program());
            command
        });
        command.arg("check").args(option).arg(folder.path().join("edge.toml")).output().unwrap()
    }

    #[track_caller]
    fn expect(&self, folder: &Folder, option: &[&str], expected: Expected) {
        let output = self.check(folder, option);
        let folder = format!("{}/", folder.path().display());
        let printed = String::from_utf8(output.stderr).unwrap().replace(&folder, "");
        let place = format!("{}: check {}: {printed}", self.name, option.concat());
        let (counts, message) = match expected {
            None => ("", String::new()),
            Some(("error", what)) => ("1 error, 0 warnings\n", format!("error: {what}")),
            Some((_, what)) => ("0 errors, 1 warning\n", format!("warning: {what}")),
        };
        assert!(printed.starts_with(&message) && printed.ends_with(counts), "{place}");
        assert_eq!(printed.is_empty(), expected.is_none(), "{place}");
        let is_strict = option.contains(&"--strict");
        let failed = expected.is_some_and(|(severity, _)| severity == "error" || is_strict);
        assert_eq!(output.status.code(), Some(i32::from(failed)), "{place}");
        if option.is_empty() && expected.is_none() {
            assert!(
                String::from_utf8(output.stdout).unwrap().ends_with("edge.toml: no problems\n"),
                "{place}"
            );
        }
    }
}

/// A valid configuration, and its upstream. A Unix socket is there in every network namespace.
fn configured() -> (Folder, UnixListener) {
    let folder = Folder::new();
    let socket = folder.path().join("upstream.sock");
    let urls = format!("urls = [\"unix:{}\"]", socket.display());
    let config = EDGE.replace("urls = [\"http://127.0.0.1:3000\"]", &urls);
    folder.write("edge.toml", format!("{ADDRESSES}{config}"));
    (folder, UnixListener::bind(socket).unwrap())
}

#[test]
fn each_trap_of_the_first_day_is_reported() {
    let none = Trap { name: "no trap", set: |_| {}, launcher: &[], check: None, probe: None };
    for trap in std::iter::once(&none).chain(TRAPS) {
        if let Some(why) = trap.skipped() {
            not_tried(&format!("{}: {}", trap.name, why.trim().replace('\n', " ")));
            continue;
        }
        let (folder, _upstream) = configured();
        (trap.set)(&folder);
        trap.expect(&folder, &[], trap.check);
        trap.expect(&folder, &["--strict", "--probe"], trap.probe);
    }
}

#[test]
fn a_taken_port_is_reported_by_a_probe() {
    let (folder, _upstream) = configured();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    https(&folder, &taken.local_addr().unwrap().to_string());
    let trap = in_system("a taken port", |_| {}, &[], ("error", "listen.https: 127.0.0.1:"));
    trap.expect(&folder, &["--strict"], None);
    trap.expect(&folder, &["--probe"], trap.probe);
    let printed = String::from_utf8(trap.check(&folder, &["--probe"]).stderr).unwrap();
    let (_, owners) = printed.split_once("cannot bind: Address already in use by ").expect(&printed);
    // A process that another test is starting has it for a moment, too.
    assert!(owners.lines().next().unwrap().contains("promises-"), "{printed}");
}
