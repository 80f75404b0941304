//! Accepts connections, and serves their requests.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    CONNECTIONS, HEALTH_CONNECTIONS, State,
    connections::{Connections, Place},
    history, respond,
};
use crate::{observe::log::LineLimit, tls::OperatorTls};

/// For the head of a request, and until the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// For a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole connection.
const LIFETIME: Duration = Duration::from_secs(300);

/// Limits the log lines about connections that cannot be accepted.
static UNACCEPTED: LineLimit = LineLimit::new(Duration::from_secs(10), 1);

/// What an address serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Everything.
    All,
    /// `/healthz` and `/readyz`, to anyone.
    Health,
}

impl Paths {
    const fn connections(self) -> usize {
        match self {
            Self::All => CONNECTIONS,
            Self::Health => HEALTH_CONNECTIONS,
        }
    }
}

/// Serves an address until the future is dropped.
pub(super) async fn serve(listener: TcpListener, paths: Paths, state: Arc<State>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let connections = Connections::new(paths.connections());
    if paths == Paths::All {
        let state = Arc::clone(&state);
        tokio::spawn(async move { history::record(&state).await });
    }
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(others) = UNACCEPTED.others() {
                    tracing::warn!(%error, others, "cannot accept a connection of an operator");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        let place = connections.enter();
        let number = place.number();
        let task = tokio::spawn(async move {
            let tls = if paths == Paths::All { state.site.load().admin.tls.clone() } else { None };
            let Some(tls) = tls else {
                return exchange(stream, peer, paths, None, &place, &state).await;
            };
            let acceptor = TlsAcceptor::from(Arc::clone(tls.config()));
            let failure = match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => return exchange(stream, peer, paths, Some(tls), &place, &state).await,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "timeout".to_owned(),
            };
            state.refusals.note_handshake(peer, &failure);
        });
        connections.set_task(number, &task);
    }
}

/// Serves the requests of one connection.
async fn exchange<IO>(
    io: IO,
    peer: SocketAddr,
    paths: Paths,
    tls: Option<Arc<OperatorTls>>,
    place: &Place,
    state: &Arc<State>,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let tls = &tls;
    let service = service_fn(move |request| {
        place.mark_requested();
        async move {
            Ok::<_, Infallible>(match paths {
                Paths::All => respond::to_operator(&request, peer, tls.as_ref(), state).await,
                Paths::Health => respond::to_health_check(&request, state),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(io), service);
    let _ = timeout(LIFETIME, connection).await;
}
