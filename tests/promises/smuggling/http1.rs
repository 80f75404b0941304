//! Hostile requests of HTTP/1.1, made of their parts: the request line, the lengths, the names around them, and chunks.

mod heads;

use super::{Case, Expected, FORM};
use crate::support::DOMAIN;

/// The form as one chunk, and the last chunk.
const CHUNKED: &str = "11\r\nclient_id=billing\r\n0\r\n\r\n";

/// All requests.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    content_lengths(&mut cases);
    transfer_encodings(&mut cases);
    names(&mut cases);
    chunks(&mut cases);
    heads::add(&mut cases);
    cases
}

/// A POST to both kinds of routes: the body is buffered, or it is streamed.
fn posts(cases: &mut Vec<Case>, what: &str, lines: &[&str], body: &str, expected: Expected) {
    for target in ["/oauth/token?", "/any/thing?"] {
        let lines: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let text = format!(
            "POST {target}{{case}} HTTP/1.1\r\nhost: {DOMAIN}\r\ncontent-type: application/x-www-form-urlencoded\r\n{lines}\r\n{body}"
        );
        cases.push(Case { what: format!("{what}, {target}"), text, expected });
    }
}

/// The body with a second request behind it, which a reader of another length takes for one.
fn followed(body: &str) -> String {
    format!("{body}GET /any/smuggled?{{case}} HTTP/1.1\r\nhost: {DOMAIN}\r\n\r\n")
}

fn content_lengths(cases: &mut Vec<Case>) {
    let served = Expected::Served(FORM);
    posts(cases, "a length", &["content-length: 17"], FORM, served);
    posts(cases, "spaces around a length", &["content-length: \t 17 \t"], FORM, served);
    let wrong = [
        "+17",
        "-17",
        "-0",
        "0x11",
        "1 7",
        "17 0",
        "17;0",
        "17.0",
        "1e1",
        "17_",
        "'17'",
        "\"17\"",
        "17\0",
        "\x0b17",
        "17\x0c",
        "\u{661}\u{667}",
        "",
        "17, 0",
        "0, 17",
        "17,18",
        "17,",
        ",17",
        "99999999999999999999999",
        "18446744073709551633",
        "17 HTTP/1.1",
    ];
    for value in wrong {
        posts(
            cases,
            &format!("content-length {value:?}"),
            &[&format!("content-length: {value}")],
            &followed(FORM),
            Expected::Refused,
        );
        for lines in [
            ["content-length: 17".to_owned(), format!("content-length: {value}")],
            [format!("content-length: {value}"), "content-length: 17".to_owned()],
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            posts(cases, &format!("two lengths, {lines:?}"), &lines, &followed(FORM), Expected::Refused);
        }
    }
}

fn transfer_encodings(cases: &mut Vec<Case>) {
    let served = Expected::Served(FORM);
    for value in ["chunked", "Chunked", "CHUNKED", "\t chunked \t"] {
        posts(cases, &format!("{value:?}"), &[&format!("transfer-encoding: {value}")], CHUNKED, served);
    }
    let wrong = [
        "xchunked",
        "chunkedx",
        "chunk",
        "chunked, identity",
        "identity, chunked",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        ", chunked",
        "chunked;q=1",
        "chunked;",
        "chunked foo",
        "foo chunked",
        "\"chunked\"",
        "'chunked'",
        "[chunked]",
        "chunked\0",
        "\0chunked",
        "\x0bchunked",
        "chunked\x0b",
        "chunked\x0c",
        "chu\x00nked",
        "chunked\u{a0}",
        "chun\u{212a}ed",
        "chunked\\",
        "chunked/1.0",
        "cow",
        "",
        "trailers",
        "deflate, chunked",
        "br",
        "chunked\t;",
        "chunked = 1",
    ];
    for value in wrong {
        let line = format!("transfer-encoding: {value}");
        for lines in
            [vec![line.as_str()], vec!["content-length: 17", &line], vec![&line, "content-length: 17"]]
        {
            posts(cases, &format!("{lines:?}"), &lines, &followed(CHUNKED), Expected::Refused);
        }
        let two = ["transfer-encoding: chunked", line.as_str()];
        posts(cases, &format!("{two:?}"), &two, &followed(CHUNKED), Expected::Refused);
    }
    for length in ["0", "5", "17", "24"] {
        let length = format!("content-length: {length}");
        for lines in
            [[length.as_str(), "transfer-encoding: chunked"], ["transfer-encoding: chunked", &length]]
        {
            // The length counts for nobody, and the connection ends (RFC 9112 section 6.1).
            posts(cases, &format!("both, {lines:?}"), &lines, &followed(CHUNKED), Expected::Last(FORM));
        }
    }
    let twice = ["transfer-encoding: chunked"; 2];
    posts(cases, "chunked twice", &twice, &followed(CHUNKED), Expected::Refused);
}

