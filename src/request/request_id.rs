//! Request ids. The edge's own are 32 hexadecimal digits, unique, and unpredictable so that they do not reveal the number of requests.

use std::{
    cell::RefCell,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::text::hex;

/// The header that carries the request's id to the upstream, and back to the client.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The length of an id in bytes.
const BYTES: usize = 16;
/// The longest id of a trusted proxy, in bytes.
const LONGEST: usize = 64;
/// How many ids a thread makes at once. They share one allocation.
const BATCH: usize = 16;

/// The edge's own id of a request. A trace that begins with the request has the same.
#[derive(Clone, Debug)]
pub(super) struct Id {
    /// Its digits.
    pub(super) text: HeaderValue,
    /// What they encode.
    pub(super) bytes: [u8; BYTES],
}

/// Ids that are made and not used yet.
struct Made {
    digits: Bytes,
    /// The bytes of the whole batch.
    blocks: [u8; BYTES * BATCH],
}

thread_local! {
    static MADE: RefCell<Made> = const { RefCell::new(Made { digits: Bytes::new(), blocks: [0; BYTES * BATCH] }) };
}

/// The next id: a counter, encrypted by AES-128 with a random key of this process. As a permutation it gives unique ids, which
/// cannot be decrypted or predicted without the key.
pub(super) fn next() -> Id {
    MADE.with_borrow_mut(|made| {
        if made.digits.is_empty() {
            made.blocks = batch();
            let mut digits = vec![0; made.blocks.len() * 2];
            hex::encode(&made.blocks, &mut digits);
            made.digits = digits.into();
        }
        let used = BATCH - made.digits.len() / (BYTES * 2);
        let bytes = made.blocks.as_chunks().0.get(used).copied().unwrap_or_default();
        let digits = made.digits.split_to(made.digits.len().min(BYTES * 2));
        let text = HeaderValue::from_maybe_shared(digits);
        Id { text: text.unwrap_or_else(|_| HeaderValue::from_static("none")), bytes }
    })
}

/// The id that a trusted proxy has given to a request: at most [`LONGEST`] letters, digits and `-_.:/=+@`, in a single field.
pub(super) fn inbound(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(REQUEST_ID).iter();
    let id = all.next().filter(|id| is_acceptable(id.as_bytes()))?;
    all.next().is_none().then(|| id.clone())
}

fn is_acceptable(id: &[u8]) -> bool {
    let is_shown = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:/=+@".contains(b);
    (1..=LONGEST).contains(&id.len()) && id.iter().all(is_shown)
}

/// The bytes of the next ids.
fn batch() -> [u8; BYTES * BATCH] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static KEY: LazyLock<Option<EncryptingKey>> = LazyLock::new(|| {
        let mut key = [0; BYTES];
        aws_lc_rs::rand::fill(&mut key).ok()?;
        EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, &key).ok()?).ok()
    });
    let mut blocks = [0; BYTES * BATCH];
    let first = NEXT.fetch_add(BATCH as u64, Ordering::Relaxed);
    for (number, block) in (first..).zip(blocks.as_chunks_mut::<BYTES>().0) {
        *block = u128::from(number).to_be_bytes();
    }
    let encrypted = KEY.as_ref().is_some_and(|key| key.encrypt(&mut blocks).is_ok());
    if !encrypted {
        // Random ids, if there is no key: a collision is as unlikely as guessing one.
        let _ = aws_lc_rs::rand::fill(&mut blocks);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_32_digits_and_unique() {
        let mut seen = HashSet::new();
        for thread in [(); 4].map(|()| std::thread::spawn(|| (0..2_000).map(|_| next()).collect::<Vec<_>>()))
        {
            for Id { text: id, bytes } in thread.join().unwrap() {
                assert_eq!(u128::from_str_radix(id.to_str().unwrap(), 16), Ok(u128::from_be_bytes(bytes)));
                assert!(id.len() == 32 && id.as_bytes().iter().all(u8::is_ascii_hexdigit), "{id:?}");
                assert!(seen.insert(id));
            }
        }
    }

    #[test]
    fn ids_do_not_reveal_the_count() {
        let number = |id: &HeaderValue| u128::from_str_radix(id.to_str().unwrap(), 16).unwrap();
        let ids: Vec<u128> = (0..1_000).map(|_| number(&next().text)).collect();
        // About half of the bits differ between consecutive ids, in each half of the id.
        for pair in ids.windows(2) {
            let differ = pair[0] ^ pair[1];
            for half in [differ >> 64, differ & u128::from(u64::MAX)] {
                assert!((8..=56).contains(&half.count_ones()), "{:x} {:x}", pair[0], pair[1]);
            }
        }
        assert!(!ids.is_sorted());
    }
}
