//! An upstream that runs a script on each connection, down to the bytes, with TLS if wanted.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{Ca, Credentials};

/// The answer of most scripts.
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// An upstream on a loopback port. It ends with the test.
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Runs `serve` for each connection, with its number from 0.
    pub async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), serve)
    }

    /// Runs `serve` for each connection of this listener, with its number from 0.
    pub fn start_on<F, S>(listener: TcpListener, serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Ended connections are not kept.
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(count.fetch_add(1, Ordering::SeqCst), stream));
            }
        });
        Self { address, accepted, task }
    }

    /// Its URL, without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the head of an HTTP/1.1 message, and no byte after it.
pub async fn read_head<IO: AsyncRead + Unpin>(io: &mut IO) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    head
}

/// Reads one HTTP/1.1 request with its body by `Content-Length`; none if the connection ends before.
pub async fn read_request<IO: AsyncRead + Unpin>(io: &mut IO) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.trim().parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if io.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Answers each request with the same bytes until the connection ends.
pub async fn keep_answering(mut stream: TcpStream, answer: &[u8]) {
    while read_request(&mut stream).await.is_some() {
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// A TLS server with this certificate that offers these protocols by ALPN.
pub fn acceptor(credentials: &Credentials, protocols: &[&str]) -> TlsAcceptor {
    acceptor_with(WebPkiClientVerifier::no_client_auth(), credentials, protocols)
}

/// A TLS server that demands a client certificate of this CA.
pub fn mutual_acceptor(credentials: &Credentials, protocols: &[&str], client_ca: &Ca) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(client_ca.der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    acceptor_with(verifier, credentials, protocols)
}

fn acceptor_with(
    verifier: Arc<dyn ClientCertVerifier>,
    credentials: &Credentials,
    protocols: &[&str],
) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(credentials.chain.clone(), credentials.key.clone_key())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// The URL of a scripted upstream that speaks TLS.
pub fn https(scripted: &Scripted) -> String {
    format!("https://localhost:{}", scripted.address.port())
}

/// Serves HTTP/2 or HTTP/1.1 on a connection until it ends.
pub async fn serve_http<IO, R>(
    io: IO,
    http2: bool,
    answer: impl Fn(Request<Incoming>) -> R + Clone + Send + 'static,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let io = TokioIo::new(io);
    let _ = if http2 {
        conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        conn::http1::Builder::new().serve_connection(io, service).await
    };
}

/// What an HTTP/2 upstream does when it has received a whole request.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// 200 without a body.
    Answer,
    /// RST_STREAM with this code (RFC 9113 section 7), the connection stays.
    Reset(u32),
    /// GOAWAY with NO_ERROR that names this as the last stream, then the connection is closed.
    GoAway(u32),
}

/// HTTP/2 by hand (RFC 9113): does the next of `steps` for each whole request, the last one again and again.
pub async fn serve_frames<IO: AsyncRead + AsyncWrite + Unpin>(
    mut io: IO,
    step: impl Fn() -> Step,
) -> io::Result<()> {
    const END_STREAM: u8 = 1;
    let mut preface = [0; 24];
    io.read_exact(&mut preface).await?;
    write_frame(&mut io, 4, 0, 0, &[]).await?;
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let [high, middle, low, kind, flags, id @ ..] = head;
        let mut payload = vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
        io.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes(id);
        match kind {
            // SETTINGS and PING are acknowledged.
            4 if flags & 1 == 0 => write_frame(&mut io, 4, 1, 0, &[]).await?,
            6 if flags & 1 == 0 => write_frame(&mut io, 6, 1, 0, &payload).await?,
            0 | 1 if flags & END_STREAM != 0 => match step() {
                // END_STREAM and END_HEADERS; entry 8 of HPACK's static table is `:status: 200`.
                Step::Answer => write_frame(&mut io, 1, 5, stream, &[0x88]).await?,
                Step::Reset(code) => write_frame(&mut io, 3, 0, stream, &code.to_be_bytes()).await?,
                Step::GoAway(last) => {
                    write_frame(&mut io, 7, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await?;
                    return io.shutdown().await;
                }
            },
            _ => {}
        }
    }
}

async fn write_frame<IO: AsyncWrite + Unpin>(
    io: &mut IO,
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    io.write_all(&frame).await?;
    io.flush().await
}