fn names(cases: &mut Vec<Case>) {
    // The body by the length that is spelled well; the other spelling must not reach a server that would take it.
    for name in [
        "transfer_encoding",
        "Transfer_Encoding",
        "x-transfer-encoding",
        "transfer.encoding",
        "transferencoding",
    ] {
        let line = format!("{name}: chunked");
        posts(cases, &format!("{name:?}"), &["content-length: 17", &line], FORM, Expected::Served(FORM));
    }
    for name in ["content_length", "Content_Length"] {
        let line = format!("{name}: 5");
        posts(cases, &format!("{name:?}"), &["content-length: 17", &line], FORM, Expected::Served(FORM));
        posts(
            cases,
            &format!("{name:?} of chunks"),
            &["transfer-encoding: chunked", &line],
            CHUNKED,
            Expected::Served(FORM),
        );
    }
    for field in ["transfer-encoding", "content-length"] {
        let value = if field == "content-length" { "0" } else { "chunked" };
        for spelling in [
            format!("{field} : {value}"),
            format!("{field}\t: {value}"),
            format!("{field}\0: {value}"),
            format!("\0{field}: {value}"),
            format!(" {field}: {value}"),
            format!("\t{field}: {value}"),
            format!("{field}\x0b: {value}"),
            format!("{field}\u{a0}: {value}"),
            format!("\"{field}\": {value}"),
            format!("{field}:: {value}").replace("::", "\r:"),
            format!("{field}\r\n : {value}"),
            format!("{field}:\r\n {value}"),
            format!("x: a\r\n {field}: {value}"),
            format!("x: a\n{field}: {value}"),
            format!("x: a\r{field}: {value}"),
            format!("x: a\0\r\n{field}: {value}"),
            format!("({field}): {value}"),
            format!(": {value}"),
            format!("{field} {value}"),
            format!("{field}: {value}\r\r"),
            format!("{field}= {value}"),
            field.to_owned(),
        ] {
            let other =
                if field == "content-length" { "transfer-encoding: chunked" } else { "content-length: 17" };
            let body = if field == "content-length" { CHUNKED } else { FORM };
            // LF alone ends a line: this one has both lengths.
            let both = "x: a\ncontent-length: 0";
            let expected = if spelling == both { Expected::Last(FORM) } else { Expected::Refused };
            for lines in [[other, spelling.as_str()], [&spelling, other]] {
                posts(cases, &format!("{lines:?}"), &lines, &followed(body), expected);
            }
        }
    }
}

fn chunks(cases: &mut Vec<Case>) {
    let mut add = |what: &str, body: &str, expected| {
        posts(cases, &format!("chunks: {what}"), &["transfer-encoding: chunked"], body, expected);
    };
    let served = Expected::Served(FORM);
    for size in ["11", "0011", "11;a", "11;a=b", "11;a=\"b\"", "11 ;a = b"] {
        add(&format!("size {size:?}"), &format!("{size}\r\n{FORM}\r\n0\r\n\r\n"), served);
    }
    add("a trailer", &format!("11\r\n{FORM}\r\n0\r\nx-a: b\r\n\r\n"), served);
    for trailer in
        ["content-length: 5", "transfer-encoding: chunked", "host: other.example", "client-cert: :AA==:"]
    {
        add(&format!("the trailer {trailer:?}"), &format!("11\r\n{FORM}\r\n0\r\n{trailer}\r\n\r\n"), served);
    }
    for size in [
        "0x11",
        "+11",
        "-11",
        " 11",
        "\t11",
        "1 1",
        "11,",
        "11_",
        "1_1",
        "11h",
        "\x0b11",
        "11\0",
        "11;\0",
        "11;a=\0",
        "11;a=\x01",
        "11;\x7f",
        "",
        "FFFFFFFFFFFFFFFF",
        "10000000000000011",
        "100000000000000000000011",
        "\u{661}1",
        "11;a\nb",
        "11;a\rb",
        "11\n",
        "11\r",
    ] {
        add(
            &format!("size {size:?}"),
            &followed(&format!("{size}\r\n{FORM}\r\n0\r\n\r\n")),
            Expected::Refused,
        );
    }
    for (what, body) in [
        ("LF after the size", format!("11\n{FORM}\r\n0\r\n\r\n")),
        ("CR after the size", format!("11\r{FORM}\r\n0\r\n\r\n")),
        ("LF after the data", format!("11\r\n{FORM}\n0\r\n\r\n")),
        ("nothing after the data", format!("11\r\n{FORM}0\r\n\r\n")),
        ("more data than the size", format!("11\r\n{FORM}x\r\n0\r\n\r\n")),
        ("less data than the size", format!("12\r\n{FORM}\r\n0\r\n\r\n")),
        ("LF after the last chunk", format!("11\r\n{FORM}\r\n0\n\r\n")),
        ("LF at the end", format!("11\r\n{FORM}\r\n0\r\n\n")),
        ("a folded trailer", format!("11\r\n{FORM}\r\n0\r\nx: a\r\n b\r\n\r\n")),
        ("a trailer without a colon", format!("11\r\n{FORM}\r\n0\r\nx\r\n\r\n")),
        ("NUL in a trailer", format!("11\r\n{FORM}\r\n0\r\nx: \0\r\n\r\n")),
        ("NUL in the last chunk's extension", format!("11\r\n{FORM}\r\n0;\0\r\n\r\n")),
    ] {
        add(what, &followed(&body), Expected::Refused);
    }
}
