//! The chunked coding of a response's body (RFC 9112 section 7.1).

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Fault;

/// The longest line before a chunk, extensions included, in bytes.
const LONGEST_LINE: usize = 4 * 1024;
/// The longest trailers, in bytes.
const LONGEST_TRAILERS: usize = 16 * 1024;
/// Lines of trailers.
const LINES: usize = 64;

/// Where in the coding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before a chunk's size.
    Size,
    /// In a chunk of which so much is left.
    Data(u64),
    /// Behind a chunk's data, before its end of line.
    Line,
    /// Behind the last chunk.
    Trailers,
    /// At the end.
    End,
}

/// What was decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A piece of the body.
    Data(Bytes),
    /// The trailers, at the end; empty if there are none.
    Trailers(HeaderMap),
    /// More has to be read first.
    Nothing,
}

impl Chunked {
    /// Takes the next piece from what was read.
    pub(super) fn decode(&mut self, read: &mut BytesMut) -> Result<Decoded, Fault> {
        loop {
            match *self {
                // The parser takes an empty line for a size of zero.
                Self::Size if read.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                    return Err(Fault::Framing("a chunk's size that is none"));
                }
                Self::Size => match httparse::parse_chunk_size(read) {
                    // The parser lets any octet pass in an extension.
                    Ok(_) if has_control(read) => {
                        return Err(Fault::Framing("a control character in a chunk's extension"));
                    }
                    Ok(httparse::Status::Complete((length, size))) => {
                        read.advance(length);
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if read.len() <= LONGEST_LINE => {
                        return Ok(Decoded::Nothing);
                    }
                    _ => return Err(Fault::Framing("a chunk's size that is none")),
                },
                Self::Data(left) => {
                    if read.is_empty() {
                        return Ok(Decoded::Nothing);
                    }
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(read.len());
                    let left = left - u64::try_from(here).unwrap_or_default();
                    *self = if left == 0 { Self::Line } else { Self::Data(left) };
                    return Ok(Decoded::Data(read.split_to(here).freeze()));
                }
                Self::Line => match read.as_ref() {
                    [b'\r', b'\n', ..] => {
                        read.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(Decoded::Nothing),
                    _ => return Err(Fault::Framing("a chunk that is longer than its size")),
                },
                Self::Trailers => {
                    let mut lines = [httparse::EMPTY_HEADER; LINES];
                    let (length, trailers) = match httparse::parse_headers(read, &mut lines)? {
                        httparse::Status::Complete((length, lines)) => (length, trailers(lines)?),
                        httparse::Status::Partial if read.len() <= LONGEST_TRAILERS => {
                            return Ok(Decoded::Nothing);
                        }
                        httparse::Status::Partial => return Err(Fault::TooLong(LONGEST_TRAILERS)),
                    };
                    if read.get(..length).is_none_or(has_bare_lf) {
                        return Err(Fault::Framing("a line of the trailers without its end"));
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

/// Whether a control character other than HTAB stands in the line that these bytes begin with, a bare LF among them: RFC 9112
/// section 7.1.1 allows tokens and quoted strings. Where some readers end a line at LF, or a string at NUL, the chunks are others.
fn has_control(line: &[u8]) -> bool {
    let end = memchr::memmem::find(line, b"\r\n").unwrap_or(line.len());
    let line = line.get(..end).unwrap_or_default();
    // A CR that may yet be followed by LF.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t')
}

/// The parser lets a line end so; behind a chunk, where a line ends is where the next message begins.
fn has_bare_lf(lines: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', lines).any(|at| lines.get(..at).is_none_or(|before| !before.ends_with(b"\r")))
}

fn trailers(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, Fault> {
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

    /// Decodes what comes in pieces of this many bytes: the data, the trailers, and what is left behind the end.
    fn decode(coded: &[u8], piece: usize) -> Result<Option<Whole>, Fault> {
        let (mut state, mut read, mut data) = (Chunked::Size, BytesMut::new(), Vec::new());
        let mut pieces = coded.chunks(piece);
        loop {
            match state.decode(&mut read)? {
                Decoded::Data(more) => data.extend_from_slice(&more),
                Decoded::Trailers(trailers) => {
                    pieces.for_each(|piece| read.extend_from_slice(piece));
                    return Ok(Some((data, trailers, read.to_vec())));
                }
                Decoded::Nothing => match pieces.next() {
                    Some(piece) => read.extend_from_slice(piece),
                    None => return Ok(None),
                },
            }
        }
    }

    #[test]
    fn chunks_are_put_together_however_they_come() {
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
    fn what_is_cut_off_is_not_whole() {
        let coded = b"5\r\nhello\r\n0\r\nx-late: yes\r\n\r\n";
        for length in 0..coded.len() {
            assert!(decode(&coded[..length], 3).unwrap().is_none(), "{length}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
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
    fn lines_and_trailers_are_bounded() {
        let line = [b"1;".as_slice(), &[b'x'; LONGEST_LINE + 1]].concat();
        assert!(matches!(decode(&line, 100), Err(Fault::Framing(_))));
        let trailers = [b"0\r\nname: ".as_slice(), &*vec![b'x'; LONGEST_TRAILERS + 1]].concat();
        assert!(matches!(decode(&trailers, 100), Err(Fault::TooLong(LONGEST_TRAILERS))));
        let trailers = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(LINES + 1), b"\r\n"].concat();
        assert!(decode(&trailers, trailers.len()).is_err());
    }
}
