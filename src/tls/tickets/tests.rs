use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    clock::FixedClock,
    config::{Source, Span, Spanned},
    tls::ClientAuth,
};

const BEGIN: Timestamp = Timestamp::from_unix(1_800_000_000);
const HOUR: u64 = 3600;
/// What rustls hands over.
const PLAIN: &[u8] = b"a session as rustls writes it";

/// So many seconds after the begin.
fn after(seconds: u64) -> Timestamp {
    BEGIN + Duration::from_secs(seconds)
}

fn context(domain: &str, client_auth: ClientAuth) -> Context {
    Context { domain: domain.into(), client_auth }
}

fn usual() -> Context {
    context("m.example", ClientAuth::Required)
}

fn shared(secrets: &[u8], context: &Context, clock: &FixedClock) -> Tickets {
    let keys = secrets.iter().map(|secret| TicketKey::derive(&[*secret; 32], context).unwrap()).collect();
    Tickets {
        keys: Keys::Shared(keys),
        lifetime: Duration::from_secs(HOUR),
        clock: Clock::Fixed(clock.clone()),
    }
}

fn own(context: Context, clock: &FixedClock) -> Tickets {
    let keys = Keys::Own(Arc::new(OwnKeys::new(context, BEGIN).unwrap()));
    Tickets { keys, lifetime: Duration::from_secs(HOUR), clock: Clock::Fixed(clock.clone()) }
}

/// Does this within one handshake.
fn handshake<T>(act: impl FnOnce() -> T) -> T {
    HANDSHAKE.sync_scope(Cell::default(), act)
}

/// A certificate that ends so many seconds after the begin.
fn certificate(ends: u64) -> CertificateDer<'static> {
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.not_after = time::OffsetDateTime::from_unix_timestamp(after(ends).unix()).unwrap();
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn shown(tickets: &Tickets, certificate: &CertificateDer<'_>) {
    certificate_shown(certificate, tickets.clock.now());
}

#[test]
fn a_ticket_is_taken_by_who_has_the_key_of_the_same_domain_and_rule() {
    let clock = FixedClock::new(BEGIN);
    let one = shared(&[1], &usual(), &clock);
    let ticket = handshake(|| one.encrypt(PLAIN).unwrap());
    let takes = |other: &Tickets| handshake(|| other.decrypt(&ticket));
    assert_eq!(takes(&shared(&[1], &usual(), &clock)).as_deref(), Some(PLAIN));
    assert_eq!(takes(&shared(&[2, 1], &usual(), &clock)).as_deref(), Some(PLAIN));
    assert_eq!(takes(&shared(&[2], &usual(), &clock)), None);
    assert_eq!(takes(&shared(&[1], &context("other.example", ClientAuth::Required), &clock)), None);
    assert_eq!(takes(&shared(&[1], &context("m.example", ClientAuth::Optional), &clock)), None);
    assert_eq!(takes(&shared(&[1], &context("m.example", ClientAuth::Off), &clock)), None);
    assert_eq!(takes(&own(usual(), &clock)), None);
}

#[test]
fn the_first_key_seals() {
    let clock = FixedClock::new(BEGIN);
    let ticket = handshake(|| shared(&[1, 2], &usual(), &clock).encrypt(PLAIN).unwrap());
    assert!(handshake(|| shared(&[1], &usual(), &clock).decrypt(&ticket)).is_some());
    assert!(handshake(|| shared(&[2], &usual(), &clock).decrypt(&ticket)).is_none());
}

#[test]
fn outside_of_a_handshake_no_ticket_is_made_or_taken() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    assert_eq!(tickets.encrypt(PLAIN), None);
    assert_eq!(tickets.lifetime(), 0);
    let ticket = handshake(|| tickets.encrypt(PLAIN).unwrap());
    assert_eq!(tickets.decrypt(&ticket), None);
}

#[test]
fn the_lifetime_counts_from_the_full_handshake_however_often_a_session_is_resumed() {
    for keys in [|clock: &FixedClock| shared(&[1], &usual(), clock), |clock: &FixedClock| own(usual(), clock)]
    {
        let clock = FixedClock::new(BEGIN);
        let tickets = keys(&clock);
        let mut ticket = handshake(|| {
            shown(&tickets, &certificate(100 * HOUR));
            let ticket = tickets.encrypt(PLAIN).unwrap();
            assert_eq!(u64::from(tickets.lifetime()), HOUR);
            ticket
        });
        for passed in [HOUR / 4, HOUR / 2, HOUR - 1] {
            clock.set(after(passed));
            ticket = handshake(|| {
                assert_eq!(tickets.decrypt(&ticket).unwrap(), PLAIN, "after {passed} s");
                let ticket = tickets.encrypt(PLAIN).unwrap();
                assert_eq!(u64::from(tickets.lifetime()), HOUR - passed);
                ticket
            });
        }
        clock.set(after(HOUR));
        assert_eq!(handshake(|| tickets.decrypt(&ticket)), None);
    }
}

