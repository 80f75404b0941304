//! A filter before the comparison: the length and the first two bytes of most names rule out every reserved one.
//!
//! It saves 5 % of the instructions of a kept-alive request (`benches/RESULTS.md`, "own machinery").

use crate::header::fold::fold_byte;

/// For each length of a name, which bytes the reserved ones begin with.
#[derive(Clone, Default)]
pub(super) struct Shapes {
    /// By length; the last is for that length and every longer one.
    by_length: Vec<Beginnings>,
}

/// The first and the second bytes of some names, a bit for each folded byte.
#[derive(Clone, Copy, Default)]
struct Beginnings {
    first: u64,
    second: u64,
}

impl Beginnings {
    fn and(self, name: &[u8]) -> Self {
        Self {
            first: self.first | bit(name.first().copied()),
            second: self.second | bit(name.get(1).copied()),
        }
    }
}

impl Shapes {
    /// The shapes of these folded names, and of every name that begins with one of these folded prefixes.
    pub(super) fn of(exact: &[Box<[u8]>], prefixes: &[&[Box<[u8]>]]) -> Self {
        let prefixes = || prefixes.iter().copied().flatten();
        let longest = exact.iter().chain(prefixes()).map(|name| name.len()).max().unwrap_or(0);
        // One more, so that what is longer than every exact name has a place that only prefixes fill.
        let mut by_length = vec![Beginnings::default(); longest + 2];
        for (length, beginnings) in by_length.iter_mut().enumerate() {
            let exact = exact.iter().filter(|name| name.len() == length);
            let prefixes = prefixes().filter(|prefix| prefix.len() <= length);
            *beginnings = exact.chain(prefixes).fold(*beginnings, |all, name| all.and(name));
        }
        Self { by_length }
    }

    /// Whether a name of this shape is among them.
    #[inline]
    pub(super) fn may_hold(&self, name: &str) -> bool {
        let Some(beginnings) = self.by_length.get(name.len()).or(self.by_length.last()) else { return false };
        match name.as_bytes() {
            [first, second, ..] => {
                beginnings.first & bit_of(*first) != 0 && beginnings.second & bit_of(*second) != 0
            }
            [first] => beginnings.first & bit_of(*first) != 0,
            [] => true,
        }
    }
}

/// A bit for each folded byte of a name; one that has no such byte has every bit.
fn bit(byte: Option<u8>) -> u64 {
    byte.map_or(u64::MAX, bit_of)
}

/// Looked up, since it is asked twice for every header of every request.
#[inline]
fn bit_of(byte: u8) -> u64 {
    BITS.get(usize::from(byte)).copied().unwrap_or(u64::MAX)
}

/// A bit for each byte as it is folded: letters, digits, and the sign that represents all others.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks the index")]
static BITS: [u64; 256] = {
    let mut bits = [1 << 36; 256];
    let mut byte = 0_u8;
    loop {
        let bit = match fold_byte(byte) {
            letter @ b'a'..=b'z' => letter - b'a',
            digit @ b'0'..=b'9' => 26 + digit - b'0',
            _ => 36,
        };
        bits[byte as usize] = 1 << bit;
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    bits
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::header::fold::fold;

    proptest! {
        #[test]
        fn nothing_that_is_among_them_is_passed_over(
            exact in prop::collection::vec("[A-Za-z0-9_.-]{0,9}", 0..6),
            prefixes in prop::collection::vec("[A-Za-z0-9_.-]{0,5}", 0..3),
            rest in "[A-Za-z0-9_.-]{0,12}",
        ) {
            let folded = |names: &[String]| names.iter().map(|name| fold(name)).collect::<Vec<_>>();
            let (all, beginnings) = (folded(&exact), folded(&prefixes));
            let shapes = Shapes::of(&all, &[&beginnings]);
            for name in exact.iter().cloned().chain(prefixes.iter().map(|prefix| format!("{prefix}{rest}"))) {
                prop_assert!(shapes.may_hold(&name), "{name}");
            }
        }
    }

    #[test]
    fn ordinary_names_are_passed_over() {
        let shapes = Shapes::of(&[fold("client-cert")], &[&[fold("x-amzn-mtls-")]]);
        for (name, may) in
            [("client-cert", true), ("CLIENT_CERT", true), ("clXent-cerX", true), ("x-amzn-mtls-", true)]
        {
            assert_eq!(shapes.may_hold(name), may, "{name}");
        }
        for name in
            ["host", "accept", "content-type", "content-typ", "x-amzn", "authorization-of-a-long-name"]
        {
            assert!(!shapes.may_hold(name), "{name}");
        }
    }
}
