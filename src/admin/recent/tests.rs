use HandshakeFailure::{Alert, Closed, ProxyHeader};

use super::*;
use crate::observe::metrics::Distribution;

const AT: Timestamp = Timestamp::from_unix(1000);

fn responses(all: u64, server_errors: u64) -> Totals {
    let of = Responses { all, successes: all - server_errors, server_errors, failures: 0 };
    let responses = BTreeMap::from([("a.example".to_owned(), of)]);
    Totals { responses, ..Totals::default() }
}

fn kinds(recent: &Recent, totals: &Totals) -> Vec<Kind> {
    recent.troubles(totals, AT).into_iter().map(|trouble| trouble.kind).collect()
}

#[test]
fn server_errors_are_reported_by_their_share() {
    for (all, errors, kind) in [
        (2, 2, None),
        (3, 3, Some(Kind::ServerErrors)),
        (100, 50, Some(Kind::ServerErrors)),
        (100, 49, Some(Kind::SomeServerErrors)),
        (100, 6, Some(Kind::SomeServerErrors)),
        (100, 5, None),
    ] {
        assert_eq!(
            kinds(&Recent::default(), &responses(all, errors)),
            Vec::from_iter(kind),
            "{errors}/{all}"
        );
    }
}

#[test]
fn what_is_longer_ago_than_a_minute_does_not_count() {
    let (recent, start) = (Recent::default(), Instant::now());
    for tick in 0..=12 {
        recent.add(start + Duration::from_secs(5 * tick), responses(10, 10), AT);
        assert_eq!(recent.0.lock().unwrap().totals.len(), usize::try_from(tick).unwrap() + 1);
    }
    // What came before the first sample counts for the first minute.
    assert_eq!(kinds(&recent, &responses(10, 10)), [Kind::ServerErrors]);
    recent.add(start + Duration::from_secs(65), responses(10, 10), AT);
    assert_eq!(recent.0.lock().unwrap().totals.len(), 13);
    assert_eq!(kinds(&recent, &responses(10, 10)), []);
    assert_eq!(kinds(&recent, &responses(13, 13)), [Kind::ServerErrors]);
}

#[test]
fn a_trouble_has_the_time_of_its_begin() {
    let (recent, at) = (Recent::default(), |seconds: i64| Timestamp::from_unix(1000 + seconds));
    let since = |totals: &Totals, now| recent.troubles(totals, now).first().map(|trouble| trouble.since);
    assert_eq!(since(&responses(3, 3), at(0)), Some(at(0)));
    assert_eq!(since(&responses(4, 4), at(7)), Some(at(0)));
    assert_eq!(since(&responses(5, 4), at(8)), Some(at(0)));
}

#[test]
fn a_domain_has_recovered_if_nothing_fails_between_two_samples() {
    let (recent, start) = (Recent::default(), Instant::now());
    let sample = |seconds, all, errors| {
        recent.add(start + Duration::from_secs(seconds), responses(all, errors), AT);
        kinds(&recent, &responses(all, errors))
    };
    assert_eq!(sample(0, 3, 3), [Kind::ServerErrors]);
    // However often somebody looks in between.
    assert_eq!(kinds(&recent, &responses(4, 3)), [Kind::ServerErrors]);
    assert_eq!(kinds(&recent, &responses(5, 4)), [Kind::ServerErrors]);
    assert_eq!(sample(5, 5, 4), [Kind::ServerErrors], "one has failed");
    assert_eq!(sample(10, 5, 4), [Kind::ServerErrors], "there was no request");
    assert_eq!(sample(15, 6, 4), [], "one has succeeded");
    assert_eq!(sample(20, 8, 6), [], "what was before does not count");
    assert_eq!(sample(25, 9, 7), [Kind::ServerErrors]);
}