#[test]
fn a_ticket_ends_with_the_certificate() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    let ticket = handshake(|| {
        shown(&tickets, &certificate(10));
        let ticket = tickets.encrypt(PLAIN).unwrap();
        assert_eq!(tickets.lifetime(), 10);
        ticket
    });
    clock.set(after(9));
    handshake(|| {
        assert!(tickets.decrypt(&ticket).is_some());
        tickets.encrypt(PLAIN).unwrap();
        assert_eq!(tickets.lifetime(), 1);
    });
    clock.set(after(10));
    assert_eq!(handshake(|| tickets.decrypt(&ticket)), None);
}

#[test]
fn who_shows_a_certificate_that_has_ended_or_is_none_gets_no_ticket() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    clock.set(after(20));
    for leaf in [certificate(20), CertificateDer::from(vec![0x30, 0])] {
        handshake(|| {
            shown(&tickets, &leaf);
            assert_eq!(tickets.encrypt(PLAIN), None);
            assert_eq!(tickets.lifetime(), 0);
        });
    }
}

#[test]
fn a_certificate_counts_more_than_a_ticket_that_was_not_resumed() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    let old = handshake(|| {
        shown(&tickets, &certificate(100 * HOUR));
        tickets.encrypt(PLAIN).unwrap()
    });
    clock.set(after(HOUR / 2));
    handshake(|| {
        tickets.decrypt(&old).unwrap();
        shown(&tickets, &certificate(HOUR / 2 + 7));
        tickets.encrypt(PLAIN).unwrap();
        assert_eq!(tickets.lifetime(), 7);
    });
}

#[test]
fn a_clock_that_is_ahead_does_not_make_a_ticket_last() {
    let (ahead, clock) = (FixedClock::new(BEGIN), FixedClock::new(BEGIN));
    ahead.set(after(5 * HOUR));
    let ticket = handshake(|| shared(&[1], &usual(), &ahead).encrypt(PLAIN).unwrap());
    let tickets = shared(&[1], &usual(), &clock);
    handshake(|| {
        tickets.decrypt(&ticket).unwrap();
        assert_eq!(u64::from(tickets.lifetime()), HOUR);
    });
}

#[test]
fn own_keys_are_replaced_in_time_and_the_former_ones_forgotten() {
    let clock = FixedClock::new(BEGIN);
    let tickets = own(usual(), &clock);
    let Keys::Own(keys) = &tickets.keys else { unreachable!() };
    let seal = || handshake(|| tickets.encrypt(PLAIN).unwrap());
    let name = |ticket: &[u8]| ticket[..16].to_vec();
    let first = seal();
    clock.set(after(HOUR - 1));
    assert_eq!(name(&first), name(&seal()));
    clock.set(after(HOUR));
    let second = seal();
    assert_ne!(name(&first), name(&second));
    // The former key still opens; whether the ticket is void is another question.
    assert!(keys.at(after(HOUR), tickets.lifetime).unwrap().open(&first).is_some());
    clock.set(after(2 * HOUR));
    let third = seal();
    assert!(keys.at(after(2 * HOUR), tickets.lifetime).unwrap().open(&first).is_none());
    assert!(handshake(|| tickets.decrypt(&third)).is_some());
    // After a long rest not even the last one is needed.
    clock.set(after(9 * HOUR));
    seal();
    assert!(keys.at(after(9 * HOUR), tickets.lifetime).unwrap().open(&third).is_none());
    // A clock that is set back must not keep a key for longer.
    let fourth = seal();
    clock.set(after(0));
    assert_ne!(name(&fourth), name(&seal()));
}

#[test]
fn workers_that_replace_keys_at_once_agree_on_them() {
    let clock = FixedClock::new(BEGIN);
    let tickets = own(usual(), &clock);
    for round in 1..50 {
        clock.set(after(round * HOUR));
        let names: HashSet<Vec<u8>> = std::thread::scope(|scope| {
            let seal = || handshake(|| tickets.encrypt(PLAIN).unwrap()[..16].to_vec());
            let threads = [(); 4].map(|()| scope.spawn(seal));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 1);
    }
}

#[test]
fn a_session_too_large_for_a_ticket_gets_none() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    assert!(handshake(|| tickets.encrypt(&vec![0; 48 * 1024])).unwrap().len() < 1 << 16);
    assert_eq!(handshake(|| tickets.encrypt(&vec![0; 48 * 1024 + 1])), None);
}

