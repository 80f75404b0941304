//! Client certificates: parsing, thumbprints, names, and path validation against the client CAs.
//!
//! Pure functions of their input: no sockets, no clock, no configuration.
//!
//! * [`thumbprint`]: the SHA-256 thumbprint of RFC 8705 section 3.1, by which a self-signed certificate is registered (section 2.2);
//! * [`name`] and [`san`]: the registered subject of RFC 8705 section 2.1.2, compared by RFC 5280 section 7;
//! * [`certificate`]: the certificates that a client has presented;
//! * [`authorities`] and [`chain`]: path validation (RFC 5280 section 6) against the client CAs and their CRLs.

pub mod authorities;
pub mod certificate;
pub mod chain;
mod der;
mod issued;
mod key;
pub mod name;
pub mod san;
#[cfg(test)]
pub(crate) mod testing;
pub mod thumbprint;
mod x509;

pub use authorities::{
    Authorities, AuthoritiesVersion, AuthorityError, AuthorityWarning, CaFacts, ClientCa, CrlDepth, CrlFacts,
    Purpose, RevocationPolicy, StaleCrl, UnusableCa,
};
pub use certificate::{
    ClientCertificate, IdentityError, Validity, chain_hash, extended_key_usages, spki, spki_hash,
};
pub use chain::{
    ChainRefusal, ChainVerdict, CrlFault, PathMember, VerifiedPath, unusable_in_chains, verify_chain,
};
pub use issued::is_issued_by;
pub use key::{UnusableKey, unusable_key};
pub use name::{DistinguishedName, NameError, ParseNameError, ParseNameWarning, RdnDifference};
pub use san::{SanError, SubjectAltName};
pub use thumbprint::{Thumbprint, ThumbprintError};
