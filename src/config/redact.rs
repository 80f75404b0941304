//! Masks what may be a secret in the text that diagnostics show.
//!
//! Only values of keys in the schema are shown, and of these not what may be a secret: header values, user information and queries of
//! URLs, private keys. Each byte of the rest becomes a `*`; lengths stay, so that spans still fit.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    schema::{CRL_SOURCE, EDGE, HEADER_PROFILE, REGISTRY, TABLES, TableSchema, UPSTREAM},
    split, variable,
};

/// Words in a line that may precede a secret, for a text that did not parse.
const HINTS: &[&str] = &["header", "secret", "token", "password", "passwd", "api", "bearer", "authorization"];

/// Where the secrets of an `edge.toml` are.
pub(super) fn edge(text: &str) -> Vec<Range<usize>> {
    document(EDGE, text)
}

/// Where the secrets of a registry are; none has a place there at all.
pub(super) fn registry(text: &str) -> Vec<Range<usize>> {
    let piece = |piece: Range<usize>| {
        let spans = document(REGISTRY, text.get(piece.clone()).unwrap_or_default());
        spans.into_iter().map(move |span| piece.start + span.start..piece.start + span.end)
    };
    split::of(text).flat_map(piece).collect()
}

/// By what the document's tree says, and by the look of the lines too where it does not parse.
fn document(kind: &TableSchema, text: &str) -> Vec<Range<usize>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut spans = if errors.is_empty() { Vec::new() } else { lines(text) };
    table(kind, document.get_ref(), &mut spans);
    spans
}

/// Where a secret may be by the look of the lines alone: for a text that did not parse.
pub(super) fn lines(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut within = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.trim_start().to_ascii_lowercase();
        let hints = HINTS.iter().any(|hint| lower.contains(hint)) || lower.contains("private key");
        if lower.starts_with('[') && !hints {
            within = false;
        }
        if hints && !harmless(&lower) {
            within = true;
        }
        if within && !lower.starts_with('[') {
            let value = line.find('=').map_or(0, |at| at + 1);
            spans.push(start + value..start + line.len());
        }
        start += line.len();
    }
    spans
}

/// Whether a line only seems to speak of a secret.
fn harmless(line: &str) -> bool {
    const PLAIN: &[&str] = &["header_profile", "header_bytes", "client_ip_header", "#", "[[header_profile]]"];
    PLAIN.iter().any(|plain| line.starts_with(plain))
        || (line.starts_with("headers") && !line.contains(['"', '\'', '{']))
}

fn table(kind: &TableSchema, entries: &DeTable<'_>, spans: &mut Vec<Range<usize>>) {
    for (key, value) in entries {
        let name = key.get_ref();
        // The schema is the list of keys whose values may be shown: of any other key nobody knows what an operator put there.
        if !kind.names().any(|known| known == name) {
            everything(value, spans);
        } else if kind.path == UPSTREAM.path && name == "headers" {
            references(value, spans);
        } else if kind.path == HEADER_PROFILE.path && name == "headers" {
            // Some servers take a header's very name for the secret.
            if let DeValue::Table(headers) = value.get_ref() {
                spans.extend(headers.iter().map(|(key, _)| key.span()));
            }
        } else {
            descend(kind, name, value, spans);
        }
    }
}

/// Goes into tables, and looks at strings for a key or a password.
fn descend(kind: &TableSchema, name: &str, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::String(text) => {
            let of_url = [UPSTREAM.path, CRL_SOURCE.path].contains(&kind.path);
            let password = of_url && text.contains(['@', '?']);
            if text.contains("PRIVATE KEY") || password {
                spans.push(value.span());
            }
        }
        DeValue::Array(items) => items.iter().for_each(|item| descend(kind, name, item, spans)),
        DeValue::Table(entries) => {
            let path = if kind.path.is_empty() { name.to_owned() } else { format!("{}.{name}", kind.path) };
            match TABLES.iter().find(|kind| kind.path == path) {
                Some(kind) => table(kind, entries, spans),
                None => entries.iter().for_each(|(_, value)| everything(value, spans)),
            }
        }
        _ => {}
    }
}