#[test]
fn it_is_said_who_has_failed() {
    for (server_errors, failures, whose) in [
        (3, 0, "; the upstream itself responds so"),
        (0, 3, "; the edge itself responds so"),
        (2, 1, "; some of the upstream and some of the edge"),
    ] {
        let mut totals = responses(3, 3);
        let of = Responses { all: 3, successes: 0, server_errors, failures };
        totals.responses.insert("a.example".to_owned(), of);
        // Those of another domain do not matter.
        let other = Responses { all: 90, successes: 0, server_errors: 10, failures: 80 };
        totals.responses.insert("b.example".to_owned(), other);
        let found = Recent::default().troubles(&totals, AT);
        assert!(found[0].what.contains(whose), "{found:?}");
    }
}

fn failures(handshakes: u64, forwarded: u64, failures: &[(HandshakeFailure, u64)]) -> Totals {
    let mut counts = vec![0; HandshakeFailure::VALUES.len()];
    for (failure, count) in failures {
        counts[*failure as usize] = *count;
    }
    Totals { requests: vec![forwarded], handshakes, handshake_failures: counts, ..Totals::default() }
}

#[test]
fn failed_handshakes_are_reported_by_their_share() {
    for (handshakes, forwarded, failed, kind) in [
        (0, 0, &[(ProxyHeader, 2)][..], None),
        (0, 0, &[(ProxyHeader, 3), (Closed, 2)], Some(Kind::ProxyHeaders)),
        (0, 9, &[(ProxyHeader, 3), (Closed, 2)], Some(Kind::HandshakesFailing)),
        (1, 0, &[(ProxyHeader, 3)], None),
        (1, 0, &[(ProxyHeader, 10)], Some(Kind::HandshakesFailing)),
        (0, 0, &[(ProxyHeader, 5), (Closed, 5)], Some(Kind::HandshakesFailing)),
        (0, 0, &[(Alert, 10)], Some(Kind::HandshakesFailing)),
        // However many requests are served on older connections.
        (0, 99, &[(Alert, 10)], Some(Kind::HandshakesFailing)),
        (10, 10, &[(Alert, 10)], Some(Kind::HandshakesFailing)),
        (11, 11, &[(Alert, 10)], None),
        (0, 0, &[(Alert, 9)], None),
    ] {
        let totals = failures(handshakes, forwarded, failed);
        assert_eq!(kinds(&Recent::default(), &totals), Vec::from_iter(kind), "{totals:?}");
    }
}

#[test]
fn the_most_frequent_reason_of_failed_handshakes_is_named() {
    let totals = failures(4, 4, &[(Closed, 2), (Alert, 7), (ProxyHeader, 1)]);
    let troubles = Recent::default().troubles(&totals, AT);
    assert!(troubles[0].what.starts_with("10 of 14 TLS handshakes "), "{troubles:?}");
    assert!(troubles[0].what.contains(" 7 by alert: clients end a handshake by an alert "), "{troubles:?}");
}

#[test]
fn a_lost_log_line_is_a_problem_for_a_minute() {
    let (recent, start) = (Recent::default(), Instant::now());
    let totals = |log_lines_unread| Totals { log_lines_unread, ..Totals::default() };
    assert_eq!(kinds(&recent, &totals(0)), []);
    assert_eq!(kinds(&recent, &totals(1)), [Kind::LogFailing]);
    recent.add(start, totals(1), AT);
    recent.add(start + Duration::from_secs(1), totals(1), AT);
    recent.add(start + Duration::from_secs(61), totals(1), AT);
    assert_eq!(kinds(&recent, &totals(1)), []);
}

