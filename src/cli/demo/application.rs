//! An application that asks for a token over mutual TLS.

use std::{net::SocketAddr, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;

use super::{DOMAIN, Failure};
use crate::identity::Thumbprint;

/// An OAuth client with its certificate.
pub(super) struct Application {
    client_id: String,
    thumbprint: Thumbprint,
    tls: Arc<ClientConfig>,
}

/// The error response that a refused caller gets (RFC 6749 section 5.2).
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: String,
    pub(super) error_description: String,
}

/// An access token and its claims.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) claims: serde_json::Value,
}

impl Application {
    pub(super) fn load(certs: &Path, client_id: &str) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certs.join("server-ca.pem"))?)?;
        let leaf = CertificateDer::from_pem_file(certs.join(format!("{client_id}.pem")))?;
        let key = PrivateKeyDer::from_pem_file(certs.join(format!("{client_id}.key")))?;
        let thumbprint = Thumbprint::of(&leaf);
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![leaf], key)?;
        Ok(Self { client_id: client_id.to_owned(), thumbprint, tls: Arc::new(tls) })
    }

    pub(super) fn thumbprint(&self) -> String {
        self.thumbprint.base64url()
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Requests a token.
    pub(super) async fn token(&self, edge: SocketAddr) -> Result<Token, Failure> {
        let (status, body) = self.call(edge, &self.client_id).await?;
        if !status.is_success() {
            return Err(format!("{status}: {body}").into());
        }
        let text =
            body.get("access_token").and_then(|token| token.as_str()).ok_or("no access_token")?.to_owned();
        let payload = text.split('.').nth(1).ok_or("the access token is not a JWT")?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
        Ok(Token { text, claims })
    }

    /// Requests a token for another client, and expects a refusal.
    pub(super) async fn refusal(&self, edge: SocketAddr, client_id: &str) -> Result<Refusal, Failure> {
        let (status, body) = self.call(edge, client_id).await?;
        if status.is_success() {
            return Err(format!("{} got a token for {client_id}", self.client_id).into());
        }
        let member = |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or("-").to_owned();
        Ok(Refusal { status, error: member("error"), error_description: member("error_description") })
    }

    /// One request by the client credentials grant (RFC 6749 section 4.4).
    async fn call(
        &self,
        edge: SocketAddr,
        client_id: &str,
    ) -> Result<(StatusCode, serde_json::Value), Failure> {
        let tcp = TcpStream::connect(edge).await?;
        let tls = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls.connect(ServerName::try_from(DOMAIN)?, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let form = format!("grant_type=client_credentials&client_id={client_id}");
        let request = Request::post("/oauth/token")
            .header(header::HOST, DOMAIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body)?))
    }
}

impl Token {
    /// Checks that the token's `cnf` is the thumbprint of this application's certificate (RFC 8705 section 3.1).
    pub(super) fn check_bound_to(&self, application: &Application) -> Result<(), Failure> {
        let bound = self.claims.pointer("/cnf/x5t#S256").and_then(|value| value.as_str());
        if bound == Some(application.thumbprint().as_str()) {
            Ok(())
        } else {
            Err(format!("the token is bound to {bound:?}, not to {}", application.thumbprint()).into())
        }
    }
}
