//! The access token of a request: in `Authorization`, and nowhere else (RFC 6750 section 2).

use http::{HeaderMap, header};

/// The authentication scheme of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449 section 7.1.
    Dpop,
}

impl Scheme {
    /// The name as the RFCs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// Why a request is malformed: 400 `invalid_request` (RFC 6750 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// The upstream might read another one.
    #[error("the request has several Authorization headers: send one")]
    SeveralHeaders,
    /// Not a `b64token` (RFC 6750 section 2.1).
    #[error("the Authorization header is malformed: write the scheme, one space and the access token")]
    Malformed,
    /// URLs are logged, and sent on as Referer.
    #[error("an access token in the query is not accepted: send it in the Authorization header")]
    InQuery,
    /// The upstream might prefer it to the one that was verified.
    #[error("an access token in the body is not accepted: send it in the Authorization header")]
    InBody,
}

/// A token as it was sent. `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct Presented<'h> {
    /// The scheme.
    pub scheme: Scheme,
    /// The token.
    pub token: &'h str,
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl<'h> Presented<'h> {
    /// The token in `Authorization`; `None` if there is none, or another scheme.
    pub fn in_headers(headers: &'h HeaderMap) -> Result<Option<Self>, RequestFault> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(RequestFault::SeveralHeaders);
        }
        let value = value.to_str().map_err(|_| RequestFault::Malformed)?;
        let (name, token) = value.split_once(' ').unwrap_or((value, ""));
        let known = [Scheme::Bearer, Scheme::Dpop];
        let Some(scheme) = known.into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        // RFC 9110 section 11.4 allows several spaces after the scheme.
        let token = token.trim_start_matches(' ');
        if is_b64token(token) { Ok(Some(Self { scheme, token })) } else { Err(RequestFault::Malformed) }
    }
}

fn is_b64token(token: &str) -> bool {
    let stem = token.trim_end_matches('=');
    !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(values: &[&'static str]) -> Result<Option<(Scheme, String)>, RequestFault> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        let found = Presented::in_headers(&headers)?;
        Ok(found.map(|presented| (presented.scheme, presented.token.to_owned())))
    }

    #[test]
    fn exactly_one_token_is_read_from_authorization() {
        assert_eq!(found(&["Bearer a.b-c_~+/=="]), Ok(Some((Scheme::Bearer, "a.b-c_~+/==".to_owned()))));
        assert_eq!(found(&["dpop  a"]), Ok(Some((Scheme::Dpop, "a".to_owned()))));
        for none in [&[][..], &["Basic YTpi"], &["Bearers a"], &[""]] {
            assert_eq!(found(none), Ok(None), "{none:?}");
        }
        for malformed in
            ["Bearer", "Bearer ", "bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b", "DPoP \"a\""]
        {
            assert_eq!(found(&[malformed]), Err(RequestFault::Malformed), "{malformed}");
        }
        assert_eq!(found(&["Bearer a", "Bearer a"]), Err(RequestFault::SeveralHeaders));
        assert_eq!(found(&["Basic YTpi", "Bearer a"]), Err(RequestFault::SeveralHeaders));
    }
}
