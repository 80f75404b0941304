//! Responds to plaintext HTTP on the TLS port, which a client sends if its URL begins with `http://`.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{cork::Corked, first_bytes::Protocol};

const BODY: &str = "Client sent an HTTP request to an HTTPS server: use https:// in the URL\n";
/// An empty SETTINGS frame, the server's connection preface (RFC 9113 section 3.4).
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// The start of a GOAWAY payload: last stream 0, error code INADEQUATE_SECURITY (RFC 9113 sections 6.8 and 7).
const INADEQUATE_SECURITY: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0xc];

/// Responds if the peer sent an HTTP request, and returns whether it did. Reads a few more bytes if that is still undecided, and
/// discards the corked TLS alert. The caller limits the time.
pub(super) async fn respond<IO>(io: &mut Corked<IO>) -> io::Result<bool>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    while io.first_bytes().protocol() == Protocol::Undecided {
        let mut buffer = [0; 24];
        if io.read(&mut buffer).await? == 0 {
            return Ok(false);
        }
    }
    let response = match io.first_bytes().protocol() {
        Protocol::Http1 => http1(io.first_bytes().is_head()),
        Protocol::Http2 => http2(),
        Protocol::Undecided | Protocol::Other => return Ok(false),
    };
    io.discard_corked();
    io.write_all(&response).await?;
    Ok(true)
}

fn http1(is_head: bool) -> Vec<u8> {
    let mut response = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        BODY.len()
    );
    if !is_head {
        response.push_str(BODY);
    }
    response.into_bytes()
}

fn http2() -> Vec<u8> {
    let reason = BODY.trim_end().as_bytes();
    let length = u8::try_from(INADEQUATE_SECURITY.len() + reason.len()).unwrap_or(u8::MAX);
    let goaway = [0, 0, length, 7, 0, 0, 0, 0, 0];
    [&SETTINGS[..], &goaway, &INADEQUATE_SECURITY, reason].concat()
}
