use super::*;
use crate::{
    identity::Thumbprint,
    trust::{ApplicationSpec, AuthMethod, Change, CredentialSpec, Registered},
};

const DAY: i64 = 86_400;
/// The end of the credential "a".
const END: Timestamp = Timestamp::from_unix(1000 * DAY);

fn before(days: i64, seconds: i64) -> Timestamp {
    Timestamp::from_unix(END.unix() - days * DAY - seconds)
}

/// An application with credentials that expire at these times.
fn registry(ends: &[(&str, Option<Timestamp>)]) -> Registry {
    let credentials = ends.iter().zip(1..).map(|((name, end), byte)| {
        let registered = Registered::Certificate(Thumbprint::from_bytes([byte; 32]).into());
        CredentialSpec { expires_at: *end, ..CredentialSpec::new(*name, registered) }
    });
    let spec = ApplicationSpec::new("billing", AuthMethod::SelfSignedTls, credentials.collect());
    let mut registry = Registry::default();
    registry.apply_all(vec![Change::Put(Box::new(spec.try_into().unwrap()))]).unwrap();
    registry
}

/// Logs what is due: the thresholds that had passed, and when the next is due.
fn check(logged: &mut Logged, registry: &Registry, now: Timestamp) -> (Vec<usize>, Timestamp) {
    let (due, next) = logged.due(registry, now);
    for warning in &due {
        logged.insert(warning);
    }
    (due.iter().map(|warning| warning.passed).collect(), next)
}

#[test]
fn each_threshold_is_due_once() {
    let (mut logged, registry) = (Logged::default(), registry(&[("a", Some(END))]));
    assert_eq!(check(&mut logged, &registry, before(40, 0)), (vec![], before(30, 0)));
    assert_eq!(check(&mut logged, &registry, before(30, 1)), (vec![], before(30, 0)));
    for (passed, days, next) in [(1, 30, 14), (2, 14, 7), (3, 7, 1)] {
        assert_eq!(check(&mut logged, &registry, before(days, 0)), (vec![passed], before(next, 0)));
        assert_eq!(check(&mut logged, &registry, before(days, -1)), (vec![], before(next, 0)));
    }
    assert_eq!(check(&mut logged, &registry, before(1, 0)), (vec![4], Timestamp::MAX));
    assert_eq!(check(&mut logged, &registry, before(0, 1)), (vec![], Timestamp::MAX));
    assert_eq!(check(&mut logged, &registry, END), (vec![], Timestamp::MAX));
    logged.forget_expired(END);
    assert!(logged.credentials.is_empty());
}

#[test]
fn a_start_between_two_thresholds_gives_one_warning() {
    let registry = registry(&[("a", Some(END))]);
    assert_eq!(check(&mut Logged::default(), &registry, before(10, 0)), (vec![2], before(7, 0)));
    assert_eq!(check(&mut Logged::default(), &registry, before(0, 1)), (vec![4], Timestamp::MAX));
    assert_eq!(check(&mut Logged::default(), &registry, END), (vec![], Timestamp::MAX));
}

#[test]
fn another_end_gives_warnings_of_its_own() {
    let mut logged = Logged::default();
    assert_eq!(check(&mut logged, &registry(&[("a", Some(END))]), before(5, 0)).0, [3]);
    let later = Timestamp::from_unix(END.unix() + 20 * DAY);
    assert_eq!(check(&mut logged, &registry(&[("a", Some(later))]), before(5, 0)).0, [1]);
    // The former end again, as from a source that is not stable.
    assert_eq!(check(&mut logged, &registry(&[("a", Some(END))]), before(5, 0)).0, [0; 0]);
}

#[test]
fn a_clock_that_is_set_back_repeats_no_warning() {
    let (mut logged, registry) = (Logged::default(), registry(&[("a", Some(END))]));
    assert_eq!(check(&mut logged, &registry, before(6, 0)).0, [3]);
    assert_eq!(check(&mut logged, &registry, before(20, 0)), (vec![], before(14, 0)));
    assert_eq!(check(&mut logged, &registry, before(14, 0)).0, [0; 0]);
}

#[test]
fn the_help_names_the_successor_if_there_is_one() {
    let help = |ends: &[(&str, Option<Timestamp>)]| {
        let registry = registry(ends);
        let logged = Logged::default();
        let (due, _) = logged.due(&registry, before(5, 0));
        due[0].help("application.credential")
    };
    let later = Some(Timestamp::from_unix(END.unix() + DAY));
    for other in [None, later] {
        let help = help(&[("a", Some(END)), ("b", other)]);
        assert_eq!(help, "let the application switch to \"b\", and then remove this one");
    }
    for ends in [&[("a", Some(END))][..], &[("a", Some(END)), ("b", Some(END))]] {
        assert!(help(ends).starts_with("register the successor as a second [[application.credential]], "));
    }
}

#[test]
fn the_soonest_expiry_comes_first() {
    let registry = registry(&[("a", Some(END)), ("b", Some(before(1, 0)))]);
    let logged = Logged::default();
    let (due, _) = logged.due(&registry, before(5, 0));
    let names: Vec<_> = due.iter().map(|warning| warning.credential.name).collect();
    assert_eq!(names, ["b", "a"]);
}
