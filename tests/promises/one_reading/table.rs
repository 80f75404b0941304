//! Known attacks, in each of which some server reads client `b` in a request for `a`; and honest requests that look unusual.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::raw_request::RawRequest;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

pub struct Attack {
    pub what: String,
    pub request: RawRequest,
    /// HTTP/1.1 trims values, so it is another request there.
    pub http2_only: bool,
}

fn request(headers: &[(&str, &[u8])], query: Option<&str>, body: &[u8]) -> RawRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    RawRequest { method: "POST", query: query.map(str::to_owned), headers, body: body.to_vec() }
}

fn form(body: &[u8]) -> RawRequest {
    request(&[("Content-Type", FORM.as_bytes())], None, body)
}

fn json(body: &[u8]) -> RawRequest {
    request(&[("Content-Type", JSON.as_bytes())], None, body)
}

pub fn attacks() -> Vec<Attack> {
    [malformed_basic(), forms(), objects(), forms_taken_for_json()].into_iter().flatten().collect()
}

fn attack(what: impl Into<String>, request: RawRequest) -> Attack {
    Attack { what: what.into(), request, http2_only: false }
}

/// HTTP Basic that is not well formed.
fn malformed_basic() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let b = STANDARD.encode("b:s");
    let authorization = |value: &[u8]| {
        request(&[("Content-Type", FORM.as_bytes()), ("Authorization", value)], None, b"client_id=a")
    };
    for before in [" ", "\t", "  "] {
        let request = authorization(format!("{before}Basic {b}").as_bytes());
        attacks.push(Attack { what: format!("Basic after {before:?}"), request, http2_only: true });
    }
    for scheme in [
        &b"Basic\t"[..],
        b"Basic \t",
        b"Basic:",
        b"Basic\xa0",
        b"BasicX",
        b",Basic ",
        b", Basic ",
        b"\"Basic ",
        b"Bearer x, Basic ",
        b"Bearer x,Basic ",
        b"Digest a=\"Basic ",
        b"X-Basic ",
    ] {
        let value = [scheme, b.as_bytes()].concat();
        attacks.push(attack(String::from_utf8_lossy(&value), authorization(&value)));
    }
    attacks.push(attack("unpadded Basic", authorization(b"Basic Yjp4eA")));
    attacks.push(attack("Basic with junk", authorization(format!("Basic {b}!").as_bytes())));
    let escaped = format!("Basic {}", STANDARD.encode("%62:s"));
    let request = |lines: &[(&str, &[u8])]| request(lines, None, b"");
    attacks.push(attack("escaped letters in Basic", request(&[("Authorization", escaped.as_bytes())])));
    let (one, two) = (format!("Basic {}", STANDARD.encode("a:s")), format!("Basic {b}"));
    let lines = [("Authorization", one.as_bytes()), ("Authorization", two.as_bytes())];
    attacks.push(attack("two Authorization lines", request(&lines)));
    attacks
}

/// Forms in which some servers read a second client, in the body and in the query.
fn forms() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for text in [
        "?client_id=b&client_id=a",
        "client_id=a&x=1;client_id=b",
        "client_id=a;client_id=b",
        "client_id=a&amp;client_id=b",
        "client_id=a&;client_id=b",
        "client_id=a&client_id=b",
        "client_id=b&client_id=a",
        "client_id=a&Client_Id=b",
        "client_id=a&client.id=b",
        "client_id=a&client%20id=b",
        "client_id=a&client+id=b",
        "client_id=a&client%5Bid=b",
        "client_id=a&client_id%5B%5D=b",
        "client_id=a&client_id%5B0%5D=b",
        "client_id=a&%5Bclient_id%5D=b",
        "client_id=a&client_id%5D=b",
        "client_id=a&client_id.x=b",
        "client_id=a&client_id%00=b",
        "client_id=a&client_id%00x=b",
        "client_id=a&+client_id=b",
        "client_id=a&%u0063lient_id=b",
        "client_id=a&client%C1%9Fid=b",
        "client_id=a&%C1%A3lient_id=b",
        "client_id=a&client%E2%80%8B_id=b",
        "client_id=a&__proto__%5Bclient_id%5D=b",
        "client_id=b;x&client_id=a",
        "client_id=a&request.client_id=b",
        "client_id=a&request%5Bclient_id%5D=b",
    ] {
        attacks.push(attack(text, form(text.as_bytes())));
        let basic = format!("Basic {}", STANDARD.encode("a:s"));
        let query = request(&[("Authorization", basic.as_bytes())], Some(text), b"");
        attacks.push(attack(format!("{text} in the query"), query));
    }
    attacks.push(attack("a byte order mark", form(b"\xef\xbb\xbfclient_id=b&client_id=a")));
    attacks.push(attack("a raw NUL", form(b"client_id=a&client_id\0=b")));
    attacks
}

