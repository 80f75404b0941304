//! Lower case hexadecimal digits, without an allocation.

/// Writes two digits per byte, as many as there is room for.
pub fn encode(bytes: &[u8], digits: &mut [u8]) {
    // Without a branch or a table, so that the compiler uses vector instructions.
    let digit = |value: u8| value + b'0' + if value > 9 { b'a' - b'9' - 1 } else { 0 };
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
}

/// Reads two digits per byte. `None` if there are more or fewer, or something else.
pub fn decode(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_equal_those_of_the_standard_library() {
        for number in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978] {
            let mut digits = [0; 32];
            encode(&number.to_be_bytes(), &mut digits);
            assert_eq!(digits.as_slice(), format!("{number:032x}").as_bytes());
            let mut bytes = [0; 16];
            assert_eq!(decode(&digits, &mut bytes), Some(()));
            assert_eq!(u128::from_be_bytes(bytes), number);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for digits in ["0", "000", "0G", "0A", "é", "0 "] {
            assert_eq!(decode(digits.as_bytes(), &mut [0]), None, "{digits}");
        }
    }
}
