//! A strict look at chunked bodies on their way to hyper, which lets any octet but LF pass in a chunk's extension.
//!
//! RFC 9112 section 7.1.1 allows tokens and quoted strings there. The edge frames a body again before it forwards it, so nothing
//! of it passes on; but a program in front of the edge that ends a line at another octet saw other chunks, and other requests.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// Lets octets pass up to the end of each head that may announce a chunked body, then waits for the verdict: [`Gate::chunked`],
/// or nothing. What is not chunked is looked at for one word only.
#[derive(Debug)]
pub(super) struct Gate {
    /// What was read and not yet passed on.
    held: Bytes,
    /// The last octets that passed: what is looked for may begin with them. Zeros where there were none.
    tail: [u8; TAIL],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Heads, and bodies that are not chunked.
    Plain,
    /// In a head that has the word in it.
    Announced,
    /// Behind the end of such a head.
    Split,
    /// In a chunked body.
    Chunked(Body),
}

/// Where in a chunked body it is (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// In a chunk's size, of which this was read.
    Size {
        size: u64,
        digits: u8,
    },
    /// In the extension of a chunk of this size.
    Extension(u64),
    /// Behind the CR of its line.
    SizeLf(u64),
    /// In its data, of which so much is left.
    Data(u64),
    /// Behind them.
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailers.
    Line,
    /// In such a line.
    Trailer,
    TrailerLf,
    /// Behind the CR of the last line.
    EndLf,
    /// At the end.
    End,
}

const WORD: &[u8; 7] = b"chunked";
const TAIL: usize = WORD.len() - 1;

impl Gate {
    /// A gate before which these octets were read.
    pub(super) const fn new(read: Bytes) -> Self {
        Self { held: read, tail: [0; TAIL], state: State::Plain }
    }

    /// What is held back.
    pub(super) fn into_held(self) -> Bytes {
        self.held
    }

    /// Octets that were held back, as many as there is room for; to be passed by [`Gate::pass`].
    pub(super) fn held(&mut self, room: usize) -> Bytes {
        let length = self.held.len().min(room);
        self.held.split_to(length)
    }

    /// Whether a head has just ended that may announce a chunked body.
    pub(super) const fn is_split(&self) -> bool {
        matches!(self.state, State::Split)
    }

    /// The head that has just ended does announce one.
    pub(super) const fn chunked(&mut self) {
        self.state = State::Chunked(Body::START);
    }

    /// Looks at octets, and gives how many of them may pass now. The others are held back.
    pub(super) fn pass(&mut self, octets: &[u8]) -> io::Result<usize> {
        let passes = match self.state {
            State::Chunked(mut body) => {
                let passes = body.pass(octets)?;
                self.state = if body == Body::End { State::Plain } else { State::Chunked(body) };
                passes
            }
            State::Plain | State::Split if !self.announces(octets) => {
                self.state = State::Plain;
                self.remember(octets);
                return Ok(octets.len());
            }
            State::Plain | State::Split | State::Announced => {
                if let Some(end) = self.end_of_head(octets) {
                    self.state = State::Split;
                    self.tail = [0; TAIL];
                    end
                } else {
                    self.state = State::Announced;
                    self.remember(octets);
                    octets.len()
                }
            }
        };
        if let Some(rest) = octets.get(passes..).filter(|rest| !rest.is_empty()) {
            let mut held = BytesMut::from(rest);
            held.extend_from_slice(&self.held);
            self.held = held.freeze();
        }
        Ok(passes)
    }

    fn remember(&mut self, octets: &[u8]) {
        if let Some(last) = octets.last_chunk() {
            self.tail = *last;
        } else {
            self.tail.rotate_left(octets.len());
            for (kept, octet) in self.tail.iter_mut().rev().zip(octets.iter().rev()) {
                *kept = *octet;
            }
        }
    }

