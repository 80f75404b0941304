//! One GET over HTTP/1.1. No redirect is followed: a list comes from where the operator said.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{config::settings::CrlSource, load::roots};

/// The most bytes of a list.
const LARGEST: usize = 32 << 20;

/// What stands at the source's URL. The caller bounds the time.
pub(super) async fn get(source: &CrlSource) -> Result<Vec<u8>, String> {
    let origin = &source.url.value.origin;
    let tcp = TcpStream::connect((origin.host.as_str(), origin.port))
        .await
        .map_err(|error| format!("no connection: {error}"))?;
    if !origin.tls {
        return exchange(tcp, source).await;
    }
    let roots = roots(source.ca.as_ref().map(|ca| ca.value.as_path())).map_err(|fault| fault.what)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(origin.host.clone()).map_err(|error| error.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tls = connector.connect(name, tcp).await.map_err(|error| format!("no TLS connection: {error}"))?;
    exchange(tls, source).await
}

async fn exchange<IO>(io: IO, source: &CrlSource) -> Result<Vec<u8>, String>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let url = &source.url.value;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(io)).await.map_err(|error| error.to_string())?;
    let request = Request::get(&url.target)
        .header(header::HOST, url.origin.authority())
        .header(header::USER_AGENT, concat!("mtls-edge/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/pkix-crl, application/x-pem-file, */*;q=0.1")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let read = async {
        let response = sender.send_request(request).await.map_err(|error| format!("no answer: {error}"))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("the server answers {status}, expected 200: redirects are not followed"));
        }
        if status != StatusCode::OK {
            return Err(format!("the server answers {status}, expected 200"));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                format!("the answer has more than {} MiB", LARGEST >> 20)
            } else {
                format!("the answer is cut short: {error}")
            }
        })?;
        Ok(body.to_bytes().to_vec())
    };
    // The connection is driven here and goes with this future: none is left behind by a timeout.
    let mut connection = std::pin::pin!(connection);
    let mut read = std::pin::pin!(read);
    tokio::select! {
        read = &mut read => read,
        // The answer may have come with the end.
        _ = &mut connection => read.await,
    }
}
