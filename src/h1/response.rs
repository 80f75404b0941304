//! Parses a response's head (RFC 9112 sections 4 to 6).

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, response::Parts,
};
use hyper::ext::ReasonPhrase;

use super::{Error, keep_alive::KeepAlive};

/// The longest head, in bytes. Servers limit theirs to some 8 to 32 KiB.
const MAX_HEAD: usize = 128 * 1024;
/// The most header lines.
const MAX_HEADERS: usize = 128;
/// The most interim (1xx) responses before the final one: no timeout bounds the work of parsing a stream of them.
const MAX_INTERIM: usize = 100;

/// The progress of reading a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// How many bytes of the read buffer are known to hold no end of a head.
    scanned: usize,
    /// How many interim responses came before.
    interim: usize,
}

/// How the end of a response body is determined (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// A complete head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) framing: Framing,
    /// Whether the response lets the connection stay open.
    pub(super) persists: bool,
    /// The limits it states for that.
    pub(super) keep_alive: KeepAlive,
}

/// Takes the head of the final response from the read buffer, if it is complete; interim responses are dropped. `map` provides
/// the memory for the headers.
pub(super) fn take(
    read: &mut BytesMut,
    scan: &mut Scan,
    method: &Method,
    map: &mut HeaderMap,
) -> Result<Option<Head>, Error> {
    loop {
        let Some(end) = end_of_head(read, scan.scanned)? else {
            scan.scanned = read.len();
            return if read.len() > MAX_HEAD { Err(Error::TooLong(MAX_HEAD)) } else { Ok(None) };
        };
        if end > MAX_HEAD {
            return Err(Error::TooLong(MAX_HEAD));
        }
        scan.scanned = 0;
        let (parts, keep_alive) = parse(&read.split_to(end).freeze(), map)?;
        // 101 is final for this connection, and was not requested.
        if parts.status.is_informational() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
            scan.interim += 1;
            if scan.interim > MAX_INTERIM {
                return Err(Error::Framing("more than 100 interim responses"));
            }
            *map = parts.headers;
            map.clear();
            continue;
        }
        let mut parts = parts;
        let framing = framing(&mut parts, method)?;
        let persists = framing != Framing::Close && persists(&parts) && !announces_impossible_body(&parts);
        return Ok(Some(Head { parts, framing, persists, keep_alive }));
    }
}

/// Finds the end of the empty line after a head. Searches from three bytes before `scanned`.
///
/// A bare LF is refused, although a recipient may accept it (RFC 9112 section 2.2): readers disagree on whether it ends a line,
/// and so on where a head ends.
fn end_of_head(read: &[u8], scanned: usize) -> Result<Option<usize>, Error> {
    let start = scanned.saturating_sub(3);
    for at in memchr::memchr_iter(b'\n', read.get(start..).unwrap_or_default()).map(|at| start + at) {
        if !read.get(..at).is_some_and(|before| before.ends_with(b"\r")) {
            return Err(Error::Framing("line without CR"));
        }
        if read.get(at + 1..).is_some_and(|next| next.starts_with(b"\r\n")) {
            return Ok(Some(at + 3));
        }
    }
    Ok(None)
}

fn parse(head: &Bytes, map: &mut HeaderMap) -> Result<(Parts, KeepAlive), Error> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        head,
        &mut lines,
    )?;
    let (httparse::Status::Complete(_), Some(code)) = (status, parsed.code) else {
        return Err(Error::Incomplete);
    };
    let mut response = Response::new(());
    *response.headers_mut() = std::mem::take(map);
    *response.status_mut() = StatusCode::from_u16(code).map_err(|_| httparse::Error::Status)?;
    *response.version_mut() = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let (mut parts, ()) = response.into_parts();
    let mut keep_alive = KeepAlive::default();
    for line in parsed.headers.iter() {
        if line.name.eq_ignore_ascii_case("keep-alive") {
            keep_alive.read(line.value);
        }
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| httparse::Error::HeaderName)?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(line.value))
            .map_err(|_| httparse::Error::HeaderValue)?;
        parts.headers.append(name, value);
    }
    // The reason phrase has no meaning, but is passed on where it is not the standard one.
    let reason = parsed.reason.filter(|reason| parts.status.canonical_reason() != Some(reason));
    if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok()) {
        parts.extensions.insert(reason);
    }
    Ok((parts, keep_alive))
}

