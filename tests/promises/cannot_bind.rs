//! `run` on an address that it cannot bind: the message has the reason, and the command or the line that fixes it.

use std::{
    fs, net::TcpListener, os::unix::fs::PermissionsExt, os::unix::process::CommandExt, process::Command,
};

use tempfile::TempDir;

use crate::support::{
    Ca, program, self_signed,
    tool::{not_tried, run},
};

/// The output of `run`, started by this command, with these lines in `[listen]`.
fn printed(folder: &TempDir, mut command: Command, listen: &str) -> String {
    let path = folder.path();
    let rest = "[[upstream]]\nname = \"as\"\nurls = [\"http://127.0.0.1:3000\"]\n[[domain]]\nname = \"a.test\"\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";
    fs::write(path.join("edge.toml"), format!("[listen]\n{listen}\n{rest}")).unwrap();
    let print = self_signed("a").thumbprint();
    let applications = format!(
        "[[application]]\nclient_id = \"a\"\n[[application.credential]]\nname = \"a\"\nthumbprint = \"{print}\"\n"
    );
    fs::write(path.join("applications.toml"), applications).unwrap();
    Ca::new("Server CA").server(&["a.test"]).write(path, "server");
    run(path, "chmod", &["644", "server.key"]);
    let output =
        command.args(["run", "--workers", "1", "--config"]).arg(path.join("edge.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).unwrap();
    let from = printed.find("error: ").unwrap_or_else(|| panic!("{printed}"));
    printed[from..].replace(&format!("{}/", path.display()), "")
}

#[test]
fn a_port_that_is_taken() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (key, value) in
        [("https", format!("[\"127.0.0.1:{port}\"]")), ("admin", format!("\"127.0.0.1:{port}\""))]
    {
        let other = if key == "https" { "admin = \"127.0.0.1:0\"" } else { "https = [\"127.0.0.1:0\"]" };
        let printed = printed(&folder, program(), &format!("{key} = {value}\n{other}"));
        // Another process that a test is starting has it for a moment, too.
        for expected in [
            format!("error: listen.{key}: 127.0.0.1:{port}: cannot bind: Address already in use by "),
            format!(" (process {})", std::process::id()),
            "= help: stop it, or use another port\n".to_owned(),
        ] {
            assert!(printed.contains(&expected), "{expected}: {printed}");
        }
    }
}

#[test]
fn an_address_of_another_machine() {
    let folder = TempDir::new().unwrap();
    let printed = printed(&folder, program(), "https = [\"203.0.113.9:8443\"]\nadmin = \"127.0.0.1:0\"");
    for expected in [
        "error: listen.https: 203.0.113.9:8443: cannot bind: Cannot assign requested address: no network interface of this machine has 203.0.113.9\n --> edge.toml:2:10\n",
        "= help: to list the addresses, run: ip -brief address; 0.0.0.0 means all of them\n",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
}

#[test]
fn a_privileged_port() {
    const NOBODY: u32 = 65534;
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if first.trim() == "0" {
        not_tried("a privileged port: every user may bind every port here");
        return;
    }
    let folder = TempDir::new().unwrap();
    let edge = folder.path().join("mtls-edge");
    // Not by this process: a child of another test could still have it open for writing when it is executed.
    run(folder.path(), "cp", &[program().get_program().to_str().unwrap(), edge.to_str().unwrap()]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&edge);
    if run(folder.path(), "id", &["-u"]).trim() == "0" {
        command.uid(NOBODY).gid(NOBODY);
    }
    let printed = printed(&folder, command, "https = [\"127.0.0.1:443\"]\nadmin = \"127.0.0.1:0\"");
    for expected in [
        "error: listen.https: 127.0.0.1:443: cannot bind: Permission denied: ports below 1024 need a privilege that this user does not have\n",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE, or let a socket unit bind it (ListenStream=127.0.0.1:443); without systemd run as root: setcap cap_net_bind_service=+ep mtls-edge;",
    ] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    assert!(!printed.contains("another program"), "{printed}");
}
