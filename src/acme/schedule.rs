//! When a certificate is ordered: at two thirds of its lifetime, or when the CA suggests; and later and later after failures.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{clock::Timestamp, identity::Validity};

/// The pauses after the first, the second failure and so on; the last one repeats. At most four orders in the first hour: CAs count failed
/// validations per hour.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900), Duration::from_secs(3600)];
/// The longest pause if no order was placed.
const LONGEST_UNPLACED: Duration = Duration::from_secs(300);
/// Renewals of many certificates are spread over this part of their lifetime.
const SPREAD: i64 = 50;
/// How long after its begin a certificate is not renewed, whatever the CA suggests, in seconds.
const UNTOUCHED: i64 = 86_400;

/// When the certificate of a domain is renewed: two thirds of its lifetime after its begin, and up to a fiftieth earlier, always the same for the
/// same certificate.
pub(super) fn due(domain: &str, validity: Validity) -> Timestamp {
    let lifetime = validity.not_after.seconds_since(validity.not_before).max(0);
    let begin = validity.not_before.unix();
    let earlier = lifetime / SPREAD * part(domain, validity) / 256;
    Timestamp::from_unix(begin.saturating_add(lifetime / 3 * 2).saturating_sub(earlier))
}

/// When the certificate of a domain is renewed if the CA suggests this window (RFC 9773 section 4.2): at a time within it, always the same for the
/// same certificate and window. Not in the first [`UNTOUCHED`] or tenth of its lifetime, so that a CA that wants each certificate replaced at
/// once causes no endless orders. None if the window does not end after its start.
pub(super) fn suggested(
    domain: &str,
    validity: Validity,
    (start, end): (Timestamp, Timestamp),
) -> Option<Timestamp> {
    let duration = Some(end.seconds_since(start)).filter(|seconds| *seconds > 0)?;
    let within = start.unix().saturating_add(duration / 256 * part(domain, validity));
    let tenth = validity.not_after.seconds_since(validity.not_before) / 10;
    let earliest = validity.not_before.unix().saturating_add(tenth.clamp(0, UNTOUCHED));
    Some(Timestamp::from_unix(within.max(earliest)))
}

/// A number from 0 to 255, always the same for the same certificate of a domain.
fn part(domain: &str, validity: Validity) -> i64 {
    let hash = Sha256::digest(format!("{domain} {}", validity.not_before.unix()));
    i64::from(hash.first().copied().unwrap_or_default())
}

/// How long no certificate is ordered after so many failures in succession, the last of which may not have led to an order.
pub(super) fn pause(failures: u32, is_placed: bool) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(index).or(PAUSES.last()).copied().unwrap_or_default();
    if is_placed { pause } else { pause.min(LONGEST_UNPLACED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        for lifetime in [10, 6 * 86_400, 90 * 86_400, 398 * 86_400] {
            let begin = 1_800_000_000;
            let at = Timestamp::from_unix;
            let validity = Validity { not_before: at(begin), not_after: at(begin + lifetime) };
            let seconds = due("a.example", validity).unix() - begin;
            assert!(
                seconds <= lifetime * 2 / 3 && seconds >= lifetime * 63 / 100 - 1,
                "{lifetime}: {seconds}"
            );
            assert_eq!(due("a.example", validity).unix() - begin, seconds);
        }
    }

    #[test]
    fn certificates_of_one_day_are_renewed_at_different_times() {
        let at = Timestamp::from_unix;
        let validity = Validity { not_before: at(0), not_after: at(90 * 86_400) };
        let mut times: Vec<i64> = (0..20).map(|n| due(&format!("d{n}.example"), validity).unix()).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 15, "{times:?}");
    }

    #[test]
    fn a_suggested_window_is_followed_within_bounds() {
        const DAY: i64 = 86_400;
        let at = Timestamp::from_unix;
        let renewed = |start, end, lifetime| {
            let validity = Validity { not_before: at(0), not_after: at(lifetime) };
            suggested("a.example", validity, (at(start), at(end))).map(Timestamp::unix)
        };
        let within = renewed(30 * DAY, 32 * DAY, 90 * DAY).unwrap();
        assert!((30 * DAY..32 * DAY).contains(&within), "{within}");
        assert_eq!(renewed(30 * DAY, 32 * DAY, 90 * DAY), Some(within));
        assert_eq!(renewed(-DAY, -1, 90 * DAY), Some(DAY), "a past window");
        assert_eq!(renewed(-DAY, -1, 5 * DAY), Some(DAY / 2), "of a short-lived certificate");
        assert_eq!(renewed(DAY, DAY, 90 * DAY), None);
        assert_eq!(renewed(i64::MIN, i64::MAX, i64::MAX), Some(DAY), "the longest window");
    }

    #[test]
    fn failures_are_at_most_four_orders_in_an_hour() {
        let (mut time, mut orders) = (0, Vec::new());
        for failures in 1..10 {
            orders.push(time);
            time += pause(failures, true).as_secs();
        }
        for from in &orders {
            let within = orders.iter().filter(|at| (*from..*from + 3600).contains(*at)).count();
            assert!(within <= 4, "{orders:?}");
        }
        assert_eq!(pause(9, false), LONGEST_UNPLACED);
    }
}
