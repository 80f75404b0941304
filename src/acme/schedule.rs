//! When a certificate is ordered: at two thirds of its lifetime, and later and later after failures.

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

/// When the certificate of a domain is renewed: two thirds of its lifetime after its begin, and up to a fiftieth earlier, always the same for the
/// same certificate.
pub(super) fn due(domain: &str, validity: Validity) -> Timestamp {
    let lifetime = validity.not_after.seconds_since(validity.not_before).max(0);
    let begin = validity.not_before.unix();
    let hash = Sha256::digest(format!("{domain} {begin}"));
    let part = i64::from(hash.first().copied().unwrap_or_default());
    let earlier = lifetime / SPREAD * part / 256;
    Timestamp::from_unix(begin.saturating_add(lifetime / 3 * 2).saturating_sub(earlier))
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
