//! Hostile requests of HTTP/2 (RFC 9113 sections 8.1 to 8.3): what would become another request when it is written as HTTP/1.1.

use super::{Expected, FORM};
use crate::support::DOMAIN;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A request, with `{case}` where its number belongs.
pub struct Case {
    pub what: String,
    pub fields: Fields,
    pub body: &'static str,
    pub trailers: Fields,
    pub expected: Expected,
}

/// What would be a second request behind the first.
const SMUGGLED: &str = "HTTP/1.1\r\nhost: a\r\n\r\nGET /any/smuggled?{case}";

/// All requests.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in ["/oauth/token?{case}", "/any/thing?{case}"] {
        let mut requests = Requests::to(target);
        requests.beside();
        requests.pseudo();
        requests.characters();
        requests.trailers();
        cases.append(&mut requests.cases);
    }
    cases
}

/// Requests to one target.
struct Requests {
    target: &'static str,
    base: Fields,
    cases: Vec<Case>,
}

impl Requests {
    fn to(target: &'static str) -> Self {
        let base = fields(&[
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", DOMAIN),
            (":path", target),
            ("content-type", "application/x-www-form-urlencoded"),
        ]);
        Self { target, base, cases: Vec::new() }
    }

    fn add(&mut self, what: &str, fields: Fields, trailers: Fields, expected: Expected) {
        let what = format!("{what}, {}", self.target);
        self.cases.push(Case { what, fields, body: FORM, trailers, expected });
    }

    /// The base with further fields.
    fn with(&self, more: &[(&str, &str)]) -> Fields {
        [self.base.clone(), fields(more)].concat()
    }

    /// The base with another value of a field.
    fn instead(&self, name: &str, value: &str) -> Fields {
        let new = |(other, old): &(Vec<u8>, Vec<u8>)| {
            (other.clone(), if other == name.as_bytes() { value.into() } else { old.clone() })
        };
        self.base.iter().map(new).collect()
    }

    /// Fields besides the usual ones.
    fn beside(&mut self) {
        self.add("nothing else", self.base.clone(), vec![], Expected::Served(FORM));
        for more in [
            ("content-length", "17"),
            ("te", "trailers"),
            ("x-transfer-encoding", "chunked"),
            ("transfer_encoding", "chunked"),
            ("content_length", "5"),
        ] {
            self.add(&format!("{more:?}"), self.with(&[more]), vec![], Expected::Served(FORM));
        }
        for more in [
            ("connection", "close"),
            ("connection", "transfer-encoding"),
            ("connection", ""),
            ("keep-alive", "timeout=1"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "identity"),
            ("transfer-encoding", ""),
            ("transfer-encoding", "gzip, chunked"),
            ("te", "chunked"),
            ("te", "trailers, chunked"),
            ("te", "gzip"),
            ("content-length", "16"),
            ("content-length", "18"),
            ("content-length", "0"),
            ("content-length", "+17"),
            ("content-length", "-17"),
            ("content-length", "17, 17"),
            ("content-length", "17 "),
            ("content-length", "0x11"),
            ("content-length", ""),
            ("content-length", "99999999999999999999"),
            ("content-length", "17\r\nx: y"),
            ("Content-Length", "17"),
            ("Transfer-Encoding", "chunked"),
            ("X-A", "b"),
            ("x a", "b"),
            ("x:a", "b"),
            ("x\r\na", "b"),
            ("x\na", "b"),
            ("x\0a", "b"),
            ("x: a\r\ntransfer-encoding", "chunked"),
            ("", "b"),
            ("x\u{e9}", "b"),
            ("x(", "b"),
            (":x", "b"),
            (":status", "200"),
            (":protocol", "websocket"),
            (":path", "/any/smuggled?{case}"),
            (":method", "GET"),
            (":authority", "other.example"),
            (":scheme", "https"),
            ("x", "a\r\nb: c"),
            ("x", "a\nb"),
            ("x", "a\rb"),
            ("x", "a\0"),
            ("x", "a\r\n\r\nGET /any/smuggled?{case} HTTP/1.1\r\n\r\n"),
            ("x", " a"),
            ("x", "a "),
            ("x", "\ta"),
            ("x", "a\u{7f}"),
            ("x", "a\u{b}"),
            ("host", "other.example"),
            ("host", "a\r\nb: c"),
            ("host", ""),
            ("host ", DOMAIN),
        ] {
            self.add(&format!("{more:?}"), self.with(&[more]), vec![], Expected::Refused);
        }
        for more in [
            [("content-length", "17"), ("content-length", "5")],
            [("content-length", "5"), ("content-length", "17")],
            [("host", DOMAIN), ("host", "other.example")],
        ] {
            self.add(&format!("{more:?}"), self.with(&more), vec![], Expected::Refused);
        }
    }

