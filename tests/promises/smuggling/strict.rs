//! An upstream that reads HTTP/1.1 by the letter of RFC 9112, and notes every byte that is not.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::scripted::{OK, Scripted};

/// A request as the upstream received it.
#[derive(Clone, Debug)]
pub struct Received {
    /// The target of the request line.
    pub target: String,
    /// The names and values of the fields.
    pub fields: Vec<(String, String)>,
    /// The body; none if the connection ended within it.
    pub body: Option<Vec<u8>>,
}

/// What has arrived: each request, or why bytes are none.
pub type Arrived = Arc<Mutex<Vec<Result<Received, String>>>>;

/// Starts the upstream.
pub async fn start() -> (Scripted, Arrived) {
    let arrived = Arrived::default();
    let seen = Arc::clone(&arrived);
    let upstream = Scripted::start(move |_, stream| serve(stream, Arc::clone(&seen))).await;
    (upstream, arrived)
}

async fn serve(mut stream: TcpStream, seen: Arrived) {
    loop {
        let Some(head) = line_by_line(&mut stream).await else { return };
        let mut request = match parse(&head) {
            Ok(request) => request,
            Err(why) => {
                seen.lock().unwrap().push(Err(format!("{why}: {:?}", String::from_utf8_lossy(&head))));
                return;
            }
        };
        // It is noted at once, since a request whose body is refused may never end.
        let at = {
            let mut seen = seen.lock().unwrap();
            seen.push(Ok(request.clone()));
            seen.len() - 1
        };
        match body(&mut stream, &request.fields).await {
            Ok(Some(body)) => request.body = Some(body),
            Ok(None) => return,
            Err(why) => {
                seen.lock().unwrap()[at] = Err(format!("{why}: {request:?}"));
                return;
            }
        }
        seen.lock().unwrap()[at] = Ok(request);
        if stream.write_all(OK).await.is_err() {
            return;
        }
    }
}

/// The bytes up to an empty line; none if the connection ends before.
async fn line_by_line(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(head)
}

fn parse(head: &[u8]) -> Result<Received, &'static str> {
    let text = std::str::from_utf8(head).map_err(|_| "not UTF-8")?;
    let text = text.strip_suffix("\r\n\r\n").ok_or("no empty line")?;
    let mut lines = text.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("request line") };
    let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if method.is_empty() || !method.bytes().all(is_token) || !target.starts_with('/') || !is_visible(target) {
        return Err("request line");
    }
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err("the name of a field");
        }
        if value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
            return Err("a control character in a field");
        }
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    if fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() != 1 {
        return Err("not one Host");
    }
    Ok(Received { target: target.to_owned(), fields, body: None })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The body; none if the connection ends within it.
async fn body(stream: &mut TcpStream, fields: &[(String, String)]) -> Result<Option<Vec<u8>>, &'static str> {
    let of = |name: &str| -> Vec<&str> {
        // As CGI folds names, and servers that ignore what is around them.
        let plain = |other: &str| other.to_ascii_lowercase().replace('_', "-");
        fields.iter().filter(|(other, _)| plain(other) == name).map(|(_, value)| value.as_str()).collect()
    };
    match (&of("transfer-encoding")[..], &of("content-length")[..]) {
        ([], []) => Ok(Some(Vec::new())),
        ([], [length]) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            let mut body = vec![0; length.parse().map_err(|_| "Content-Length")?];
            Ok(stream.read_exact(&mut body).await.is_ok().then_some(body))
        }
        (["chunked"], []) => chunks(stream).await,
        _ => Err("the length of the body"),
    }
}

async fn chunks(stream: &mut TcpStream) -> Result<Option<Vec<u8>>, &'static str> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let Ok(byte) = stream.read_u8().await else { return Ok(None) };
            line.push(byte);
        }
        let size = line.strip_suffix(b"\r\n").ok_or("the end of a chunk's line")?;
        if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
            return Err("the size of a chunk");
        }
        let size = std::str::from_utf8(size).map_err(|_| "the size of a chunk")?;
        let size = usize::from_str_radix(size, 16).map_err(|_| "the size of a chunk")?;
        let mut chunk = vec![0; size + 2];
        if stream.read_exact(&mut chunk).await.is_err() {
            return Ok(None);
        }
        let data = chunk.strip_suffix(b"\r\n").ok_or("the end of a chunk")?;
        if data.is_empty() {
            return Ok(Some(body));
        }
        body.extend_from_slice(data);
    }
}
