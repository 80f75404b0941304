//! The client address that upstreams get comes only from the edge, or from proxies that its operator trusts.

use http::Request;
use http_body_util::Full;

use crate::support::{Client, DOMAIN, Edge, EdgeBuilder, Seen, Upstream};

const OPEN: &str = r#"client_auth = "off"
[[domain.route]]
path = "/*"
methods = ["GET"]
authenticate = "none"
"#;
/// Forwarding headers that a client made up.
const CLAIMS: [(&str, &str); 9] = [
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "spoofed.example.test"),
    ("x-forwarded-port", "80"),
    ("x-forwarded-prefix", "/spoofed"),
    ("forwarded", "for=6.6.6.6;host=spoofed.example.test;proto=http"),
    ("true-client-ip", "6.6.6.6"),
    ("x-real-ip", "6.6.6.6"),
    ("x-original-url", "/spoofed"),
    ("x-http-method-override", "DELETE"),
];

fn edge(upstream: &Upstream, listen: &str) -> Edge {
    EdgeBuilder::new(upstream.url())
        .listen(listen)
        .upstream("client_ip_header = \"true-client-ip\"\nforwarded = true\nforwarded_for = \"list\"")
        .domain(DOMAIN, OPEN)
        .start()
}

/// Sends a request with these `X-Forwarded-For` lines and all made-up headers. Returns what the upstream received.
async fn ask(client: &Client, upstream: &Upstream, lines: &[&str]) -> Seen {
    let mut request = Request::get("/x");
    for (name, value) in CLAIMS {
        request = request.header(name, value);
    }
    for line in lines {
        request = request.header("x-forwarded-for", *line);
    }
    let answer = client.connect().await.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = upstream.last();
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    assert_eq!(seen.header("x-forwarded-host"), DOMAIN);
    for name in
        ["x-forwarded-port", "x-forwarded-prefix", "x-real-ip", "x-original-url", "x-http-method-override"]
    {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    seen
}

fn assert_from(seen: &Seen, list: &str, client: &str) {
    assert_eq!(seen.header("x-forwarded-for"), list);
    let node = if client.contains(':') { format!("\"[{client}]\"") } else { client.to_owned() };
    assert_eq!(seen.header("forwarded"), format!("for={node};host=\"{DOMAIN}\";proto=https"));
    assert_eq!(seen.header("true-client-ip"), client);
}

#[tokio::test]
async fn a_clients_claim_about_its_address_is_replaced() {
    let upstream = Upstream::start().await;
    for listen in ["", "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]"] {
        let edge = edge(&upstream, listen);
        for client in [Client::new(&edge), Client::new(&edge).http2()] {
            for lines in [&[][..], &["6.6.6.6"], &["6.6.6.6, 10.0.0.1", "10.0.0.2"]] {
                assert_from(&ask(&client, &upstream, lines).await, "127.0.0.1", "127.0.0.1");
            }
        }
    }
}

#[tokio::test]
async fn a_trusted_proxys_list_is_appended_to() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream, "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]");
    for client in [Client::new(&edge), Client::new(&edge).http2()] {
        for (lines, list, address) in [
            (&["203.0.113.9"][..], "203.0.113.9, 127.0.0.1", "203.0.113.9"),
            (&["203.0.113.9, 10.0.0.1"], "203.0.113.9, 10.0.0.1, 127.0.0.1", "203.0.113.9"),
            (&["203.0.113.9", "10.0.0.1"], "203.0.113.9, 10.0.0.1, 127.0.0.1", "203.0.113.9"),
            (&["2001:db8::9"], "2001:db8::9, 127.0.0.1", "2001:db8::9"),
            // Addresses before the last one that is not a trusted proxy may be made up by the client.
            (&["6.6.6.6, 203.0.113.9"], "6.6.6.6, 203.0.113.9, 127.0.0.1", "203.0.113.9"),
            (
                &["6.6.6.6", "203.0.113.9, 10.0.0.1"],
                "6.6.6.6, 203.0.113.9, 10.0.0.1, 127.0.0.1",
                "203.0.113.9",
            ),
            // All are trusted: the first address.
            (&["10.0.0.2, 10.0.0.1"], "10.0.0.2, 10.0.0.1, 127.0.0.1", "10.0.0.2"),
            (&[], "127.0.0.1", "127.0.0.1"),
            // Entries up to one that is not an address are ignored.
            (&["not an address"], "127.0.0.1", "127.0.0.1"),
            (&["203.0.113.9, unknown"], "127.0.0.1", "127.0.0.1"),
            // With a port, as some load balancers write it.
            (&["203.0.113.9:5000"], "203.0.113.9, 127.0.0.1", "203.0.113.9"),
            (&["[2001:db8::9]:5000, 10.0.0.1:80"], "2001:db8::9, 10.0.0.1, 127.0.0.1", "2001:db8::9"),
            (&["[2001:db8::9]"], "2001:db8::9, 127.0.0.1", "2001:db8::9"),
            (&["[203.0.113.9]"], "127.0.0.1", "127.0.0.1"),
            (&["203.0.113.9:x"], "127.0.0.1", "127.0.0.1"),
            (&["[2001:db8::9"], "127.0.0.1", "127.0.0.1"),
            (&["spoofed, 203.0.113.9"], "203.0.113.9, 127.0.0.1", "203.0.113.9"),
        ] {
            assert_from(&ask(&client, &upstream, lines).await, list, address);
        }
    }
}

