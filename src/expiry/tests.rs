use super::*;
use crate::{
    identity::Thumbprint,
    trust::{ApplicationSpec, AuthMethod, Change, ClientId, CredentialSpec, Registered, Registry},
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

fn credentials(ends: &[(&str, Option<Timestamp>)]) -> CredentialEnds {
    CredentialEnds::of(&registry(ends))
}

fn due<'a>(logged: &Logged, credentials: &'a CredentialEnds, now: Timestamp) -> (Vec<Due<'a>>, Timestamp) {
    logged.due(of_credentials(credentials.within(AHEAD, now).0), now)
}

/// Logs what is due: the stages that had passed, and when the next is due.
fn check(logged: &mut Logged, credentials: &CredentialEnds, now: Timestamp) -> (Vec<usize>, Timestamp) {
    let (due, next) = due(logged, credentials, now);
    for due in &due {
        logged.insert(due);
    }
    logged.complete(now);
    (due.iter().map(|due| due.passed).collect(), next)
}

/// Of an edge that started long before the end.
fn logged() -> Logged {
    Logged::since(before(1000, 0))
}

#[test]
fn each_stage_is_due_once() {
    let (mut logged, credentials) = (logged(), credentials(&[("a", Some(END))]));
    assert_eq!(
        check(&mut logged, &credentials, before(40, 0)),
        (vec![], Timestamp::MAX),
        "the next reading is within the hour"
    );
    assert_eq!(check(&mut logged, &credentials, before(31, -1)), (vec![], before(30, 0)));
    assert_eq!(check(&mut logged, &credentials, before(30, 1)), (vec![], before(30, 0)));
    for (passed, days, next) in [(1, 30, 14), (2, 14, 7), (3, 7, 1), (4, 1, 0)] {
        assert_eq!(check(&mut logged, &credentials, before(days, 0)), (vec![passed], before(next, 0)));
        assert_eq!(check(&mut logged, &credentials, before(days, -1)), (vec![], before(next, 0)));
    }
    assert_eq!(check(&mut logged, &credentials, before(0, 1)), (vec![], END));
    assert_eq!(check(&mut logged, &credentials, END), (vec![5], Timestamp::MAX));
    assert_eq!(check(&mut logged, &credentials, END.next()), (vec![], Timestamp::MAX));
    logged.complete(before(-1, 0));
    assert!(logged.reported.is_empty());
}

#[test]
fn a_start_between_two_stages_gives_one_line() {
    let credentials = credentials(&[("a", Some(END))]);
    let start = |now: Timestamp| check(&mut Logged::since(now), &credentials, now);
    assert_eq!(start(before(10, 0)), (vec![2], before(7, 0)));
    assert_eq!(start(before(0, 1)), (vec![4], END));
    // The load of the configuration has reported it.
    assert_eq!(start(END), (vec![], Timestamp::MAX));
}

#[test]
fn an_end_that_was_not_logged_in_time_is_logged_later() {
    let (mut logged, credentials) = (Logged::since(before(0, 1)), credentials(&[("a", Some(END))]));
    let (late, _) = due(&logged, &credentials, before(-2, 0));
    assert_eq!(late.len(), 1, "too many lines at once");
    assert_eq!(check(&mut logged, &credentials, before(-3, 0)).0, [5]);
    assert_eq!(check(&mut logged, &credentials, before(-4, 0)).0, [0; 0]);
}

#[test]
fn another_end_gives_warnings_of_its_own() {
    let mut logged = logged();
    assert_eq!(check(&mut logged, &credentials(&[("a", Some(END))]), before(5, 0)).0, [3]);
    let later = Timestamp::from_unix(END.unix() + 20 * DAY);
    assert_eq!(check(&mut logged, &credentials(&[("a", Some(later))]), before(5, 0)).0, [1]);
    // The former end again, as from a source that is not stable.
    assert_eq!(check(&mut logged, &credentials(&[("a", Some(END))]), before(5, 0)).0, [0; 0]);
}

