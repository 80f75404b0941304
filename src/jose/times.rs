//! The times of a token: `exp`, `nbf` and `iat` (RFC 7519 section 4.1).

use super::{Claims, ClaimsError};
use crate::clock::Timestamp;

/// How the times of a token are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// The maximum number of seconds until `exp`, and from `iat` to `exp`; `None`: any.
    pub max_life: Option<i64>,
    /// Seconds by which `iat` and `nbf` may be ahead, because clocks differ.
    pub skew: i64,
}

/// The times of a token that is valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The second from which on the token is not accepted.
    pub expires: Timestamp,
    /// When it was issued, as the issuer says.
    pub issued: Option<Timestamp>,
}

impl TimeRules {
    /// Seconds by which a token may be dated ahead.
    pub const SKEW: i64 = 10;
    /// The rules of client assertions: 300 s of life.
    pub const ASSERTION: Self = Self { max_life: Some(300), skew: Self::SKEW };
    /// The rules of access tokens, whose life their server decides.
    pub const ACCESS_TOKEN: Self = Self { max_life: None, skew: Self::SKEW };

    /// Judges `exp`, which is required, `nbf` and `iat`.
    ///
    /// # Errors
    ///
    /// The first rule that the claims break.
    pub fn judge(self, claims: &Claims<'_>, now: Timestamp) -> Result<Lifetime, ClaimsError> {
        let expires = claims.required_time("exp")?;
        let issued = claims.time("iat")?;
        if expires <= now {
            return Err(ClaimsError::Expired { seconds: now.seconds_since(expires) });
        }
        for (claim, time) in [("iat", issued), ("nbf", claims.time("nbf")?)] {
            let seconds = time.map_or(0, |time| time.seconds_since(now));
            if seconds > self.skew {
                return Err(ClaimsError::InTheFuture { claim, seconds, limit: self.skew });
            }
        }
        if let Some(limit) = self.max_life {
            let seconds = expires.seconds_since(now);
            if seconds > limit + self.skew {
                return Err(ClaimsError::ExpiresTooLate { seconds, limit: limit + self.skew });
            }
            let seconds = issued.map_or(0, |issued| expires.seconds_since(issued));
            if seconds > limit {
                return Err(ClaimsError::LifeTooLong { seconds, limit });
            }
        }
        Ok(Lifetime { expires, issued })
    }
}
