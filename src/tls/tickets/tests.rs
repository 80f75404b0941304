use std::{collections::HashSet, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{clock::FixedClock, tls::ClientAuth};

const BEGIN: Timestamp = Timestamp::from_unix(1_800_000_000);
const HOUR: u64 = 3600;
/// The state that rustls passes to `encrypt`.
const PLAIN: &[u8] = b"a session as rustls writes it";

/// This many seconds after [`BEGIN`].
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

fn rotating(context: Context, clock: &FixedClock) -> Tickets {
    let keys = Keys::Rotating(Arc::new(RotatingKeys::new(context, BEGIN).unwrap()));
    Tickets { keys, lifetime: Duration::from_secs(HOUR), clock: Clock::Fixed(clock.clone()) }
}

/// Runs this within one handshake.
fn handshake<T>(act: impl FnOnce() -> T) -> T {
    HANDSHAKE.sync_scope(Cell::default(), act)
}

/// A certificate that expires this many seconds after [`BEGIN`].
fn certificate(ends: u64) -> CertificateDer<'static> {
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.not_after = time::OffsetDateTime::from_unix_timestamp(after(ends).unix()).unwrap();
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().clone()
}

fn present(tickets: &Tickets, certificate: &CertificateDer<'_>) {
    record_certificate(certificate, tickets.clock.now());
}

#[test]
fn a_ticket_needs_the_key_domain_and_client_auth() {
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
    assert_eq!(takes(&rotating(usual(), &clock)), None);
}

#[test]
fn the_first_key_encrypts() {
    let clock = FixedClock::new(BEGIN);
    let ticket = handshake(|| shared(&[1, 2], &usual(), &clock).encrypt(PLAIN).unwrap());
    assert!(handshake(|| shared(&[1], &usual(), &clock).decrypt(&ticket)).is_some());
    assert!(handshake(|| shared(&[2], &usual(), &clock).decrypt(&ticket)).is_none());
}

#[test]
fn no_ticket_outside_a_handshake() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    assert_eq!(tickets.encrypt(PLAIN), None);
    assert_eq!(tickets.lifetime(), 0);
    let ticket = handshake(|| tickets.encrypt(PLAIN).unwrap());
    assert_eq!(tickets.decrypt(&ticket), None);
}

#[test]
fn session_lifetime_counts_from_the_full_handshake() {
    for keys in
        [|clock: &FixedClock| shared(&[1], &usual(), clock), |clock: &FixedClock| rotating(usual(), clock)]
    {
        let clock = FixedClock::new(BEGIN);
        let tickets = keys(&clock);
        let mut ticket = handshake(|| {
            present(&tickets, &certificate(100 * HOUR));
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
fn a_ticket_expires_with_the_certificate() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    let ticket = handshake(|| {
        present(&tickets, &certificate(10));
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
fn no_ticket_for_expired_or_unparsable_certificate() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    clock.set(after(20));
    for leaf in [certificate(20), CertificateDer::from(vec![0x30, 0])] {
        handshake(|| {
            present(&tickets, &leaf);
            assert_eq!(tickets.encrypt(PLAIN), None);
            assert_eq!(tickets.lifetime(), 0);
        });
    }
}

#[test]
fn a_certificate_replaces_a_ticket_that_is_not_resumed() {
    let clock = FixedClock::new(BEGIN);
    let tickets = shared(&[1], &usual(), &clock);
    let old = handshake(|| {
        present(&tickets, &certificate(100 * HOUR));
        tickets.encrypt(PLAIN).unwrap()
    });
    clock.set(after(HOUR / 2));
    handshake(|| {
        tickets.decrypt(&old).unwrap();
        present(&tickets, &certificate(HOUR / 2 + 7));
        tickets.encrypt(PLAIN).unwrap();
        assert_eq!(tickets.lifetime(), 7);
    });
}

#[test]
fn a_clock_that_is_ahead_does_not_extend_a_ticket() {
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
fn random_ticket_keys_are_rotated() {
    let clock = FixedClock::new(BEGIN);
    let tickets = rotating(usual(), &clock);
    let Keys::Rotating(keys) = &tickets.keys else { unreachable!() };
    let seal = || handshake(|| tickets.encrypt(PLAIN).unwrap());
    let name = |ticket: &[u8]| ticket[..16].to_vec();
    let first = seal();
    clock.set(after(HOUR - 1));
    assert_eq!(name(&first), name(&seal()));
    clock.set(after(HOUR));
    let second = seal();
    assert_ne!(name(&first), name(&second));
    // The former key still decrypts, whether or not the ticket has expired.
    assert!(keys.at(after(HOUR), tickets.lifetime).unwrap().open(&first).is_some());
    clock.set(after(2 * HOUR));
    let third = seal();
    assert!(keys.at(after(2 * HOUR), tickets.lifetime).unwrap().open(&first).is_none());
    assert!(handshake(|| tickets.decrypt(&third)).is_some());
    // After a long pause not even the former key is kept.
    clock.set(after(9 * HOUR));
    seal();
    assert!(keys.at(after(9 * HOUR), tickets.lifetime).unwrap().open(&third).is_none());
    // A clock that is set back must not keep a key for longer.
    let fourth = seal();
    clock.set(after(0));
    assert_ne!(name(&fourth), name(&seal()));
}

#[test]
fn workers_that_rotate_concurrently_agree_on_the_keys() {
    let clock = FixedClock::new(BEGIN);
    let tickets = rotating(usual(), &clock);
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
    fn a_modified_ticket_is_rejected(plain in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0..8_u32) {
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
    fn arbitrary_bytes_are_not_a_ticket_and_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let tickets = shared(&[1, 2], &usual(), &FixedClock::new(BEGIN));
        prop_assert_eq!(handshake(|| tickets.decrypt(&bytes)), None);
        let name = handshake(|| tickets.encrypt(PLAIN)).unwrap()[..16].to_vec();
        prop_assert_eq!(handshake(|| tickets.decrypt(&[name, bytes].concat())), None);
    }
}
