//! Why a key cannot be opened, or cannot sign. No error shows a PIN.

use std::{path::PathBuf, time::Duration};

use super::KeyUri;

/// How long a handshake waits for a signature.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How long the load of a configuration waits for tokens, all of them together.
pub(super) const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// Why a key cannot be used. `Display` says what was found; see [`OpenError::help`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The feature `pkcs11` is off.
    #[error("this build of mtls-edge has no support for PKCS#11")]
    Unsupported,
    /// The threads of the module cannot be started.
    #[error("cannot start the threads of the PKCS#11 module: {0}")]
    Threads(String),
    /// It is not a PKCS#11 module, or one of its libraries is missing.
    #[error("{} cannot be loaded as a PKCS#11 module: {error}", path.display())]
    Module {
        /// The module.
        path: PathBuf,
        /// The reason.
        error: String,
    },
    /// The module has no such token.
    #[error("found no token that matches {uri}")]
    NoToken {
        /// What was looked for.
        uri: Box<KeyUri>,
        /// The module's tokens.
        found: Vec<String>,
    },
    /// The attributes match more than one token.
    #[error("found several tokens that match {uri}, expected one")]
    SeveralTokens {
        /// What was looked for.
        uri: Box<KeyUri>,
        /// The tokens that match.
        found: Vec<String>,
    },
    /// The token refused the PIN, now or when it was tried before.
    #[error("the token {token} refused the PIN of pin-source")]
    WrongPin {
        /// The token's label.
        token: String,
    },
    /// The process is logged in by another PIN, so that this one cannot be verified.
    #[error("the token {token} is in use with another PIN than that of pin-source")]
    OtherPin {
        /// The token's label.
        token: String,
    },
    /// One more wrong PIN would lock the token. None was tried.
    #[error("one more wrong PIN would lock the token {token}: the PIN was not tried")]
    LastTry {
        /// The token's label.
        token: String,
    },
    /// Too many wrong PINs were tried.
    #[error("the PIN of the token {token} is locked: too many wrong PINs were tried")]
    Locked {
        /// The token's label.
        token: String,
    },
    /// The token has no such private key.
    #[error("found no private key that matches {uri}")]
    NoKey {
        /// What was looked for.
        uri: Box<KeyUri>,
        /// The token's private keys.
        found: Vec<String>,
    },
    /// The attributes match more than one private key.
    #[error("found several private keys that match {uri}, expected one")]
    SeveralKeys {
        /// What was looked for.
        uri: Box<KeyUri>,
        /// The keys that match.
        found: Vec<String>,
    },
    /// The certificate has another key.
    #[error("{0} is not the key of the first certificate")]
    OtherKey(Box<KeyUri>),
    /// TLS cannot use the key's type, or not through a token.
    #[error(
        "the certificate's key cannot be in a token, expected RSA of 2048 to 8192 bits, or ECDSA on P-256, P-384 or P-521"
    )]
    Type,
    /// The token cannot sign as TLS needs it.
    #[error("the token cannot sign by {mechanism}, which TLS needs: {error}")]
    Mechanism {
        /// The mechanism, such as `CKM_RSA_PKCS_PSS`.
        mechanism: &'static str,
        /// The reason.
        error: String,
    },
    /// A function of the module failed.
    #[error("the token failed: {0}")]
    Failed(String),
    /// The token has not answered.
    #[error("the token has not answered within {0:.1?}")]
    TimedOut(Duration),
    /// The token was not asked: other keys took all of the time.
    #[error(
        "the token was not asked: keys before it took the {OPEN_PATIENCE:?} that all keys may take to open"
    )]
    NoTime,
    /// The module was not asked: it has not answered earlier requests yet.
    #[error("the PKCS#11 module does not answer since it was asked for {0}")]
    Unresponsive(Box<KeyUri>),
}

impl OpenError {
    /// Whether it may end by itself: the token may answer later.
    #[must_use]
    pub fn may_end(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::NoTime | Self::Unresponsive(_))
    }

    /// How to fix it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Unsupported => {
                "write the path of a PEM file, or build mtls-edge with its default features (without --no-default-features)".into()
            }
            Self::Threads(_) => "raise the limit of threads of the edge's user (systemd: TasksMax=)".into(),
            Self::Module { .. } => {
                "write the vendor's PKCS#11 library as module-path, such as /usr/lib/softhsm/libsofthsm2.so; `ldd` shows which of its libraries are missing".into()
            }
            Self::NoToken { found, .. } if found.is_empty() => {
                "the module has no token that is present: check its own configuration, and that the edge's user may read it".into()
            }
            Self::NoToken { found, .. } => format!("the module has: {}", found.join(", ")),
            Self::SeveralTokens { found, .. } => {
                format!("add an attribute that distinguishes them, such as serial: {}", found.join(", "))
            }
            Self::WrongPin { .. } => {
                "write the PIN of the token's user into that file. The edge tries each PIN once, since tokens lock: if this one is right by now, restart it".into()
            }
            Self::OtherPin { .. } => {
                "give all keys of the token the same pin-source; if its PIN was changed, send SIGUSR2: a new process logs in by it".into()
            }
            Self::LastTry { token } => format!(
                "log in once with the right PIN by another program, such as `pkcs11-tool --module MODULE --token-label {token} --login --list-objects`"
            ),
            Self::Locked { .. } => "the token's security officer can set a new PIN".into(),
            Self::NoKey { found, .. } if found.is_empty() => {
                "the token shows no private key: check the PIN's user, or import the key".into()
            }
            Self::NoKey { found, .. } => format!("the token has: {}", found.join(", ")),
            Self::SeveralKeys { found, .. } => {
                format!("add the attribute that distinguishes them, id or object: {}", found.join(", "))
            }
            Self::OtherKey(_) => {
                "use the key that the certificate was issued for, and put the certificate first in its file".into()
            }
            Self::Type => "use a key of one of these types".into(),
            Self::Mechanism { .. } => {
                "allow the mechanism in the token's settings, and CKA_SIGN for the key".into()
            }
            Self::NoTime => {
                "look for those among these messages; if no key is at fault but all are slow, add the keys in several steps: those in use are not opened again".into()
            }
            Self::Failed(_) | Self::TimedOut(_) | Self::Unresponsive(_) => {
                "try the same key by another program, such as `pkcs11-tool --module MODULE --login --test`".into()
            }
        }
    }
}

/// Why a token has not signed a handshake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Too many handshakes wait for the token.
    #[error("the private key's token did not sign: too many handshakes wait for it")]
    Busy,
    /// The worker has waited for tokens for a third of its time.
    #[error("the private key's token did not sign: it is too slow for so many handshakes")]
    Slow,
    /// It has not answered.
    #[error("the private key's token did not sign within {PATIENCE:?}")]
    TimedOut,
    /// Earlier requests have not been answered yet.
    #[error("the private key's token did not sign: it has not answered earlier requests")]
    Unresponsive,
    /// The token failed, also with a new session.
    #[error("the private key's token did not sign: {0}")]
    Failed(String),
}
