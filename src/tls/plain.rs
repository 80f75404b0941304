//! HTTP without TLS, as a client sends it whose URL begins with `http://`: it gets an answer that it can show.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{cork::Corked, opening::Kind};

const BODY: &str = "Client sent an HTTP request to an HTTPS server: use https:// in the URL\n";
/// RFC 9113: empty SETTINGS, as each server begins, then GOAWAY with INADEQUATE_SECURITY and a reason for a person.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const INADEQUATE_SECURITY: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 0xc];

/// Answers a request if this is one, reading a few more bytes where that is not clear yet. The caller bounds the time. What was held for a
/// peer of TLS is not sent then.
pub(super) async fn answer<IO>(io: &mut Corked<IO>) -> io::Result<bool>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    while io.opening().kind() == Kind::Open {
        let mut buffer = [0; 24];
        if io.read(&mut buffer).await? == 0 {
            return Ok(false);
        }
    }
    let answer = match io.opening().kind() {
        Kind::Http1 => http1(io.opening().is_head()),
        Kind::Http2 => http2(),
        Kind::Open | Kind::Other => return Ok(false),
    };
    io.discard_held();
    io.write_all(&answer).await?;
    Ok(true)
}

fn http1(is_head: bool) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        BODY.len()
    );
    if !is_head {
        answer.push_str(BODY);
    }
    answer.into_bytes()
}

fn http2() -> Vec<u8> {
    let reason = BODY.trim_end().as_bytes();
    let length = u8::try_from(INADEQUATE_SECURITY.len() + reason.len()).unwrap_or(u8::MAX);
    let goaway = [0, 0, length, 7, 0, 0, 0, 0, 0];
    [&SETTINGS[..], &goaway, &INADEQUATE_SECURITY, reason].concat()
}
