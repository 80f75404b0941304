//! What the traffic of the last minute says of the edge's health: users suffer though every part of it works.
//!
//! A stranger who is refused must not be able to make an edge look degraded while others are served: that is a warning at most.

mod pace;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use self::pace::Pace;
use super::health::Kind;
use crate::{
    clock::Timestamp,
    observe::metrics::{BreakOff, CloseReason, HandshakeFailure, Outcome, Responses, Totals},
};

/// The time that is looked back.
const WINDOW: Duration = Duration::from_secs(60);
/// The fewest server errors, and the fewest handshakes that fail by their PROXY header, that are reported.
const FEW: u64 = 3;
/// The fewest failed handshakes, if they are at least half of all, and the fewest closed connections, that are reported.
const MANY: u64 = 10;
/// Server errors are reported if they are more than one of so many responses.
const ONE_OF: u64 = 20;

/// The totals of the last minute.
#[derive(Debug, Default)]
pub struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The oldest first: the newest of those that are older than [`WINDOW`], and all younger ones.
    totals: VecDeque<(Instant, Totals)>,
    /// Since when there is each trouble, by its kind and its domain.
    since: BTreeMap<(Kind, String), Timestamp>,
    /// The responses of each domain at the last sample.
    looked: BTreeMap<String, Responses>,
    /// The responses of a domain when it had recovered: what was before does not count any more.
    recovered: BTreeMap<String, Responses>,
}

/// A problem of the traffic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// The domain that it concerns; empty if it is not one.
    pub(super) domain: String,
    /// A sentence.
    pub(super) what: String,
    pub(super) since: Timestamp,
}

impl Recent {
    /// Adds the totals at a time, which is also `at` by the clock.
    pub(super) fn add(&self, now: Instant, totals: Totals, at: Timestamp) {
        self.troubles(&totals, at);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.note_recovered(&totals);
        // The first sample may come after the first traffic. At the start there was none.
        let totals = if state.totals.is_empty() { Totals::default() } else { totals };
        state.totals.push_back((now, totals));
        while state.totals.get(1).is_some_and(|(then, _)| now.duration_since(*then) >= WINDOW) {
            state.totals.pop_front();
        }
    }

    /// What is wrong with the traffic between the totals of a minute ago, or of the start, and these, at a time by the clock.
    pub(super) fn troubles(&self, totals: &Totals, at: Timestamp) -> Vec<Trouble> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let nothing = Totals::default();
        let before = state.totals.front().map_or(&nothing, |(_, totals)| totals);
        let found = found(before, totals, &state.recovered);
        let former = mem::take(&mut state.since);
        let mut trouble = |(kind, domain, what)| {
            let key = (kind, domain);
            let since = former.get(&key).copied().unwrap_or(at);
            state.since.insert(key.clone(), since);
            Trouble { kind, domain: key.1, what, since }
        };
        found.into_iter().map(&mut trouble).collect()
    }
}

impl State {
    /// A domain has recovered once a request has succeeded since the last sample, and none has failed: an operator who has cured it does not wait for a
    /// minute to see that. Not at every look: the fewer requests between two looks, the likelier all of them succeed.
    fn note_recovered(&mut self, totals: &Totals) {
        for (domain, now) in &totals.responses {
            let looked = self.looked.get(domain).copied().unwrap_or_default();
            let is_clean = now.successes > looked.successes && errors(now) == errors(&looked);
            if is_clean && self.since.contains_key(&(Kind::ServerErrors, domain.clone())) {
                self.recovered.insert(domain.clone(), *now);
            }
        }
        self.looked.clone_from(&totals.responses);
    }
}

const fn errors(Responses { server_errors, failures, .. }: &Responses) -> u64 {
    *server_errors + *failures
}

/// The kinds of what is wrong, each with the domain that it concerns, if it is one, and a sentence.
fn found(
    before: &Totals,
    now: &Totals,
    recovered: &BTreeMap<String, Responses>,
) -> Vec<(Kind, String, String)> {
    let mut found = server_errors(before, now, recovered);
    let all = [
        handshakes(before, now),
        connections(before, now),
        cancelled(before, now),
        broken_off(before, now),
        log_lines(before, now),
    ];
    found.extend(all.into_iter().flatten().map(|(kind, what)| (kind, String::new(), what)));
    found
}

fn server_errors(
    before: &Totals,
    now: &Totals,
    recovered: &BTreeMap<String, Responses>,
) -> Vec<(Kind, String, String)> {
    let mut found = Vec::new();
    for (domain, total) in &now.responses {
        let at = |all: &BTreeMap<String, Responses>| all.get(domain).copied().unwrap_or_default();
        let (former, recovered) = (at(&before.responses), at(recovered));
        let former = if recovered.all > former.all { recovered } else { former };
        let grown = |of: fn(&Responses) -> u64| of(total).saturating_sub(of(&former));
        let (all, errors) = (grown(|responses| responses.all), grown(errors));
        if errors < FEW || errors * ONE_OF <= all {
            continue;
        }
        let kind = if errors * 2 >= all { Kind::ServerErrors } else { Kind::SomeServerErrors };
        let whose = match (grown(|responses| responses.server_errors), grown(|responses| responses.failures))
        {
            (_, 0) => "the upstream itself responds so: see its log",
            (0, _) => "the edge itself responds so: see `code` and `reason` in its log",
            _ => {
                "some of the upstream and some of the edge itself: see `status`, `code` and `reason` in its log"
            }
        };
        let what = format!(
            "{errors} of {all} responses of the domain {domain:?} in the last minute are server errors (5xx); {whose}"
        );
        found.push((kind, domain.clone(), what));
    }
    found
}

