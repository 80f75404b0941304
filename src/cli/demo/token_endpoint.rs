//! The demo's authorization server: reads the headers of the `auth0` profile, and signs tokens that are bound to the certificate
//! (RFC 8705 section 3). It speaks plain HTTP.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject};
use tokio::net::TcpListener;

use super::{Failure, ISSUER};
use crate::identity::Thumbprint;

/// The server, bound to a free loopback port.
pub(super) struct TokenEndpoint {
    listener: TcpListener,
    url: String,
    key: Arc<EcdsaKeyPair>,
}

impl TokenEndpoint {
    pub(super) async fn bind() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self { listener, url, key: Arc::new(key) })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Serves until the future is dropped.
    pub(super) async fn serve(&self) -> Result<(), Failure> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let key = Arc::clone(&self.key);
            let service = service_fn(move |request| {
                let key = Arc::clone(&key);
                async move { Ok::<_, Infallible>(answer(request, &key).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }
}

async fn answer(request: Request<Incoming>, key: &EcdsaKeyPair) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let form = match Limited::new(body, 64 * 1024).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return json(StatusCode::BAD_REQUEST, &serde_json::json!({ "error": "invalid_request" })),
    };
    match token(&head.headers, &form, key) {
        Some(token) => json(
            StatusCode::OK,
            &serde_json::json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 }),
        ),
        None => json(StatusCode::UNAUTHORIZED, &serde_json::json!({ "error": "invalid_client" })),
    }
}

/// A token for the client that the edge has authenticated, or `None` without the edge's secret. It shows what was received: the certificate as `cnf`, or
/// the assertion.
fn token(headers: &HeaderMap, form: &[u8], key: &EcdsaKeyPair) -> Option<String> {
    headers.get("cname-api-key").filter(|value| value.as_bytes() == b"development-only")?;
    let form = std::str::from_utf8(form).ok()?;
    let parameter = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let client_id = parameter("client_id")?;
    let (auth_method, name, received) = if let Some(assertion) = parameter("client_assertion") {
        let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
        ("private_key_jwt", "client_assertion", claims)
    } else {
        let verdict = headers.get("client-certificate-ca-verified")?.to_str().ok()?;
        let method = if verdict == "SUCCESS" { "tls_client_auth" } else { "self_signed_tls_client_auth" };
        (method, "cnf", serde_json::json!({ "x5t#S256": thumbprint(headers)? }))
    };
    let now = UnixTime::now().as_secs();
    let claims = serde_json::json!({
        "iss": ISSUER,
        "sub": client_id,
        "client_id": client_id,
        "aud": "https://api.example.test/",
        "iat": now,
        "exp": now + 300,
        "auth_method": auth_method,
        name: received,
    });
    let header = serde_json::json!({ "alg": "ES256", "typ": "at+jwt" });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The thumbprint of the certificate that the edge vouches for.
fn thumbprint(headers: &HeaderMap) -> Option<String> {
    let escaped = headers.get("client-certificate")?.to_str().ok()?;
    let pem = percent_decode_str(escaped).collect::<Vec<u8>>();
    let leaf = CertificateDer::from_pem_slice(&pem).ok()?;
    Some(Thumbprint::of(&leaf).base64url())
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
