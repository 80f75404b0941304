//! A ticket key, and the format of a ticket: key name, nonce, ciphertext with tag.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use zeroize::Zeroizing;

use super::{Session, secrets::SECRET_BYTES};
use crate::{clock::Timestamp, tls::ClientAuth};

/// The length of a key name, with which each ticket begins, in bytes.
const NAME_LEN: usize = 16;
/// The first byte of the plaintext: the version of the format.
const FORMAT: u8 = 1;
/// The largest session, in bytes: TLS limits a ticket to 65,535. A client with a longer chain does a full handshake every time.
const MAX_PLAIN: usize = 48 * 1024;
/// The HKDF salt, which separates these keys from keys for other purposes.
const PURPOSE: &[u8] = b"mtls-edge session ticket";

/// What a key is bound to. Keys of different contexts differ even if their secret is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Context {
    /// The domain's name.
    pub(in crate::tls) domain: Box<str>,
    /// The domain's client authentication: a session that began under another mode is not resumed.
    pub(in crate::tls) client_auth: ClientAuth,
}

impl Context {
    /// The HKDF info.
    fn info(&self) -> Vec<u8> {
        let mode = match self.client_auth {
            ClientAuth::Required => 0,
            ClientAuth::Optional => 1,
            ClientAuth::Off => 2,
        };
        // The only part of variable length is last, so that different contexts never encode the same.
        [&[FORMAT, mode], self.domain.as_bytes()].concat()
    }
}

/// A key that encrypts and decrypts the tickets of one context.
pub(in crate::tls) struct TicketKey {
    name: [u8; NAME_LEN],
    /// AES-256-GCM-SIV (RFC 8452) resists nonce reuse: edges that share a key choose nonces independently.
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
                NAME_LEN + 32
            }
        }
        let mut bytes = Zeroizing::new([0; NAME_LEN + 32]);
        let info = context.info();
        Salt::new(HKDF_SHA256, PURPOSE).extract(secret).expand(&[&info], Length)?.fill(&mut *bytes)?;
        let (name, key) = bytes.split_first_chunk().ok_or(Unspecified)?;
        Ok(Self { name: *name, aead: RandomizedNonceKey::new(&AES_256_GCM_SIV, key)? })
    }

    /// Encrypts a session and rustls' own state of it into a ticket; none if the state is too large.
    pub(super) fn seal(&self, session: Session, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > MAX_PLAIN {
            return None;
        }
        let mut sealed = Vec::with_capacity(plain.len() + 64);
        sealed.push(FORMAT);
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

/// Decrypts a ticket, if one of these keys made it.
pub(super) fn open<'a>(
    keys: impl IntoIterator<Item = &'a TicketKey>,
    ticket: &[u8],
) -> Option<(Session, Vec<u8>)> {
    let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    let key = keys.into_iter().find(|key| key.name == *name)?;
    let mut bytes = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = &*key.aead.open_in_place(nonce, Aad::from(name), &mut bytes).ok()?;
    let (format, rest) = opened.split_first()?;
    let (began, rest) = rest.split_first_chunk()?;
    let (ends, plain) = rest.split_first_chunk()?;
    let session = Session { began: timestamp(*began), certificate_ends: timestamp(*ends) };
    (*format == FORMAT).then(|| (session, plain.to_vec()))
}

/// A time as encoded in a ticket: unsigned seconds since 1970, earlier times as 0.
fn seconds(time: Timestamp) -> [u8; 8] {
    u64::try_from(time.unix()).unwrap_or_default().to_be_bytes()
}

fn timestamp(seconds: [u8; 8]) -> Timestamp {
    i64::try_from(u64::from_be_bytes(seconds)).map_or(Timestamp::MAX, Timestamp::from_unix)
}
