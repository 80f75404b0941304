//! What a parameter's name means to the most lenient of servers.
//!
//! PHP turns `.`, blanks and `[` of a name into `_`, drops blanks before it, and ends it at a NUL. Rack and qs take `[client_id]` and
//! `client_id]` for `client_id`. ASP.NET and Go's JSON ignore case, frameworks convert `clientId` and `client-id` to snake case.
//! Node's `URLSearchParams` drops a `?` and a decoder of UTF-8 drops a byte order mark before the first name. So letters and digits
//! alone are compared, and what is left of a name after a sign that ends it somewhere does not count.

use memchr::memchr2;
use unicode_normalization::UnicodeNormalization;

use super::{ClientIdError, escapes};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `client_id`, as it is written.
    ClientId,
    /// `_charset_`, by which some servers decode a form (HTML Living Standard, section 4.10.22.4).
    Charset,
    /// None of that.
    Other,
}

/// What a decoded name means. One that only resembles `client_id`, by whatever further decoding, is an error, and so is one that
/// overrides the method.
pub(super) fn meaning(name: &[u8]) -> Result<Meaning, ClientIdError> {
    match name {
        b"client_id" => return Ok(Meaning::ClientId),
        // ASP.NET binds `request.client_id` and `request[client_id]` to the member of a parameter that is called so.
        _ if memchr2(b'.', b'[', name).is_some() => {
            for member in name.split(|octet| matches!(octet, b'.' | b'[')).skip(1) {
                if meaning(member)? == Meaning::ClientId {
                    return Err(ClientIdError::Lookalike);
                }
            }
        }
        // Nobody drops a letter or digit from the beginning of a name, and nothing that is looked for begins with these.
        [first, ..] if first.is_ascii_alphanumeric() && !b"CcHhMmXx".contains(first) => {
            return Ok(Meaning::Other);
        }
        _ => {}
    }
    let meaning = resembles(name)?;
    // Servers behind servers decode again; nobody does so more often.
    let mut further = escapes::decoded_further(name);
    for _ in 0..3 {
        let Some(name) = further else { break };
        resembles(&name)?;
        further = escapes::decoded_further(&name);
    }
    Ok(meaning)
}

fn resembles(name: &[u8]) -> Result<Meaning, ClientIdError> {
    if name.is_ascii() {
        return folded(&name.iter().map(|octet| char::from(octet.to_ascii_lowercase())));
    }
    // What compatibility, case and accents fold to (ASP.NET's and Java's comparisons, Windows' best fit).
    let text = escapes::lenient_utf8(name);
    folded(&text.nfkd().flat_map(char::to_lowercase).map(|c| if c == 'ı' { 'i' } else { c }))
}

/// What overrides the method, and whether only behind a sign: `_method` (Rails, Laravel, Symfony, Spring, Express) does, `method` is an
/// ordinary name. ASP.NET takes the headers' names from the form and the query, too.
const OVERRIDES: [(&str, bool); 7] = [
    ("method", true),
    ("methodoverride", false),
    ("httpmethod", true),
    ("httpmethodoverride", false),
    ("xhttpmethod", false),
    ("xhttpmethodoverride", false),
    ("xmethodoverride", false),
];

fn folded<N: Iterator<Item = char> + Clone>(name: &N) -> Result<Meaning, ClientIdError> {
    let is_signed = name.clone().next().is_some_and(|first| !first.is_alphanumeric());
    let spells = |letters| spells(letters, name.clone());
    // What most names begin with rules everything out.
    match name.clone().find(|c| c.is_alphanumeric()) {
        Some('c') if spells("clientid") => Err(ClientIdError::Lookalike),
        Some('c') if is_signed && spells("charset") => Ok(Meaning::Charset),
        Some('c') if spells("constructor") => Err(ClientIdError::Prototype),
        Some('p') if is_signed && spells("proto") => Err(ClientIdError::Prototype),
        Some('m' | 'h' | 'x')
            if OVERRIDES
                .iter()
                .any(|(letters, behind_sign)| (is_signed || !behind_sign) && spells(letters)) =>
        {
            Err(ClientIdError::MethodOverride)
        }
        _ => Ok(Meaning::Other),
    }
}

