//! Strict validation of chunked bodies before hyper reads them, since hyper accepts any byte but LF in a chunk extension.
//!
//! RFC 9112 section 7.1.1 allows tokens and quoted strings there. The edge frames a body again before it forwards it, so that no
//! extension reaches the upstream. But a program in front of the edge that ends lines at another byte would see other chunks, and other
//! requests.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// Passes bytes up to the end of each head that may announce a chunked body, and then waits for the verdict: [`Gate::chunked`],
/// or nothing. Other bytes are only searched for the word `chunked`.
#[derive(Debug)]
pub(super) struct Gate {
    /// Received bytes that were not yet passed on.
    held: Bytes,
    /// The last bytes that passed, since the word may begin in them; zeros if there are none.
    tail: [u8; TAIL],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Heads, and bodies that are not chunked.
    Plain,
    /// In a head that contains the word.
    Announced,
    /// After the end of such a head.
    Split,
    /// In a chunked body.
    Chunked(Body),
}

/// The position in a chunked body (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// In a chunk's size, of which these digits were read.
    Size { size: u64, digits: u8 },
    /// In the extension of a chunk of this size.
    Extension(u64),
    /// After the CR of its line.
    SizeLf(u64),
    /// In its data, of which this many bytes are left.
    Data(u64),
    /// Before the CR after the data.
    DataCr,
    /// Before its LF.
    DataLf,
    /// At the beginning of a line of the trailers.
    Line,
    /// In such a line.
    Trailer,
    /// After the CR of such a line.
    TrailerLf,
    /// After the CR of the last line.
    EndLf,
    /// At the end.
    End,
}

const WORD: &[u8; 7] = b"chunked";
const TAIL: usize = WORD.len() - 1;

impl Gate {
    /// A gate for a stream of which these bytes were already received.
    pub(super) const fn new(read: Bytes) -> Self {
        Self { held: read, tail: [0; TAIL], state: State::Plain }
    }

    /// The bytes that were not yet passed on.
    pub(super) fn into_held(self) -> Bytes {
        self.held
    }

    /// Takes received bytes, as many as there is room for. They must then go through [`Gate::pass`].
    pub(super) fn held(&mut self, room: usize) -> Bytes {
        let length = self.held.len().min(room);
        self.held.split_to(length)
    }

    /// Whether a head that may announce a chunked body has just ended.
    pub(super) const fn is_split(&self) -> bool {
        matches!(self.state, State::Split)
    }

    /// Notes that the head that has just ended announces a chunked body.
    pub(super) const fn chunked(&mut self) {
        self.state = State::Chunked(Body::START);
    }

    /// Validates bytes, and returns how many of them may pass now. The others are kept.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passes = match self.state {
            State::Chunked(mut body) => {
                let passes = body.pass(bytes)?;
                self.state = if body == Body::End { State::Plain } else { State::Chunked(body) };
                passes
            }
            State::Plain | State::Split if !self.announces(bytes) => {
                self.state = State::Plain;
                self.remember(bytes);
                return Ok(bytes.len());
            }
            State::Plain | State::Split | State::Announced => {
                if let Some(end) = self.end_of_head(bytes) {
                    self.state = State::Split;
                    self.tail = [0; TAIL];
                    end
                } else {
                    self.state = State::Announced;
                    self.remember(bytes);
                    bytes.len()
                }
            }
        };
        if let Some(rest) = bytes.get(passes..).filter(|rest| !rest.is_empty()) {
            let mut held = BytesMut::from(rest);
            held.extend_from_slice(&self.held);
            self.held = held.freeze();
        }
        Ok(passes)
    }

    fn remember(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.tail = *last;
        } else {
            self.tail.rotate_left(bytes.len());
            for (kept, byte) in self.tail.iter_mut().rev().zip(bytes.iter().rev()) {
                *kept = *byte;
            }
        }
    }

    /// Whether these bytes contain the word, or its end.
    fn announces(&self, bytes: &[u8]) -> bool {
        let is_word = |at: usize| {
            let word = at.checked_sub(4).and_then(|from| bytes.get(from..from + WORD.len()));
            word.is_some_and(|word| word.eq_ignore_ascii_case(WORD))
        };
        // The letter of the word that is rarest in heads.
        if memchr::memchr2_iter(b'k', b'K', bytes).any(is_word) {
            return true;
        }
        let may_begin = self.tail.iter().any(|byte| byte.eq_ignore_ascii_case(&b'c'));
        may_begin && {
            let first = bytes.get(..bytes.len().min(TAIL)).unwrap_or_default();
            let seam = [self.tail.as_slice(), first].concat();
            seam.windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
        }
    }

    /// The index after the first empty line; hyper accepts lines that end with LF alone. In a body that happens to contain the word, any
    /// index is correct: passing only pauses there.
    fn end_of_head(&self, bytes: &[u8]) -> Option<usize> {
        let all = [self.tail.as_slice(), bytes].concat();
        let from = if self.state == State::Announced { 0 } else { word_in(&all) };
        memchr::memchr_iter(b'\n', all.get(from..)?)
            .map(|at| from + at + 1)
            .find_map(|next| match all.get(next..)? {
                [b'\n', ..] => Some(next + 1),
                [b'\r', b'\n', ..] => Some(next + 2),
                _ => None,
            })
            .and_then(|end| end.checked_sub(TAIL))
            .filter(|end| *end > 0)
    }
}