#[test]
fn a_clock_that_is_set_back_repeats_no_line() {
    let (mut logged, credentials) = (logged(), credentials(&[("a", Some(END))]));
    assert_eq!(check(&mut logged, &credentials, before(6, 0)).0, [3]);
    assert_eq!(check(&mut logged, &credentials, before(20, 0)), (vec![], before(14, 0)));
    assert_eq!(check(&mut logged, &credentials, before(14, 0)).0, [0; 0]);
    assert_eq!(check(&mut logged, &credentials, END).0, [5]);
    for now in [before(0, 60), END, END.next()] {
        assert_eq!(check(&mut logged, &credentials, now).0, [0; 0]);
    }
}

#[test]
fn the_help_names_the_successor_if_there_is_one() {
    let help = |ends: &[(&str, Option<Timestamp>)]| {
        let credentials = credentials(ends);
        due(&logged(), &credentials, before(5, 0)).0[0].ending.help()
    };
    let later = Some(Timestamp::from_unix(END.unix() + DAY));
    for other in [None, later] {
        let help = help(&[("a", Some(END)), ("b", other)]);
        assert_eq!(help, "let the application switch to \"b\", and then remove this one");
    }
    assert!(
        help(&[("a", Some(END))])
            .starts_with("register the successor as a second [[application.credential]], ")
    );
    // A third is refused.
    let both = help(&[("a", Some(END)), ("b", Some(END))]);
    assert!(
        both.starts_with("replace one of the two [[application.credential]] by the successor, "),
        "{both}"
    );
}

#[test]
fn the_soonest_expiry_comes_first() {
    let credentials = credentials(&[("a", Some(END)), ("b", Some(before(1, 0)))]);
    let logged = logged();
    let (due, _) = due(&logged, &credentials, before(5, 0));
    let names = due.iter().map(|due| match due.ending.thing {
        Thing::Credential { credential, .. } => credential.name,
        _ => "",
    });
    assert_eq!(names.collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn credentials_come_after_what_concerns_everybody() {
    let credentials = credentials(&[("a", Some(before(1, 0)))]);
    let own = Ending { thing: Thing::AdminCertificate, end: END };
    let logged = logged();
    let (due, _) = logged.due(of_credentials(credentials.within(AHEAD, END).0).chain([own]), before(0, 1));
    let names: Vec<_> = due.iter().map(|due| due.ending.thing.name()).collect();
    assert_eq!(names, ["admin certificate", "credential"]);
}

#[test]
fn what_has_expired_is_at_the_front_of_the_list() {
    // The first second in which each has expired: that of `expires_at`.
    let all = credentials(&[("a", Some(END)), ("b", Some(before(1, 0)))]);
    let expired = |now| {
        let (expired, valid) = all.expired(now);
        let names = |ends: &[CredentialEnd]| -> Vec<(String, bool)> {
            let name = |end: &CredentialEnd| (end.registered().unwrap().1.name.to_owned(), end.is_last);
            ends.iter().map(name).collect()
        };
        (names(expired), names(valid))
    };
    let (a, b) = (("a".to_owned(), true), ("b".to_owned(), false));
    assert_eq!(expired(before(1, 1)), (vec![], vec![b.clone(), a.clone()]));
    assert_eq!(expired(before(1, 0)), (vec![b.clone()], vec![a.clone()]));
    assert_eq!(expired(END), (vec![b, a], vec![]));
    assert_eq!(credentials(&[("a", Some(END)), ("b", None)]).expired(END).0.len(), 1);
    assert!(!credentials(&[("a", Some(END)), ("b", None)]).expired(END).0[0].is_last, "the other never ends");
}

#[test]
fn the_list_is_made_again_only_if_something_has_changed() {
    let calendar = Calendar::default();
    let mut registry = registry(&[("a", Some(END))]);
    let first = calendar.of(&registry);
    assert!(Arc::ptr_eq(&first, &calendar.of(&registry)));
    registry.apply(Change::Remove(ClientId::new("billing"))).unwrap();
    assert!(calendar.of(&registry).within(AHEAD, END).0.is_empty());
}