/// Whether the letters and digits of a lower-case name are these, and signs stand between them only. Behind the last, `-` and `_` go
/// on with a longer name (`client_id_hint`); any other sign may end it.
fn spells(wanted: &str, name: impl Iterator<Item = char>) -> bool {
    let mut wanted = wanted.chars().peekable();
    for c in name {
        match wanted.peek() {
            None if c.is_alphanumeric() => return false,
            None if c != '_' && c != '-' => return true,
            Some(next) if c.is_alphanumeric() => {
                if *next != c {
                    return false;
                }
                wanted.next();
            }
            _ => {}
        }
    }
    wanted.peek().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_mean_nothing() {
        for name in [
            "grant_type",
            "scope",
            "client_assertion",
            "client_assertion_type",
            "client_secret",
            "client_id2",
            "client_id_hint",
            "client_id_issued_at",
            "client",
            "xclient_id",
            "code",
            "code_verifier",
            "method",
            "code_challenge_method",
            "http_method",
            "charset",
            "protocol",
            "proto",
            "x_http",
            "",
            "id",
            "größe",
            "a.b",
            "a[b][c]",
            "claims[client]",
            "client_idé",
        ] {
            assert_eq!(meaning(name.as_bytes()), Ok(Meaning::Other), "{name}");
        }
        assert_eq!(meaning(b"client_id"), Ok(Meaning::ClientId));
        assert_eq!(meaning(b"_charset_"), Ok(Meaning::Charset));
    }

    #[test]
    fn whatever_folds_to_client_id_is_a_lookalike() {
        for name in [
            "Client_ID",
            "CLIENT_ID",
            "clientId",
            "ClientId",
            "clientid",
            "client-id",
            "client.id",
            "client id",
            "client[id",
            "client[id]",
            "client+id",
            " client_id",
            "\tclient_id",
            "client_id ",
            "client_id\r\n",
            "client_id\0",
            "client_id\0x",
            "\0client_id",
            "client_id[]",
            "client_id[0]",
            "client_id[a][b]",
            "client_id[",
            "client_id]",
            "client_id]x",
            "[client_id]",
            "[][client_id]",
            "client_id.x",
            "request.client_id",
            "x[client_id]",
            "x[y].Client_Id[]",
            "client_id:x",
            "client_id(1i)",
            "client_id{",
            "?client_id",
            "#client_id",
            "$client_id",
            "_client_id",
            "client_id_",
            "client__id",
            "\u{feff}client_id",
            "client_id\u{feff}",
            "client\u{200b}_id",
            "client_\u{131}d",
            "CL\u{130}ENT_ID",
            "\u{ff43}lient_id",
            "client\u{ff3f}id",
            "clïent_id",
            "\u{a0}client_id",
            "client_id\u{fffd}",
            "c\u{2113}ient_id",
        ] {
            assert_eq!(meaning(name.as_bytes()), Err(ClientIdError::Lookalike), "{name:?}");
        }
        for name in [
            &b"client_id\xff"[..],
            b"\xffclient_id",
            b"client\xc1\x9fid",
            b"\xc1\xa3lient_id",
            b"\xe0\x81\xa3lient_id",
            b"%u0063lient_id",
            b"client%5Fid",
            b"client%255Fid",
            b"client%25255Fid",
            b"client%u255fid",
            b"client_id%zz",
            b"client%_id",
        ] {
            assert_eq!(meaning(name), Err(ClientIdError::Lookalike), "{}", String::from_utf8_lossy(name));
        }
        for name in [&b"%zz"[..], b"\xe9\xff", b"%c1%a3x", b"%25252525252525"] {
            assert_eq!(meaning(name), Ok(Meaning::Other), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn an_override_of_the_method_is_refused_in_every_spelling() {
        for name in [
            "_method",
            "_METHOD",
            "__method",
            "$method",
            " _method",
            "_method[]",
            "_method\0",
            ".method",
            "_HttpMethod",
            "_http_method",
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X-HTTP-Method",
            "X-Method-Override",
            "HTTP_METHOD_OVERRIDE",
            "method_override",
        ] {
            assert_eq!(meaning(name.as_bytes()), Err(ClientIdError::MethodOverride), "{name:?}");
        }
        for name in ["__proto__", "__proto__[x]", "constructor", "constructor[prototype][x]"] {
            assert_eq!(meaning(name.as_bytes()), Err(ClientIdError::Prototype), "{name:?}");
        }
    }
}
