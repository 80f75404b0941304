//! The PROXY header: read as the specification's grammar has it, not a byte too many, however the bytes arrive.

use std::{
    io,
    net::IpAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use mtls_edge::connection::proxy_protocol::read;
use tokio::io::{AsyncRead, ReadBuf};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its CRLF.
const MAX_LINE: usize = 107;

/// The address that a header names, if it names one, and the header's length.
type Header = (Option<IpAddr>, usize);

/// Checks a header against a parser of whole slices, and a valid header that is made of the same bytes.
pub fn check(input: &[u8]) {
    let expected = expected(input);
    for piece in [input.len().max(1), 1] {
        assert_eq!(read_in_pieces(input, piece), expected, "in pieces of {piece}: {input:?}");
    }
    if let Some(address) = input.get(..16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        let (header, address) = version_2(address, &input[16..]);
        assert_eq!(read_in_pieces(&header, 7), Some((Some(address), header.len())));
    }
}

/// A valid header of version 2 with this address and these extensions.
fn version_2(address: [u8; 16], extensions: &[u8]) -> (Vec<u8>, IpAddr) {
    let length = u16::try_from(36 + extensions.len()).unwrap_or(36);
    let extensions = &extensions[..usize::from(length) - 36];
    let head = [SIGNATURE, &[0x21, 0x21], &length.to_be_bytes()].concat();
    ([&head, &address[..], &[0; 20], extensions].concat(), IpAddr::from(address))
}

/// What the edge reads; nothing where it refuses.
fn read_in_pieces(input: &[u8], piece: usize) -> Option<Header> {
    let mut stream = Pieces { left: input, piece };
    let polled = pin!(read(&mut stream)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(address) = polled else { panic!("waits, though there is input or its end") };
    let length = input.len() - stream.left.len();
    address.ok().map(|address| (address, length))
}

struct Pieces<'i> {
    left: &'i [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.left.split_at(self.piece.min(buf.remaining()).min(self.left.len()));
        buf.put_slice(now);
        self.left = later;
        Poll::Ready(Ok(()))
    }
}

/// The grammar of HAProxy's specification, sections 2.1 and 2.2; of version 1, the fields that the edge uses.
fn expected(input: &[u8]) -> Option<Header> {
    let Some(binary) = input.strip_prefix(SIGNATURE) else { return version_1(input) };
    let [command, family, high, low, rest @ ..] = binary else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let payload = rest.get(..length)?;
    let address = match (command, family) {
        (0x21, 0x11) if length >= 12 => Some(IpAddr::from(<[u8; 4]>::try_from(&payload[..4]).ok()?)),
        (0x21, 0x21) if length >= 36 => Some(IpAddr::from(<[u8; 16]>::try_from(&payload[..16]).ok()?)),
        (0x21, 0x11 | 0x21) => return None,
        (0x20 | 0x21, _) => None,
        _ => return None,
    };
    Some((address, 16 + length))
}

fn version_1(input: &[u8]) -> Option<Header> {
    let bounded = &input[..input.len().min(MAX_LINE)];
    let end = bounded.windows(2).position(|two| two == b"\r\n")?;
    let line = std::str::from_utf8(&bounded[..end]).ok()?;
    let fields: Vec<&str> = line.strip_prefix("PROXY ")?.split(' ').collect();
    let address = match fields[..] {
        ["UNKNOWN", ..] => None,
        ["TCP4", source, _, from, to] if is_port(from) && is_port(to) => {
            Some(IpAddr::V4(source.parse().ok()?))
        }
        ["TCP6", source, _, from, to] if is_port(from) && is_port(to) => {
            Some(IpAddr::V6(source.parse().ok()?))
        }
        _ => return None,
    };
    Some((address, end + 2))
}

fn is_port(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty()
}