fn word_in(all: &[u8]) -> usize {
    all.windows(WORD.len()).position(|window| window.eq_ignore_ascii_case(WORD)).unwrap_or_default()
}

impl Body {
    const START: Self = Self::Size { size: 0, digits: 0 };

    /// Advances by bytes up to the end of the body, and returns how many of them belong to it.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while *self != Self::End && rest.has_remaining() {
            if let Self::Data(left) = self {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                *left -= u64::try_from(here).unwrap_or_default();
                if *left == 0 {
                    *self = Self::DataCr;
                }
                rest.advance(here);
            } else {
                *self = self.next(rest.get_u8())?;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn next(self, byte: u8) -> io::Result<Self> {
        Ok(match (self, byte) {
            (Self::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size { size, digits: 1.. } | Self::Extension(size), b'\r') => Self::SizeLf(size),
            (Self::Extension(size), byte) if is_text(byte) => Self::Extension(size),
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Self::Line,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            (Self::Line, b'\r') => Self::EndLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::Line | Self::Trailer, byte) if is_text(byte) => Self::Trailer,
            (Self::EndLf, b'\n') => Self::End,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "malformed chunk")),
        })
    }
}

/// Whether a quoted string may contain this byte (RFC 9110 section 5.6.4): no control character but HTAB.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Passes a text piece by piece, and answers as hyper's service does. Returns what passed, and where the gate paused.
    fn pass(text: &[u8], piece: usize) -> io::Result<(Vec<u8>, Vec<usize>)> {
        let (mut gate, mut passed, mut splits) = (Gate::new(Bytes::new()), Vec::new(), Vec::new());
        let mut pieces = text.chunks(piece).peekable();
        loop {
            let held = gate.held(1000);
            let bytes = match (held.is_empty(), pieces.next_if(|_| held.is_empty())) {
                (false, _) => held,
                (true, Some(next)) => Bytes::copy_from_slice(next),
                (true, None) => return Ok((passed, splits)),
            };
            let length = gate.pass(&bytes)?;
            passed.extend_from_slice(&bytes[..length]);
            if gate.is_split() {
                splits.push(passed.len());
                if passed.to_ascii_lowercase().windows(20).any(|window| window == b"encoding: chunked\r\n\r")
                {
                    gate.chunked();
                }
            }
        }
    }

    const HEAD: &str = "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";

    #[test]
    fn valid_chunks_pass_in_pieces_of_any_size() {
        let body = "5\r\nhello\r\n1;name=value\r\n,\r\n0000b;a=\"b\tc\u{e9}\" ;d\r\n wide world\r\n0;last\r\nx-late: yes\r\n\r\n";
        let text = format!("{HEAD}{body}GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        for piece in 1..=text.len() {
            let (passed, splits) = pass(text.as_bytes(), piece).unwrap();
            assert_eq!(passed, text.as_bytes(), "{piece}");
            assert_eq!(splits, [HEAD.len()], "{piece}");
        }
    }

    #[test]
    fn control_characters_and_bare_cr_or_lf_are_refused() {
        for body in [
            &b"1;\0\r\na\r\n0\r\n\r\n"[..],
            b"1;a=\"\x1b\"\r\na\r\n0\r\n\r\n",
            b"1;\x7f\r\na\r\n0\r\n\r\n",
            b"1;a\nb\r\na\r\n0\r\n\r\n",
            b"1;a\rb\r\na\r\n0\r\n\r\n",
            b"1\na\r\n0\r\n\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na\r\n0;\x01\r\n\r\n",
            b"1\r\na\r\n0\n\n",
            b"1\r\na\r\n0\r\n\n",
            b"1\r\na\r\n0\r\nx: a\0b\r\n\r\n",
            b"1\r\na\r\n0\r\nx: a\n\r\n",
            b";a\r\na\r\n0\r\n\r\n",
            b"11111111111111111\r\n",
        ] {
            let text = [HEAD.as_bytes(), body].concat();
            for piece in [1, 7, text.len()] {
                assert!(pass(&text, piece).is_err(), "{:?}", String::from_utf8_lossy(body));
            }
        }
    }

    #[test]
    fn the_gate_pauses_after_each_head_with_the_word() {
        let plain = "POST /keep HTTP/1.1\r\ncontent-length: 20\r\n\r\nchunked\r\n\r\nk=chunked";
        let text = format!("{plain}{HEAD}0\r\n\r\nGET / HTTP/1.1\nx: CHUNKED\n\n");
        for piece in 1..=text.len() {
            let (passed, splits) = pass(text.as_bytes(), piece).unwrap();
            assert_eq!(passed, text.as_bytes());
            assert!(splits.contains(&(plain.len() + HEAD.len())), "{piece}: {splits:?}");
            assert!(splits.contains(&text.len()), "{piece}: {splits:?}");
        }
    }

    proptest! {
        /// Bytes that announce no chunks pass unchanged.
        #[test]
        fn plain_bytes_pass_unchanged(text in "[a-zA-Z\r\n:k ]{0,80}(chunked|CHUNKed|)[a-z\r\n\n]{0,40}", piece in 1..50_usize) {
            let (passed, _) = pass(text.as_bytes(), piece).unwrap();
            prop_assert_eq!(passed, text.as_bytes());
        }
    }
}
