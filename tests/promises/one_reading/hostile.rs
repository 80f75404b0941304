//! Requests that try to be read as two clients: random mixtures of all known tricks.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{
    prelude::*,
    sample::{Index, select},
};

use super::raw_request::RawRequest;

/// Honest names, and names that some server treats as `client_id`.
const NAMES: &[&str] = &[
    "Client_ID",
    "CLIENT_ID",
    "clientId",
    "client-id",
    "client.id",
    "client+id",
    "client%20id",
    "client[id",
    "client_id[]",
    "client_id%5B%5D",
    "client_id[0]",
    "client_id[a][b]",
    "[client_id]",
    "client_id]",
    "[]client_id",
    "client_id.x",
    "client_id%00",
    "client_id%00x",
    "%00client_id",
    "+client_id",
    "%09client_id",
    "client_id+",
    "client_id%0d%0a",
    "?client_id",
    "%3Fclient_id",
    "\u{feff}client_id",
    "%EF%BB%BFclient_id",
    "client%5Fid",
    "client%5fid",
    "%63lient_id",
    "client%255Fid",
    "%u0063lient_id",
    "client%u005Fid",
    "client%C1%9Fid",
    "%C1%A3lient_id",
    "client_%C4%B1d",
    "CL%C4%B0ENT_ID",
    "client%E2%80%8B_id",
    "client_id%ff",
    "client_id%zz",
    "client_id%",
    "__proto__[client_id]",
    "amp;client_id",
    "{\"client_id\"",
    "x;client_id",
    "request.client_id",
    "x[client_id]",
];

const ORDINARY: &[&str] =
    &["grant_type", "scope", "x", "client_assertion", "client_id2", "client", "", "a[b]", "%7B"];

const VALUES: &[&str] = &[
    "b",
    "%62",
    "b%00",
    "a%00b",
    "b+",
    "+b",
    "b;x",
    "1;client_id=b",
    "1%26client_id=b",
    "{\"client_id\":\"b\"}",
    "%u0062",
    "b%zz",
    "%C1%A2",
    "b%0a",
    "\0",
    "",
    "client_credentials",
    "a=b",
    "\u{feff}b",
    "\u{e3}",
];

const SEPARATORS: &[&str] =
    &["&", "&", "&", "&", "&", ";", "&amp;", "&&", "&;", ";&", "& ", "&\r\n", "%26", "\0&", ","];

const TYPES: &[&str] = &[
    "application/x-www-form-urlencoded; a=/json",
    "application/x-www-form-urlencoded; x=+json",
    "application/x-www-form-urlencoded;, application/json",
    "application/x-www-form-urlencoded, application/json",
    "application/json, application/x-www-form-urlencoded",
    "application/json;/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset*=utf-7''",
    "application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
    "application/x-www-form-urlencoded; charset=\"utf-8",
    "application/x-www-form-urlencoded\t; charset=utf-8",
    "application/x-www-form-urlencoded;",
    "APPLICATION/JSON ; Charset=UTF-8",
    "application/vnd.api+json",
    "text/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "",
];

fn sometimes<T: std::fmt::Debug + Clone + 'static>(
    honest: impl Strategy<Value = T> + 'static,
    hostile: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = T> {
    prop_oneof![7 => honest, 1 => hostile]
}

fn pair() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => Just("client_id"), 2 => select(NAMES), 4 => select(ORDINARY)
    ];
    // Rarely with a character in the wrong place.
    let junk = sometimes(
        Just(None),
        (
            any::<Index>(),
            select("\0 \t\r\n\u{b}?#;[].%+-_\u{a0}\u{feff}\u{200b}{\"".chars().collect::<Vec<_>>()),
        )
            .prop_map(Some),
    );
    let value = prop_oneof![4 => Just("a"), 1 => Just("b"), 3 => select(VALUES)];
    (name, junk, value, any::<bool>()).prop_map(|(name, junk, value, upper)| {
        let mut name: Vec<char> = name.chars().collect();
        if let Some((at, sign)) = junk {
            name.insert(at.index(name.len() + 1), sign);
        }
        let name: String = name.into_iter().collect();
        let value = if name.contains("client_id") || upper { value } else { "x" };
        format!("{name}={value}")
    })
}

/// A form with `client_id=a` among hostile pairs.
fn form() -> impl Strategy<Value = String> {
    let hostile = prop::collection::vec((select(SEPARATORS), pair()), 0..3);
    let start = sometimes(
        Just(""),
        select(&["?", "\u{feff}", " ", "&", ";", "{", "#", "\0", "\r\n", "%EF%BB%BF"][..]),
    );
    (start, hostile, any::<Index>(), any::<bool>()).prop_map(|(start, hostile, at, named)| {
        let mut pieces: Vec<String> = hostile.iter().map(|(_, pair)| pair.clone()).collect();
        if named {
            pieces.insert(at.index(pieces.len() + 1), "client_id=a".to_owned());
        }
        let separators = hostile.iter().map(|(separator, _)| *separator).chain(["", ""]);
        let text: String =
            pieces.iter().zip(separators).flat_map(|(piece, end)| [piece.as_str(), end]).collect();
        format!("{start}{text}")
    })
}

