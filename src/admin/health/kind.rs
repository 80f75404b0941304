//! The kinds of problems.

use super::Level;

/// Defines [`Kind`] by one line per kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $level:ident $code:literal,)*) => {
        /// The kinds of problems, in the order in which an operator should see them: `degraded` before `warning`, and within a level what makes
        /// requests fail now first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::admin) enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Each one.
            pub(in crate::admin) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// How bad it is.
            pub(in crate::admin) const fn level(self) -> Level {
                match self {
                    $(Self::$kind => Level::$level,)*
                }
            }

            /// A stable word.
            pub(in crate::admin) const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)*
                }
            }
        }
    };
}

kinds! {
    NotReady: Degraded "not_ready",
    UpstreamDown: Degraded "upstream_down",
    ServerErrors: Degraded "server_errors",
    ResponsesBrokenOff: Degraded "responses_broken_off",
    ProxyHeaders: Degraded "handshakes_failing",
    CertificateExpired: Degraded "certificate_expired",
    CertificateMismatch: Degraded "certificate_mismatch",
    NotValidYet: Degraded "not_valid_yet",
    CertificateMissing: Degraded "certificate_missing",
    UpstreamCertificateExpired: Degraded "upstream_certificate_expired",
    MemoryShort: Degraded "memory_short",
    CaExpired: Degraded "ca_expired",
    CrlRefuses: Degraded "crl_stale",
    CrlMissing: Degraded "crl_missing",
    KeySetMissing: Degraded "key_set_missing",
    CredentialExpired: Degraded "credential_expired",
    Panicked: Degraded "panicked",
    ReloadRejected: Degraded "reload_rejected",
    StartPrevented: Degraded "start_prevented",
    SourceFailing: Degraded "source_failing",
    CertificateNotRenewed: Degraded "certificate_renewal",
    AdminCertificateExpired: Degraded "admin_certificate_expired",
    SomeServerErrors: Warning "server_errors",
    SomeResponsesBrokenOff: Warning "responses_broken_off",
    HandshakesFailing: Warning "handshakes_failing",
    RequestsCancelled: Warning "requests_cancelled",
    ConnectionsRefused: Warning "connections_refused",
    OriginFailing: Warning "origin_failing",
    UpstreamUnresolved: Warning "upstream_unresolved",
    LogFailing: Warning "log_failing",
    UpgradeFailed: Warning "upgrade_failed",
    OpenFiles: Warning "open_files",
    CrlStale: Warning "crl_stale",
    FetchFailing: Warning "fetch_failing",
    CertificateRenewal: Warning "certificate_renewal",
    CertificateExpiring: Warning "certificate_expiring",
    UpstreamCertificateExpiring: Warning "upstream_certificate_expiring",
    AdminCertificateExpiring: Warning "admin_certificate_expiring",
    CaExpiring: Warning "ca_expiring",
    CredentialExpiring: Warning "credential_expiring",
}
