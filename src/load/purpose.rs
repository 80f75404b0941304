//! For what a site is built: which of its faults are errors depends on that.

use super::credential::{InUse, LoadedCredential};
use crate::site::Site;

/// For what a site is built.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// To report all problems (`check`).
    Check,
    /// To serve it. A certificate that has expired is used, with a warning: clients decide about it, and the passage of time must not make
    /// a restart fail, for all domains.
    Start,
    /// To replace this one. A certificate that has expired, or is not valid yet, is used if this one uses it: other changes, such as the
    /// removal of a credential, must not wait for a renewal.
    Reload(&'a Site),
}

impl<'a> Purpose<'a> {
    /// The site that is to be replaced.
    #[must_use]
    pub const fn previous(self) -> Option<&'a Site> {
        match self {
            Self::Check | Self::Start => None,
            Self::Reload(site) => Some(site),
        }
    }

    /// For what a certificate that the edge renews itself is loaded: that it has expired is no fault of the configuration.
    pub(super) const fn of_renewed(self) -> Self {
        match self {
            Self::Check => Self::Start,
            other => other,
        }
    }

    /// What may be used further, if the previous site uses these.
    pub(super) const fn in_use(self, active: &[LoadedCredential]) -> InUse<'_> {
        match self {
            Self::Start => InUse::AtStart,
            Self::Check | Self::Reload(_) => InUse::Running(active),
        }
    }
}
