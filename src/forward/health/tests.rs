//! Which origins requests avoid, and for how long.

use super::*;

fn origins(count: usize) -> UpstreamHealth {
    let origin = Address::Unix("/run/auth/server.sock".into());
    UpstreamHealth::new("as", &vec![origin; count])
}

fn limits() -> UpstreamLimits {
    UpstreamLimits::default()
}

fn later(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

#[test]
fn one_request_probes_an_origin_that_failed() {
    let health = origins(2);
    let origin = &health.0[0];
    assert!(!origin.is_avoided() && !origin.claim_probe(later(0), &limits()));
    origin.record_unreachable("refused");
    assert!(origin.is_avoided() && !origin.claim_probe(later(0), &limits()));
    assert!(origin.claim_probe(later(3), &limits()));
    // No other request claims it before that probe has timed out and the origin was avoided again.
    assert!(!origin.claim_probe(later(3), &limits()));
    assert!(!origin.claim_probe(later(8), &limits()));
    assert!(origin.claim_probe(later(11), &limits()));
    origin.record_connected();
    assert!(!origin.is_avoided() && !origin.claim_probe(later(60), &limits()));
    assert_eq!(origin.ejections(), 1);
}

#[test]
fn failures_in_succession_eject_up_to_half_of_the_origins() {
    let health = origins(3);
    let fail = |index: usize| health.record_failure(&health.0[index], 3, "502");
    for _ in 0..2 {
        fail(0);
    }
    health.0[0].record_response();
    for _ in 0..2 {
        fail(0);
    }
    assert!(!health.0[0].is_avoided(), "a response in between");
    fail(0);
    assert_eq!(health.0[0].failing(), Some(FailureKind::Ejected));
    // A connection is not yet a response.
    health.0[0].record_connected();
    assert!(health.0[0].is_avoided());
    for _ in 0..10 {
        fail(1);
    }
    assert!(!health.0[1].is_avoided(), "two of three would be more than half");
    health.0[0].record_response();
    assert!(!health.0[0].is_avoided());
    fail(1);
    assert!(health.0[1].is_avoided());
    for _ in 0..10 {
        health.record_failure(&health.0[2], 0, "502");
    }
    assert!(!health.0[2].is_avoided(), "0 switches ejection off");
}

#[test]
fn each_failed_probe_doubles_the_time() {
    let health = origins(2);
    let origin = &health.0[0];
    let (mut now, mut times) = (Instant::now(), Vec::new());
    let mut fail = |now| {
        // Only the first of these counts.
        for _ in 0..10 {
            origin.mark_failing(FailureKind::Unreachable, "refused", now);
        }
        let time = origin.episode().until - now;
        times.push(time.as_secs());
        now + time
    };
    for _ in 0..7 {
        now = fail(now);
    }
    origin.record_connected();
    // After a minute that worked.
    fail(now + LONGEST);
    assert_eq!(times, [2, 4, 8, 16, 32, 60, 60, 2]);
}

#[test]
fn a_health_check_decides_while_it_fails() {
    let health = origins(2);
    let origin = &health.0[0];
    let fail = || origin.record_check(Err("500".to_owned()));
    fail();
    origin.record_check(Ok(()));
    fail();
    assert!(!origin.is_avoided(), "one failed check");
    fail();
    assert_eq!(origin.failing(), Some(FailureKind::CheckFailing));
    assert!(!origin.claim_probe(later(600), &limits()));
    origin.record_response();
    assert!(origin.is_avoided());
    origin.record_check(Ok(()));
    assert!(!origin.is_avoided());
    // It also ends what a failed connection began, and not what failed responses began.
    origin.record_unreachable("refused");
    origin.record_check(Ok(()));
    assert!(!origin.is_avoided());
    health.record_failure(origin, 1, "502");
    origin.record_check(Ok(()));
    assert!(origin.is_avoided());
}

#[test]
fn a_connection_ends_failed_responses_that_are_long_past() {
    let health = origins(1);
    let origin = &health.0[0];
    let fail = || health.record_failure(origin, 5, "status 503");
    (0..5).for_each(|_| fail());
    assert_eq!(origin.failing(), Some(FailureKind::Failing));
    let (since, last) = origin.failures();
    assert!(since.is_some() && last.is_some_and(|last| last.why == "status 503"));
    origin.record_accepts(later(299));
    assert_eq!(origin.failing(), Some(FailureKind::Failing));
    origin.record_accepts(later(301));
    assert_eq!((origin.failing(), origin.failures().0), (None, None));
    assert!(origin.is_unproven(), "nothing has answered yet");
    // One more is enough to report it again.
    fail();
    assert_eq!(origin.failing(), Some(FailureKind::Failing));
    origin.record_response();
    assert!(!origin.is_unproven());
    (0..4).for_each(|_| fail());
    assert_eq!(origin.failing(), None);
    // A failed connection says nothing about responses.
    origin.record_unreachable("refused");
    origin.record_accepts(later(0));
    assert_eq!(origin.failing(), None);
}

#[test]
fn a_response_proves_an_origin_that_was_restarted() {
    let health = origins(2);
    let origin = &health.0[0];
    let fail = || health.record_failure(origin, 5, "status 503");
    (0..5).for_each(|_| fail());
    origin.record_accepts(later(301));
    assert!(!origin.is_avoided() && origin.is_unproven());
    // Its restart refuses one connection, and accepts the next one.
    origin.record_unreachable("refused");
    origin.record_connected();
    assert!(!origin.is_avoided() && origin.is_unproven(), "a connection proves nothing");
    fail();
    assert_eq!(origin.failing(), Some(FailureKind::Ejected), "one more failure is enough");
    origin.record_accepts(later(301));
    origin.record_unreachable("refused");
    origin.record_connected();
    origin.record_response();
    assert!(!origin.is_avoided() && !origin.is_unproven());
    (0..4).for_each(|_| fail());
    assert!(!origin.is_avoided(), "the failures before the response are forgotten");
}

#[test]
fn broken_off_responses_are_failures_despite_their_heads() {
    let health = origins(2);
    let origin = &health.0[0];
    for _ in 0..2 {
        assert!(!origin.record_head());
        health.record_broken_off(origin, 3, "reset");
        // Those of other requests do not count before they are complete.
        assert!(origin.record_head() && origin.record_head());
        origin.record_response();
    }
    for _ in 0..3 {
        assert!(!origin.is_avoided());
        health.record_broken_off(origin, 3, "reset");
        assert!(origin.record_head());
    }
    assert_eq!(origin.failing(), Some(FailureKind::Ejected));
    assert_eq!(origin.failures().1.unwrap().why, "reset");
    origin.record_response();
    assert!(!origin.is_avoided() && !origin.record_head());
    // Failed heads are ended by one that is good.
    (0..3).for_each(|_| health.record_failure(origin, 3, "502"));
    assert!(origin.is_avoided() && !origin.record_head() && !origin.is_avoided());
}

#[test]
fn an_origin_that_fails_in_use_is_avoided_once_others_work() {
    let health = origins(2);
    let [first, last] = &health.0[..] else { panic!() };
    let fail = |origin: &OriginHealth| (0..3).for_each(|_| health.record_failure(origin, 3, "502"));
    fail(first);
    fail(last);
    assert_eq!((last.failing(), last.is_avoided(), last.ejections()), (Some(FailureKind::Failing), false, 0));
    assert!(last.is_failing() && last.failures().0.is_some());
    assert!(!last.claim_probe(later(60), &limits()), "requests go to it anyway");
    last.record_response();
    assert_eq!((last.failing(), last.failures().0), (None, None));
    fail(last);
    first.record_response();
    fail(last);
    assert_eq!((last.failing(), last.is_avoided(), last.ejections()), (Some(FailureKind::Ejected), true, 1));
    // One that refuses connections is avoided, whatever the others do.
    fail(first);
    assert!(!first.is_avoided());
    first.record_unreachable("refused");
    assert_eq!((first.failing(), first.is_avoided()), (Some(FailureKind::Unreachable), true));
}

#[test]
fn a_lone_origin_stays_failing_if_it_refuses_a_connection() {
    let health = origins(1);
    let origin = &health.0[0];
    (0..3).for_each(|_| health.record_failure(origin, 3, "502"));
    origin.record_unreachable("refused");
    assert_eq!(origin.failing(), Some(FailureKind::Failing));
}
