//! Which bytes of a configuration file messages must not show.
//!
//! The schema lists what may be shown ([`Shown`]); everything else is masked: values of unknown keys that are not certainly a known one's, secrets
//! where a reference belongs, user information and queries of URLs, private keys, comments. A masked byte becomes a `*`, so that spans still fit.

mod unparsed;

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use toml_parser::{Source, lexer::TokenKind};

use super::{
    pkcs11_uri::may_have_pin,
    schema::{EDGE, Key, REGISTRY, SYNONYMS, Shown, TableSchema, table_of},
    split,
    suggest::is_misspelt,
    variable,
};

/// The hidden bytes of an `edge.toml`.
pub(super) fn edge(text: &str) -> Vec<Range<usize>> {
    document(EDGE, text)
}

/// The hidden bytes of a registry.
pub(super) fn registry(text: &str) -> Vec<Range<usize>> {
    let piece = |piece: Range<usize>| {
        let spans = document(REGISTRY, text.get(piece.clone()).unwrap_or_default());
        spans.into_iter().map(move |span| piece.start + span.start..piece.start + span.end)
    };
    split::into_applications(text).flat_map(piece).collect()
}

fn document(kind: &'static TableSchema, text: &str) -> Vec<Range<usize>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut spans = if errors.is_empty() { comments(text) } else { unparsed::hidden(kind, text) };
    table(kind, document.get_ref(), &mut spans);
    spans
}

fn comments(text: &str) -> Vec<Range<usize>> {
    let tokens = Source::new(text).lex();
    let comments = tokens.filter(|token| token.kind() == TokenKind::Comment).map(|token| token.span());
    comments.map(|span| span.start()..span.end()).collect()
}

fn table(kind: &TableSchema, entries: &DeTable<'_>, spans: &mut Vec<Range<usize>>) {
    for (key, value) in entries {
        match kind.key(key.get_ref()).map(|key| key.shown) {
            None if is_harmless(kind, key.get_ref()) => plain(value, spans),
            None | Some(Shown::Nothing) => everything(value, spans),
            Some(Shown::References) => references(value, spans),
            Some(Shown::Reference) => reference(value, spans),
            Some(Shown::Encodings) => match value.get_ref() {
                DeValue::Table(headers) => spans.extend(headers.iter().map(|(key, _)| key.span())),
                _ => everything(value, spans),
            },
            Some(shown) => descend(&kind.path_of(key.get_ref()), shown, value, spans),
        }
    }
}

/// The keys with a name in other standards ([`SYNONYMS`]) whose values are names, and no material of a key or a secret.
const NAMES: [&str; 13] = [
    "alg",
    "audience",
    "audiences",
    "auth_method",
    "client_id",
    "expires_at",
    "issuer",
    "kid",
    "san_dns",
    "san_email",
    "san_ip",
    "san_uri",
    "subject_dn",
];

/// Whether an unknown key can only be meant as one whose value may be shown: it is one letter from such a key and from no other, or another
/// standard's name of a name.
fn is_harmless(kind: &TableSchema, key: &str) -> bool {
    /// One letter makes another word of shorter names.
    const SHORTEST: usize = 4;
    let is_shown = |key: &Key| matches!(key.shown, Shown::Value | Shown::Address) && key.table().is_none();
    let mut alike = kind.keys.iter().filter(|known| is_misspelt(key, known.name)).peekable();
    if alike.peek().is_some() {
        return alike.all(|known| known.name.len() >= SHORTEST && is_shown(known));
    }
    let mut meant = SYNONYMS.iter().filter(|(other, _)| *other == key).map(|(_, name)| name).peekable();
    meant.peek().is_some() && meant.all(|name| NAMES.contains(name))
}

/// Masks what is no text, number or list of these, and texts that may contain a secret wherever they are.
fn plain(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::String(text) if has_secret(Shown::Address, text) => spans.push(value.span()),
        DeValue::Array(items) => items.iter().for_each(|item| plain(item, spans)),
        DeValue::Table(_) => everything(value, spans),
        _ => {}
    }
}

fn descend(path: &str, shown: Shown, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::String(text) if has_secret(shown, text) => spans.push(value.span()),
        DeValue::Array(items) => items.iter().for_each(|item| descend(path, shown, item, spans)),
        DeValue::Table(entries) => match table_of(path) {
            Some(kind) => table(kind, entries, spans),
            None => everything(value, spans),
        },
        _ => {}
    }
}

/// Whether a text, wherever it stands, may contain a secret.
pub(super) fn may_be_secret(text: &str) -> bool {
    has_secret(Shown::Address, text)
}

/// Whether a value that may be shown contains a private key in PEM, a JWK, which may be private, the PIN of a token, or user information or a query of a URL.
fn has_secret(shown: Shown, text: &str) -> bool {
    text.contains("PRIVATE KEY")
        || text.contains("\"kty\"")
        || may_have_pin(text)
        || (shown == Shown::Address && text.contains(['@', '?']))
}

/// The headers of an upstream: everything but a well-formed reference is masked.
fn references(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    let DeValue::Table(headers) = value.get_ref() else { return everything(value, spans) };
    headers.iter().for_each(|(_, value)| reference(value, spans));
}

fn reference(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    let DeValue::Table(reference) = value.get_ref() else { return everything(value, spans) };
    for (key, value) in reference {
        let is_reference = match (key.get_ref().as_ref(), value.get_ref()) {
            ("file", DeValue::String(text)) => !text.contains("-----BEGIN"),
            ("env", DeValue::String(text)) => variable::is_name(text),
            _ => false,
        };
        if !is_reference {
            everything(value, spans);
        }
    }
}

/// Masks all keys and values of a value.
fn everything(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().for_each(|item| everything(item, spans)),
        DeValue::Table(entries) => {
            for (key, value) in entries {
                // A misplaced quote can make a key of a secret.
                spans.push(key.span());
                everything(value, spans);
            }
        }
        _ => spans.push(value.span()),
    }
}

/// Replaces the bytes of a span by `*`, except whitespace, quotes, punctuation of TOML and the `#` of a comment.
pub(super) fn mask(text: &mut String, span: Range<usize>) {
    let Some(secret) = text.get(span.clone()) else { return };
    let is_comment = secret.starts_with('#');
    let stars: String = secret
        .char_indices()
        .flat_map(|(at, c)| {
            let kept = c.is_whitespace()
                || matches!(c, '"' | '\'' | '{' | '}' | '=' | ',')
                || (at == 0 && is_comment);
            std::iter::repeat_n(if kept { c } else { '*' }, if kept { 1 } else { c.len_utf8() })
        })
        .collect();
    text.replace_range(span, &stars);
}

#[cfg(test)]
mod tests;