/// RFC 9112 section 6.3. Several equal `Content-Length` values become one.
fn framing(parts: &mut Parts, method: &Method) -> Result<Framing, Error> {
    let length = length(&parts.headers)?;
    let is_bodyless = matches!(
        parts.status,
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    if is_bodyless || *method == Method::HEAD {
        return Ok(Framing::Length(0));
    }
    if parts.headers.contains_key(header::TRANSFER_ENCODING) {
        let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
        let is_chunked =
            codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
                && codings.next().is_none();
        return match (parts.version, is_chunked, length) {
            (Version::HTTP_10, ..) => Err(Error::Framing("Transfer-Encoding in HTTP/1.0")),
            (_, false, _) => Err(Error::Framing("a Transfer-Encoding other than chunked")),
            (_, _, Some(_)) => Err(Error::Framing("Transfer-Encoding and Content-Length")),
            (_, true, None) => Ok(Framing::Chunked),
        };
    }
    match length {
        Some((length, of)) => {
            if of > 1 {
                parts.headers.insert(header::CONTENT_LENGTH, length.into());
            }
            Ok(Framing::Length(length))
        }
        None => Ok(Framing::Close),
    }
}

/// The stated length, and how often it is stated.
fn length(headers: &HeaderMap) -> Result<Option<(u64, usize)>, Error> {
    let mut found = None;
    for line in headers.get_all(header::CONTENT_LENGTH) {
        for text in line.as_bytes().split(|b| *b == b',') {
            let digits = text.trim_ascii();
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            // Some readers take a leading zero for octal.
            let length = length
                .filter(|_| {
                    digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"))
                })
                .ok_or(Error::Framing("Content-Length is not a plain decimal number"))?;
            found = match found {
                None => Some((length, 1)),
                Some((before, of)) if before == length => Some((length, of + 1)),
                Some(_) => return Err(Error::Framing("two different Content-Length values")),
            };
        }
    }
    Ok(found)
}

/// Whether a response that has no body announces one (RFC 9112 section 6.3): its sender may send one all the same. The length in a
/// 304 is that of the representation (RFC 9110 section 8.6), and does not count.
fn announces_impossible_body(parts: &Parts) -> bool {
    let has = |name| parts.headers.contains_key(name);
    match parts.status {
        StatusCode::NO_CONTENT => has(header::CONTENT_LENGTH) || has(header::TRANSFER_ENCODING),
        StatusCode::NOT_MODIFIED => has(header::TRANSFER_ENCODING),
        _ => false,
    }
}

/// Whether the connection persists (RFC 9112 section 9.3).
fn persists(parts: &Parts) -> bool {
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return false;
    }
    let mut persists = parts.version == Version::HTTP_11;
    for line in parts.headers.get_all(header::CONNECTION) {
        // Options are tokens: of a line with other characters it is not certain what its sender means.
        let Ok(options) = line.to_str() else { return false };
        for option in options.split(',').map(str::trim_ascii) {
            if option.eq_ignore_ascii_case("close") {
                return false;
            }
            persists |= option.eq_ignore_ascii_case("keep-alive");
        }
    }
    persists
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a head that arrives in pieces of this many bytes: the head, and the bytes after it.
    fn taken(text: &[u8], piece: usize, method: &Method) -> Result<Option<(Head, Vec<u8>)>, Error> {
        let (mut read, mut scan, mut map) = (BytesMut::new(), Scan::default(), HeaderMap::new());
        let mut pieces = text.chunks(piece);
        while let Some(piece) = pieces.next() {
            read.extend_from_slice(piece);
            if let Some(head) = take(&mut read, &mut scan, method, &mut map)? {
                pieces.for_each(|piece| read.extend_from_slice(piece));
                return Ok(Some((head, read.to_vec())));
            }
        }
        Ok(None)
    }

    fn head(text: &str, method: &Method) -> Result<Head, Error> {
        taken(text.as_bytes(), text.len(), method).map(|taken| taken.unwrap().0)
    }

    #[test]
    fn heads_parse_the_same_however_cut() {
        let text = b"HTTP/1.1 100 Continue\r\nx-interim: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 299 Odd but fine\r\n\
            Set-Cookie: a=1\r\nset-cookie:b=2 \r\nX-Empty:\r\ncontent-length: 4\r\n\r\nbody";
        for piece in 1..=text.len() {
            let (Head { parts, framing, persists, .. }, rest) =
                taken(text, piece, &Method::GET).unwrap().unwrap();
            assert_eq!((parts.status.as_u16(), parts.version), (299, Version::HTTP_11), "{piece}");
            assert_eq!(parts.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
            assert_eq!((parts.headers.len(), &parts.headers["x-empty"]), (4, &HeaderValue::from_static("")));
            assert_eq!(parts.extensions.get::<ReasonPhrase>().unwrap().as_bytes(), b"Odd but fine");
            assert_eq!((framing, persists), (Framing::Length(4), true));
            assert_eq!(rest, b"body");
        }
        for length in 0..text.len() - 4 {
            assert!(taken(&text[..length], 7, &Method::GET).unwrap().is_none(), "{length}");
        }
    }

    #[test]
    fn framing_follows_rfc_9112_section_6_3() {
        let (get, post, head_) = (&Method::GET, &Method::POST, &Method::HEAD);
        for (text, method, framing, persists) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", post, Framing::Length(5), true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ncontent-length: 5\r\n\r\n",
                post,
                Framing::Length(5),
                true,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", post, Framing::Chunked, true),
            ("HTTP/1.1 200 OK\r\n\r\n", post, Framing::Close, false),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\n",
                get,
                Framing::Length(5),
                false,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", get, Framing::Length(5), false),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: Keep-Alive\r\n\r\n",
                get,
                Framing::Length(5),
                true,
            ),
            (
                "HTTP/1.0 204 No Content\r\nconnection: keep-alive, \u{e9}\r\n\r\n",
                get,
                Framing::Length(0),
                false,
            ),
            (
                "HTTP/1.1 204 No Content\r\nconnection: \u{e9}\r\nconnection: keep-alive\r\n\r\n",
                get,
                Framing::Length(0),
                false,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", head_, Framing::Length(0), true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", head_, Framing::Length(0), true),
            ("HTTP/1.1 204 No Content\r\n\r\n", post, Framing::Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", get, Framing::Length(0), true),
            // A sender that announces a body may send one.
            (
                "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
                get,
                Framing::Length(0),
                false,
            ),
            ("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", post, Framing::Length(0), false),
            (
                "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
                post,
                Framing::Length(0),
                false,
            ),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", get, Framing::Length(0), false),
        ] {
            let head = head(text, method).unwrap();
            assert_eq!((head.framing, head.persists), (framing, persists), "{text}");
            // The forwarded head states one length.
            assert!(head.parts.headers.get_all("content-length").iter().count() <= 1, "{text}");
        }
    }

    #[test]
    fn malformed_and_ambiguous_heads_are_refused() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
            "HTTP/1.1 200 OK\r\nname: a\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nname: a\0b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nname: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 05\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 00\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 05\r\n\r\n",
            "HTTP/1.1 200 OK\ncontent-length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\n",
            "HTTP/1.1 200 OK\ncontent-length: 5\n\n",
            "HTTP/1.1 103 Early Hints\nlink: </a>\n\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert!(head(text, &Method::GET).is_err(), "{text}");
        }
    }

    #[test]
    fn interim_responses_are_bounded() {
        let text = |count: usize| {
            let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(count);
            format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        };
        for piece in [100, 1_000_000] {
            assert!(taken(text(MAX_INTERIM).as_bytes(), piece, &Method::GET).is_ok());
            assert!(taken(text(MAX_INTERIM + 1).as_bytes(), piece, &Method::GET).is_err());
        }
    }

    #[test]
    fn heads_are_bounded_in_bytes_and_lines() {
        let long = format!("HTTP/1.1 200 OK\r\nname: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        for piece in [1000, long.len()] {
            assert!(matches!(taken(long.as_bytes(), piece, &Method::GET), Err(Error::TooLong(MAX_HEAD))));
        }
        let many =
            |lines| format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(lines));
        assert!(head(&many(MAX_HEADERS - 1), &Method::GET).is_ok());
        assert!(head(&many(MAX_HEADERS), &Method::GET).is_err());
    }
}