    /// Pseudo-header fields with other values, missing, late or twice.
    fn pseudo(&mut self) {
        for (name, values) in [
            (
                ":method",
                [
                    "POST ",
                    " POST",
                    "PO ST",
                    "POST\r\n",
                    "",
                    "POST /any/smuggled?{case} HTTP/1.1\r\nx:",
                    "P\0ST",
                    "P(ST",
                    "post",
                ],
            ),
            (
                ":scheme",
                [
                    "http://a/",
                    "https ",
                    "",
                    "https\r\nx: y",
                    "https:",
                    "h ttps",
                    "\0",
                    "https://other.example/?",
                    "javascript:",
                ],
            ),
            (":authority", ["other.example", "a@b", "a b", "a\r\nx: y", "", "a/b", "a:x", "[::1", "a\0"]),
            (
                ":path",
                [
                    "",
                    "any",
                    "*",
                    "/any/a b?{case}",
                    "/any/a\r\nx: y?{case}",
                    "/any/a\0?{case}",
                    "/any/a\t?{case}",
                    "//other.example/?{case}",
                    "https://other.example/any/a?{case}",
                ],
            ),
        ] {
            for value in values {
                self.add(&format!("{name} {value:?}"), self.instead(name, value), vec![], Expected::Refused);
            }
            let without: Fields =
                self.base.iter().filter(|(other, _)| other != name.as_bytes()).cloned().collect();
            self.add(&format!("no {name}"), without.clone(), vec![], Expected::Refused);
            let value = self.base.iter().find(|(other, _)| other == name.as_bytes()).unwrap().clone();
            self.add(
                &format!("{name} last"),
                [without, vec![value.clone()]].concat(),
                vec![],
                Expected::Refused,
            );
            self.add(
                &format!("{name} twice"),
                [vec![value], self.base.clone()].concat(),
                vec![],
                Expected::Refused,
            );
        }
        let injected = format!("/any/thing?{{case}} {SMUGGLED}");
        self.add("a request in :path", self.instead(":path", &injected), vec![], Expected::Refused);
    }

    /// Characters that no name, or no value, may have.
    fn characters(&mut self) {
        for byte in (0..128_u8).filter(|byte| !byte.is_ascii_lowercase() && !byte.is_ascii_digit()) {
            let one = char::from(byte);
            if !"!#$%&'*+-.^_`|~".contains(one) {
                self.add(
                    &format!("{one:?} in a name"),
                    self.with(&[(&format!("x{one}a"), "b")]),
                    vec![],
                    Expected::Refused,
                );
            }
            if byte.is_ascii_control() && one != '\t' {
                self.add(
                    &format!("{one:?} in a value"),
                    self.with(&[("x", &format!("a{one}b"))]),
                    vec![],
                    Expected::Refused,
                );
            }
        }
    }

    /// Fields after the body.
    fn trailers(&mut self) {
        for trailer in [
            ("x-late", "a"),
            ("content-length", "5"),
            ("host", "other.example"),
            ("client-cert", ":AA==:"),
            ("x-forwarded-for", "1.2.3.4"),
            // h2 drops them, as it does not for the head.
            (":path", "/any/smuggled?{case}"),
            (":method", "GET"),
            (":status", "200"),
        ] {
            self.add(
                &format!("the trailer {trailer:?}"),
                self.base.clone(),
                fields(&[trailer]),
                Expected::Served(FORM),
            );
        }
        for trailer in [
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("te", "chunked"),
            ("X", "a"),
            ("x a", "b"),
            ("x", "a\r\nb: c"),
            ("x", "a\0"),
            ("x\r\n", "a"),
            ("", "a"),
        ] {
            self.add(
                &format!("the trailer {trailer:?}"),
                self.base.clone(),
                fields(&[trailer]),
                Expected::Refused,
            );
        }
    }
}

fn fields(all: &[(&str, &str)]) -> Fields {
    all.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}
