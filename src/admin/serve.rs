//! Accepts connections, and serves their requests.

use std::{convert::Infallible, net::TcpListener, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{CONNECTIONS, HEALTH_CONNECTIONS, State, connections::Connections, history, respond};

/// For the head of a request, and until the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// For a whole connection.
const LIFETIME: Duration = Duration::from_secs(300);

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
                tracing::warn!(%error, "cannot accept a connection of an operator");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        let place = connections.enter();
        let number = place.number();
        let task = tokio::spawn(async move {
            let service = service_fn(|request| {
                place.mark_requested();
                let state = &state;
                async move {
                    Ok::<_, Infallible>(match paths {
                        Paths::All => respond::to_operator(&request, peer, state).await,
                        Paths::Health => respond::to_health_check(&request, state),
                    })
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(LIFETIME, connection).await;
        });
        connections.set_task(number, &task);
    }
}