#[test]
fn responses_that_break_off_are_reported_by_their_share() {
    for (by_origin, unclear, forwarded, kind) in [
        (2, 0, 2, None),
        (3, 0, 6, Some(Kind::ResponsesBrokenOff)),
        (3, 0, 7, Some(Kind::SomeResponsesBrokenOff)),
        (3, 0, 60, None),
        // Clients may have caused the others.
        (0, 9, 9, Some(Kind::SomeResponsesBrokenOff)),
        (2, 1, 4, Some(Kind::SomeResponsesBrokenOff)),
        (3, 1, 6, Some(Kind::ResponsesBrokenOff)),
        (3, 3, 7, Some(Kind::SomeResponsesBrokenOff)),
        (2, 1, 60, None),
    ] {
        let mut requests = vec![0; Outcome::VALUES.len()];
        requests[Outcome::Forwarded as usize] = forwarded;
        let mut responses_broken_off = vec![0; BreakOff::VALUES.len()];
        responses_broken_off[BreakOff::Origin as usize] = by_origin;
        responses_broken_off[BreakOff::Unclear as usize] = unclear;
        let totals = Totals { requests, responses_broken_off, ..Totals::default() };
        let found = kinds(&Recent::default(), &totals);
        assert_eq!(found, Vec::from_iter(kind), "{by_origin}+{unclear}/{forwarded}");
    }
}

#[test]
fn cancelled_requests_are_reported_by_their_share() {
    for (cancelled, forwarded, kind) in [
        (2, 0, None),
        (3, 0, Some(Kind::RequestsCancelled)),
        (3, 3, Some(Kind::RequestsCancelled)),
        (3, 4, None),
    ] {
        let mut requests = vec![0; Outcome::VALUES.len()];
        requests[Outcome::Cancelled as usize] = cancelled;
        requests[Outcome::Forwarded as usize] = forwarded;
        // Refused ones say nothing of the upstream.
        requests[Outcome::Refused as usize] = 100;
        let totals = Totals { requests, ..Totals::default() };
        assert_eq!(kinds(&Recent::default(), &totals), Vec::from_iter(kind), "{cancelled}/{forwarded}");
    }
}

#[test]
fn a_slow_upstream_explains_few_cancelled_requests() {
    for (cancelled, slow, is_reported) in [(5, 5, true), (5, 4, false), (4, 5, false)] {
        let mut requests = vec![0; Outcome::VALUES.len()];
        requests[Outcome::Cancelled as usize] = cancelled;
        requests[Outcome::Forwarded as usize] = 100 - cancelled;
        let buckets = vec![(1.0, 90), (5.0, 100 - slow), (10.0, 100), (30.0, 100)];
        let upstreams = BTreeMap::from([
            ("fast".to_owned(), Distribution { buckets: vec![(0.1, 50), (30.0, 50)], count: 50, sum: 0.0 }),
            ("slow".to_owned(), Distribution { buckets, count: 100, sum: 0.0 }),
        ]);
        let totals = Totals { requests, upstreams, ..Totals::default() };
        let troubles = Recent::default().troubles(&totals, AT);
        assert_eq!(troubles.len(), usize::from(is_reported), "{cancelled} {slow} {troubles:?}");
        if let Some(Trouble { what, .. }) = troubles.first() {
            let paces = "; the upstream \"slow\" took 556 ms (p50) and 5.0 s (p95) for 100 responses, the upstream \"fast\" took 50 ms (p50) and 95 ms (p95) for 50 responses; see";
            assert!(what.contains(paces), "{what}");
        }
    }
}

#[test]
fn the_limit_that_closes_most_connections_is_named() {
    let mut closed = vec![0; CloseReason::VALUES.len()];
    closed[CloseReason::Idle as usize] = 100;
    closed[CloseReason::Bound as usize] = 4;
    closed[CloseReason::Address as usize] = 5;
    let mut totals = Totals { connections_closed: closed, ..Totals::default() };
    assert_eq!(kinds(&Recent::default(), &totals), []);
    totals.connections_closed[CloseReason::Address as usize] = 6;
    let troubles = Recent::default().troubles(&totals, AT);
    assert_eq!(troubles[0].kind, Kind::ConnectionsRefused);
    assert!(troubles[0].what.starts_with("10 connections "), "{troubles:?}");
    assert!(troubles[0].what.contains(": 6 by connections_per_address of [limits]"), "{troubles:?}");
}
