//! An HTTP/1.1 response: what the edge reads as complete, hyper's client reads as the same response, however the bytes are cut; and
//! a connection that the edge would use again, hyper would too.

use std::{
    cell::Cell,
    collections::BTreeMap,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, response::Parts};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use mtls_edge::h1::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Header lines that the edge reads of a response; hyper's own default is less.
const MAX_HEADERS: usize = 128;

/// Checks a response. The first byte of the input chooses the method, whether the connection ends, and into what it is cut.
pub fn check(input: &[u8]) {
    let Some((control, text)) = input.split_first() else { return };
    let method = if control & 1 == 0 { Method::GET } else { Method::HEAD };
    let ends = control & 2 == 0;
    let piece = usize::from(control >> 2) + 1;
    let edge = read_by_edge(text, text.len().max(1), ends, &method);
    assert_eq!(read_by_edge(text, piece, ends, &method), edge, "in pieces of {piece}: {}", shown(text));
    let (edge, is_reusable) = edge;
    let (hyper, hyper_reuses) = read_by_hyper(text, piece, ends, &method);
    // The edge reads a head once it is complete, hyper as it arrives.
    let is_later = edge == Outcome::Waiting && hyper == Outcome::Broken;
    if edge == hyper || is_later {
        assert!(!is_reusable || hyper_reuses, "hyper does not use the connection again: {}", shown(text));
    } else {
        assert!(
            !matches!(edge, Outcome::Complete { .. }) && is_stricter(text),
            "the edge: {edge:?}, hyper: {hyper:?} of {}",
            shown(text)
        );
    }
}

fn shown(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

/// Whether a text has something that the edge refuses on purpose, and hyper may accept: a transfer coding other than one
/// `chunked`, a bare LF, a length with a leading zero or where no body is, empty lines before a status line.
fn is_stricter(text: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(text).to_ascii_lowercase();
    let has_bare_lf = text.split(|byte| *byte == b'\n').rev().skip(1).any(|line| !line.ends_with(b"\r"));
    let has_empty_lines = lower.starts_with("\r\n\r\n") || lower.contains("\r\n\r\n\r\n");
    lower.contains("transfer-encoding") || lower.contains("content-length") || has_bare_lf || has_empty_lines
}

/// What a client makes of the bytes on a connection.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Not a response, or one that breaks off.
    Broken,
    /// More is expected, and the connection is open.
    Waiting,
    /// A complete response.
    Complete {
        status: u16,
        headers: BTreeMap<String, Vec<Vec<u8>>>,
        body: Vec<u8>,
        trailers: BTreeMap<String, Vec<Vec<u8>>>,
    },
}

fn complete(head: &Parts, body: Vec<u8>, trailers: &HeaderMap) -> Outcome {
    let (status, headers) = (head.status.as_u16(), sorted(&head.headers));
    Outcome::Complete { status, headers, body, trailers: sorted(trailers) }
}

fn sorted(map: &HeaderMap) -> BTreeMap<String, Vec<Vec<u8>>> {
    let values = |name| map.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect();
    let mut sorted: BTreeMap<_, Vec<_>> =
        map.keys().map(|name| (name.as_str().to_owned(), values(name))).collect();
    // The edge passes equal lengths on as one.
    if let Some(lengths) = sorted.get_mut("content-length") {
        lengths.truncate(1);
        let text = String::from_utf8_lossy(&lengths[0]).into_owned();
        let first = text.split(',').next().unwrap_or_default().trim();
        lengths[0] = first.parse::<u64>().map_or(text.clone(), |length| length.to_string()).into_bytes();
    }
    sorted
}