proptest! {
    #[test]
    fn what_was_changed_in_any_way_is_no_ticket(plain in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0..8_u32) {
        let tickets = shared(&[1], &usual(), &FixedClock::new(BEGIN));
        handshake(|| {
            let mut ticket = tickets.encrypt(&plain).unwrap();
            prop_assert_eq!(tickets.decrypt(&ticket), Some(plain));
            let at = at.index(ticket.len());
            prop_assert_eq!(tickets.decrypt(&ticket[..at]), None);
            ticket[at] ^= 1_u8 << bit;
            prop_assert_eq!(tickets.decrypt(&ticket), None);
            ticket[at] ^= 1_u8 << bit;
            ticket.push(0);
            prop_assert_eq!(tickets.decrypt(&ticket), None);
            Ok(())
        })?;
    }

    #[test]
    fn no_bytes_make_a_ticket_or_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let tickets = shared(&[1, 2], &usual(), &FixedClock::new(BEGIN));
        prop_assert_eq!(handshake(|| tickets.decrypt(&bytes)), None);
        let name = handshake(|| tickets.encrypt(PLAIN)).unwrap()[..16].to_vec();
        prop_assert_eq!(handshake(|| tickets.decrypt(&[name, bytes].concat())), None);
    }
}

fn read(path: &Path) -> Result<TicketSecrets, String> {
    let place = Span { source: Arc::new(Source::empty()), range: 0..0 };
    let mut problems = Vec::new();
    let secrets = ticket_secrets(&Spanned { value: path.to_owned(), span: place }, &mut problems);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    secrets.ok_or(told.join("\n").replace(&path.display().to_string(), "FILE"))
}

const A: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const B: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=";

#[test]
fn a_file_holds_a_key_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    for text in [format!("{A}\n{B}\n"), format!("# the one in use\r\n{A}\r\n\r\n  {B}")] {
        fs::write(&path, &text).unwrap();
        for mode in [0o600, 0o640, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let secrets = read(&path).unwrap();
            let secrets: Vec<&[u8]> = secrets.iter().map(<[u8; 32]>::as_slice).collect();
            assert_eq!(secrets, [b"01234567890123456789012345678901", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ123456"]);
        }
    }
    assert_eq!(format!("{:?}", read(&path).unwrap()), "TicketSecrets(2)");
}

#[test]
fn a_file_that_does_not_do_is_told_of_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let make = "make one: (umask 077; openssl rand -base64 32 > FILE)";
    let line = "write a line for each key, as `openssl rand -base64 32` prints it";
    let many =
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map(|first| [first, &A[1..], "\n"].concat()).concat();
    for (text, what, help) in [
        (String::new(), " holds no key".to_owned(), make),
        ("# none yet\n\n".to_owned(), " holds no key".to_owned(), make),
        (
            format!("{A}\nhunter2!\n"),
            ", line 2: found 8 characters that are no base64, expected 32 bytes in base64".to_owned(),
            line,
        ),
        (
            format!("#\nx{}\n", &A[1..20]),
            ", line 2: found 15 bytes, expected 32 bytes in base64".to_owned(),
            line,
        ),
        (
            format!("{}=\n", "A".repeat(43)),
            ", line 1: found 32 bytes that are all zero, expected 32 bytes in base64".to_owned(),
            line,
        ),
        (
            format!("{A}\n{B}\n{A}\n"),
            ", line 3: found the key of line 1 a second time".to_owned(),
            "remove one of the two lines",
        ),
        (
            many,
            ", line 9: found a key too many, expected at most 8".to_owned(),
            "remove the keys that no edge seals with any more",
        ),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap_err(), format!("edge.toml: domain.ticket_keys: FILE{what}; {help}"));
    }
    fs::write(&path, A).unwrap();
    for mode in [0o604, 0o602, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let expected = format!(
            "edge.toml: domain.ticket_keys: FILE can be read or written by others (mode {mode:o}): who has a key can pass for any application; make new keys, then: chmod 600 FILE"
        );
        assert_eq!(read(&path).unwrap_err(), expected);
    }
    fs::remove_file(&path).unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.starts_with("edge.toml: domain.ticket_keys: FILE can't be read: No such file"), "{error}");
}
