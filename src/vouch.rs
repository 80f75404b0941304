//! Vouching, also called client certificate forwarding: headers about the client that only the edge can set.
//!
//! Both parts are pure. [`Reserved`] removes inbound copies of every header that an upstream may trust, in any spelling.
//! [`Profile`] encodes the [`Evidence`] about a client as the headers that one kind of upstream reads. Headers are removed
//! from every request, also if its route does not authenticate. They are added after the hop-by-hop headers were removed, so that
//! a client's `Connection` line cannot remove them.

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
