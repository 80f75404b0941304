//! The demo's authorization server: reads the headers of the profiles `auth0`, `rfc9440` and `nginx`, and signs tokens that are bound to
//! the certificate (RFC 8705 section 3). It speaks plain HTTP.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject};
use tokio::net::TcpListener;

use super::{Failure, ISSUER};
use crate::{identity::Thumbprint, load::unbindable};

/// The server, bound to a loopback port.
pub(super) struct TokenEndpoint {
    listener: TcpListener,
    url: String,
    issuer: Arc<Issuer>,
}

/// What signs tokens, and for whom.
struct Issuer {
    key: EcdsaKeyPair,
    /// What the edge sends as `cname-api-key`; without it, requests of anyone are answered.
    edge_secret: Option<&'static str>,
}

impl TokenEndpoint {
    /// Binds the port, 0 for a free one.
    pub(super) async fn bind(port: u16, edge_secret: Option<&'static str>) -> Result<Self, Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.map_err(|error| unbindable(address, &error))?;
        let url = format!("http://{}", listener.local_addr()?);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self { listener, url, issuer: Arc::new(Issuer { key, edge_secret }) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the future is dropped.
    pub(super) async fn serve(&self) -> Result<(), Failure> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let issuer = Arc::clone(&self.issuer);
            let service = service_fn(move |request| {
                let issuer = Arc::clone(&issuer);
                async move { Ok::<_, Infallible>(answer(request, &issuer).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }
}

async fn answer(request: Request<Incoming>, issuer: &Issuer) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let form = match Limited::new(body, 64 * 1024).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return json(StatusCode::BAD_REQUEST, &serde_json::json!({ "error": "invalid_request" })),
    };
    match issuer.token(&head.headers, &form) {
        Some(token) => json(
            StatusCode::OK,
            &serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 }),
        ),
        None => json(StatusCode::UNAUTHORIZED, &serde_json::json!({ "error": "invalid_client" })),
    }
}

impl Issuer {
    /// A token for the client that the edge has authenticated, or `None` without the edge's secret. It shows what was received: the
    /// certificate as `cnf`, and the assertion.
    fn token(&self, headers: &HeaderMap, form: &[u8]) -> Option<String> {
        let sent = headers.get("cname-api-key").map(HeaderValue::as_bytes);
        if self.edge_secret.is_some_and(|secret| sent != Some(secret.as_bytes())) {
            return None;
        }
        let form = std::str::from_utf8(form).ok()?;
        let parameter =
            |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let client_id = parameter("client_id")?;
        let assertion = match parameter("client_assertion") {
            Some(assertion) => {
                let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
                Some(serde_json::from_slice::<serde_json::Value>(&payload).ok()?)
            }
            None => None,
        };
        let certificate = certificate(headers).map(|leaf| Thumbprint::of(&leaf).base64url());
        let method = match (&assertion, parameter("client_secret"), &certificate) {
            (Some(_), _, _) => "private_key_jwt",
            (None, Some(_), _) => "client_secret_post",
            (None, None, Some(_)) => method(headers),
            (None, None, None) => return None,
        };
        let now = UnixTime::now().as_secs();
        let mut claims = serde_json::json!({
            "iss": ISSUER,
            "sub": client_id,
            "client_id": client_id,
            "aud": "https://api.example.test/",
            "iat": now,
            "exp": now + 300,
            "auth_method": method,
            "client_assertion": assertion,
            "cnf": certificate.map(|thumbprint| serde_json::json!({ "x5t#S256": thumbprint })),
        });
        if let Some(claims) = claims.as_object_mut() {
            claims.retain(|_, value| !value.is_null());
        }
        let header = serde_json::json!({ "alg": "ES256", "typ": "at+jwt" });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The method that the edge's verdict on the chain stands for. RFC 9440 has no header for it.
fn method(headers: &HeaderMap) -> &'static str {
    let verdict =
        ["client-certificate-ca-verified", "ssl-client-verify"].iter().find_map(|name| headers.get(*name));
    match verdict.map(HeaderValue::as_bytes) {
        Some(b"SUCCESS") => "tls_client_auth",
        Some(_) => "self_signed_tls_client_auth",
        None => "tls_client_auth or self_signed_tls_client_auth",
    }
}

/// The certificate that the edge vouches for: URL-encoded PEM, or base64 of its DER between colons (RFC 9440).
fn certificate(headers: &HeaderMap) -> Option<CertificateDer<'static>> {
    let value = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(escaped) = value("client-certificate").or_else(|| value("ssl-client-cert")) {
        let pem = percent_decode_str(escaped).collect::<Vec<u8>>();
        return CertificateDer::from_pem_slice(&pem).ok();
    }
    let base64 = value("client-cert")?.strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(base64).ok().map(CertificateDer::from)
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
