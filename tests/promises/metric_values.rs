//! What the metrics count: their values after known requests, beside what is configured.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::support::{
    Answer, Client, DOMAIN, Edge, EdgeBuilder, Upstream,
    admin::{self, happens, metric},
    command, with_client,
};

async fn get(client: &Client, path: &str) -> Answer {
    client.connect().await.send(Request::get(path).body(Full::<Bytes>::default()).unwrap()).await
}

/// Asserts the values of these metrics, named without what each name begins with.
async fn assert_values(edge: &Edge, expected: &[(impl AsRef<str>, i64)]) {
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        let name = format!("mtls_edge_{}", name.as_ref());
        let found = metric(edge, &name).await;
        if found != *expected {
            wrong.push(format!("{name} {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fields of a log line.
fn fields(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[tokio::test]
async fn each_limit_is_shown_as_configured() {
    let upstream = Upstream::start().await;
    let limits = "connections = 301\nhandshakes = 102\nbuffered_bytes = 7000003\nassertion_ids = 5004";
    let edge = EdgeBuilder::new(upstream.url()).limits(limits).upstream("connections = 55");
    let (edge, _) = with_client(edge);
    // What the limit of open files leaves to upstreams.
    let files = fields(&edge.wait_for_log("\"open files\""));
    let [descriptors, reserve, connections] =
        ["descriptors", "reserve", "connections"].map(|name| files[name].as_i64().unwrap());
    assert_eq!(connections, 301);
    let left = descriptors - reserve - connections;
    assert!(left > 55, "{files}");
    let limits_with = |requests: i64, bytes: i64, ids: i64| {
        [
            ("connections_limit", 301),
            ("handshakes_limit", 102),
            ("upstream_connections_limit", left),
            ("upstream_requests_limit{upstream=\"as\"}", requests),
            ("buffered_bytes_limit", bytes),
            ("assertion_ids_limit", ids),
        ]
    };
    assert_values(&edge, &limits_with(55, 7_000_003, 5004)).await;
    // After a reload, those that it changes.
    let text = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let other = text
        .replace("connections = 55", "connections = 56")
        .replace("buffered_bytes = 7000003", "buffered_bytes = 8000004")
        .replace("assertion_ids = 5004", "assertion_ids = 5005");
    edge.reload("edge.toml", &other);
    assert_values(&edge, &limits_with(56, 8_000_004, 5005)).await;
}

/// An upstream that responds with the status in the last segment of the path.
async fn of_statuses() -> Upstream {
    Upstream::answering(|seen| {
        let status = seen.uri.path().rsplit('/').next().unwrap().parse().unwrap_or(200);
        Response::builder().status(status).body(Full::default()).unwrap()
    })
    .await
}

#[tokio::test]
async fn requests_are_counted_by_outcome_and_status() {
    let upstream = of_statuses().await;
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &credentials);
    for (path, status, count) in [
        ("/any/200", 200, 3),
        ("/any/204", 204, 1),
        ("/any/302", 302, 2),
        ("/any/404", 404, 1),
        ("/any/500", 500, 4),
    ] {
        for _ in 0..count {
            assert_eq!(get(&client, path).await.status, status, "{path}");
        }
    }
    for _ in 0..5 {
        assert_eq!(client.token("another").await.status, 401);
    }
    for _ in 0..6 {
        assert_eq!(get(&client, "/nothing").await.status, 404);
    }
    let of_route = |route: &str, status: &str| {
        format!("route_requests_total{{domain=\"{DOMAIN}\",{route}status=\"{status}\"}}")
    };
    let of_domain =
        |result: &str| format!("domain_responses_total{{domain=\"{DOMAIN}\",result=\"{result}\"}}");
    let any = "route=\"/any/*\",";
    let expected = [
        // An upstream's own refusals and failures are forwarded, too.
        ("requests_total{outcome=\"forwarded\"}".to_owned(), 11),
        ("requests_total{outcome=\"unauthenticated\"}".to_owned(), 5),
        ("requests_total{outcome=\"refused\"}".to_owned(), 6),
        ("requests_total{outcome=\"upstream_failed\"}".to_owned(), 0),
        ("requests_total{outcome=\"cancelled\"}".to_owned(), 0),
        (of_route(any, "2xx"), 4),
        (of_route(any, "3xx"), 2),
        (of_route(any, "4xx"), 1),
        (of_route(any, "5xx"), 4),
        (of_route("route=\"/oauth/token\",", "4xx"), 5),
        (of_route("", "4xx"), 6),
        // Without what the edge refuses.
        (of_domain("success"), 6),
        (of_domain("client_error"), 1),
        (of_domain("server_error"), 4),
        (of_domain("failed"), 0),
        ("requests_in_flight".to_owned(), 0),
        ("upstream_requests_in_flight{upstream=\"as\"}".to_owned(), 0),
    ];
    assert_values(&edge, &expected).await;
}

/// The buckets of a histogram with these labels by their bounds, its sum and its count.
async fn histogram(edge: &Edge, name: &str, labels: &str) -> (Vec<(f64, u64)>, f64, u64) {
    let (_, text) = admin::get(edge, "/metrics").await;
    let value = |series: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in {text}")).to_owned()
    };
    let start = format!("{name}_bucket{{{labels},le=\"");
    let buckets = text.lines().filter_map(|line| {
        let (bound, count) = line.strip_prefix(&start)?.split_once("\"} ")?;
        // "+Inf" is parsed as infinity.
        Some((bound.parse().unwrap(), count.parse().unwrap()))
    });
    let sum = value(&format!("{name}_sum{{{labels}}}")).parse().unwrap();
    (buckets.collect(), sum, value(&format!("{name}_count{{{labels}}}")).parse().unwrap())
}

#[tokio::test]
async fn durations_are_counted_for_each_request() {
    let upstream = of_statuses().await;
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()));
    let client = Client::with(&edge, &credentials);
    for status in [200, 200, 302, 500, 200] {
        assert_eq!(get(&client, &format!("/any/{status}")).await.status, status);
    }
    // Without a request to the upstream.
    for _ in 0..2 {
        assert_eq!(client.token("another").await.status, 401);
    }
    let domain = format!("domain=\"{DOMAIN}\"");
    for (name, labels, requests) in [
        ("request", format!("{domain},route=\"/any/*\""), 5),
        ("request", format!("{domain},route=\"/oauth/token\""), 2),
        ("upstream", "upstream=\"as\"".to_owned(), 5),
    ] {
        let name = format!("mtls_edge_{name}_duration_seconds");
        let (buckets, sum, count) = histogram(&edge, &name, &labels).await;
        assert_eq!(count, requests, "{name} {labels}");
        assert!(sum > 0.0 && sum < 60.0, "{name} {labels}: {sum}");
        let (last, rest) = buckets.split_last().unwrap();
        assert_eq!(*last, (f64::INFINITY, requests), "{name} {labels}");
        assert_eq!((rest[0].0, rest.last().unwrap().0), (0.001, 30.0), "{buckets:?}");
        assert!(buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1), "{buckets:?}");
        // Each request took as long as the bound below its bucket at least.
        let mut lower = 0.0;
        for pair in buckets.windows(2) {
            let in_bucket = u32::try_from(pair[1].1 - pair[0].1).unwrap();
            lower += f64::from(in_bucket) * pair[0].0;
        }
        assert!(sum >= lower, "{sum} of {buckets:?}");
    }
}

