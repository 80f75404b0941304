//! One connection from its accept to its end.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Poll, ready},
    time::Duration,
};

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch, time::Instant};
use tower::Service;

use super::{
    activity::{Activity, Overdue, Tracked, Watched},
    linger::Lingering,
    proxy_protocol,
    shared::Shared,
};
use crate::{
    config::settings::{ClientAuth, Limits},
    http::{ClientAddress, Connection, Peers, WorkerParts, stack},
    site::Site,
    tls,
};

/// Serves a connection. Failures are the peer's and are logged at `debug`.
pub(super) async fn serve(
    stream: TcpStream,
    tcp_peer: SocketAddr,
    shared: Arc<Shared>,
    parts: WorkerParts,
    drain: watch::Receiver<bool>,
) {
    let site = shared.site.load_full();
    let limits = site.limits.clone();
    let shaken =
        tokio::time::timeout(limits.handshake_timeout, handshake(stream, tcp_peer, &site, &parts.peers))
            .await;
    let failure = match shaken {
        Ok(Ok((tls, connection))) => {
            parts.counters.handshakes.fetch_add(1, Ordering::Relaxed);
            let stall = stall(&site);
            drop(site);
            serve_http(tls, connection, &shared, &parts, &limits, stall, drain).await;
            return;
        }
        Ok(Err(failed)) => failed,
        Err(_) => {
            std::io::Error::other(format!("the handshake took longer than {:?}", limits.handshake_timeout))
                .into()
        }
    };
    parts.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    tracing::info!(client = %tcp_peer.ip(), reason = %failure.error, "handshake failed");
    if let Some(stream) = failure.io {
        tls::take_leave(stream).await;
    }
}

/// How long requests in flight may make no progress: beyond all that may be waited for by the rules.
fn stall(site: &Site) -> Duration {
    let upstream = site
        .domains
        .values()
        .map(|domain| domain.target.response_timeout + domain.target.connect_timeout * 4);
    site.limits.body_timeout + upstream.max().unwrap_or_default() + Duration::from_secs(10)
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

async fn handshake(
    mut stream: TcpStream,
    tcp_peer: SocketAddr,
    site: &Site,
    peers: &Peers,
) -> Result<(TlsStream, Rc<Connection>), tls::Failed<TcpStream>> {
    stream.set_nodelay(true)?;
    let mut ip = tcp_peer.ip().to_canonical();
    let trusted = |ip: &std::net::IpAddr| site.trusted_proxies.iter().any(|network| network.contains(ip));
    if site.proxy_protocol {
        if !trusted(&ip) {
            let message = "only trusted_proxies may connect, since proxy_protocol is on";
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, message).into());
        }
        if let Some(client) = proxy_protocol::read(&mut stream).await? {
            ip = client.to_canonical();
        }
    }
    // A balancer that passes TCP on writes no X-Forwarded-For: what its client sends is the client's own word.
    let trusted_proxy = trusted(&ip);
    let address = ClientAddress { ip, trusted_proxy, local_port: stream.local_addr()?.port() };
    let domain = |name: &str| site.domains.get(name).map(|domain| Arc::clone(&domain.tls.config));
    let accepted = tls::accept(stream, domain).await?;
    let chain = accepted.stream.get_ref().1.peer_certificates();
    let required = site
        .domains
        .get(&accepted.server_name)
        .is_none_or(|domain| domain.client_auth == ClientAuth::Required);
    if required && chain.is_none_or(<[_]>::is_empty) {
        return Err(std::io::Error::other("no client certificate, though one is required").into());
    }
    let peer = chain.and_then(|chain| peers.presented(chain));
    let connection = Rc::new(Connection::new(address, accepted.server_name, peer));
    Ok((accepted.stream, connection))
}

async fn serve_http(
    tls: TlsStream,
    connection: Rc<Connection>,
    shared: &Shared,
    parts: &WorkerParts,
    limits: &Limits,
    stall: Duration,
    drain: watch::Receiver<bool>,
) {
    let activity = Activity::new();
    let stack = stack(&connection, &shared.site, parts);
    let service = {
        let activity = Rc::clone(&activity);
        hyper::service::service_fn(move |request| {
            let in_flight = activity.start();
            let answer = stack.clone().call(request);
            async move {
                let response = answer.await?;
                Ok::<_, Infallible>(response.map(|body| Tracked { body, in_flight }))
            }
        })
    };
    let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let tls = Lingering::new(tls, Rc::clone(&connection));
    let ended = if is_http2 {
        let list = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        let connection_future = http2::Builder::new(crate::forward::LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.http2_streams)
            .max_header_list_size(list)
            .max_send_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(tls), service);
        drive(
            connection_future,
            http2::Connection::graceful_shutdown,
            &activity,
            &connection,
            limits,
            stall,
            drain,
        )
        .await
    } else {
        let io = Watched { io: tls, activity: Rc::clone(&activity) };
        let connection_future = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(limits.headers)
            .max_buf_size(limits.header_bytes)
            .serve_connection(TokioIo::new(io), service);
        drive(
            connection_future,
            http1::Connection::graceful_shutdown,
            &activity,
            &connection,
            limits,
            stall,
            drain,
        )
        .await
    };
    if let Err(reason) = ended {
        tracing::debug!(client = %connection.address.ip, reason, "connection ended");
    }
}

/// Drives a connection to its end: by itself, by the drain, by a refusal that closes it, or when its time is up.
/// The timer is armed anew only when it goes off or must go off earlier, not for every request.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    graceful_shutdown: impl Fn(Pin<&mut C>),
    activity: &Activity,
    state: &Connection,
    limits: &Limits,
    stall: Duration,
    mut drain: watch::Receiver<bool>,
) -> Result<(), String> {
    let mut connection = pin!(connection);
    let mut timer = pin!(tokio::time::sleep_until(activity.due(limits, stall, None).0));
    // An error means that the sender is gone: the same as a drain.
    let mut drained = pin!(async move { drop(drain.wait_for(|drain| *drain).await) });
    let mut close_asked = pin!(state.close_asked());
    let mut closing: Option<Instant> = None;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(result.map_err(|error| error.to_string()));
            }
            let close = closing.is_none()
                && (drained.as_mut().poll(cx).is_ready() || close_asked.as_mut().poll(cx).is_ready());
            if close {
                closing = Some(Instant::now());
                graceful_shutdown(connection.as_mut());
                continue;
            }
            let (due, overdue) = activity.due(limits, stall, closing);
            if due < timer.deadline() {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            if due > Instant::now() {
                timer.as_mut().reset(due);
                continue;
            }
            match overdue {
                Overdue::Idle => {
                    closing = Some(Instant::now());
                    graceful_shutdown(connection.as_mut());
                }
                Overdue::Stuck => return Poll::Ready(Err("a head or body did not get on".to_owned())),
                Overdue::Lingering => {
                    return Poll::Ready(Err("the peer kept it open after its end".to_owned()));
                }
            }
        }
    })
    .await
}
