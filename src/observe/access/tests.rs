//! Lines are bounded, escaped and in the documented order.

use proptest::prelude::*;

use super::*;

const FIELDS: [Field<'static>; 4] = [
    ("method", Some(Value::Token("POST"))),
    ("path", Some(Value::Text("/a\"\n\u{1b}"))),
    ("credential", None),
    ("status", Some(Value::Number(200))),
];

proptest! {
    #[test]
    fn plain_text_needs_no_escape(text in "[ -~]{0,20}|\\PC{0,9}|.{0,20}") {
        let is_plain_byte = |b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
        prop_assert_eq!(is_plain(&text), text.bytes().all(is_plain_byte));
    }
}

#[test]
fn plain_bytes_are_found_at_every_position() {
    for byte in 0..=0x7f_u8 {
        let is_plain_byte = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        for at in 0..17 {
            let mut bytes = [b'a'; 17];
            bytes[at] = byte;
            assert_eq!(is_plain(std::str::from_utf8(&bytes).unwrap()), is_plain_byte, "{byte} at {at}");
        }
    }
    assert!(is_plain("") && !is_plain("a\u{e9}") && !is_plain("12345678\u{80}"));
}

fn without_time(line: &[u8], start: usize) -> String {
    let text = String::from_utf8(line.to_vec()).unwrap();
    let time = &text[start..start + 27];
    let is_time = |(at, c): (usize, char)| match at {
        4 | 7 => c == '-',
        10 => c == 'T',
        13 | 16 => c == ':',
        19 => c == '.',
        26 => c == 'Z',
        _ => c.is_ascii_digit(),
    };
    assert!(time.chars().enumerate().all(is_time), "{time}");
    text.replace(time, "NOW")
}

#[test]
fn no_client_input_starts_a_new_log_line() {
    let mut line = Vec::new();
    // As formatted by default, without `init`.
    let connection =
        Fragment::of(&[("domain", Some(Value::Token("a.example"))), ("resumed", Some(Value::Flag(true)))]);
    text(&mut line, (Level::Info, false), &FIELDS, [Some(&connection), None]);
    assert_eq!(
        without_time(&line, 0),
        "NOW  INFO mtls_edge::access: request method=POST path=\"/a\\\"\\n\\u{1b}\" status=200 domain=a.example resumed=true\n"
    );
    line.clear();
    json(&mut line, Level::Info, &FIELDS, [None; 2]);
    assert_eq!(
        without_time(&line, 14),
        "{\"timestamp\":\"NOW\",\"level\":\"INFO\",\"message\":\"request\",\"method\":\"POST\",\"path\":\"/a\\\"\\n\\u001b\",\"status\":200,\"target\":\"mtls_edge::access\"}\n"
    );
    assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
}

/// Text that grows when escaped, invisible characters, and long text.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[\0-\u{1f}\"\\\\\u{7f}-\u{a0}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2066}-\u{2069}\u{feff}\u{e0041}a]{0,600}",
        "[\u{fdfa}\u{1f600}x]{200,2000}",
        Just("\0".repeat(60_000)),
        Just("\u{e0041}".repeat(5_000)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_line_is_longer_than_3_kib(
        texts in [hostile(), hostile(), hostile(), hostile()],
        words in [hostile(), hostile(), hostile(), hostile(), hostile(), hostile()],
        method in "[A-Z!#$%&'*+.^_`|~-]{0,3000}",
        domain in "[a-z.]{253}",
    ) {
        // The fields that `request::respond` writes, each at its maximum length.
        let [path, client_id, subject, reason] = &texts;
        let [credential, contradicted, only_outside, route, upstream, origin] = &words;
        let fields = [
            ("request_id", Value::Token(&"f".repeat(64))),
            ("client_ip", Value::Token("2001:0db8:1111:2222:3333:4444:5555:6666")),
            ("domain", Value::Token(&domain)),
            ("method", Value::Token(&crate::text::bounded(&method, SHORT))),
            ("path", Value::Text(path)),
            ("protocol", Value::Token("HTTP/1.1")),
            ("status", Value::Number(999)),
            ("microseconds", Value::Number(u64::MAX)),
            ("client_id", Value::Text(client_id)),
            ("credential", Value::Word(credential)),
            ("code", Value::Token("certificate_not_yet_valid")),
            ("reason", Value::Text(reason)),
            ("route", Value::Word(route)),
            ("upstream", Value::Word(upstream)),
            ("origin", Value::Word(origin)),
            ("upstream_microseconds", Value::Number(u64::MAX)),
            ("sampled", Value::Decimal("0.1234567890123456789")),
            ("bytes_in", Value::Number(u64::MAX)),
            ("bytes_out", Value::Number(u64::MAX)),
            ("authorization_request", Value::Token("strict_request_object")),
            ("contradicted", Value::Word(contradicted)),
            ("only_outside", Value::Word(only_outside)),
            ("tls_version", Value::Token("1.3")),
            ("cipher", Value::Token("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256")),
            ("group", Value::Token("X25519MLKEM768")),
            ("resumed", Value::Flag(false)),
            ("thumbprint", Value::Token("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")),
            ("subject", Value::Text(subject)),
        ];
        let fields = fields.map(|(name, value)| (name, Some(value)));
        let mut line = Vec::new();
        text(&mut line, (Level::Warn, false), &fields, [None; 2]);
        prop_assert!(line.len() <= 3072, "{}", line.len());
        let shown = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
        prop_assert!(!shown.chars().any(crate::text::is_hidden), "{:?}", shown);
        line.clear();
        json(&mut line, Level::Warn, &fields, [None; 2]);
        prop_assert!(line.len() <= 3072, "{}", line.len());
        let shown = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
        prop_assert!(!shown.chars().any(crate::text::is_hidden), "{:?}", shown);
        let object: serde_json::Value = serde_json::from_str(shown).unwrap();
        // Text within the limit reads back unchanged.
        for (name, text) in [("path", path), ("client_id", client_id), ("subject", subject)] {
            let read = object[name].as_str().unwrap();
            let whole = text.as_str() == read;
            let begins = read.strip_suffix('\u{2026}').is_some_and(|read| text.starts_with(read));
            prop_assert!(whole || begins, "{} {:?}", name, read);
            prop_assert!(whole || text.len() * 6 > SHOWN);
        }
    }
}