/// The headers of an upstream: all but a well-formed reference is masked.
fn references(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    let DeValue::Table(headers) = value.get_ref() else { return everything(value, spans) };
    for (_, value) in headers {
        let DeValue::Table(reference) = value.get_ref() else {
            everything(value, spans);
            continue;
        };
        for (key, value) in reference {
            let fine = match (key.get_ref().as_ref(), value.get_ref()) {
                ("file", DeValue::String(text)) => !text.contains("-----BEGIN"),
                ("env", DeValue::String(text)) => variable::is_name(text),
                _ => false,
            };
            if !fine {
                everything(value, spans);
            }
        }
    }
}

/// Every value, however deep.
fn everything(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().for_each(|item| everything(item, spans)),
        DeValue::Table(entries) => {
            for (key, value) in entries {
                // A secret may have become a key by a misplaced quote.
                spans.push(key.span());
                everything(value, spans);
            }
        }
        _ => spans.push(value.span()),
    }
}

/// Turns a span into as many stars as it has bytes; line ends, quotes and braces at the rim stay.
pub(super) fn mask(text: &mut String, span: Range<usize>) {
    let Some(secret) = text.get(span.clone()) else { return };
    let stars: String = secret
        .chars()
        .flat_map(|c| {
            let kept = c.is_whitespace() || matches!(c, '"' | '\'' | '{' | '}' | '=' | ',');
            std::iter::repeat_n(if kept { c } else { '*' }, if kept { 1 } else { c.len_utf8() })
        })
        .collect();
    text.replace_range(span, &stars);
}

/// The tables that hold secrets are reached by these names; a test of this module relies on them.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::SECRET;

    fn shown(text: &str) -> String {
        let mut shown = text.to_owned();
        for span in edge(text) {
            mask(&mut shown, span);
        }
        assert_eq!(shown.len(), text.len());
        shown
    }

    #[test]
    fn secrets_and_values_of_unknown_keys_are_masked() {
        for text in [
            "[[upstream]]\nheaders = { cname-api-key = \"hunter2\" }\n",
            "[[upstream]]\nheaders = { cname-api-key = { file = \"s\", value = \"hunter2\" } }\n",
            "[[upstream]]\nheaders = { cname-api-key = { env = \"hunter2-x\" } }\n",
            "[[upstream]]\nheaders = [\"cname-api-key: hunter2\"]\n",
            "[[upstream]]\nheaders = \"cname-api-key: hunter2\"\n",
            "[[upstream]]\nheaders.k = '''\nhunter2\nhunter2'''\n",
            "[[upstream]]\nheader = { cname-api-key = \"hunter2\" }\n",
            "[[upstream]]\ncname-api-key = \"hunter2\"\n",
            "[[upstream]]\nurls = [\"https://me:hunter2@auth.example\"]\n",
            "[[upstream]]\nurls = [\"https://auth.example/?key=hunter2\"]\n",
            "[[domain]]\nheaders = { cname-api-key = \"hunter2\" }\n",
            "[upstream.headers]\ncname-api-key = \"hunter2\"\n",
            "[[upstream]]\n[upstream.headers]\ncname-api-key = \"hunter2\n",
            "[[upstream]]\nheaders = { cname-api-key = \"hunter2 }\n",
            "[[upstream]]\nheaders = { a = \"x\" }\nheaders = { cname-api-key = \"hunter2\" }\n",
            "[[header_profile]]\nheaders = { x-hunter2 = \"pem-url\" }\n",
            "[[domain]]\nprivate_key = \"-----BEGIN PRIVATE KEY-----hunter2\"\n",
            "cname_api_key = \"hunter2\"\n",
            "[limits]\nfoo = \"hunter2\"\n",
            "[[domain]]\nkey = [\"hunter2\", { hunter2 = 1 }]\n",
            "[elsewhere]\nx = \"hunter2\"\n",
        ] {
            assert!(!shown(text).contains("hunter2"), "{text}\n{}", shown(text));
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        let text =
            "[[upstream]]\nname = \"a\"\nheaders = { k = { file = \"secrets/k\" }, l = { env = \"L\" } }\n";
        assert_eq!(shown(text), text);
        let text = "[limits]\nheader_bytes = 1\n[[domain]]\nheader_profile = \"auth\"\nname = = \"x\"\n";
        assert_eq!(shown(text), text);
        assert!(TABLES.iter().any(|kind| kind.path == UPSTREAM.path));
        assert_eq!(SECRET.path, "upstream.headers");
    }
}
