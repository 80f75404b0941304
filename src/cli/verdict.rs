//! How the edge would judge what a client presents: now, and when that changes. The judgement is that of the request path, asked for
//! several times.

mod certificate;
mod token;

use std::{collections::BTreeSet, fmt::Write, process::ExitCode};

pub(super) use certificate::certificate;
pub(super) use token::Judged;

use super::print;
use crate::{
    authenticate::{AssertionRules, Attempt, Mechanism, Proof, judge_client},
    clock::{Clock, Timestamp},
    config::{Input, Severity},
    load::{Purpose, build},
    replay::ReplayStore,
    site::Site,
    source::crl,
    text::visible,
    trust::ClientId,
};

/// What the edge would do, for the operator.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// One line or several.
    pub(super) text: String,
    /// Whether at least one domain accepts it now.
    pub(super) is_accepted: bool,
}

impl Verdict {
    fn refused(rule: impl std::fmt::Display) -> Self {
        Self { text: format!("REFUSED: {}\n", visible(&rule.to_string())), is_accepted: false }
    }

    /// That of a client without a registration, of which this is said while [trust] unknown_applications = "forward".
    fn not_judged(client_id: &ClientId, what: &str) -> Self {
        let rule = format!("no application is registered as \"{client_id}\": {what}");
        let text = format!("NOT JUDGED: {}, by [trust] unknown_applications = \"forward\"\n", visible(&rule));
        Self { text, is_accepted: false }
    }

    /// Adds a line for each domain that serves nobody yet.
    fn add_awaiting(&mut self, site: &Site) {
        for name in &site.awaiting {
            let _ = writeln!(self.text, "{name}: not served until ACME has obtained its certificate");
        }
    }
}

/// The verdict on a client that the edge does not judge: it has no registration, and those clients are forwarded.
fn forwarded(site: &Site, client_id: &ClientId, mechanism: Mechanism<'_>) -> Option<Verdict> {
    let used = ReplayStore::new(Timestamp::MIN);
    let assertions = AssertionRules { issuer: None, fapi: false, used: &used, limit: 1 };
    let attempt = Attempt { client_id, mechanism, presented: None, assertions, now: Timestamp::MIN };
    let is_registered = site.trust.registry.application(client_id.as_str()).is_some();
    let is_forwarded = !is_registered && matches!(judge_client(&site.trust, attempt), Ok(None));
    is_forwarded.then(|| Verdict::not_judged(client_id, "its requests are forwarded without a verdict"))
}

/// The site of a configuration. Prints its errors if it has some, and returns the exit code.
pub(super) fn site(config: &Input) -> Result<Site, ExitCode> {
    let built = build(config, Purpose::Start, &Clock::System);
    let missing = built.site.as_ref().map(|(settings, _)| crl::missing(&settings.trust, Clock::System.now()));
    // The edge serves no site that lacks a CRL by which it would refuse.
    let problems = built.problems.into_iter().chain(missing.unwrap_or_default());
    let errors: Vec<_> = problems.filter(|problem| problem.severity == Severity::Error).collect();
    if !errors.is_empty() {
        print::problems(&errors);
    }
    built.site.filter(|_| errors.is_empty()).map(|(_, site)| site).ok_or(ExitCode::FAILURE)
}

/// By which of its application's credentials a proof was given.
fn by(proof: &Proof) -> String {
    let credential = proof.credential.and_then(|index| proof.application.credential_at(index));
    credential.map_or_else(
        || " by a key of the application's jwks_uri".to_owned(),
        |credential| format!(" by the credential {:?}", credential.name),
    )
}

/// What is said of a refusal that does not depend on the time.
const NO_TIME: &str = "waiting does not help";
/// What is said of a refusal that lasts until a fetch succeeds.
const AWAITS_KEY_SET: &str = "judged again once it is; `mtls-edge status` shows why a fetch fails";

/// Why the edge refuses.
struct Rule {
    text: String,
    /// What is said if it accepts at no other time.
    otherwise: &'static str,
}

impl<T: ToString> From<T> for Rule {
    fn from(text: T) -> Self {
        Self { text: text.to_string(), otherwise: NO_TIME }
    }
}

/// The judgement now, and when it changes. Between two boundaries it is the same.
fn when(
    now: Timestamp,
    boundaries: &BTreeSet<Timestamp>,
    judge: impl Fn(Timestamp) -> Result<String, Rule>,
) -> Verdict {
    let accepted = |time: &&Timestamp| judge(**time).is_ok();
    let later = || boundaries.iter().filter(|time| **time > now);
    let end_after = |begin: Timestamp| {
        let end = boundaries.iter().filter(|time| **time > begin).find(|time| judge(**time).is_err());
        end.map_or_else(String::new, |end| format!(" until {end} ({})", end.relative_to(now).in_two_units()))
    };
    let rule = match judge(now) {
        Ok(by) => {
            return Verdict { text: format!("accepted now{by}{}", end_after(now)), is_accepted: true };
        }
        Err(rule) => rule,
    };
    let change = if let Some(begin) = later().find(accepted) {
        format!("accepted from {begin} ({}){}", begin.relative_to(now).in_two_units(), end_after(*begin))
    } else if let Some(begin) = boundaries.iter().filter(|time| **time < now).find(accepted) {
        format!("was accepted from {begin}{}", end_after(*begin))
    } else {
        rule.otherwise.to_owned()
    };
    Verdict { text: format!("REFUSED now: {}; {change}", visible(&rule.text)), is_accepted: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    /// The verdict at `now` on what is accepted in this period.
    fn verdict(now: i64, from: i64, until: i64) -> String {
        let boundaries = [now, from, until].map(at).into();
        when(at(now), &boundaries, |time| {
            if (at(from)..at(until)).contains(&time) { Ok(String::new()) } else { Err("a rule".into()) }
        })
        .text
    }

    #[test]
    fn a_verdict_says_when_it_changes() {
        let (from, until) = (at(100), at(400));
        assert_eq!(verdict(340, 100, 400), format!("accepted now until {until} (in 1 min)"));
        assert_eq!(
            verdict(40, 100, 400),
            format!("REFUSED now: a rule; accepted from {from} (in 1 min) until {until} (in 6 min)")
        );
        assert_eq!(
            verdict(460, 100, 400),
            format!("REFUSED now: a rule; was accepted from {from} until {until} (1 min ago)")
        );
        assert_eq!(verdict(40, 100, 100), "REFUSED now: a rule; waiting does not help");
    }
}