/// JSON objects in which some servers read a second client.
fn objects() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for text in [
        r#"{"client_id":"a","Client_ID":"b"}"#,
        r#"{"Client_ID":"b","client_id":"a"}"#,
        r#"{"client_id":"a","client-id":"b"}"#,
        r#"{"client_id":"a","clientId":"b"}"#,
        r#"{"client_id":"a","client_id\u0000":"b"}"#,
        r#"{"client_id":"a","\ufeffclient_id":"b"}"#,
        r#"{"client_id":"a","client_id":"b"}"#,
        r#"{"client_id":"a","client\u005fid":"b"}"#,
        r#"{"client_id":"a","x":"&client_id=b&"}"#,
        r#"{"client_id":"a",/**/"client_id":"b"}"#,
        r#"{"client_id":"a";"client_id":"b"}"#,
        r#"{"client_id":"a",'client_id':'b'}"#,
    ] {
        attacks.push(attack(text, json(text.as_bytes())));
    }
    attacks
}

/// Forms that some servers read as JSON, and JSON that some read as a form.
fn forms_taken_for_json() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let both = br#"{"client_id":"b","x":"&client_id=a&"}"#;
    for kind in [
        FORM,
        "application/x-www-form-urlencoded; a=/json",
        "application/x-www-form-urlencoded; a=+json",
        "application/x-www-form-urlencoded;, application/json",
        "application/x-www-form-urlencoded, application/json",
        "application/x-www-form-urlencoded; charset*=/json",
    ] {
        attacks.push(attack(kind, request(&[("Content-Type", kind.as_bytes())], None, both)));
    }
    attacks.push(attack(
        "two types",
        request(&[("Content-Type", FORM.as_bytes()), ("Content-Type", JSON.as_bytes())], None, both),
    ));
    attacks.push(attack(
        "a space before JSON",
        request(&[("Content-Type", FORM.as_bytes())], None, &[b" \n", &both[..]].concat()),
    ));
    // `json.loads` reads it as UTF-16, in which the bytes of the form in one of its strings are other characters.
    for (order, mark) in [("big", &b""[..]), ("big", b"\xfe\xff"), ("little", b""), ("little", b"\xff\xfe")] {
        let (before, after) = (r#"{"x":""#, r#"","client_id":"b"}"#);
        let wide = |text: &str| -> Vec<u8> {
            let bytes = |unit: u16| if order == "big" { unit.to_be_bytes() } else { unit.to_le_bytes() };
            text.encode_utf16().flat_map(bytes).collect()
        };
        let body = [mark, &wide(before), b"x&client_id=a&y", b"z", &wide(after)].concat();
        attacks.push(attack(format!("JSON in UTF-16, {order} end first, {}", mark.len()), form(&body)));
    }
    let basic = format!("Basic {}", STANDARD.encode("a:s"));
    attacks.push(attack(
        "a body without a type",
        request(&[("Authorization", basic.as_bytes())], None, b"client_id=b"),
    ));
    attacks
}

pub fn honest() -> Vec<(&'static str, RawRequest)> {
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text)).into_bytes();
    let with = |name: &str, value: &[u8]| {
        request(&[("Content-Type", FORM.as_bytes()), (name, value)], None, b"client_id=a&scope=x+y%3Bz")
    };
    vec![
        ("a form", form(b"grant_type=client_credentials&client_id=a&scope=openid+profile&resource=https%3A%2F%2Fx.example%2F%3Fa%3Db")),
        ("a form with a semicolon in a value", form(b"client_id=a&scope=x;y")),
        ("a form with a broken escape in a value", form(b"client_id=a&x=100%")),
        ("a form with bytes that are no UTF-8 in a value", form(b"client_id=a&x=\xff%ff")),
        ("an escaped name", form(b"client%5Fid=%61")),
        ("empty pairs", form(b"&client_id=a&&")),
        ("names that only resemble it", form(b"client_id2=b&xclient_id=b&client=b&client_assertions=x&client_id_hint=b&client_id=a")),
        ("a charset", request(&[("Content-Type", b"Application/X-WWW-Form-URLEncoded; Charset=\"utf-8\"")], None, b"client_id=a")),
        ("JSON", json(br#"{"grant_type":"client_credentials","client_id":"a","x":[1,{"client_id":"nested"}]}"#)),
        ("JSON with a URL", json(br#"{"client_id":"a","redirect_uri":"https://x.example/?a=b&c=d"}"#)),
        ("Basic", request(&[("Authorization", &basic("a:")), ("Content-Type", FORM.as_bytes())], None, b"grant_type=x")),
        ("Basic without a body", request(&[("authorization", &basic("a:"))], None, b"")),
        ("Basic and the same client in the form and the query", request(&[("Authorization", &basic("a:")), ("Content-Type", FORM.as_bytes())], Some("client_id=a&x=y"), b"client_id=a")),
        ("a bearer token", with("Authorization", b"Bearer eyJ.a-b_c.d==")),
        ("DPoP", with("Authorization", b"DPoP abc")),
        ("Digest", with("Authorization", b"Digest username=\"x, y\", realm=\"z\"")),
        ("Signature", with("Authorization", b"Signature keyId=\"k\",headers=\"(request-target) host\",signature=\"ab==\"")),
        ("GET", RawRequest { method: "GET", query: Some("client_id=a&scope=x".into()), ..RawRequest::default() }),
    ]
}
