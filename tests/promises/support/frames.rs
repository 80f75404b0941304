//! One connection of HTTP/2, frame by frame: for clients that misbehave over many requests.

use std::collections::BTreeSet;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::{Client, DOMAIN, PATIENCE};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A client's end.
pub struct Frames {
    io: TlsStream<TcpStream>,
    next: u32,
    /// Streams whose response has begun. Responses may arrive in any order.
    answered: BTreeSet<u32>,
}

impl Frames {
    /// Connects, with these settings (RFC 9113 section 6.5.1).
    pub async fn connect(client: &Client, settings: &[(u16, u32)]) -> Self {
        let io = client.clone().http2().tls().await.unwrap();
        let mut frames = Self { io, next: 1, answered: BTreeSet::new() };
        frames.io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        frames.send(SETTINGS, 0, 0, &payload).await.unwrap();
        frames
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let mut frame = Vec::new();
        encode(&mut frame, kind, flags, stream, payload);
        self.io.write_all(&frame).await?;
        self.io.flush().await
    }

    /// The same frame so many times, in one write.
    pub async fn send_many(
        &mut self,
        (kind, flags, stream, payload): (u8, u8, u32, &[u8]),
        count: usize,
    ) -> std::io::Result<()> {
        let mut frame = Vec::new();
        encode(&mut frame, kind, flags, stream, payload);
        self.io.write_all(&frame.repeat(count)).await?;
        self.io.flush().await
    }

    /// A POST of the usual form to `/oauth/token`, on a new stream; its number.
    pub async fn token(&mut self, client_id: &str) -> std::io::Result<u32> {
        let stream = self.head("POST", "/oauth/token").await?;
        let body = format!("grant_type=client_credentials&client_id={client_id}");
        self.send(DATA, END_STREAM, stream, body.as_bytes()).await?;
        Ok(stream)
    }

    /// Sends the request and a frame that breaks its stream, in one write.
    pub async fn broken_token(&mut self, client_id: &str, kind: u8, payload: u32) -> std::io::Result<()> {
        let (stream, body) = (self.next, format!("grant_type=client_credentials&client_id={client_id}"));
        self.next += 2;
        let mut bytes = Vec::new();
        encode(&mut bytes, HEADERS, END_HEADERS, stream, &block("POST", "/oauth/token"));
        encode(&mut bytes, DATA, END_STREAM, stream, body.as_bytes());
        encode(&mut bytes, kind, 0, stream, &payload.to_be_bytes());
        self.io.write_all(&bytes).await?;
        self.io.flush().await
    }

    /// A GET on a new stream; its number.
    pub async fn get(&mut self, path: &str) -> std::io::Result<u32> {
        self.begin("GET", path, END_STREAM).await
    }

    /// So many GETs in one write, each on a new stream.
    pub async fn gets(&mut self, path: &str, count: u32) -> std::io::Result<()> {
        let mut octets = Vec::new();
        for _ in 0..count {
            encode(&mut octets, HEADERS, END_HEADERS | END_STREAM, self.next, &block("GET", path));
            self.next += 2;
        }
        self.io.write_all(&octets).await?;
        self.io.flush().await
    }

    /// The head of a request with a body, on a new stream; its number.
    pub async fn head(&mut self, method: &str, path: &str) -> std::io::Result<u32> {
        self.begin(method, path, 0).await
    }

    async fn begin(&mut self, method: &str, path: &str, flags: u8) -> std::io::Result<u32> {
        let stream = self.next;
        self.next += 2;
        self.send(HEADERS, flags | END_HEADERS, stream, &block(method, path)).await?;
        Ok(stream)
    }

    /// The next frame; nothing at the end of the connection. SETTINGS are acknowledged.
    pub async fn read(&mut self) -> Option<Frame> {
        timeout(PATIENCE, async {
            loop {
                let mut head = [0; 9];
                self.io.read_exact(&mut head).await.ok()?;
                let [high, middle, low, kind, flags, stream @ ..] = head;
                let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                let mut payload = vec![0; length];
                self.io.read_exact(&mut payload).await.ok()?;
                if kind == SETTINGS && flags & 1 == 0 {
                    let _ = self.send(SETTINGS, 1, 0, &[]).await;
                    continue;
                }
                let stream = u32::from_be_bytes(stream);
                if kind == HEADERS {
                    self.answered.insert(stream);
                }
                return Some(Frame { kind, flags, stream, payload });
            }
        })
        .await
        .expect("neither a frame nor an end")
    }

    /// Waits until all frames before have been read.
    pub async fn ping(&mut self) {
        self.send(PING, 0, 0, &[0; 8]).await.unwrap();
        while self.read().await.expect("the connection ends before the answer to a ping").kind != PING {}
    }

    /// Reads until a frame of this kind comes.
    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.read().await.expect("the connection ends before the frame");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads to the end of the connection: the codes of all GOAWAY frames.
    pub async fn until_closed(&mut self) -> Vec<u32> {
        let mut codes = Vec::new();
        while let Some(frame) = self.read().await {
            if frame.kind == GOAWAY {
                codes.push(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
            }
        }
        codes
    }

    /// Reads until a stream's response has begun.
    pub async fn until_answered(&mut self, stream: u32) {
        while !self.answered.contains(&stream) {
            let frame = self.read().await.expect("the connection ends before the answer");
            assert!(frame.kind != RESET || frame.stream != stream, "reset: {frame:?}");
        }
    }
}

fn encode(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    out.extend([length[1], length[2], length[3], kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// A header block of literals that are not indexed (RFC 7541 section 6.2.2).
fn block(method: &str, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", method),
        (":scheme", "https"),
        (":authority", DOMAIN),
        (":path", path),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}
