//! Moments as text.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// 1 January of year 0 and the last second of 9999: what X.509 can say (RFC 5280 section 4.1.2.5), and RFC 3339 too.
const EARLIEST: i64 = -62_167_219_200;
const LATEST: i64 = 253_402_300_799;

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    i64::try_from(rustls_pki_types::UnixTime::now().as_secs()).unwrap_or(i64::MAX)
}

/// A moment in seconds since 1970 as RFC 3339 in UTC. What lies beyond the years 0 to 9999 is moved to the nearest end.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds.clamp(EARLIEST, LATEST))
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("second {seconds} counted from 1970"))
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn moments_print_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_695_261_017, "2023-09-21T01:50:17Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            // RFC 5280 section 4.1.2.5: a certificate without a well-defined end.
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