#[tokio::test]
async fn the_build_is_shown_as_version_shows_it() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()));
    let output = command::edge(&["version", "--json"]);
    let version = fields(command::text(&output.stdout));
    let [number, commit, rustc, target] =
        ["version", "commit", "rustc", "target"].map(|name| version[name].as_str().unwrap());
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    assert!(target.starts_with(&format!("{arch}-")) && target.contains(&format!("-{os}")), "{target}");
    let labels =
        format!("version=\"{number}\",commit=\"{commit}\",rustc=\"{rustc}\",arch=\"{arch}\",os=\"{os}\"");
    assert_eq!(metric(&edge, &format!("mtls_edge_build_info{{{labels}}}")).await, 1);
}

#[tokio::test]
async fn the_process_is_measured() {
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let before = now();
    let upstream = Upstream::start().await;
    let (edge, _) =
        with_client(EdgeBuilder::new(upstream.url()).workers(3).open_files("-Sn 400 && ulimit -Hn 500"));
    let process = async |name: &str| metric(&edge, &format!("process_{name}")).await;
    let started = process("start_time_seconds").await;
    assert!((before..=now()).contains(&started), "{started}");
    let memory = process("resident_memory_bytes").await;
    assert!(memory > 1_000_000 && process("virtual_memory_bytes").await > memory, "{memory}");
    let own = |name: &str| std::fs::read_dir(format!("/proc/{}/{name}", edge.id())).unwrap().count();
    assert_eq!(usize::try_from(process("threads").await).unwrap(), own("task"));
    // One more during the scrape: its connection.
    let open = usize::try_from(process("open_fds").await).unwrap();
    assert!((own("fd")..=own("fd") + 2).contains(&open), "{open}, not {}", own("fd"));
    assert_eq!(process("max_fds").await, 500, "the soft limit is raised to the hard one");
    happens(async || {
        let (_, text) = admin::get(&edge, "/metrics").await;
        let seconds = text.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total ")).unwrap();
        (0.01..60.0).contains(&seconds.parse::<f64>().unwrap())
    })
    .await;
}

