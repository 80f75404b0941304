//! Decodes the chunked transfer coding of a response body (RFC 9112 section 7.1).

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Error;

/// The longest chunk-size line, extensions included, in bytes.
const MAX_LINE: usize = 4 * 1024;
/// The longest trailer section, in bytes.
const MAX_TRAILERS: usize = 16 * 1024;
/// The most trailer fields.
const MAX_TRAILER_FIELDS: usize = 64;

/// The decoder's position in the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before a chunk-size line.
    Size,
    /// In chunk data of which this many bytes are left.
    Data(u64),
    /// After chunk data, before its CRLF.
    DataEnd,
    /// In the trailer section, after the last chunk.
    Trailers,
    /// After the trailer section.
    End,
}

/// The next part of the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// Data.
    Data(Bytes),
    /// The end, with the trailers; empty if there are none.
    Trailers(HeaderMap),
    /// Nothing until more bytes are read.
    Incomplete,
}

impl Chunked {
    /// Takes the next part from the read buffer.
    ///
    /// # Errors
    ///
    /// If the bytes are not the chunked coding, or exceed its bounds.
    pub(super) fn decode(&mut self, read: &mut BytesMut) -> Result<Decoded, Error> {
        loop {
            match *self {
                // httparse reads an empty line as a size of zero.
                Self::Size if read.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                    return Err(Error::Framing("invalid chunk size"));
                }
                Self::Size => match httparse::parse_chunk_size(read) {
                    // httparse accepts any byte in an extension.
                    Ok(_) if has_control(read) => {
                        return Err(Error::Framing("control character in a chunk extension"));
                    }
                    Ok(httparse::Status::Complete((length, size))) => {
                        read.advance(length);
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if read.len() <= MAX_LINE => {
                        return Ok(Decoded::Incomplete);
                    }
                    _ => return Err(Error::Framing("invalid chunk size")),
                },
                Self::Data(left) => {
                    if read.is_empty() {
                        return Ok(Decoded::Incomplete);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(read.len());
                    let left = left - u64::try_from(here).unwrap_or_default();
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    return Ok(Decoded::Data(read.split_to(here).freeze()));
                }
                Self::DataEnd => match read.as_ref() {
                    [b'\r', b'\n', ..] => {
                        read.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::Incomplete),
                    _ => return Err(Error::Framing("chunk longer than its size")),
                },
                Self::Trailers => {
                    let mut lines = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
                    let (length, trailers) = match httparse::parse_headers(read, &mut lines)? {
                        httparse::Status::Complete((length, lines)) => (length, trailers(lines)?),
                        httparse::Status::Partial if read.len() <= MAX_TRAILERS => {
                            return Ok(Decoded::Incomplete);
                        }
                        httparse::Status::Partial => return Err(Error::TooLong(MAX_TRAILERS)),
                    };
                    if read.get(..length).is_none_or(has_bare_lf) {
                        return Err(Error::Framing("trailer line without CR"));
                    }
                    read.advance(length);
                    *self = Self::End;
                    return Ok(Decoded::Trailers(trailers));
                }
                Self::End => return Ok(Decoded::Trailers(HeaderMap::new())),
            }
        }
    }
}

/// Whether the first line has a control character other than HTAB, such as a bare LF. RFC 9112 section 7.1.1 allows tokens and
/// quoted strings only; a reader that ends a line at LF, or a string at NUL, would find other chunks.
fn has_control(line: &[u8]) -> bool {
    let end = memchr::memmem::find(line, b"\r\n").unwrap_or(line.len());
    let line = line.get(..end).unwrap_or_default();
    // The LF after this CR may still arrive.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// Whether a line ends with a bare LF, which httparse accepts. It is refused, since the end of the last line is where the next message
/// begins.
fn has_bare_lf(lines: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', lines).any(|at| lines.get(..at).is_none_or(|before| !before.ends_with(b"\r")))
}

fn trailers(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, Error> {
    let mut trailers = HeaderMap::new();
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| httparse::Error::HeaderName)?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| httparse::Error::HeaderValue)?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Whole = (Vec<u8>, HeaderMap, Vec<u8>);

    /// Decodes input that arrives in pieces of this many bytes: the data, the trailers, and the bytes after the end.
    fn decode(coded: &[u8], piece: usize) -> Result<Option<Whole>, Error> {
        let (mut state, mut read, mut data) = (Chunked::Size, BytesMut::new(), Vec::new());
        let mut pieces = coded.chunks(piece);
        loop {
            match state.decode(&mut read)? {
                Decoded::Data(more) => data.extend_from_slice(&more),
                Decoded::Trailers(trailers) => {
                    pieces.for_each(|piece| read.extend_from_slice(piece));
                    return Ok(Some((data, trailers, read.to_vec())));
                }
                Decoded::Incomplete => match pieces.next() {
                    Some(piece) => read.extend_from_slice(piece),
                    None => return Ok(None),
                },
            }
        }
    }

    #[test]
    fn decodes_the_same_however_the_bytes_are_cut() {
        let coded = b"5\r\nhello\r\n1;name=value\r\n,\r\n0000b\r\n wide world\r\n0;last\r\nx-late: yes\r\nX-Late: no\r\n\r\nnext";
        for piece in 1..=coded.len() {
            let (data, trailers, rest) = decode(coded, piece).unwrap().unwrap();
            assert_eq!(data, b"hello, wide world", "{piece}");
            assert_eq!(trailers.get_all("x-late").iter().collect::<Vec<_>>(), ["yes", "no"]);
            assert_eq!(rest, b"next");
        }
        let (data, trailers, rest) = decode(b"0\r\n\r\n", 1).unwrap().unwrap();
        assert!(data.is_empty() && trailers.is_empty() && rest.is_empty());
    }

    #[test]
    fn truncated_input_is_incomplete() {
        let coded = b"5\r\nhello\r\n0\r\nx-late: yes\r\n\r\n";
        for length in 0..coded.len() {
            assert!(decode(&coded[..length], 3).unwrap().is_none(), "{length}");
        }
    }

    #[test]
    fn invalid_chunks_are_refused() {
        for coded in [
            &b"g\r\n"[..],
            b"\r\n",
            b"-1\r\na",
            b"+1\r\na",
            b"0x1\r\na",
            b"1 1\r\na",
            b"fffffffffffffffff\r\n",
            b"10000000000000000\r\n",
            b"1\r\nab\r\n",
            b"1;a\0b\r\na\r\n0\r\n\r\n",
            b"1;a=\x1b\r\na\r\n0\r\n\r\n",
            b"1;a=\x7f\r\na\r\n0\r\n\r\n",
            b"1;a\nb\r\na\r\n0\r\n\r\n",
            b"1;a\rb\r\na\r\n0\r\n\r\n",
            b"1\na\r\n0\r\n\r\n",
            b"1;\na\r\n0\r\n\r\n",
            b"1\r\na\r\n0;\0\r\n\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na\r0\r\n\r\n",
            b"0\r\nbad name: 1\r\n\r\n",
            b"0\r\nname: a\0b\r\n\r\n",
            b"0\r\nname: a\n\r\n",
            b"0\r\n\n",
        ] {
            assert!(decode(coded, coded.len()).is_err(), "{:?}", String::from_utf8_lossy(coded));
            assert!(decode(coded, 1).is_err(), "{:?}", String::from_utf8_lossy(coded));
        }
    }

    #[test]
    fn size_lines_and_trailers_are_bounded() {
        let line = [b"1;".as_slice(), &[b'x'; MAX_LINE + 1]].concat();
        assert!(matches!(decode(&line, 100), Err(Error::Framing(_))));
        let trailers = [b"0\r\nname: ".as_slice(), &*vec![b'x'; MAX_TRAILERS + 1]].concat();
        assert!(matches!(decode(&trailers, 100), Err(Error::TooLong(MAX_TRAILERS))));
        let trailers = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(MAX_TRAILER_FIELDS + 1), b"\r\n"].concat();
        assert!(decode(&trailers, trailers.len()).is_err());
    }
}
