//! The meaning of a parameter's name to the most lenient server.
//!
//! PHP turns `.`, spaces and `[` of a name into `_`, drops leading spaces, and ends it at a NUL. Rack and qs read `[client_id]` and
//! `client_id]` as `client_id`. ASP.NET and Go's JSON ignore case, frameworks convert `clientId` and `client-id` to snake case.
//! Node's `URLSearchParams` drops a `?` and UTF-8 decoders drop a byte order mark before the first name. Therefore only letters
//! and digits are compared, up to a character that ends a name in some server.

use memchr::memchr2;
use unicode_normalization::UnicodeNormalization;

use super::{Interest, ParameterError, Wanted, escapes};

/// The meaning of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A parameter of interest, under its exact name.
    Parameter(Wanted),
    /// `_charset_`, which selects the charset of a form in some servers (HTML Living Standard, section 4.10.22.4).
    Charset,
    /// No meaning.
    Other,
}

/// The first letters of the other names with a meaning: `charset`, `constructor`, and the method overrides.
pub(super) const INITIALS: u32 = initial(b'c') | initial(b'h') | initial(b'm') | initial(b'x');

/// The bit of a letter.
pub(super) const fn initial(letter: u8) -> u32 {
    1 << ((letter | 0x20).wrapping_sub(b'a') & 0x1f)
}

/// The meaning of a decoded name. A name that only resembles a parameter of interest, also after further decoding, is an error,
/// and so is one that overrides the method.
pub(super) fn meaning<const N: usize>(
    name: &[u8],
    interest: &Interest<N>,
) -> Result<Meaning, ParameterError> {
    if let Some(wanted) = interest.exactly(name) {
        return Ok(Meaning::Parameter(wanted));
    }
    if memchr2(b'.', b'[', name).is_some() {
        // ASP.NET binds `request.client_id` and `request[client_id]` to the member `client_id`.
        for member in name.split(|byte| matches!(byte, b'.' | b'[')).skip(1) {
            if let Meaning::Parameter(wanted) = meaning(member, interest)? {
                return Err(ParameterError::Lookalike(wanted.name));
            }
        }
    } else if let [first, ..] = name {
        // Servers do not drop letters or digits from the beginning of a name.
        let is_other_letter = first.is_ascii_alphabetic() && interest.initials & initial(*first) == 0;
        if is_other_letter || first.is_ascii_digit() {
            return Ok(Meaning::Other);
        }
    }
    let meaning = resembles(name, interest)?;
    // A server may forward decoded names to another one, which decodes again. No known setup decodes more than three times.
    let mut further = escapes::decoded_further(name);
    for _ in 0..3 {
        let Some(name) = further else { break };
        resembles(&name, interest)?;
        further = escapes::decoded_further(&name);
    }
    Ok(meaning)
}

fn resembles<const N: usize>(name: &[u8], interest: &Interest<N>) -> Result<Meaning, ParameterError> {
    if name.is_ascii() {
        return folded(&name.iter().map(|byte| char::from(byte.to_ascii_lowercase())), interest);
    }
    // Folds compatibility forms, case and accents, like the comparisons of ASP.NET and Java, and Windows' best fit.
    let text = escapes::lenient_utf8(name);
    folded(&text.nfkd().flat_map(char::to_lowercase).map(|c| if c == 'ı' { 'i' } else { c }), interest)
}

/// Names that override the method, and whether they need a leading punctuation character: `_method` (Rails, Laravel, Symfony,
/// Spring, Express) overrides it, but `method` is an ordinary name. ASP.NET reads the header names in the form and the query.
const OVERRIDES: [(&str, bool); 7] = [
    ("method", true),
    ("methodoverride", false),
    ("httpmethod", true),
    ("httpmethodoverride", false),
    ("xhttpmethod", false),
    ("xhttpmethodoverride", false),
    ("xmethodoverride", false),
];

fn folded<C: Iterator<Item = char> + Clone, const N: usize>(
    name: &C,
    interest: &Interest<N>,
) -> Result<Meaning, ParameterError> {
    // The first letter rules out most names.
    let Some(first) = name.clone().find(|c| c.is_alphanumeric()) else { return Ok(Meaning::Other) };
    let has_punctuation = name.clone().next().is_some_and(|first| !first.is_alphanumeric());
    let spells = |letters| spells(letters, name.clone());
    if let Some(wanted) = interest.names.iter().find(|wanted| wanted.starts_with(first) && spells(wanted)) {
        return Err(ParameterError::Lookalike(wanted));
    }
    match first {
        'c' if has_punctuation && spells("charset") => Ok(Meaning::Charset),
        'c' if spells("constructor") => Err(ParameterError::Prototype),
        'p' if has_punctuation && spells("proto") => Err(ParameterError::Prototype),
        'm' | 'h' | 'x'
            if OVERRIDES.iter().any(|(letters, needs_punctuation)| {
                (has_punctuation || !needs_punctuation) && spells(letters)
            }) =>
        {
            Err(ParameterError::MethodOverride)
        }
        _ => Ok(Meaning::Other),
    }
}

/// Whether the letters and digits of a lower-case name are those of `wanted`, with any other characters between them. After the
/// last one, `-` and `_` continue a longer name (`client_id_hint`), and any other character may end the name.
fn spells(wanted: &str, name: impl Iterator<Item = char>) -> bool {
    let mut wanted = wanted.chars().filter(|c| *c != '_').peekable();
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

    const CLIENT_ID: Interest<1> = Interest::new(["client_id"]);

    fn meaning(name: &[u8]) -> Result<Meaning, ParameterError> {
        super::meaning(name, &CLIENT_ID)
    }

    #[test]
    fn ordinary_names_have_no_meaning() {
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
        assert_eq!(meaning(b"client_id"), Ok(Meaning::Parameter(Wanted { name: "client_id" })));
        assert_eq!(meaning(b"_charset_"), Ok(Meaning::Charset));
    }

    #[test]
    fn names_that_fold_to_client_id_are_lookalikes() {
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
            assert_eq!(meaning(name.as_bytes()), Err(ParameterError::Lookalike("client_id")), "{name:?}");
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
            assert_eq!(
                meaning(name),
                Err(ParameterError::Lookalike("client_id")),
                "{}",
                String::from_utf8_lossy(name)
            );
        }
        for name in [&b"%zz"[..], b"\xe9\xff", b"%c1%a3x", b"%25252525252525"] {
            assert_eq!(meaning(name), Ok(Meaning::Other), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn method_overrides_are_refused_in_every_spelling() {
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
            assert_eq!(meaning(name.as_bytes()), Err(ParameterError::MethodOverride), "{name:?}");
        }
        for name in ["__proto__", "__proto__[x]", "constructor", "constructor[prototype][x]"] {
            assert_eq!(meaning(name.as_bytes()), Err(ParameterError::Prototype), "{name:?}");
        }
    }
}
