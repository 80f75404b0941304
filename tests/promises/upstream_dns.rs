//! The host name of an origin is looked up again while the edge runs. The edge has an /etc/hosts of its own, which the test changes.

use std::{fs, net::Ipv4Addr, sync::Arc};

use testkit::Refusing;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Notify,
    time::timeout,
};

use crate::support::{
    Client, EdgeBuilder, PATIENCE, admin,
    scripted::{OK, Scripted, keep_answering},
    tool, with_client,
};

/// A server at this address.
async fn server(address: &str, port: u16) -> (Scripted, Arc<Notify>) {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let ended = Arc::new(Notify::new());
    let notify = Arc::clone(&ended);
    let server = Scripted::start_on(listener, move |_, stream| {
        let notify = Arc::clone(&notify);
        async move {
            keep_answering(stream, OK).await;
            notify.notify_one();
        }
    });
    (server, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_addresses_of_a_name_replace_the_old() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let (old, old_ended) = server("127.0.0.2", 0).await;
    let port = old.address.port();
    let (new, _) = server("127.0.0.3", port).await;
    let url = format!("http://auth.example.test:{port}");
    let edge = EdgeBuilder::new(&url).own_hosts("127.0.0.2 auth.example.test\n");
    let (edge, client) = with_client(edge.workers(1).upstream("dns_refresh = \"100ms\""));
    let hosts = edge.folder.path().join("hosts");
    let mut connection = Client::with(&edge, &client).connect().await;
    assert_eq!(connection.token("billing").await.status, 200);
    assert_eq!((old.accepted(), new.accepted()), (1, 0));

    fs::write(&hosts, "127.0.0.3 auth.example.test\n").unwrap();
    let line = edge.wait_for_log("\"addresses of the origin changed\"");
    assert!(line.contains(&url) && line.contains("\"addresses\":\"127.0.0.3\""), "{line}");
    // The pooled connection to the old address is closed.
    timeout(PATIENCE, old_ended.notified()).await.expect("the old connection stays open");
    assert_eq!(connection.token("billing").await.status, 200);
    assert_eq!((old.accepted(), new.accepted()), (1, 1));

    // A resolver that fails changes nothing.
    fs::write(&hosts, "").unwrap();
    edge.wait_for_log("\"cannot look up the origin; its last addresses stay\"");
    for _ in 0..3 {
        assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    }
    assert_eq!(old.accepted(), 1);
    let shown = admin::status(&edge, "").await;
    let problem = &shown["health"]["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["level"]),
        (&"upstream_unresolved".into(), &"warning".into()),
        "{shown}"
    );
    let what = problem["what"].as_str().unwrap();
    assert!(
        what.contains(&url) && what.contains("failed to lookup address") && problem["at"].is_string(),
        "{what}"
    );
    assert_eq!(shown["upstreams"][0]["origins"][0]["lookup_failure"]["at"], problem["at"]);
    let failing = format!("mtls_edge_upstream_origin_failing{{upstream=\"as\",origin=\"{url}\"}}");
    assert_eq!(admin::metric(&edge, &failing).await, 0);
    fs::write(&hosts, "127.0.0.3 auth.example.test\n").unwrap();
    admin::happens(async || admin::status(&edge, "").await["health"]["state"] == "healthy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_without_an_address_is_reported_at_once() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let (server, _) = server("127.0.0.2", 0).await;
    let url = format!("http://auth.example.test:{}", server.address.port());
    let edge = EdgeBuilder::new(&url).own_hosts("").upstream("dns_refresh = \"100ms\"");
    let (edge, _client) = with_client(edge);
    // Without a request.
    let line = edge.wait_for_log("\"origin unreachable\"");
    assert!(line.contains("failed to lookup address"), "{line}");
    let shown = admin::status(&edge, "").await;
    let problem = &shown["health"]["problems"][0];
    assert_eq!(problem["code"], "upstream_down", "{shown}");
    assert!(
        problem["what"].as_str().unwrap().contains("(unreachable: failed to lookup address"),
        "{problem}"
    );
    fs::write(edge.folder.path().join("hosts"), "127.0.0.2 auth.example.test\n").unwrap();
    admin::happens(async || admin::status(&edge, "").await["health"]["state"] == "healthy").await;
    edge.stop();
}

/// A name server that says nothing, and the resolv.conf that names it. Its address is the test's own, since the port of DNS cannot be chosen.
async fn silent_resolver(network: u8) -> (UdpSocket, String) {
    let [.., high, low] = std::process::id().to_be_bytes();
    let resolver = UdpSocket::bind((Ipv4Addr::new(127, network, high, low.max(1)), 53)).await.unwrap();
    let server = resolver.local_addr().unwrap().ip();
    (resolver, format!("nameserver {server}\noptions timeout:30 attempts:5\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_resolver_does_not_delay_the_end() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let (resolver, conf) = silent_resolver(54).await;
    let edge = EdgeBuilder::new("http://auth.example.test:8080").own_hosts("");
    let (edge, _client) = with_client(edge.file("resolv.conf", conf));
    timeout(PATIENCE, resolver.recv_from(&mut [0; 512])).await.expect("nothing is looked up").unwrap();
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_without_an_answer_is_the_logged_reason() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let (_resolver, conf) = silent_resolver(55).await;
    let url = "http://auth.example.test:8080";
    let edge = EdgeBuilder::new(url).own_hosts("").upstream("connect_timeout = \"300ms\"");
    let (edge, client) = with_client(edge.file("resolv.conf", conf).workers(1));
    let reason = "the lookup of auth.example.test has not answered within 300ms: check the name servers in \
                  /etc/resolv.conf";
    // Without a request.
    let line = edge.wait_for_log("\"origin unreachable\"");
    assert!(line.contains(url) && line.contains(reason), "{line}");
    let shown = admin::status(&edge, "").await;
    let origin = &shown["upstreams"][0]["origins"][0];
    for failure in ["last_failure", "lookup_failure"] {
        assert_eq!(origin[failure]["why"], reason, "{shown}");
    }
    assert!(shown["health"]["problems"][0]["what"].as_str().unwrap().contains(reason), "{shown}");

    // The second request waits for the lookup of the first.
    for _ in 0..2 {
        let answer = Client::with(&edge, &client).token("billing").await;
        answer.oauth_error(503, "temporarily_unavailable");
        let line = edge.log_of(&answer);
        assert!(line["reason"].as_str().unwrap().contains(reason), "{line}");
    }
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_known_is_not_taken_for_unanswered() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let silent = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let url = format!("https://auth.example.test:{}", silent.local_addr().unwrap().port());
    let edge = EdgeBuilder::new(url).own_hosts("127.0.0.2 auth.example.test\n");
    let (edge, client) = with_client(edge.upstream("connect_timeout = \"300ms\""));
    let answer = Client::with(&edge, &client).token("billing").await;
    let line = edge.log_of(&answer);
    assert!(line["reason"].as_str().unwrap().ends_with("no connection within 300ms to 127.0.0.2"), "{line}");
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_name_is_reported_with_its_addresses() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let refusing = Refusing::bind();
    let port = refusing.address.port();
    let edge = EdgeBuilder::new(format!("http://auth.example.test:{port}"));
    let (edge, client) = with_client(edge.own_hosts("127.0.0.1 auth.example.test\n"));
    Client::with(&edge, &client).token("billing").await.oauth_error(503, "temporarily_unavailable");
    let tried = format!("127.0.0.1:{port}: Connection refused");
    let line = edge.wait_for_log("\"origin unreachable\"");
    assert!(line.contains(&tried), "{line}");
    let problem = &admin::status(&edge, "").await["health"]["problems"][0];
    assert!(problem["what"].as_str().unwrap().contains(&format!("(unreachable: {tried}")), "{problem}");
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolver_that_falls_silent_is_reported() {
    if !tool::has_mount_namespaces() {
        return;
    }
    let (_resolver, conf) = silent_resolver(56).await;
    let (server, _) = server("127.0.0.2", 0).await;
    let url = format!("http://auth.example.test:{}", server.address.port());
    let conf = conf.replace("timeout:30 attempts:5", "timeout:1 attempts:1");
    let edge = EdgeBuilder::new(&url).own_hosts("").file("resolv.conf", conf);
    let settings = "dns_refresh = \"100ms\"\nconnect_timeout = \"300ms\"";
    let (edge, client) = with_client(edge.upstream(settings));
    edge.wait_for_log("\"origin unreachable\"");
    let hosts = edge.folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.2 auth.example.test\n").unwrap();
    edge.wait_for_log("\"origin recovered\"");
    fs::write(&hosts, "").unwrap();
    let line = edge.wait_for_log("\"cannot look up the origin; its last addresses stay\"");
    assert!(line.contains("the lookup of auth.example.test has not answered within 300ms"), "{line}");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    edge.stop();
}
