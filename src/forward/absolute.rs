//! A request's target over HTTP/2, where the authority stands in the target and not in `Host` (RFC 9113 section 8.3.1).

use http::{HeaderValue, Request, Uri, header};

/// What a request was before: to be given back if it has to be sent over another connection.
pub(super) struct OriginForm {
    target: Uri,
    host: HeaderValue,
}

impl OriginForm {
    /// Moves the authority from `Host` into the target; nothing if it is none.
    pub(super) fn take<B>(request: &mut Request<B>) -> Option<Self> {
        let host = request.headers_mut().remove(header::HOST)?;
        let path = request.uri().path_and_query()?.clone();
        let target =
            Uri::builder().scheme("https").authority(host.as_bytes()).path_and_query(path).build().ok()?;
        Some(Self { target: std::mem::replace(request.uri_mut(), target), host })
    }

    /// As it was.
    pub(super) fn restore<B>(self, request: &mut Request<B>) {
        *request.uri_mut() = self.target;
        request.headers_mut().insert(header::HOST, self.host);
    }
}
