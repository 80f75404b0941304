//! Why a `jti` is refused.

/// Why an assertion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replay {
    /// The client has used this `jti` before, or may have: the clock was set back, and values that expired before were removed.
    #[error("its jti was used before")]
    Used,
    /// As many values as `[limits] assertion_ids` are remembered.
    #[error("as many jti values as [limits] assertion_ids are in use")]
    Full,
    /// This client's values are half of `[limits] assertion_ids`.
    #[error("the client's jti values are half of [limits] assertion_ids")]
    ClientFull,
    /// The process that took over does not answer, and only it knows.
    #[error("the process that took over does not answer")]
    Unreachable,
}

impl Replay {
    /// All reasons, in the order of the counters.
    pub(super) const ALL: [Self; 4] = [Self::Used, Self::Full, Self::ClientFull, Self::Unreachable];

    /// Whether the same assertion may be accepted later.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        !matches!(self, Self::Used)
    }

    /// The number by which another process is answered, from 1.
    #[must_use]
    pub fn code(self) -> u8 {
        Self::ALL.into_iter().zip(1..).find(|(why, _)| *why == self).map_or(0, |(_, code)| code)
    }

    /// The reason with this number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.code() == code)
    }

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Full => "full",
            Self::ClientFull => "client_full",
            Self::Unreachable => "unreachable",
        }
    }
}
