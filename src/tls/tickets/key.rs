//! One ticket key, and the form of a ticket: the key's name, a nonce, and what is sealed.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use zeroize::Zeroizing;

use super::{Session, secrets::SECRET_BYTES};
use crate::{clock::Timestamp, tls::ClientAuth};

/// Bytes of a key's name, which stands in clear before each ticket.
const NAME: usize = 16;
/// The first sealed byte: the form of what follows. A later form gets another number.
const FORM: u8 = 1;
/// A client with a longer chain does a full handshake every time: a ticket has to fit into the 65,535 bytes that TLS leaves it.
const LARGEST: usize = 48 * 1024;
/// For HKDF: keys for another purpose are other keys.
const PURPOSE: &[u8] = b"mtls-edge session ticket";

/// What a key is for. Keys for different contexts differ even if their secret is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Context {
    /// The domain's name.
    pub(in crate::tls) domain: Box<str>,
    /// A session that began under another rule is not resumed.
    pub(in crate::tls) client_auth: ClientAuth,
}

impl Context {
    fn info(&self) -> Vec<u8> {
        let rule = match self.client_auth {
            ClientAuth::Required => 0,
            ClientAuth::Optional => 1,
            ClientAuth::Off => 2,
        };
        // The one part of variable length comes last, so that no two contexts read the same.
        [&[FORM, rule], self.domain.as_bytes()].concat()
    }
}

/// A key that seals and opens tickets of one context.
pub(in crate::tls) struct TicketKey {
    name: [u8; NAME],
    /// AES-256-GCM-SIV (RFC 8452): the edges of a fleet draw nonces without knowing of each other, and here it does no harm
    /// if two draw the same.
    aead: RandomizedNonceKey,
}

impl TicketKey {
    /// Derives the key and its name by HKDF-SHA256 (RFC 5869).
    pub(in crate::tls) fn derive(
        secret: &[u8; SECRET_BYTES],
        context: &Context,
    ) -> Result<Self, Unspecified> {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                NAME + 32
            }
        }
        let mut bytes = Zeroizing::new([0; NAME + 32]);
        let info = context.info();
        Salt::new(HKDF_SHA256, PURPOSE).extract(secret).expand(&[&info], Length)?.fill(&mut *bytes)?;
        let (name, key) = bytes.split_first_chunk().ok_or(Unspecified)?;
        Ok(Self { name: *name, aead: RandomizedNonceKey::new(&AES_256_GCM_SIV, key)? })
    }

    /// A ticket for a session with what rustls keeps of it; none if that is too large.
    pub(super) fn seal(&self, session: Session, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > LARGEST {
            return None;
        }
        let mut sealed = Vec::with_capacity(plain.len() + 64);
        sealed.push(FORM);
        sealed.extend(seconds(session.began));
        sealed.extend(seconds(session.certificate_ends));
        sealed.extend(plain);
        let nonce = self.aead.seal_in_place_append_tag(Aad::from(self.name), &mut sealed).ok()?;
        Some([&self.name, nonce.as_ref().as_slice(), &sealed].concat())
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey")
    }
}

/// What was sealed, if one of these keys sealed it.
pub(super) fn open<'a>(
    keys: impl IntoIterator<Item = &'a TicketKey>,
    ticket: &[u8],
) -> Option<(Session, Vec<u8>)> {
    let (name, rest) = ticket.split_first_chunk::<NAME>()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    let key = keys.into_iter().find(|key| key.name == *name)?;
    let mut bytes = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = &*key.aead.open_in_place(nonce, Aad::from(name), &mut bytes).ok()?;
    let (form, rest) = opened.split_first()?;
    let (began, rest) = rest.split_first_chunk()?;
    let (ends, plain) = rest.split_first_chunk()?;
    let session = Session { began: timestamp(*began), certificate_ends: timestamp(*ends) };
    (*form == FORM).then(|| (session, plain.to_vec()))
}

/// A time as a ticket has it: seconds since 1970, unsigned. Nothing before 1970 can matter to a session.
fn seconds(time: Timestamp) -> [u8; 8] {
    u64::try_from(time.unix()).unwrap_or_default().to_be_bytes()
}

fn timestamp(seconds: [u8; 8]) -> Timestamp {
    i64::try_from(u64::from_be_bytes(seconds)).map_or(Timestamp::MAX, Timestamp::from_unix)
}