fn version2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
    header.extend_from_slice(addresses);
    header
}

fn headers() -> Vec<(Vec<u8>, &'static str)> {
    let v6: std::net::Ipv6Addr = "2001:db8::7".parse().unwrap();
    let v6 = [&v6.octets()[..], &[0; 15], &[1, 19, 136, 1, 187]].concat();
    let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 19, 136, 1, 187];
    // With an extension after the addresses (PP2_TYPE_NOOP).
    let extended = [&v4[..], &[4, 0, 2, 0, 0]].concat();
    // As many extensions as fit, of unknown types.
    let most = [&v4[..], &vec![0xe5; 65_535 - v4.len()]].concat();
    vec![
        (version2(0x21, 0x11, &most), "192.0.2.7"),
        (version2(0x20, 0, &most), "127.0.0.1"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 5000 443\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (version2(0x21, 0x11, &v4), "192.0.2.7"),
        (version2(0x21, 0x11, &extended), "192.0.2.7"),
        (version2(0x21, 0x21, &v6), "2001:db8::7"),
        (version2(0x20, 0, &[]), "127.0.0.1"),
    ]
}

#[tokio::test]
async fn a_trusted_balancers_proxy_header_names_the_client() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream, "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true");
    for (header, address) in headers() {
        for client in [Client::new(&edge), Client::new(&edge).http2()] {
            let client = client.prelude(&header);
            assert_from(&ask(&client, &upstream, &[]).await, address, address);
        }
    }
    let logged = edge.wait_for_log("\"client_ip\":\"2001:db8::7\"");
    assert!(logged.contains("mtls_edge::access"), "{logged}");
}

#[tokio::test]
async fn a_proxy_header_without_address_trusts_no_client() {
    let upstream = Upstream::start().await;
    let edge = edge(&upstream, "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true");
    let unix = [[b'/'; 108], [0; 108]].concat();
    let v4 = [192, 0, 2, 7, 198, 51, 100, 1, 19, 136, 1, 187];
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 5000 443\r\n".to_vec(),
        // LOCAL, with an address, which must be ignored, or without one.
        version2(0x20, 0, &[]),
        version2(0x20, 0x11, &v4),
        // UNSPEC, UDP over IPv4 and IPv6, UNIX stream and datagram.
        version2(0x21, 0, &[]),
        version2(0x21, 0x12, &v4),
        version2(0x21, 0x22, &[0; 36]),
        version2(0x21, 0x31, &unix),
        version2(0x21, 0x32, &unix),
    ] {
        for client in [Client::new(&edge), Client::new(&edge).http2()] {
            let client = client.prelude(&header);
            for lines in [&[][..], &["6.6.6.6"], &["6.6.6.6, 10.0.0.1", "127.0.0.1"]] {
                assert_from(&ask(&client, &upstream, lines).await, "127.0.0.1", "127.0.0.1");
            }
        }
    }
}

