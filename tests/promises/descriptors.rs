//! The limit of open files is raised and divided, so that a reload and the admin address always have descriptors.

use std::fs;

use tokio::net::TcpStream;

use crate::support::{
    Client, Connection, DOMAIN, Edge, EdgeBuilder, Held, PATIENCE, Upstream, admin,
    certificates::Credentials, client::token_request, frames::Frames, self_signed, with_client,
};

const ANOTHER: &str = "\n[[application]]\nclient_id = \"another\"\nauth_method = \"self_signed_tls_client_auth\"\n[[application.credential]]\nname = \"c0\"\nthumbprint = \"";

/// Removes the application "billing", registers "another", and waits until that is in force.
fn remove_billing(edge: &Edge, another: &Credentials) {
    edge.reload("applications.toml", &format!("{ANOTHER}{}\"\n", another.thumbprint()));
}

/// Sends a request on an open connection that must be refused, since its application was removed.
async fn assert_gone(connection: &mut Connection) {
    connection.token("billing").await.oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn idle_clients_do_not_delay_a_reload() {
    for limit in ["-n 256", "-n 128"] {
        assert_reloads_beside_clients(limit).await;
    }
}

async fn assert_reloads_beside_clients(limit: &str) {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(upstream.url()).open_files(limit));
    let (client, stranger) = (Client::with(&edge, &client), Client::with(&edge, &self_signed("stranger")));
    let mut kept = client.connect().await;
    assert_eq!(kept.token("billing").await.status, 200);
    // Half of them are silent, half have completed the handshake. The edge closes those beyond the limit.
    let (mut silent, mut shaken) = (Vec::new(), Vec::new());
    for _ in 0..150 {
        silent.push(TcpStream::connect(edge.https).await.unwrap());
        shaken.extend(stranger.tls().await);
    }
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    // A client that authenticates gets in, and authenticated connections stay open.
    assert_eq!(client.token("billing").await.status, 200);
    assert_eq!(kept.token("billing").await.status, 200);
    let another = self_signed("another");
    remove_billing(&edge, &another);
    assert_gone(&mut kept).await;
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    assert_eq!(Client::with(&edge, &another).token("another").await.status, 200);
    drop((silent, shaken));
}

#[tokio::test]
async fn waiting_requests_do_not_delay_a_reload() {
    let held = Held::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(held.url()).open_files("-n 256"));
    let client = Client::with(&edge, &client);
    let mut kept = client.connect().await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut frames = Frames::connect(&client, &[]).await;
        for _ in 0..100 {
            frames.token("billing").await.unwrap();
        }
        waiting.push(frames);
    }
    // Some are in flight, the others are refused; none waits for a descriptor.
    let places = admin::status(&edge, "").await["limits"]["upstream_connections"].as_i64().unwrap();
    assert!((8..200).contains(&places), "{places}");
    tokio::time::timeout(PATIENCE, async {
        while admin::metric(&edge, "mtls_edge_requests_total{outcome=\"upstream_failed\"}").await
            < 1000 - places
        {}
    })
    .await
    .expect("requests hang");
    assert!(admin::metric(&edge, "mtls_edge_upstream_connections").await <= places);
    let answer = client.connect().await.send(token_request("billing")).await;
    answer.oauth_error(503, "temporarily_unavailable");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    admin::assert_counted(&edge, "upstream_busy").await;
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
    remove_billing(&edge, &self_signed("another"));
    assert_gone(&mut kept).await;
    assert_eq!(admin::get(&edge, "/readyz").await.0, 200);
}

#[test]
fn an_upstream_that_no_domain_uses_takes_no_descriptors() {
    let spare = "[[upstream]]\nname = \"spare\"\nurls = [\"http://127.0.0.1:9\"]\nconnections = 100000";
    let edge = EdgeBuilder::new("http://127.0.0.1:9")
        .domain(DOMAIN, "upstream = \"as\"")
        .extra(spare)
        .upstream("connections = 20")
        .limits("connections = 20")
        .open_files("-n 1000");
    let output = edge.output("check");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !printed.contains("RLIMIT_NOFILE"), "{printed}");
    let what = "warning: upstream.name: no [[domain]] uses \"spare\": no request is sent to it";
    let help = "help: write upstream = \"spare\" in a [[domain]], or remove this [[upstream]]";
    assert!(printed.contains(what) && printed.contains(help), "{printed}");
    assert!(printed.contains("name = \"spare\"\n"), "the line is not shown: {printed}");
}

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_one() {
    let upstream = Upstream::start().await;
    let (edge, client) = with_client(
        EdgeBuilder::new(upstream.url()).open_files("-Sn 64").limits("connections_per_address = 1000"),
    );
    let line = edge.wait_for_log("\"open files\"");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(line["descriptors"].as_u64().unwrap() > 64, "{line}");
    let client = Client::with(&edge, &client);
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(client.connect().await);
    }
    for connection in &mut open {
        assert_eq!(connection.token("billing").await.status, 200);
    }
    assert_eq!(admin::metric(&edge, "mtls_edge_connections").await, 100);
}

