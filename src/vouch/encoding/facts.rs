//! Encodings of serial number, validity and thumbprint.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::clock::Timestamp;

/// The serial number as AWS prints it (`03A5B1`): whole bytes, upper case, without a leading sign byte.
pub(super) fn serial_hex(serial: &[u8]) -> String {
    let bytes = match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex(bytes, true)
}

pub(super) fn thumbprint_hex(thumbprint: &[u8; 32]) -> String {
    hex(thumbprint, false)
}

pub(super) fn thumbprint_base64url(thumbprint: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(thumbprint)
}

pub(super) fn validity(not_before: Timestamp, not_after: Timestamp) -> String {
    format!("NotBefore={not_before};NotAfter={not_after}")
}

fn hex(bytes: &[u8], upper: bool) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::serial_hex;

    #[test]
    fn a_serial_has_whole_bytes_without_the_sign_byte() {
        for (serial, text) in
            [(&[0x03, 0xA5, 0xB1][..], "03A5B1"), (&[0x00, 0x8F], "8F"), (&[0x00], "00"), (&[], "")]
        {
            assert_eq!(serial_hex(serial), text);
        }
    }
}