/// The response as the edge reads it, and whether the connection can carry another request.
fn read_by_edge(text: &[u8], piece: usize, ends: bool, method: &Method) -> (Outcome, bool) {
    let (script, state) = Script::new(text, piece, ends);
    let mut connection = Connection::<Full<Bytes>>::new(Box::new(script));
    connection.start(request(method));
    let read = async {
        let head = poll_fn(|cx| connection.poll_head(cx)).await.ok()?;
        let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
        while let Some(frame) = poll_fn(|cx| connection.poll_frame(cx)).await {
            match frame.ok()?.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok()?,
            }
        }
        Some(complete(&head, body, &trailers))
    };
    let outcome = run(read, &state);
    let is_reusable = matches!(outcome, Outcome::Complete { .. })
        && connection.reset_for_reuse()
        // Polled twice: the script pauses before each piece.
        && connection.is_open()
        && connection.is_open();
    (outcome, is_reusable)
}

/// The same by hyper's client.
fn read_by_hyper(text: &[u8], piece: usize, ends: bool, method: &Method) -> (Outcome, bool) {
    let (script, state) = Script::new(text, piece, ends);
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(MAX_HEADERS);
    let mut handshake = pin!(builder.handshake::<_, Full<Bytes>>(TokioIo::new(script)));
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok((mut sender, connection))) = handshake.as_mut().poll(cx) else {
        panic!("hyper's handshake reads nothing");
    };
    let mut connection = Some(Box::pin(connection));
    let mut drive = |cx: &mut Context<'_>| {
        if let Some(polled) = &mut connection
            && polled.as_mut().poll(cx).is_ready()
        {
            connection = None;
        }
    };
    let outcome = {
        let mut read = pin!(async {
            let (head, body) = sender.send_request(request(method)).await.ok()?.into_parts();
            let body = body.collect().await.ok()?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            Some(complete(&head, body.to_bytes().to_vec(), &trailers))
        });
        run(
            poll_fn(|cx| {
                let polled = read.as_mut().poll(cx);
                drive(cx);
                polled
            }),
            &state,
        )
    };
    for _ in 0..4 {
        drive(cx);
    }
    (outcome, sender.is_ready())
}

fn request(method: &Method) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("/").body(Full::default()).expect("a request")
}

/// Polls until it is ready, or waits though everything was read.
fn run(reading: impl Future<Output = Option<Outcome>>, state: &State) -> Outcome {
    let mut reading = pin!(reading);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut idle = 0;
    loop {
        if let Poll::Ready(outcome) = reading.as_mut().poll(cx) {
            return outcome.unwrap_or(Outcome::Broken);
        }
        if state.is_exhausted.get() {
            // hyper's connection and its caller wake each other a few times.
            idle += 1;
            if idle > 8 {
                return Outcome::Waiting;
            }
        }
        state.polls.set(state.polls.get() + 1);
        assert!(state.polls.get() < state.most_polls, "it is not ready, and does not read");
    }
}

/// How far a script is.
struct State {
    is_exhausted: Cell<bool>,
    polls: Cell<usize>,
    most_polls: usize,
}

/// An origin that sends a text in pieces once it has read a request's head.
struct Script {
    text: Bytes,
    piece: usize,
    ends: bool,
    /// Whether the next read finds nothing, as before each piece.
    pauses: bool,
    /// The last bytes that were written.
    written: [u8; 4],
    state: Rc<State>,
}

impl Script {
    fn new(text: &[u8], piece: usize, ends: bool) -> (Self, Rc<State>) {
        let most_polls = 16 * (text.len() + 16);
        let state = Rc::new(State { is_exhausted: Cell::default(), polls: Cell::default(), most_polls });
        let text = Bytes::copy_from_slice(text);
        (Self { text, piece, ends, pauses: true, written: [0; 4], state: Rc::clone(&state) }, state)
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.text.is_empty() {
            self.state.is_exhausted.set(true);
            return if self.ends { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        self.pauses = !self.pauses;
        // hyper takes what arrives before its request for an unsolicited response.
        if !self.pauses || self.written != *b"\r\n\r\n" {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let length = self.piece.min(buf.remaining()).min(self.text.len());
        buf.put_slice(&self.text.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        for byte in bytes {
            self.written.rotate_left(1);
            self.written[3] = *byte;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