fn handshakes(before: &Totals, now: &Totals) -> Option<(Kind, String)> {
    const PROXY_HEADER: &str = HandshakeFailure::ProxyHeader.value();
    const ALERT: &str = HandshakeFailure::Alert.value();
    const PRIVATE_KEY: &str = HandshakeFailure::PrivateKey.value();
    let of = |index| since(&before.handshake_failures, &now.handshake_failures, index);
    let failed: u64 = (0..HandshakeFailure::VALUES.len()).map(of).sum();
    let all = failed + now.handshakes.saturating_sub(before.handshakes);
    let (reason, most) = most(HandshakeFailure::VALUES, of)?;
    let is_header = reason == PROXY_HEADER && most >= FEW && most * 2 > failed && failed == all;
    if !is_header && (failed < MANY || failed * 2 < all) {
        return None;
    }
    let look = match reason {
        PROXY_HEADER => {
            "compare what the load balancer sends with proxy_protocol and trusted_proxies of [listen]"
        }
        ALERT => {
            "clients end a handshake by an alert if they do not trust the server certificate, for example; \"handshake failed\" in the log names the alert"
        }
        PRIVATE_KEY => {
            "the PKCS#11 token of a private key does not sign; \"handshake failed\" in the log has its error"
        }
        _ => "see \"handshake failed\" in the log",
    };
    let what = format!(
        "{failed} of {all} TLS handshakes of the last minute have failed, {most} by {reason}: {look}"
    );
    let is_served = since(&before.requests, &now.requests, Outcome::Forwarded as usize) > 0;
    Some((if is_header && !is_served { Kind::ProxyHeaders } else { Kind::HandshakesFailing }, what))
}

fn connections(before: &Totals, now: &Totals) -> Option<(Kind, String)> {
    const LIMITS: [(CloseReason, &str); 4] = [
        (CloseReason::Bound, "connections"),
        (CloseReason::Address, "connections_per_address"),
        (CloseReason::Handshakes, "handshakes"),
        (CloseReason::HandshakesOfAddress, "handshakes_per_address"),
    ];
    let of = |index: usize| {
        let reason = LIMITS.get(index).map_or(usize::MAX, |(reason, _)| *reason as usize);
        since(&before.connections_closed, &now.connections_closed, reason)
    };
    let closed: u64 = (0..LIMITS.len()).map(of).sum();
    if closed < MANY {
        return None;
    }
    let (limit, most) = most(&LIMITS.map(|(_, limit)| limit), of)?;
    let what = format!(
        "{closed} connections of the last minute were closed on arrival, since a limit was reached: {most} by {limit} of [limits]; the log says from where they came"
    );
    Some((Kind::ConnectionsRefused, what))
}

fn broken_off(before: &Totals, now: &Totals) -> Option<(Kind, String)> {
    let of = |cause| since(&before.responses_broken_off, &now.responses_broken_off, cause as usize);
    let (by_origin, unclear) = (of(BreakOff::Origin), of(BreakOff::Unclear));
    let broken = by_origin + unclear;
    let all = since(&before.requests, &now.requests, Outcome::Forwarded as usize).max(broken);
    if broken < FEW || broken * ONE_OF <= all {
        return None;
    }
    // Clients that stall cause the others: a stranger could.
    let is_degraded = by_origin >= FEW && by_origin * 2 >= all;
    let kind = if is_degraded { Kind::ResponsesBrokenOff } else { Kind::SomeResponsesBrokenOff };
    let unclear = match unclear {
        0 => String::new(),
        _ => format!(", {unclear} of them perhaps since their clients had stalled"),
    };
    let what = format!(
        "{broken} of {all} responses of the last minute were broken off by their upstream{unclear}: see \"a response broke off\", and the line with the same request_id, in the log"
    );
    Some((kind, what))
}

/// Clients that give up are often the only sign of an upstream that is too slow: what it would answer is never seen. If others wait, a slow
/// upstream explains even a few of them.
fn cancelled(before: &Totals, now: &Totals) -> Option<(Kind, String)> {
    let of = |outcome| since(&before.requests, &now.requests, outcome as usize);
    let cancelled = of(Outcome::Cancelled);
    let all = cancelled + of(Outcome::Forwarded) + of(Outcome::UpstreamFailed);
    let upstreams = pace::of_upstreams(before, now);
    let is_one_slow = upstreams.iter().any(Pace::is_slow);
    if cancelled < FEW || cancelled * if is_one_slow { ONE_OF } else { 2 } < all {
        return None;
    }
    let what = format!(
        "{cancelled} of {all} requests of the last minute ended before they were answered, mostly since clients wait no longer; {}; see `aborted` and `upstream_microseconds` in the log",
        pace::described(&upstreams)
    );
    Some((Kind::RequestsCancelled, what))
}

fn log_lines(before: &Totals, now: &Totals) -> Option<(Kind, String)> {
    let lost = now.log_lines_unread.saturating_sub(before.log_lines_unread);
    let what = format!(
        "{lost} log lines of the last minute are lost: what reads standard error, or the disk of the log file, has stopped or is too slow; `successes` of [log] logs fewer lines"
    );
    (lost > 0).then_some((Kind::LogFailing, what))
}

/// How much a count has grown.
fn since(before: &[u64], now: &[u64], index: usize) -> u64 {
    let at = |counts: &[u64]| counts.get(index).copied().unwrap_or_default();
    at(now).saturating_sub(at(before))
}

/// The name with the highest count.
fn most<'a>(names: &[&'a str], of: impl Fn(usize) -> u64) -> Option<(&'a str, u64)> {
    names.iter().enumerate().map(|(index, name)| (*name, of(index))).max_by_key(|(_, count)| *count)
}

#[cfg(test)]
mod tests;
