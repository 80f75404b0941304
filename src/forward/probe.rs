//! Tries an origin as `check --probe` does: connects to it, sends one request, and waits briefly for what it answers.
//!
//! With TLS 1.3 a server refuses the client's certificate only after the client has finished its handshake, and nginx even answers with a
//! response: a connection alone does not show that an origin accepts the edge.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{StatusCode, uri::PathAndQuery};
use http_body_util::{BodyExt, Collected, Limited};
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use super::{
    Origin, Target,
    absolute_form::AbsoluteForm,
    check::request,
    connect::{ConnectError, Opened, connect, timed_out},
    fault::{certificate_refused, explained, of_hyper},
    resolved::Resolved,
};
use crate::net::WriteBatcher;

/// Descriptors for the addresses of one origin that are tried in parallel.
const ATTEMPTS: usize = 4;
/// How long an origin may take to answer. An alert arrives within a round trip; not every server answers such a request quickly.
const RESPONSE: Duration = Duration::from_secs(1);
/// The longest response body that is read.
const MAX_BODY: usize = 16 * 1024;

/// Why an origin does not work: a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing accepts connections there.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// It accepts connections, but not the edge's requests.
    #[error("{0}")]
    Unusable(String),
}

impl From<ConnectError> for ProbeError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable(why) => Self::Unreachable(why),
            ConnectError::Unusable(why) => Self::Unusable(format!("cannot connect: {why}")),
        }
    }
}

/// Connects to an origin of a target as requests do (TCP, and TLS with the target's roots, server name and client certificate), and sends
/// the request of its health check, or else `GET /`. Any response that does not refuse the client itself is a success. Returns a note on
/// an origin that does not respond soon. A server that should speak HTTP and does not gets the ClientHello of `hello`.
///
/// # Errors
///
/// Why it cannot be reached within `limit`, or does not accept the client; or the target has no such origin.
pub async fn probe(
    target: &Target,
    index: usize,
    batcher: &WriteBatcher,
    limit: Duration,
    hello: &Arc<ClientConfig>,
) -> Result<Option<String>, ProbeError> {
    let no_origin = || ProbeError::Unusable("the upstream has no such origin".to_owned());
    let address = target.spec.origins.get(index).ok_or_else(no_origin)?;
    let permits = Arc::new(Semaphore::new(ATTEMPTS));
    let permit = Arc::clone(&permits).acquire_owned().await;
    let permit = permit.map_err(|error| ProbeError::Unusable(error.to_string()))?;
    let limit = limit.min(target.spec.limits.connect_timeout);
    let resolved = Resolved::default();
    let connected = connect(target, address, &resolved, batcher, permit, &permits);
    let opened = match timeout(limit, connected).await {
        Ok(Some(opened)) => opened?,
        Ok(None) | Err(_) => return Err(ProbeError::Unreachable(timed_out(address, &resolved, limit))),
    };
    let Ok(answer) = timeout(RESPONSE, exchange(target, opened)).await else {
        return Ok(Some(format!("connected, but no response within {RESPONSE:?}")));
    };
    // nginx refuses with status 400 both a client certificate and a request without TLS.
    let is_refusal = answer.as_ref().map_or(true, |(status, _)| *status == StatusCode::BAD_REQUEST);
    match address.network().filter(|_| is_refusal) {
        Some(origin) if !origin.tls && speaks_tls(origin, hello).await => {
            let why = "the origin speaks TLS; write https:// in its URL";
            return Err(ProbeError::Unusable(why.to_owned()));
        }
        _ => {}
    }
    let (_, body) =
        answer.map_err(|why| ProbeError::Unusable(format!("connected, but no response: {why}")))?;
    if is_refusal && address.uses_tls() && names_certificate(&body) {
        let why = format!("the response has status 400{}", certificate_refused(target));
        return Err(ProbeError::Unusable(why));
    }
    Ok(None)
}

/// Whether this is the page with which nginx refuses the certificate, or the lack of one.
fn names_certificate(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("SSL certificate")
}

/// Sends the request, and returns the response's status, and its body as far as it could be read.
async fn exchange(target: &Target, opened: Opened) -> Result<(StatusCode, Bytes), String> {
    let path = target.spec.policy.health_check.as_ref().map(|check| check.path.clone());
    let mut request = request(target, path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    match opened {
        Opened::Http1(mut connection) => {
            let http1 = &mut connection.http1;
            http1.start(request);
            let head = poll_fn(|cx| http1.poll_head(cx)).await;
            let head = head.map_err(|error| explained(&error, target))?;
            let mut body = Vec::new();
            while body.len() < MAX_BODY
                && !http1.is_end_stream()
                && let Some(Ok(frame)) = poll_fn(|cx| http1.poll_frame(cx)).await
            {
                body.extend(frame.into_data().unwrap_or_default());
            }
            Ok((head.status, body.into()))
        }
        Opened::Http2(mut connection) => {
            AbsoluteForm::apply(&mut request).ok_or("the request's Host is not a valid authority")?;
            let response = connection.sender().send_request(request).await;
            let (head, body) = response.map_err(|error| of_hyper(&error, target))?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            Ok((head.status, body.map(Collected::to_bytes).unwrap_or_default()))
        }
    }
}

/// Whether a server answers a ClientHello with TLS: a handshake message or an alert.
async fn speaks_tls(origin: &Origin, hello: &Arc<ClientConfig>) -> bool {
    let first = async {
        let hello = client_hello(origin, hello)?;
        let mut tcp = TcpStream::connect((origin.host.as_str(), origin.port)).await?;
        tcp.write_all(&hello).await?;
        let mut first = [0; 2];
        tcp.read_exact(&mut first).await?;
        Ok::<_, io::Error>(first)
    };
    matches!(timeout(RESPONSE, first).await, Ok(Ok([21 | 22, 3])))
}

/// A ClientHello for this host.
fn client_hello(origin: &Origin, config: &Arc<ClientConfig>) -> io::Result<Vec<u8>> {
    let name = ServerName::try_from(origin.host.clone()).map_err(io::Error::other)?;
    let mut client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(hello)
}
