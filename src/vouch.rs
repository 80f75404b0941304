//! Vouching (others call it client certificate forwarding): headers about the client that nobody but the edge can set.
//!
//! Two halves, both pure. [`Reserved`] knows every name that an upstream may believe and removes inbound
//! copies of it, whatever the spelling. [`Profile`] turns the [`Evidence`] about a client into headers
//! in the names and encodings that one kind of upstream reads. Removal runs on every request, whether or
//! not the route vouches for anybody; injection comes last, after the hop-by-hop headers are gone, so that
//! a client's `Connection` line cannot drop what was injected.

mod encoding;
mod evidence;
mod facts;
mod profile;
mod reserved;
#[cfg(test)]
mod tests;

pub use encoding::{CertificateEncoding, ClientEncoding, Encoding, UnknownEncoding};
pub use evidence::{Certificate, Client, Evidence, Verdict};
pub use facts::{Facts, not_verified};
pub use profile::{InvalidProfile, Limited, Profile, ReservedName, Sizes, TooLarge};
pub use reserved::Reserved;
