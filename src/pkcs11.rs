//! Private keys in PKCS#11 tokens: a hardware security module signs the handshakes, and the key never leaves it.
//!
//! The vendor's module is a library that is loaded into this process. Its functions block, write files and start
//! threads, so threads of their own call it, which are started while the configuration is loaded. A worker passes
//! them a digest and waits for the signature, for 2 s and a third of its time at most. A module is initialized once per process. It is
//! finalized only if none of its tokens can be used, since some modules find a token again only then.

#[cfg(feature = "pkcs11")]
mod budget;
mod error;
#[cfg(feature = "pkcs11")]
mod key;
#[cfg(feature = "pkcs11")]
mod module;
#[cfg(feature = "pkcs11")]
mod pool;
#[cfg(feature = "pkcs11")]
mod refusals;
#[cfg(feature = "pkcs11")]
mod scheme;
#[cfg(feature = "pkcs11")]
mod session;
#[cfg(not(feature = "pkcs11"))]
mod unsupported;
mod uri;
mod waiting;

#[cfg(not(feature = "pkcs11"))]
pub use unsupported::{finish, open, was_pin_refused};
pub use {
    error::{OpenError, SignError},
    uri::{KeyUri, OpenedKey},
    waiting::{Patience, Side},
};
#[cfg(feature = "pkcs11")]
pub use {key::open, module::finish, refusals::was_pin_refused};