#[tokio::test]
async fn the_process_is_measured_without_a_free_descriptor() {
    let upstream = Upstream::start().await;
    let (edge, _) = with_client(EdgeBuilder::new(upstream.url()).limits("memory_bytes = 2_000_000_000"));
    let mut admin = BufReader::new(TcpStream::connect(edge.admin).await.unwrap());
    let mut scrape = async || {
        admin.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            assert_ne!(admin.read_line(&mut head).await.unwrap(), 0, "{head}");
            if let Some(value) = head[start..].to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        admin.read_exact(&mut body).await.unwrap();
        let text = String::from_utf8(body).unwrap();
        let of_process = |line: &&str| line.starts_with("process_") || line.starts_with("mtls_edge_memory_");
        let series = text.lines().filter(of_process).map(|line| line.split_once(' ').unwrap());
        series.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let before = scrape().await;
    // From now on the edge cannot open anything.
    let (id, none) = (rustix::process::Pid::from_raw(edge.id().try_into().unwrap()), Some(3));
    let limit = rustix::process::Rlimit { current: none, maximum: none };
    rustix::process::prlimit(id, rustix::process::Resource::Nofile, limit).unwrap();
    let without = scrape().await;
    assert!(before.keys().eq(without.keys()), "{before:#?} {without:#?}");
    assert!(without["process_open_fds"].parse::<usize>().unwrap() > 10, "{without:#?}");
    assert_eq!(without["process_max_fds"], "3");
    // Memory is still compared with its limit.
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(scrape().await["mtls_edge_memory_bytes"].parse::<u64>().unwrap() > 1_000_000);
}

#[tokio::test]
async fn closed_connections_are_counted_by_reason() {
    let upstream = Upstream::start().await;
    let limits = "idle_timeout = \"200ms\"\nhandshakes = 1\nhandshakes_per_address = 1";
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()).limits(limits).workers(1));
    let closed = async |reason: &str| {
        metric(&edge, &format!("mtls_edge_connections_closed_total{{reason=\"{reason}\"}}")).await
    };
    let client = Client::with(&edge, &credentials);
    for client in [client.clone(), client.clone().http2()] {
        let mut connection = client.connect().await;
        assert_eq!(connection.token("billing").await.status, 200);
        connection.closed().await;
    }
    happens(async || closed("idle").await == 2).await;
    // The first handshake has the only place, and is too young to be closed for another address. The second one waits for it, and has
    // the only place of its own address, which the third one lacks.
    for _ in 0..20 {
        let before = closed("handshake_evicted").await;
        let mut streams = Vec::new();
        for address in ["127.0.0.2", "127.0.0.3", "127.0.0.3"] {
            let mut stream = client.clone().from(address).tcp().await.unwrap();
            let _ = stream.write_all(&client.hello()[..10]).await;
            streams.push(stream);
        }
        // On a machine that is suspended for a second, the first one is closed.
        happens(async || closed("handshakes_per_address").await + closed("handshake_evicted").await > before)
            .await;
        if closed("handshakes_per_address").await > 0 {
            return;
        }
    }
    panic!("no third handshake is refused: {}", admin::get(&edge, "/metrics").await.1);
}