    /// Whether the word is here, or ends here.
    fn announces(&self, octets: &[u8]) -> bool {
        let is_word = |at: usize| {
            let word = at.checked_sub(4).and_then(|from| octets.get(from..from + WORD.len()));
            word.is_some_and(|word| word.eq_ignore_ascii_case(WORD))
        };
        // The rarest of its letters in a head.
        if memchr::memchr2_iter(b'k', b'K', octets).any(is_word) {
            return true;
        }
        let may_begin = self.tail.iter().any(|octet| octet.eq_ignore_ascii_case(&b'c'));
        may_begin && {
            let first = octets.get(..octets.len().min(TAIL)).unwrap_or_default();
            let seam = [self.tail.as_slice(), first].concat();
            seam.windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
        }
    }

    /// Behind the first empty line, whose lines may end with LF alone as far as hyper is concerned. In a body that happens to have
    /// the word in it, any will do: it is a place to wait.
    fn end_of_head(&self, octets: &[u8]) -> Option<usize> {
        let all = [self.tail.as_slice(), octets].concat();
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

    /// Goes on by octets up to the end of the body, and gives how many of them belong to it.
    fn pass(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut rest = octets;
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
        Ok(octets.len() - rest.len())
    }

    fn next(self, octet: u8) -> io::Result<Self> {
        Ok(match (self, octet) {
            (Self::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = char::from(octet).to_digit(16).unwrap_or_default();
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { size, digits: 1.. }, b';' | b' ' | b'\t') => Self::Extension(size),
            (Self::Size { size, digits: 1.. } | Self::Extension(size), b'\r') => Self::SizeLf(size),
            (Self::Extension(size), octet) if is_text(octet) => Self::Extension(size),
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Self::Line,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            (Self::Line, b'\r') => Self::EndLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::Line | Self::Trailer, octet) if is_text(octet) => Self::Trailer,
            (Self::EndLf, b'\n') => Self::End,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a malformed chunk")),
        })
    }
}

/// What a quoted string may hold (RFC 9110 section 5.6.4): no control but HTAB.
const fn is_text(octet: u8) -> bool {
    octet == b'\t' || !octet.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Passes all octets, in pieces as they come, as hyper reads them: a head that ends and announces a chunked body does so.
    /// What passed, piece by piece, and where a head was waited for.
    fn pass(text: &[u8], piece: usize) -> io::Result<(Vec<u8>, Vec<usize>)> {
        let (mut gate, mut passed, mut splits) = (Gate::new(Bytes::new()), Vec::new(), Vec::new());
        let mut pieces = text.chunks(piece).peekable();
        loop {
            let held = gate.held(1000);
            let octets = match (held.is_empty(), pieces.next_if(|_| held.is_empty())) {
                (false, _) => held,
                (true, Some(next)) => Bytes::copy_from_slice(next),
                (true, None) => return Ok((passed, splits)),
            };
            let length = gate.pass(&octets)?;
            passed.extend_from_slice(&octets[..length]);
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
    fn good_chunks_pass_however_they_come() {
        let body = "5\r\nhello\r\n1;name=value\r\n,\r\n0000b;a=\"b\tc\u{e9}\" ;d\r\n wide world\r\n0;last\r\nx-late: yes\r\n\r\n";
        let text = format!("{HEAD}{body}GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        for piece in 1..=text.len() {
            let (passed, splits) = pass(text.as_bytes(), piece).unwrap();
            assert_eq!(passed, text.as_bytes(), "{piece}");
            assert_eq!(splits, [HEAD.len()], "{piece}");
        }
    }

    #[test]
    fn controls_and_lines_that_end_elsewhere_do_not_pass() {
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
    fn the_end_of_each_head_that_has_the_word_is_waited_for() {
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
        /// What does not announce chunks passes as it is.
        #[test]
        fn nothing_is_lost(text in "[a-zA-Z\r\n:k ]{0,80}(chunked|CHUNKed|)[a-z\r\n\n]{0,40}", piece in 1..50_usize) {
            let (passed, _) = pass(text.as_bytes(), piece).unwrap();
            prop_assert_eq!(passed, text.as_bytes());
        }
    }
}
