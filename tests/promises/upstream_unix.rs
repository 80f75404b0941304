//! An upstream at a Unix socket.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tempfile::TempDir;
use tokio::net::UnixListener;

use crate::support::{
    Client, DOMAIN, EdgeBuilder, admin, edge_before, scripted::serve_http, tool::run, with_client,
};

#[tokio::test]
async fn requests_reach_a_server_at_a_unix_socket() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("server.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (accepted, hosts) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Vec<String>>>::default());
    let (count, seen) = (Arc::clone(&accepted), Arc::clone(&hosts));
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, SeqCst);
            let seen = Arc::clone(&seen);
            tokio::spawn(serve_http(stream, false, move |request| {
                seen.lock().unwrap().push(request.headers()["host"].to_str().unwrap().to_owned());
                // Larger than a socket's buffer.
                async { Response::new(Full::new(Bytes::from(vec![b'x'; 1024 * 1024]))) }
            }));
        }
    });
    let url = format!("unix:{}", path.display());
    for (setting, host) in [("", DOMAIN), ("host = \"auth.internal\"", "auth.internal")] {
        let (edge, client) = with_client(EdgeBuilder::new(&url).workers(1).upstream(setting));
        let before = accepted.load(SeqCst);
        for client in [Client::with(&edge, &client), Client::with(&edge, &client).http2()] {
            let mut connection = client.connect().await;
            for _ in 0..3 {
                let answer = connection.token("billing").await;
                assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 1024 * 1024));
                assert_eq!(hosts.lock().unwrap().last().unwrap(), host);
            }
        }
        assert_eq!(accepted.load(SeqCst) - before, 1, "connections are pooled");
        let failing = format!("mtls_edge_upstream_origin_failing{{upstream=\"as\",origin=\"{url}\"}}");
        assert_eq!(admin::metric(&edge, &failing).await, 0);
    }
    server.abort();
}

#[tokio::test]
async fn a_missing_unix_socket_is_503_and_named_in_the_log() {
    let folder = TempDir::new().unwrap();
    let url = format!("unix://{}", folder.path().join("missing.sock").display());
    let (edge, client) = edge_before(&url, "");
    Client::with(&edge, &client).token("billing").await.oauth_error(503, "temporarily_unavailable");
    let line = edge.wait_for_log("\"upstream_unreachable\"");
    assert!(
        line.contains("/missing.sock") && line.contains("the server creates the socket when it starts"),
        "{line}"
    );

    // A socket whose server is gone.
    let path = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (edge, client) = edge_before(format!("unix:{}", path.display()), "");
    Client::with(&edge, &client).token("billing").await.oauth_error(503, "temporarily_unavailable");
    let line = edge.wait_for_log("\"upstream_unreachable\"");
    assert!(line.contains("no server listens on it"), "{line}");
}

#[tokio::test]
async fn a_unix_socket_without_permission_names_the_user() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("closed.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o0)).unwrap();
    let user = run(folder.path(), "id", &["-u"]).trim().to_owned();
    let mut edge = EdgeBuilder::new(format!("unix:{}", path.display()));
    if user == "0" {
        // The capability by which permissions do not matter to root.
        let dropped = "-dac_override,-dac_read_search";
        edge = edge.launcher(&["setpriv", "--inh-caps", dropped, "--bounding-set", dropped]);
    }
    let (edge, client) = with_client(edge);
    Client::with(&edge, &client).token("billing").await.oauth_error(503, "temporarily_unavailable");
    let line = edge.wait_for_log("\"upstream_unreachable\"");
    let expected =
        format!("the edge runs as the user {user}, which needs write permission for {}", path.display());
    assert!(line.contains(&expected), "{line}");
}
