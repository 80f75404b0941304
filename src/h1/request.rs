//! Encodes a request (RFC 9112 sections 2 to 7).

use http::{Method, header, request::Parts};
use http_body::Body;

use super::Field;

/// How a request states where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    None,
    /// After this many more bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
}

impl Framing {
    /// The framing of a body, by its size hint.
    pub(super) fn of(body: &impl Body) -> Self {
        if body.is_end_stream() {
            return Self::None;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }
}

/// The approximate size of an encoded head, in bytes, to allocate once.
pub(super) fn size(head: &Parts, field: Option<Field<'_>>) -> usize {
    let field = field.map_or(0, |field| field.line().len());
    let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    // The request line and the framing header.
    lines.sum::<usize>() + field + head.uri.path().len() + head.uri.query().map_or(0, str::len) + 64
}

/// Appends a head. The types of names, values, method and target cannot contain line breaks. The framing is that of the body, whatever
/// the head's own headers state.
pub(super) fn head(out: &mut Vec<u8>, head: &Parts, field: Option<Field<'_>>, framing: Framing) {
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut had_length = false;
    for (name, value) in &head.headers {
        if *name == header::CONTENT_LENGTH {
            had_length = true;
            continue;
        }
        if *name != header::TRANSFER_ENCODING {
            line(out, name.as_str(), value.as_bytes());
        }
    }
    if let Some(field) = field {
        out.extend_from_slice(field.line());
    }
    match framing {
        Framing::Length(length) => {
            line(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
        }
        Framing::Chunked => line(out, "transfer-encoding", b"chunked"),
        // RFC 9110 section 8.6: a method that expects a body states that there is none.
        Framing::None if had_length || expects_body(&head.method) => line(out, "content-length", b"0"),
        Framing::None => {}
    }
    out.extend_from_slice(b"\r\n");
}

fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a part of a body; false if the body exceeds the stated length.
#[must_use]
pub(super) fn data(out: &mut Vec<u8>, framing: &mut Framing, data: &[u8]) -> bool {
    match framing {
        _ if data.is_empty() => return true,
        Framing::None => return false,
        Framing::Length(left) => {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let Some(rest) = left.checked_sub(length) else { return false };
            *left = rest;
            out.extend_from_slice(data);
        }
        Framing::Chunked => {
            out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
    }
    true
}

/// Appends the end of a body; false if the body falls short of the stated length.
#[must_use]
pub(super) fn end(out: &mut Vec<u8>, framing: Framing) -> bool {
    match framing {
        Framing::None | Framing::Length(0) => true,
        Framing::Length(_) => false,
        // No trailers: they could contain a vouching header.
        Framing::Chunked => {
            out.extend_from_slice(b"0\r\n\r\n");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, Request};
    use http_body_util::Full;
    use proptest::prelude::*;

    use super::*;

    fn written(request: http::request::Builder, framing: Framing) -> String {
        let mut out = Vec::new();
        head(&mut out, &request.body(()).unwrap().into_parts().0, None, framing);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_field_is_written_beside_the_map() {
        let name = HeaderName::from_static("x-own");
        let head = Request::get("/").header("x-other", "b").body(()).unwrap().into_parts().0;
        let field = Field::new(&name, b"x-own: d-1\r\n").unwrap();
        let mut out = Vec::new();
        super::head(&mut out, &head, Some(field), Framing::None);
        assert_eq!(out, b"GET / HTTP/1.1\r\nx-other: b\r\nx-own: d-1\r\n\r\n");
        assert_eq!(size(&head, Some(field)) - size(&head, None), "x-own: d-1\r\n".len());
        let mut map = head.headers;
        field.insert_into(&mut map);
        assert_eq!(map.get_all(&name).iter().collect::<Vec<_>>(), ["d-1"]);
        for line in
            [b"x-own: \r\nb: c\r\n", b"x-own: \n23456\r\n", b"x-own: a\0bcde\r\n", b"x-own: \xe923456\r\n"]
        {
            assert!(Field::new(&name, line).is_none(), "{line:?}");
        }
        for line in [b"x-own: abcdef", b"x-own:abcde\r\n", b"x-ow: abcde\r\n"] {
            assert!(Field::new(&name, line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn framing_headers_are_replaced() {
        let request =
            || Request::post("/a?b=c").header("content-length", "7").header("transfer-encoding", "gzip");
        assert_eq!(
            written(request().header("host", "a"), Framing::Length(3)),
            "POST /a?b=c HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n"
        );
        assert_eq!(
            written(request(), Framing::Chunked),
            "POST /a?b=c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        assert_eq!(written(request(), Framing::None), "POST /a?b=c HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(written(Request::put("/"), Framing::None), "PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(written(Request::get("/"), Framing::None), "GET / HTTP/1.1\r\n\r\n");
        assert_eq!(written(Request::options("*"), Framing::None), "OPTIONS * HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn a_body_of_another_length_is_an_error() {
        let (mut out, mut framing) = (Vec::new(), Framing::Length(5));
        assert!(data(&mut out, &mut framing, b"abc") && !end(&mut out, framing));
        assert!(!data(&mut out, &mut framing, b"def"));
        assert!(data(&mut out, &mut framing, b"de") && end(&mut out, framing));
        assert_eq!(out, b"abcde");
        out.clear();
        assert!(!data(&mut out, &mut Framing::None, b"a") && end(&mut out, Framing::None));
        assert_eq!(out, b"");
        let mut chunked = Framing::Chunked;
        for part in [&b"hello"[..], b"", &[b'x'; 16]] {
            assert!(data(&mut out, &mut chunked, part));
        }
        assert!(end(&mut out, chunked));
        assert_eq!(out, b"5\r\nhello\r\n10\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n");
    }

    #[test]
    fn framing_follows_the_body() {
        assert_eq!(Framing::of(&Full::new(Bytes::new())), Framing::None);
        assert_eq!(Framing::of(&Full::new(Bytes::from_static(b"abc"))), Framing::Length(3));
    }

    proptest! {
        /// An upstream's parser finds the headers that the client sent, and one framing header.
        #[test]
        fn an_encoded_head_parses_back(
            lines in prop::collection::vec(("[a-z][a-z0-9-]{0,12}", "[ -~\t\u{80}-\u{ff}]{0,40}"), 0..20),
            target in "/[a-z0-9/%?=&._-]{0,30}",
        ) {
            let mut request = Request::post(&target);
            for (name, value) in &lines {
                let value: Vec<u8> = value.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
                request = request.header(HeaderName::try_from(name).unwrap(), HeaderValue::from_bytes(value.trim_ascii()).unwrap());
            }
            let parts = request.body(()).unwrap().into_parts().0;
            let mut out = Vec::new();
            head(&mut out, &parts, None, Framing::Length(1));
            let mut space = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Request::new(&mut space);
            prop_assert_eq!(parsed.parse(&out).unwrap(), httparse::Status::Complete(out.len()));
            prop_assert_eq!((parsed.method, parsed.path), (Some("POST"), Some(target.as_str())));
            let framing = |name: &str| name == "content-length" || name == "transfer-encoding";
            let read: Vec<_> = parsed.headers.iter().filter(|line| !framing(line.name)).map(|line| (line.name, line.value)).collect();
            let expected: Vec<_> = parts.headers.iter().filter(|(name, _)| !framing(name.as_str()))
                .map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            prop_assert_eq!(read, expected);
            let framings: Vec<_> = parsed.headers.iter().filter(|line| framing(line.name)).map(|line| line.value).collect();
            prop_assert_eq!(framings, vec![b"1"]);
        }
    }
}
