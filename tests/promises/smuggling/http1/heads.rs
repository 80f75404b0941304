//! The request line, `Host`, the ends of lines, and hop-by-hop fields.

use super::{CHUNKED, Case, Expected, FORM, followed, posts};
use crate::support::DOMAIN;

pub(super) fn add(cases: &mut Vec<Case>) {
    line_endings(cases);
    request_lines(cases);
    hosts(cases);
    hop_by_hop(cases);
}

fn line_endings(cases: &mut Vec<Case>) {
    let head = format!("POST /any/thing?{{case}} HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-length: 17\r\n\r\n");
    for (at, _) in head.match_indices("\r\n") {
        let with = |end: &str, body: &str| format!("{}{end}{}{body}", &head[..at], &head[at + 2..]);
        // A recipient may recognize LF alone (RFC 9112 section 2.2).
        let what = format!("LF for the line ending at {at}");
        cases.push(Case { what, text: with("\n", FORM), expected: Expected::Served(FORM) });
        for other in ["\r", "\r\r\n", "\0\r\n", "\x0b\r\n", "\x0c", "\u{85}", "\u{2028}"] {
            let what = format!("{other:?} for the line ending at {at}");
            cases.push(Case { what, text: with(other, &followed(FORM)), expected: Expected::Refused });
        }
    }
}

fn request_lines(cases: &mut Vec<Case>) {
    let mut add = |line: &str, expected| {
        let text = format!("{line}\r\nhost: {DOMAIN}\r\n\r\n");
        let text = if expected == Expected::Refused { followed(&text) } else { text };
        cases.push(Case { what: format!("request line {line:?}"), text, expected });
    };
    let target = "/any/thing?{case}";
    for target in [target, &format!("https://{DOMAIN}{target}"), &format!("{target}#fragment")] {
        add(&format!("GET {target} HTTP/1.1"), Expected::Served(""));
    }
    let versions =
        ["2.0", "1.2", "0.9", "1.1x", "1", "11", "+1.1", "1.1 ", "1.1 HTTP/1.1", "1,1", "1.1\t", "01.1"];
    for version in versions {
        add(&format!("GET {target} HTTP/{version}"), Expected::Refused);
    }
    for version in ["http/1.1", "HTTPS/1.1", "HTTP 1.1", "", " HTTP/1.1", "\0HTTP/1.1", "\u{a0}HTTP/1.1"] {
        add(&format!("GET {target} {version}"), Expected::Refused);
    }
    for blank in ["  ", "\t", "\x0b", "\r", "\0", ""] {
        add(&format!("GET{blank}{target} HTTP/1.1"), Expected::Refused);
        add(&format!("GET {target}{blank}HTTP/1.1"), Expected::Refused);
    }
    for method in ["", " GET", "GE\0T", "G(T", "G\u{c9}T", "GET:", "\"GET\"", "GET,", "G T"] {
        add(&format!("{method} {target} HTTP/1.1"), Expected::Refused);
    }
    for target in
        ["any/thing?{case}", "/any/a b?{case}", "/any/a\0?{case}", "/any/a\x0b?{case}", "/any/a\r?{case}"]
    {
        add(&format!("GET {target} HTTP/1.1"), Expected::Refused);
    }
    add("GET", Expected::Refused);
    add("PRI * HTTP/2.0", Expected::Refused);
    for method in ["get", "TRACE", "TRACK", "PUT", "DELETE", "PROPFIND", "CONNECTX"] {
        add(&format!("{method} {target} HTTP/1.1"), Expected::Answered(405));
    }
    for target in [
        "*",
        "//other.example/any/thing?{case}",
        "/any/../any/thing?{case}",
        "/any/%2e%2e/thing?{case}",
        "/any/thing%00?{case}",
        "/any\\thing?{case}",
        "/any/%zz?{case}",
    ] {
        add(&format!("GET {target} HTTP/1.1"), Expected::Answered(404));
    }
    add("GET https://other.example/any/thing?{case} HTTP/1.1", Expected::Answered(421));
}

fn hosts(cases: &mut Vec<Case>) {
    let mut add = |lines: &[&str], expected| {
        let fields: String =
            lines.iter().flat_map(|line| [line, "\r\n"]).collect::<String>().replace("{domain}", DOMAIN);
        let text = format!("GET /any/thing?{{case}} HTTP/1.1\r\n{fields}\r\n");
        let text = if expected == Expected::Refused { followed(&text) } else { text };
        cases.push(Case { what: format!("host {lines:?}"), text, expected });
    };
    // Where the request ends is clear, so the connection goes on.
    add(&[], Expected::Answered(400));
    for two in [["{domain}", "{domain}"], ["{domain}", "other.example"], ["other.example", "{domain}"]] {
        let lines = two.map(|host| format!("host: {host}"));
        add(&[&lines[0], &lines[1]], Expected::Answered(400));
    }
    for host in ["", "[::1", "{domain}, other.example", "{domain} other.example", "other.example@{domain}"] {
        add(&[&format!("host: {host}")], Expected::Answered(400));
    }
    for host in ["{domain}/a", "{domain}#a", "{domain}\\a", "{domain}:x", "{domain}:-1", "{domain}:443:443"] {
        add(&[&format!("host: {host}")], Expected::Answered(400));
    }
    for line in ["host_: {domain}", "host: http://{domain}", "x-host: {domain}", "forwarded: host={domain}"] {
        add(&[line], Expected::Answered(400));
    }
    add(&["host: {domain}.evil"], Expected::Answered(421));
    for line in [
        "host: {domain}\0",
        "host : {domain}",
        " host: {domain}",
        "host: {domain}\r\n .other",
        "host:\t{domain}\x0b",
        "x: a\r\n host: {domain}",
        "host\0: {domain}",
    ] {
        add(&[line], Expected::Refused);
    }
}

/// They must not take the length of the body with them.
fn hop_by_hop(cases: &mut Vec<Case>) {
    for option in [
        "content-length",
        "transfer-encoding",
        "host, x",
        "content-type",
        "keep-alive, content-length",
        "upgrade",
    ] {
        let line = format!("connection: {option}");
        posts(cases, &line, &["content-length: 17", &line], FORM, Expected::Served(FORM));
        let what = format!("{line} of chunks");
        posts(cases, &what, &["transfer-encoding: chunked", &line], CHUNKED, Expected::Served(FORM));
    }
    for lines in [
        ["connection: upgrade", "upgrade: h2c", "http2-settings: AAMAAABkAARAAAAAAAIAAAAA"],
        ["connection: keep-alive", "proxy-connection: keep-alive", "keep-alive: timeout=100"],
        ["te: trailers, chunked", "trailer: content-length", "expect: 100-continue"],
    ] {
        let lines = [&lines[..], &["content-length: 17"]].concat();
        posts(cases, &format!("{lines:?}"), &lines, FORM, Expected::Served(FORM));
    }
}
