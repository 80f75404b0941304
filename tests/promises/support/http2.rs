//! HTTP/2 in raw frames, to send what libraries refuse to.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{Client, PATIENCE};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A field as encoded, pseudo-fields first.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response.
    Status(u16),
    /// The stream was refused, with this error code.
    Reset(u32),
    /// The connection ended.
    Closed,
}

impl Outcome {
    /// Asserts that the request was not served: an error status, or an error of HTTP/2.
    pub fn assert_refused(self, what: &dyn std::fmt::Debug) {
        assert!(!matches!(self, Self::Status(..400)), "{what:?}: {self:?}");
    }
}

/// Sends one request on a new connection, with a body and trailers if they are not empty.
pub async fn request(client: &Client, fields: &[Field<'_>], body: &[u8], trailers: &[Field<'_>]) -> Outcome {
    let mut stream = client.clone().http2().tls().await.unwrap();
    let mut bytes = PREFACE.to_vec();
    block(&mut bytes, fields, body.is_empty() && trailers.is_empty());
    let pieces: Vec<&[u8]> = body.chunks(16 * 1024).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len() && trailers.is_empty();
        frame(&mut bytes, DATA, if last { END_STREAM } else { 0 }, piece);
    }
    if !trailers.is_empty() {
        block(&mut bytes, trailers, true);
    }
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    let answer = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return Outcome::Closed;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if stream.read_exact(&mut payload).await.is_err() {
                return Outcome::Closed;
            }
            let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
            match head[3] {
                HEADERS => return Outcome::Status(status(&payload)),
                RESET => return Outcome::Reset(code(0)),
                GOAWAY if code(4) != 0 => return Outcome::Closed,
                _ => {}
            }
        }
    };
    timeout(PATIENCE, answer).await.expect("no answer")
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
    out.extend_from_slice(payload);
}

/// A header block: every field a literal that is not indexed (RFC 7541 section 6.2.2), without Huffman coding.
fn block(out: &mut Vec<u8>, fields: &[Field<'_>], ends_stream: bool) {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    let pieces: Vec<&[u8]> = block.chunks(16 * 1024).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let kind = if index == 0 { HEADERS } else { CONTINUATION };
        let mut flags = if index + 1 == pieces.len() { END_HEADERS } else { 0 };
        if index == 0 && ends_stream {
            flags |= END_STREAM;
        }
        frame(out, kind, flags, piece);
    }
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    // RFC 7541 section 5.1: seven bits, then seven more in each byte that follows.
    if let Ok(short @ ..127) = u8::try_from(text.len()) {
        out.push(short);
    } else {
        out.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap());
    }
    out.extend_from_slice(text);
}

/// `:status`, which comes first: indexed, or a literal with an indexed name (possibly Huffman-coded).
fn status(block: &[u8]) -> u16 {
    // A change of the dynamic table's size may come before it.
    let start = block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count();
    match block[start..] {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        [0x48 | 0x08 | 0x18, length, ref rest @ ..] => {
            let text = &rest[..usize::from(length & 0x7f)];
            let digits = if length & 0x80 == 0 { text.to_vec() } else { huffman_digits(text) };
            std::str::from_utf8(&digits).unwrap().parse().unwrap()
        }
        ref other => panic!("no :status first: {other:x?}"),
    }
}

/// RFC 7541 appendix B: 0 to 2 take five bits, 3 to 9 six.
fn huffman_digits(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut digits, mut at) = (Vec::new(), 0);
    let read = |from: usize, count: usize| {
        bits.get(from..from + count).map(|bits| bits.iter().fold(0_u8, |value, bit| value << 1 | bit))
    };
    while digits.len() < 3 {
        match (read(at, 5), read(at, 6)) {
            (Some(digit @ 0..=2), _) => {
                digits.push(b'0' + digit);
                at += 5;
            }
            (_, Some(digit @ 0x19..=0x1f)) => {
                digits.push(b'3' + digit - 0x19);
                at += 6;
            }
            other => panic!("no digit: {other:x?}"),
        }
    }
    digits
}
