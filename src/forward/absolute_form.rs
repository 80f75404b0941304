//! Converts a request to the absolute form that hyper sends over HTTP/2: the authority is in the target instead of in `Host`
//! (RFC 9113 section 8.3.1).

use http::{HeaderValue, Request, Uri, header};

/// The changes that were made to a request, to undo them before it is sent on another connection.
pub(super) struct AbsoluteForm {
    /// The original target.
    target: Uri,
    /// The original `Host`.
    host: HeaderValue,
}

impl AbsoluteForm {
    /// Moves the authority from `Host` into the target; none if it is not a valid authority.
    pub(super) fn apply<B>(request: &mut Request<B>) -> Option<Self> {
        let host = request.headers_mut().remove(header::HOST)?;
        let path = request.uri().path_and_query()?.clone();
        let target =
            Uri::builder().scheme("https").authority(host.as_bytes()).path_and_query(path).build().ok()?;
        Some(Self { target: std::mem::replace(request.uri_mut(), target), host })
    }

    /// Restores the original target and `Host`.
    pub(super) fn undo<B>(self, request: &mut Request<B>) {
        *request.uri_mut() = self.target;
        request.headers_mut().insert(header::HOST, self.host);
    }
}