#[tokio::test]
async fn a_hard_limit_that_is_too_low_is_reported() {
    let upstream = Upstream::start().await;
    let print = self_signed("billing").thumbprint();
    let usual = || {
        let edge = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
        edge.self_signed_application("billing", std::slice::from_ref(&print))
    };
    let warning = "10000 connections and 1024 to upstreams need";
    let output = usual().open_files("-n 256").output("check");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains(warning) && text.contains("is 256") && text.contains("LimitNOFILE="), "{text}");
    let edge = usual().open_files("-n 256").start();
    let logged = edge.wait_for_log(warning);
    assert!(logged.contains("\"level\":\"WARN\""), "{logged}");
    let status = admin::status(&edge, "").await;
    let problem = &status["health"]["problems"][0];
    assert_eq!((&problem["code"], &problem["at"]), (&"open_files".into(), &status["edge"]["started"]));
    let limits = status["limits"].clone();
    assert_eq!(limits["open_files"], 256);
    assert_eq!(limits["connections_configured"], 10_000);
    assert!(limits["connections"].as_u64().unwrap() < 256, "{limits}");
    assert!(limits["shortage"].as_str().unwrap().contains(warning), "{limits}");
    // Limits that fit are not reported.
    let output =
        usual().limits("connections = 20").upstream("connections = 20").open_files("-n 256").output("check");
    assert!(String::from_utf8_lossy(&output.stdout).contains("no problems"), "{output:?}");
    // If no descriptors are left, the edge does not start.
    for command in ["check", "run"] {
        let output = usual().open_files("-n 64").output(command);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("(RLIMIT_NOFILE) is 64"), "{text}");
    }
}

#[tokio::test]
async fn requests_in_flight_to_an_upstream_are_bounded() {
    let mut held = Held::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(held.url()).upstream("connections = 4"));
    let client = Client::with(&edge, &client);
    let mut waiting = Vec::new();
    for number in 0..4 {
        let client = if number % 2 == 0 { client.clone() } else { client.clone().http2() };
        waiting.push(tokio::spawn(async move { client.token("billing").await }));
        held.arrived().await;
    }
    for client in [client.clone(), client.clone().http2()] {
        let answer = client.token("billing").await;
        answer.oauth_error(503, "temporarily_unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
    edge.wait_for_log("its limit of connections is reached");
    held.release(4);
    for answer in waiting {
        assert_eq!(tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap().status, 200);
    }
    let answered = tokio::spawn(async move { client.token("billing").await });
    held.arrived().await;
    held.release(1);
    assert_eq!(answered.await.unwrap().status, 200);
}

#[tokio::test]
async fn strangers_leave_places_at_the_upstream_to_applications() {
    let mut held = Held::start().await;
    let credentials = self_signed("billing");
    let routes = "client_auth = \"optional\"\n[[domain.route]]\n[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\"]\nauthenticate = \"none\"";
    let edge = EdgeBuilder::new(held.url())
        .upstream("connections = 8")
        .domain(crate::support::DOMAIN, routes)
        .self_signed_application("billing", &[credentials.thumbprint()])
        .start();
    let mut stranger = Frames::connect(&Client::new(&edge), &[]).await;
    for _ in 0..6 {
        stranger.get("/open").await.unwrap();
        held.arrived().await;
    }
    let refused = stranger.get("/open").await.unwrap();
    stranger.until_answered(refused).await;
    for client in [Client::with(&edge, &credentials), Client::with(&edge, &credentials).http2()] {
        tokio::spawn(async move { client.token("billing").await });
        held.arrived().await;
    }
}

#[tokio::test]
async fn few_descriptors_are_shared_with_applications() {
    let mut held = Held::start().await;
    let credentials = self_signed("billing");
    let routes = "client_auth = \"optional\"\n[[domain.route]]\n[[domain.route]]\npath = \"/open\"\nmethods = [\"GET\"]\nauthenticate = \"none\"";
    let edge = EdgeBuilder::new(held.url())
        .domain(crate::support::DOMAIN, routes)
        .self_signed_application("billing", &[credentials.thumbprint()])
        .open_files("-n 256")
        .start();
    let places = admin::status(&edge, "").await["limits"]["upstream_connections"].as_u64().unwrap();
    assert!((8..100).contains(&places), "{places} of the 1024 that are configured");
    let mut stranger = Frames::connect(&Client::new(&edge), &[]).await;
    for _ in 0..places - places / 4 {
        stranger.get("/open").await.unwrap();
        held.arrived().await;
    }
    let refused = stranger.get("/open").await.unwrap();
    stranger.until_answered(refused).await;
    for client in [Client::with(&edge, &credentials), Client::with(&edge, &credentials).http2()] {
        tokio::spawn(async move { client.token("billing").await });
        held.arrived().await;
    }
}

#[tokio::test]
async fn a_request_beyond_the_limit_waits_for_a_free_place() {
    let mut held = Held::start().await;
    let (edge, client) = with_client(EdgeBuilder::new(held.url()).upstream("connections = 4"));
    let mut frames = Frames::connect(&Client::with(&edge, &client), &[]).await;
    // A request waits for 100 ms, which may be too short on a busy machine.
    for _ in 0..20 {
        for _ in 0..4 {
            frames.token("billing").await.unwrap();
            held.arrived().await;
        }
        let beyond = frames.token("billing").await.unwrap();
        frames.ping().await;
        held.release(4);
        tokio::select! {
            () = held.arrived() => return,
            () = frames.until_answered(beyond) => {}
        }
    }
    panic!("each of 20 was refused at once");
}

/// A line of the edge's `/proc/PID/status` (proc_pid_status(5)).
fn status(edge: &Edge, line: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", edge.id())).unwrap();
    let value = status.lines().find_map(|of| of.strip_prefix(line)?.strip_prefix(':'));
    value.expect(line).trim().parse().unwrap()
}

#[tokio::test]
async fn many_connections_do_not_stall_a_worker() {
    // Client connections, upstream connections, and some for the edge itself.
    let edge =
        with_client(EdgeBuilder::new("http://127.0.0.1:9").limits("connections = 600").open_files("-n 4096"))
            .0;
    assert!(status(&edge, "FDSize") >= 600 + 1024, "{}", status(&edge, "FDSize"));
    assert_eq!(status(&edge, "THP_enabled"), 0);
}
