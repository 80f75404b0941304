//! `client_id` out of `application/x-www-form-urlencoded` text (a body or a query).

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::ClientIdError;

/// Decodes one form component (WHATWG URL, as RFC 6749 appendix B asks): `+` is a space, `%XX` an octet.
pub(super) fn decode(component: &[u8]) -> Cow<'_, [u8]> {
    if !component.contains(&b'+') {
        return percent_decode(component).into();
    }
    let spaced: Vec<u8> = component.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

/// The one `client_id` of a form. A parameter that stands twice is refused (RFC 6749 section 3.2),
/// and so is one that a lenient server would fold into `client_id` (`client.id`, `client_id[]`).
pub(super) fn client_id(form: &[u8]) -> Result<Option<String>, ClientIdError> {
    let mut found = None;
    for pair in form.split(|b| *b == b'&') {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let name = decode(halves.next().unwrap_or_default());
        if !folds_to_client_id(&name) {
            continue;
        }
        if *name != *b"client_id" {
            return Err(ClientIdError::Lookalike);
        }
        let value = decode(halves.next().unwrap_or_default());
        let value = String::from_utf8(value.into_owned()).map_err(|_| ClientIdError::NotUtf8)?;
        if found.replace(value).is_some() {
            return Err(ClientIdError::Repeated);
        }
    }
    Ok(found)
}

/// PHP turns `.`, blanks and `[` of a parameter's name into `_`, drops leading blanks and what follows
/// `[`, and ends the name at a NUL; some servers ignore case.
fn folds_to_client_id(name: &[u8]) -> bool {
    const WANTED: &[u8] = b"client_id";
    let start = name.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let name = name.get(start..).unwrap_or_default();
    let Some(head) = name.get(..WANTED.len()) else { return false };
    let same = head.iter().zip(WANTED).all(|(have, want)| {
        have.eq_ignore_ascii_case(want) || (*want == b'_' && matches!(have, b'.' | b' ' | b'[' | b'-' | b'+'))
    });
    same && matches!(name.get(WANTED.len()), None | Some(b'[' | b'.' | b' ' | 0 | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_one_client() {
        assert_eq!(client_id(b"grant_type=x&client_id=a%20b+c").unwrap().as_deref(), Some("a b c"));
        assert_eq!(client_id(b"client%5Fid=a").unwrap().as_deref(), Some("a"));
        assert_eq!(client_id(b"xclient_id=a&client_id2=b&client=c").unwrap(), None);
        assert_eq!(client_id(b"").unwrap(), None);
    }

    #[test]
    fn a_parameter_that_another_server_reads_as_client_id_is_refused() {
        for form in [
            "client.id=b",
            "client_id[]=b",
            "client_id%5B0%5D=b",
            "client+id=b",
            "CLIENT_ID=b",
            "+client_id=b",
            "client_id%00x=b",
        ] {
            let form = format!("client_id=a&{form}");
            assert_eq!(client_id(form.as_bytes()), Err(ClientIdError::Lookalike), "{form}");
        }
    }

    #[test]
    fn twice_is_refused_even_if_equal() {
        assert_eq!(client_id(b"client_id=a&client_id=a"), Err(ClientIdError::Repeated));
        assert_eq!(client_id(b"client_id=%ff"), Err(ClientIdError::NotUtf8));
    }
}