#[tokio::test]
async fn proxy_protocol_clients_are_not_trusted() {
    let upstream = Upstream::start().await;
    let trusted = "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\nproxy_protocol = true";
    let edge = edge(&upstream, trusted);
    let via_proxy = |line: &str| Client::new(&edge).prelude(format!("PROXY TCP4 {line}\r\n").as_bytes());
    let client = via_proxy("192.0.2.7 198.51.100.1 5000 443");
    let seen = ask(&client, &upstream, &["6.6.6.6"]).await;
    assert_from(&seen, "192.0.2.7", "192.0.2.7");
    // A trusted HTTP proxy in front of the load balancer is believed.
    let proxy = via_proxy("10.0.0.1 198.51.100.1 5000 443");
    let seen = ask(&proxy, &upstream, &["203.0.113.9"]).await;
    assert_from(&seen, "203.0.113.9, 10.0.0.1", "203.0.113.9");
}

#[tokio::test]
async fn a_proxy_header_needs_a_trusted_proxy() {
    let upstream = Upstream::start().await;
    // If another network is trusted, no client from this address gets in, with or without a header.
    let guarded = edge(&upstream, "trusted_proxies = [\"10.0.0.0/8\"]\nproxy_protocol = true");
    // A header is expected, and none or a malformed one arrives.
    let expecting = edge(&upstream, "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true");
    // No header is expected, from a trusted proxy or not.
    let trusting = edge(&upstream, "trusted_proxies = [\"127.0.0.1\"]");
    let plain = edge(&upstream, "");
    for (header, _) in headers() {
        for edge in [&guarded, &trusting, &plain] {
            assert!(Client::new(edge).prelude(&header).tls().await.is_err());
        }
    }
    assert!(Client::new(&guarded).tls().await.is_err());
    for broken in [
        &b""[..],
        b"PROXY TCP4 2001:db8::7 ::1 5000 443\r\n",
        b"PROXY TCP4 spoofed 198.51.100.1 5000 443\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        &version2(0x21, 0x11, &[192, 0, 2, 7]),
        &version2(0x31, 0x11, &[0; 12]),
    ] {
        assert!(Client::new(&expecting).prelude(broken).tls().await.is_err());
    }
    assert_eq!(upstream.seen().len(), 0);
    assert!(guarded.wait_for_log("only trusted_proxies may connect").contains("handshake failed"));
}

#[tokio::test]
async fn an_auth0_upstream_gets_the_client_address_alone() {
    let upstream = Upstream::start().await;
    let rfc9440 = format!("header_profile = \"rfc9440\"\n{OPEN}");
    for (setting, domain, list) in [
        ("", OPEN, "203.0.113.9"),
        ("forwarded_for = \"client\"", &rfc9440, "203.0.113.9"),
        ("forwarded_for = \"list\"", OPEN, "203.0.113.9, 10.0.0.1, 127.0.0.1"),
        ("", &rfc9440, "203.0.113.9, 10.0.0.1, 127.0.0.1"),
    ] {
        let edge = EdgeBuilder::new(upstream.url())
            .listen("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]")
            .upstream(setting)
            .domain(DOMAIN, domain)
            .start();
        let seen = ask(&Client::new(&edge), &upstream, &["6.6.6.6, 203.0.113.9, 10.0.0.1"]).await;
        let list = if list.contains(',') { format!("6.6.6.6, {list}") } else { list.to_owned() };
        assert_eq!(seen.header("x-forwarded-for"), list, "{setting} {domain}");
    }
}