fn member() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "client_id",
            "client_id",
            "Client_ID",
            "client-id",
            "clientId",
            "ClientId",
            "clientid",
            "client\\u005fid",
            "client_id\\u0000",
            "\\u0000client_id",
            "client_id ",
            "\\ufeffclient_id",
            "client_id\\ufeff",
            "client_\\u0131d",
            "\\ud800client_id",
            "client_id\\/",
            "__proto__",
            "x",
            "scope",
        ][..],
    );
    let value = select(
        &[
            "\"a\"",
            "\"a\"",
            "\"b\"",
            "\"\\u0062\"",
            "\"b\\u0000\"",
            "[\"b\"]",
            "{\"client_id\":\"b\"}",
            "null",
            "1",
            "NaN",
            "'b'",
            "\"&client_id=b&\"",
            "\"?client_id=b\"",
            "\";client_id=b;\"",
            "\"&client%5fid=b\"",
            "\"&client_id[]=b\"",
            "\"x\" /* \", \"client_id\":\"b\" */",
            "\"\u{7f}\"",
            "\"\\\",\\\"client_id\\\":\\\"b\"",
        ][..],
    );
    (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"))
}

fn json() -> impl Strategy<Value = String> {
    let around = |all: &'static [&'static str]| sometimes(Just(""), select(all));
    let members = prop::collection::vec(member(), 0..3);
    (
        around(&["\u{feff}", " ", "\n", "\0", "//\n", "[", "x", "?", "&client_id=b&"]),
        members,
        any::<Index>(),
        any::<bool>(),
        around(&["", " ", "x", "{\"client_id\":\"b\"}", ",", "&client_id=b", ";client_id=b", "\0", "]"]),
        around(&[" , ", ";", ",,", ",\u{a0}"]),
    )
        .prop_map(|(before, mut members, at, named, after, separator)| {
            if named {
                members.insert(at.index(members.len() + 1), "\"client_id\":\"a\"".to_owned());
            }
            let separator = if separator.is_empty() { "," } else { separator };
            format!("{before}{{{}}}{after}", members.join(separator))
        })
}

fn authorization() -> impl Strategy<Value = Vec<u8>> {
    let encoded =
        prop_oneof![Just("a:s"), Just("b:s"), Just("%62:s"), Just("b\0:s"), Just("a"), Just("a%3Ab:s")];
    let credentials =
        (encoded, select(&["", "", "", "=", ",", "\t", " ", " x", "!", "\u{a0}", ", Basic Yjpz", "\""][..]))
            .prop_map(|(text, end)| format!("{}{end}", STANDARD.encode(text)));
    let scheme = select(
        &[
            "Basic ",
            "Basic ",
            "bAsIc ",
            "Basic  ",
            "Basic\t",
            "Basic \t",
            "Basic:",
            "Basic,",
            "Basic=",
            "Basic\u{a0}",
            "\u{a0}Basic ",
            " Basic ",
            "\tBasic ",
            ",Basic ",
            ", Basic ",
            "\"Basic ",
            "'Basic ",
            "Basic\"",
            "BasicX",
            "XBasic ",
            "Bearer x, Basic ",
            "Bearer x,Basic ",
            "Bearer x Basic ",
            "Bearer Basic ",
            "Digest a=\"Basic ",
            "Digest a=b, Basic ",
            "Bearer ",
            "DPoP ",
            "",
        ][..],
    );
    (scheme, credentials).prop_map(|(scheme, credentials)| format!("{scheme}{credentials}").into_bytes())
}

fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = |honest: &'static str, others: &'static [&'static str]| prop_oneof![6 => Just(honest), 1 => select(others)];
    let authorization = (
        name("Authorization", &["authorization", "Php-Auth-User", "PHP_AUTH_USER", "X-Authorization"]),
        authorization(),
    );
    let more = (
        select(
            &[
                "Content_Type",
                "content.type",
                "Content-Type",
                "Content-Encoding",
                "Content_Encoding",
                "X-HTTP-Method-Override",
            ][..],
        ),
        select(
            &[
                "application/json",
                "application/x-www-form-urlencoded",
                "gzip",
                "identity",
                " application/json",
            ][..],
        ),
    );
    let all = (
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(authorization, 1..3)],
        prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(more, 1..3)],
    );
    all.prop_map(|(authorization, more)| {
        let authorization = authorization.into_iter().map(|(name, value)| (name.to_owned(), value));
        authorization
            .chain(more.into_iter().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())))
            .collect()
    })
}

/// A query with only characters that a request target may contain.
fn query() -> impl Strategy<Value = Option<String>> {
    prop_oneof![2 => Just(None), 1 => form().prop_map(Some)].prop_map(|query| {
        query.map(|query| query.replace(|c: char| !c.is_ascii_graphic() || "\"#{}<>`".contains(c), ""))
    })
}

/// A request to the token endpoint with a form or JSON body, and any content type.
pub fn request() -> impl Strategy<Value = RawRequest> {
    let form = ("application/x-www-form-urlencoded", 0);
    let json_type = ("application/json", 1);
    let body = prop_oneof![
        4 => self::form().prop_map(move |text| (form.0, text)),
        3 => json().prop_map(move |text| (json_type.0, text)),
        1 => Just((form.0, String::new())),
    ];
    let kind = prop_oneof![5 => Just(None), 2 => select(TYPES).prop_map(Some), 1 => Just(Some("application/x-www-form-urlencoded")), 1 => Just(Some("application/json"))];
    (body, kind, lines(), query(), prop_oneof![5 => Just("POST"), 1 => Just("GET")]).prop_map(
        |((honest, body), kind, lines, query, method)| {
            let kind = kind.unwrap_or(honest);
            let mut headers = vec![("Content-Type".to_owned(), kind.as_bytes().to_vec())];
            headers.extend(lines);
            // Sometimes with one byte that is not UTF-8.
            let body = body.replace('\u{e3}', "\u{1}").into_bytes();
            let body = body.into_iter().map(|byte| if byte == 1 { 0xe3 } else { byte }).collect();
            RawRequest { method, query, headers, body }
        },
    )
}
