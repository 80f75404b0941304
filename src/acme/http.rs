//! The requests to the CA.

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::Authority};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::{
    config::settings::Url,
    forward::Origin,
    header::retry_after::retry_after,
    load::roots,
    outbound::{Get, send},
};

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest response, in bytes.
const LARGEST: usize = 1 << 20;

type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

/// Why there is no response to a request, whose effect is not known.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoResponse(pub(super) String);

/// Sends the requests of an ACME client over the connections of [`crate::outbound`].
#[derive(Clone)]
pub(super) struct Http {
    /// All other URLs come from its response.
    directory: Url,
    ca: Option<PathBuf>,
    /// How long the last response that was an error asks to wait.
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl Http {
    pub(super) fn new(directory: &Url, ca: Option<PathBuf>) -> Self {
        Self { directory: directory.clone(), ca, retry_after: Arc::default() }
    }

    /// How long the last response that was an error asks to wait, at most a day.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes when to retry, and leaves in the response what the ACME client can compute with: it adds the seconds to the time.
    fn note_retry_after(&self, response: &mut Response<Bytes>) {
        let asked = retry_after(response.headers(), SystemTime::now());
        response.headers_mut().remove(header::RETRY_AFTER);
        if let Some(pause) = asked {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs()));
        }
        let noted = asked.filter(|_| !response.status().is_success());
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = noted;
    }

    /// The origin of a URL. A directory over TLS leads to URLs over TLS only, and one without to its own server only.
    fn origin(&self, uri: &Uri) -> Result<Origin, String> {
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("not an http URL".to_owned()),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let origin = Origin { tls, host, port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }) };
        if tls || origin == self.directory.origin {
            return Ok(origin);
        }
        Err("the CA refers to a URL without TLS".to_owned())
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, String> {
        let origin = self.origin(request.uri())?;
        let (mut head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let is_directory = head.method == Method::GET
            && origin == self.directory.origin
            && target == &*self.directory.target;
        head.uri = target.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        let host = HeaderValue::from_str(&origin.authority()).map_err(|error| error.to_string())?;
        head.headers.insert(header::HOST, host);
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let request = Request::from_parts(head, body);
        let roots = || roots(self.ca.as_deref()).map_err(|fault| fault.what);
        let answer = send(&origin, request, LARGEST, |_| Ok(()), roots);
        let mut response = tokio::time::timeout(TIMEOUT, answer)
            .await
            .map_err(|_| format!("no response within {TIMEOUT:?}"))?
            .map_err(|error| error.to_string())?;
        self.note_retry_after(&mut response);
        if is_directory {
            check_directory(response.status(), response.body())?;
        }
        Ok(response)
    }
}

impl HttpClient for Http {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answer {
        let client = self.clone();
        Box::pin(async move {
            let url = shown(request.uri());
            match client.exchange(request).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    Ok(BytesResponse { parts, body: Box::new(body) })
                }
                Err(why) => Err(Error::Other(Box::new(NoResponse(format!("{url}: {why}"))))),
            }
        })
    }
}

/// A URL without its query, which may be secret.
fn shown(url: &Uri) -> String {
    let (scheme, authority) =
        (url.scheme_str().unwrap_or_default(), url.authority().map_or("", Authority::as_str));
    format!("{scheme}://{authority}{}", url.path())
}

/// Reports why a response is not a directory with the URLs that the ACME client needs. It panics on one that is not a URL.
fn check_directory(status: StatusCode, body: &[u8]) -> Result<(), String> {
    if status != StatusCode::OK {
        return Err(format!("the server responded with {status}, expected 200"));
    }
    let parsed: serde_json::Value = serde_json::from_slice(body)
        .map_err(|_| "the response is not JSON, expected an ACME directory (RFC 8555)".to_owned())?;
    for name in ["newNonce", "newAccount", "newOrder"] {
        let why = match parsed.get(name).and_then(serde_json::Value::as_str) {
            None => "it has no",
            Some(url) if url.parse::<Uri>().is_err() => "not a URL:",
            Some(_) => continue,
        };
        return Err(format!("the response is not an ACME directory (RFC 8555): {why} {name}"));
    }
    Ok(())
}

/// Fetches a CA's directory, without using it.
///
/// # Errors
///
/// If it cannot be fetched, or is not a directory: a sentence for the operator.
pub async fn directory(url: &Url, ca: Option<&std::path::Path>) -> Result<(), String> {
    let get = Get {
        origin: &url.origin,
        target: &url.target,
        accept: "application/json",
        authorization: None,
        max_bytes: LARGEST,
    };
    let bytes =
        get.send(|| roots(ca).map_err(|fault| fault.what)).await.map_err(|error| error.to_string())?;
    check_directory(StatusCode::OK, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Http {
        let tls = url.starts_with("https");
        let origin = Origin { tls, host: "ca.example".to_owned(), port: 443 };
        Http::new(&Url { origin, target: "/directory".to_owned() }, None)
    }

    #[test]
    fn a_ca_cannot_ask_for_an_endless_pause() {
        for (text, seconds) in [("120", Some(120)), ("99999999999999999999999", Some(86_400)), ("soon", None)]
        {
            let http = http("https");
            let response = Response::builder().status(429).header(header::RETRY_AFTER, text);
            let mut response = response.body(Bytes::new()).unwrap();
            http.note_retry_after(&mut response);
            assert_eq!(http.retry_after().map(|pause| pause.as_secs()), seconds, "{text}");
            let left =
                response.headers().get(header::RETRY_AFTER).map(|left| left.to_str().unwrap().to_owned());
            assert_eq!(left, seconds.map(|seconds| seconds.to_string()), "{text}");
        }
    }

    #[test]
    fn a_ca_cannot_lead_to_a_url_without_tls() {
        for (url, is_followed) in [
            ("https://other.example/order/1", true),
            ("https://[::1]:14000/order", true),
            ("http://ca.example/order/1", false),
            ("http://127.0.0.1/order/1", false),
            ("/order", false),
        ] {
            assert_eq!(http("https").origin(&url.parse().unwrap()).is_ok(), is_followed, "{url}");
        }
        assert!(http("http").origin(&"http://ca.example:443/order".parse().unwrap()).is_ok());
        assert!(http("http").origin(&"http://other.example/order".parse().unwrap()).is_err());
    }
}
