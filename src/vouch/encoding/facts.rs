//! Serial number, validity and thumbprint as text.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const DAY: i64 = 86_400;
/// Days of the 400 years after which the Gregorian calendar repeats.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// From 1 January of year 0 to 1 January 1970.
const DAYS_TO_1970: i64 = 719_528;

/// As AWS prints it (`03A5B1`): whole octets, upper case. The octet that only keeps an INTEGER positive goes.
pub(super) fn serial_hex(serial: &[u8]) -> String {
    let octets = match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    hex(octets, true)
}

pub(super) fn thumbprint_hex(thumbprint: &[u8; 32]) -> String {
    hex(thumbprint, false)
}

pub(super) fn thumbprint_base64url(thumbprint: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(thumbprint)
}

pub(super) fn validity(not_before: i64, not_after: i64) -> String {
    format!("NotBefore={};NotAfter={}", rfc3339(not_before), rfc3339(not_after))
}

fn hex(octets: &[u8], upper: bool) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = if upper { write!(text, "{octet:02X}") } else { write!(text, "{octet:02x}") };
        text
    })
}

/// A moment as RFC 3339 in UTC, whole seconds. What X.509 cannot say (years before 0 or after 9999,
/// RFC 5280 section 4.1.2.5) is moved to the nearest that it can.
fn rfc3339(seconds: i64) -> String {
    let earliest = -DAYS_TO_1970 * DAY;
    let latest = (DAYS_OF_400_YEARS * 25 - DAYS_TO_1970) * DAY - 1;
    let seconds = seconds.clamp(earliest, latest);
    let (days, time) = (seconds.div_euclid(DAY) + DAYS_TO_1970, seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}

/// Year, month and day of a day counted from 1 January of year 0.
fn date(days: i64) -> (i64, i64, i64) {
    let mut year = days.div_euclid(DAYS_OF_400_YEARS) * 400;
    let mut rest = days.rem_euclid(DAYS_OF_400_YEARS);
    while rest >= days_of_year(year) {
        rest -= days_of_year(year);
        year += 1;
    }
    let february = days_of_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

const fn days_of_year(year: i64) -> i64 {
    if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, serial_hex};

    #[test]
    fn moments_print_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_695_261_017, "2023-09-21T01:50:17Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            // RFC 5280 section 4.1.2.5: a certificate without a well-defined end.
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn a_serial_is_whole_octets_without_its_sign_octet() {
        for (serial, text) in
            [(&[0x03, 0xA5, 0xB1][..], "03A5B1"), (&[0x00, 0x8F], "8F"), (&[0x00], "00"), (&[], "")]
        {
            assert_eq!(serial_hex(serial), text);
        }
    }
}
