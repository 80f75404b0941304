//! An application that asks for a token, with its certificate or with signed assertions.

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

use super::{DOMAIN, Failure, assertion::Signer};
use crate::identity::Thumbprint;

/// An OAuth client with its credential.
pub(super) struct Application {
    client_id: String,
    credential: Credential,
    tls: Arc<ClientConfig>,
}

/// How it authenticates.
enum Credential {
    Certificate(Thumbprint),
    Assertion(Signer),
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
    /// An application that presents its certificate.
    pub(super) fn with_certificate(certs: &Path, client_id: &str) -> Result<Self, Failure> {
        let leaf = CertificateDer::from_pem_file(certs.join(format!("{client_id}.pem")))?;
        let key = PrivateKeyDer::from_pem_file(certs.join(format!("{client_id}.key")))?;
        let credential = Credential::Certificate(Thumbprint::of(&leaf));
        let tls = tls(certs)?.with_client_auth_cert(vec![leaf], key)?;
        Ok(Self { client_id: client_id.to_owned(), credential, tls: Arc::new(tls) })
    }

    /// An application that signs assertions.
    pub(super) fn with_signer(certs: &Path, client_id: &str, signer: Signer) -> Result<Self, Failure> {
        let tls = Arc::new(tls(certs)?.with_no_client_auth());
        Ok(Self { client_id: client_id.to_owned(), credential: Credential::Assertion(signer), tls })
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The body of a token request by the client credentials grant (RFC 6749 section 4.4), with a new assertion if it signs them.
    pub(super) fn form(&self, client_id: &str) -> Result<String, Failure> {
        let form = format!("grant_type=client_credentials&client_id={client_id}");
        Ok(match &self.credential {
            Credential::Certificate(_) => form,
            Credential::Assertion(signer) => {
                let assertion = signer.assertion(&self.client_id)?;
                format!(
                    "{form}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={assertion}"
                )
            }
        })
    }

    /// Requests a token with this body.
    pub(super) async fn token(&self, edge: SocketAddr, form: String) -> Result<Token, Failure> {
        let (status, body) = self.call(edge, form).await?;
        if !status.is_success() {
            return Err(format!("{status}: {body}").into());
        }
        let text =
            body.get("access_token").and_then(|token| token.as_str()).ok_or("no access_token")?.to_owned();
        let payload = text.split('.').nth(1).ok_or("the access token is not a JWT")?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
        Ok(Token { text, claims })
    }

    /// Sends a request with this body, and expects a refusal.
    pub(super) async fn refusal(&self, edge: SocketAddr, form: String) -> Result<Refusal, Failure> {
        let (status, body) = self.call(edge, form).await?;
        if status.is_success() {
            return Err(format!("{} got a token that must be refused", self.client_id).into());
        }
        let member = |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or("-").to_owned();
        Ok(Refusal { status, error: member("error"), error_description: member("error_description") })
    }

    async fn call(&self, edge: SocketAddr, form: String) -> Result<(StatusCode, serde_json::Value), Failure> {
        let tcp = TcpStream::connect(edge).await?;
        let tls = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls.connect(ServerName::try_from(DOMAIN)?, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::post("/oauth/token")
            .header(header::HOST, DOMAIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// Checks the token's `cnf`: the thumbprint of the certificate (RFC 8705 section 3.1), or none without a certificate. Returns a sentence about it.
    pub(super) fn check_binding(&self, token: &Token) -> Result<String, Failure> {
        let bound = token.claims.pointer("/cnf/x5t#S256").and_then(|value| value.as_str());
        let expected = match &self.credential {
            Credential::Certificate(thumbprint) => Some(thumbprint.base64url()),
            Credential::Assertion(_) => None,
        };
        match expected {
            expected if expected.as_deref() != bound => {
                Err(format!("the token is bound to {bound:?}, not to {expected:?}").into())
            }
            Some(thumbprint) => Ok(format!("the certificate's x5t#S256 {thumbprint} equals cnf")),
            None => Ok("the token is not bound to a certificate; client_assertion is what the token endpoint received".to_owned()),
        }
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// The TLS configuration up to the client's certificate.
fn tls(certs: &Path) -> Result<Builder, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("server-ca.pem"))?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots))
}
