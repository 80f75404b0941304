//! One changed application among many: time and memory of the change.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use mtls_edge::{
    identity::{DistinguishedName, Thumbprint},
    trust::{
        Application, ApplicationSpec, AuthMethod, Change, CredentialSpec, Registered, RegisteredSubject,
        Registry, Subject,
    },
};

/// Successive changes. Every state is retained, as if requests still used it.
const CHANGES: usize = 200;

/// An application with two credentials: by subject if the number is even, otherwise by thumbprint.
fn application(number: usize, round: usize) -> Application {
    let by_subject = number.is_multiple_of(2);
    let credentials = (0..2).map(|credential| {
        let text = format!("{number}-{round}-{credential}");
        let registered = if by_subject {
            let (dn, _) = DistinguishedName::parse(&format!("CN={text},O=Example Bank")).unwrap();
            Registered::Subject(RegisteredSubject { subject: Subject::Dn(dn), ca: None })
        } else {
            Registered::Certificate(Thumbprint::of(text.as_bytes()).into())
        };
        CredentialSpec::new(credential.to_string(), registered)
    });
    let method = if by_subject { AuthMethod::PkiTls } else { AuthMethod::SelfSignedTls };
    ApplicationSpec::new(format!("app-{number}"), method, credentials.collect()).try_into().unwrap()
}

/// The resident memory of this process in KB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Prints the cost of a change of one of `count` applications.
pub fn one_of(count: usize) {
    let mut registry = Registry::default();
    registry
        .apply_all((0..count).map(|number| Change::Put(Box::new(application(number, 0)))).collect())
        .unwrap();
    let changes: Vec<Change> =
        (1..=CHANGES).map(|round| Change::Put(Box::new(application(round * 7919 % count, round)))).collect();
    let mut states = Vec::with_capacity(CHANGES + 1);
    states.push(registry);
    let (before, start, mut longest) = (resident(), Instant::now(), Duration::ZERO);
    for change in changes {
        let begin = Instant::now();
        let mut next = states.last().unwrap().clone();
        next.apply(change).unwrap();
        states.push(next);
        longest = longest.max(begin.elapsed());
    }
    let each = start.elapsed() / u32::try_from(CHANGES).unwrap();
    let memory = resident().saturating_sub(before) / CHANGES;
    println!(
        "  {:<34} {} us, {} us at most, {memory} KB per retained state",
        format!("one of {count} applications changed"),
        each.as_micros(),
        longest.as_micros(),
    );
    black_box(states);
}
