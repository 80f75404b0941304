//! See `checks/admin.rs`. The edge is in this process, so that its branches count as coverage.

#![no_main]

use std::{fs, net::SocketAddr, sync::LazyLock};

use mtls_edge::{clock::Clock, config, edge::Edge, source::files::InitialBuild};
use mtls_edge_fuzz::admin::{self, CLIENT_ID, TOKEN};
use tempfile::TempDir;
use testkit::Ca;

const EDGE: &str = r#"[listen]
https = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
[admin]
token = { file = "admin.token" }
[log]
to = "file"
file = "edge.log"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "a.example"
certificate = "a.pem"
private_key = "a.key"
"#;

/// The admin address of an edge in this process, which runs until its end.
static ADMIN: LazyLock<SocketAddr> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap().keep();
    let file = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    file("edge.toml", EDGE);
    file("admin.token", TOKEN);
    file(
        "applications.toml",
        &format!(
            "[[application]]\nclient_id = \"{CLIENT_ID}\"\nauth_method = \"self_signed_tls_client_auth\"\n[[application.credential]]\nname = \"a\"\nthumbprint = \"{}\"\n",
            "ab".repeat(32)
        ),
    );
    Ca::new("Server CA").server(&["a.example"]).write(&folder, "a");
    let initial = InitialBuild::new(&folder.join("edge.toml").as_path().into(), Clock::System)
        .unwrap_or_else(|problems| panic!("{}", config::render(&problems, false)));
    // libFuzzer's hook ends the process; the edge's would log and go on.
    let hook = std::panic::take_hook();
    let edge = Edge::start(initial, Some(1), Vec::new()).unwrap();
    std::panic::set_hook(hook);
    let (_, address) = edge.operators().next().unwrap();
    std::mem::forget(edge);
    address
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| admin::check(*ADMIN, input));
