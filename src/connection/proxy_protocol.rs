//! The PROXY protocol, versions 1 and 2, by HAProxy's specification: the address of a load balancer's client.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// How a record of a TLS handshake begins (RFC 8446 section 5.1).
const TLS_HANDSHAKE: &[u8] = &[22, 3];
/// The longest line of version 1, with its CRLF.
const LINE: usize = 107;
/// The length of the IPv6 addresses in a version 2 payload. Extensions (TLVs) may follow, up to 65,535 bytes in all; they are read and
/// discarded.
const ADDRESSES: usize = 36;

/// The balancer closed the connection before it sent anything.
#[derive(Debug, thiserror::Error)]
#[error("PROXY protocol: the connection ended before it sent anything")]
struct Nothing;

/// Whether a header could not be read because the connection ended without a byte, as a load balancer's probe does.
pub(super) fn sent_nothing(error: &io::Error) -> bool {
    matches!(error.get_ref().and_then(|inner| inner.downcast_ref()), Some(Nothing))
}

/// Waits for the first byte, which stays unread. Fails if the connection ends without one.
pub(super) async fn first_byte(stream: &TcpStream) -> io::Result<()> {
    match stream.peek(&mut [0]).await {
        Ok(1..) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, Nothing)),
    }
}

/// Reads the header that a trusted load balancer sends first, and not a byte more.
///
/// Returns the client's address; `None` if the header has none: a connection of the load balancer's own (`LOCAL`), `UNKNOWN`, UNSPEC, UDP
/// and UNIX addresses. Then no one vouches for the client's address.
pub async fn read<IO: AsyncRead + Unpin>(io: &mut IO) -> io::Result<Option<IpAddr>> {
    let mut start = [0; 12];
    let first = match io.read(&mut start).await {
        Ok(first) if first > 0 => first,
        Err(error)
            if !matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) =>
        {
            return Err(error);
        }
        _ => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, Nothing)),
    };
    io.read_exact(start.get_mut(first..).unwrap_or_default()).await?;
    if start == SIGNATURE { version2(io).await } else { version1(io, &start).await }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("PROXY protocol: {what}"))
}

async fn version1<IO: AsyncRead + Unpin>(io: &mut IO, start: &[u8]) -> io::Result<Option<IpAddr>> {
    if start.starts_with(TLS_HANDSHAKE) {
        return Err(malformed(
            "the connection starts with TLS and has no header: let the load balancer send it, or unset proxy_protocol of [listen]",
        ));
    }
    if !start.starts_with(b"PROXY ") {
        return Err(malformed("the connection does not start with a header"));
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE {
            return Err(malformed("the line is longer than 107 bytes"));
        }
        line.push(io.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| malformed("the line is not ASCII"))?;
    // Only the CRLF: another space before it makes the last field empty.
    let line = line.strip_suffix("\r\n").unwrap_or(line);
    let fields: Vec<&str> = line.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family, source, _destination, source_port, destination_port] => {
            if ![source_port, destination_port].into_iter().all(is_port) {
                return Err(malformed("a port is not a number"));
            }
            let address: IpAddr = source.parse().map_err(|_| malformed("the source is not an IP address"))?;
            match (*family, address) {
                ("TCP4", IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_)) => Ok(Some(address)),
                _ => Err(malformed("the address does not match its family")),
            }
        }
        _ => Err(malformed("the line does not have six fields")),
    }
}

fn is_port(text: &&str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

async fn version2<IO: AsyncRead + Unpin>(io: &mut IO) -> io::Result<Option<IpAddr>> {
    let command = io.read_u8().await?;
    let family = io.read_u8().await?;
    let length = usize::from(io.read_u16().await?);
    let mut payload = [0; ADDRESSES];
    let payload = payload.get_mut(..length.min(ADDRESSES)).unwrap_or_default();
    io.read_exact(payload).await?;
    let mut left = length - payload.len();
    let mut discarded = [0; 512];
    while left > 0 {
        let part = discarded.get_mut(..left.min(512)).unwrap_or_default();
        io.read_exact(part).await?;
        left -= part.len();
    }
    match (command, family) {
        (0x21, 0x11) => {
            let source: [u8; 4] = payload
                .get(..4)
                .and_then(|b| b.try_into().ok())
                .ok_or_else(|| malformed("the addresses are too short"))?;
            if length < 12 {
                Err(malformed("the addresses are too short"))
            } else {
                Ok(Some(IpAddr::V4(Ipv4Addr::from(source))))
            }
        }
        (0x21, 0x21) => {
            let source: [u8; 16] = payload
                .get(..16)
                .and_then(|b| b.try_into().ok())
                .ok_or_else(|| malformed("the addresses are too short"))?;
            if length < 36 {
                Err(malformed("the addresses are too short"))
            } else {
                Ok(Some(IpAddr::V6(Ipv6Addr::from(source))))
            }
        }
        // The load balancer's own connection, or a family without IP addresses.
        (0x20 | 0x21, _) => Ok(None),
        _ => Err(malformed("the version or command is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> io::Result<(Option<IpAddr>, usize)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut rest = bytes;
        runtime.block_on(read(&mut rest)).map(|address| (address, rest.len()))
    }

    #[test]
    fn both_versions_are_read_up_to_their_end() {
        let v1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n\x16\x03";
        assert_eq!(parse(v1).unwrap(), (Some("192.0.2.7".parse().unwrap()), 2));
        assert_eq!(parse(b"PROXY UNKNOWN\r\nx").unwrap(), (None, 1));
        let mut v2 = SIGNATURE.to_vec();
        v2.extend_from_slice(&[0x21, 0x11, 0, 12, 192, 0, 2, 9, 1, 1, 1, 1, 0, 1, 0, 2, 0x16]);
        assert_eq!(parse(&v2).unwrap(), (Some("192.0.2.9".parse().unwrap()), 1));
        let mut local = SIGNATURE.to_vec();
        local.extend_from_slice(&[0x20, 0, 0, 0]);
        assert_eq!(parse(&local).unwrap(), (None, 0));
    }

    #[test]
    fn a_connection_without_a_byte_is_recognized() {
        assert!(sent_nothing(&parse(b"").unwrap_err()));
        assert!(!sent_nothing(&parse(b"P").unwrap_err()));
        assert!(!sent_nothing(&parse(b"GET / HTTP/1.1\r\n").unwrap_err()));
    }

    #[test]
    fn other_headers_are_refused() {
        for bytes in [
            &b"\x16\x03\x01 a client hello"[..],
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 x y 1 2\r\n",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 \r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443 \r\n",
        ] {
            assert!(parse(bytes).is_err());
        }
        assert!(parse(&[b"PROXY ".to_vec(), vec![b'x'; 200]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, signed: bool) {
            if signed {
                bytes.splice(0..0, SIGNATURE);
            }
            let _ = parse(&bytes);
        }
    }
}
