//! How the edge judges a token: now, and when that changes. The judgement is that of the request path, asked for several times.

use std::{collections::BTreeSet, fmt::Write, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    authenticate::{AssertionRules, Attempt, Denial, JWT, Mechanism, Proof, judge_client, read_assertion},
    authorization_request::{Outside, RequestObject},
    clock::Timestamp,
    jose::{Claims, Jws, TimeRules},
    replay::ReplayStore,
    site::{Domain, Site},
    trust::{Application, ClientId, Issuer},
};

/// A token to be judged.
pub(super) struct Judged<'a> {
    pub(super) token: &'a str,
    /// Its claims, as far as they can be decoded.
    pub(super) claims: Option<&'a Map<String, Value>>,
    /// The client that sends it; `None`: the one that it names.
    pub(super) client_id: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl Judged<'_> {
    fn client(&self, claim: &str) -> Option<ClientId> {
        let named = || self.claims?.get(claim)?.as_str();
        self.client_id.or_else(named).map(ClientId::new)
    }

    /// The times at which the judgement may change, by these rules.
    fn boundaries(&self, rules: TimeRules) -> BTreeSet<Timestamp> {
        let mut all = BTreeSet::from([self.now]);
        let Ok(jws) = Jws::parse(self.token) else { return all };
        let Ok(claims) = Claims::parse(jws.payload()) else { return all };
        let skew = seconds(rules.skew);
        all.extend(["iat", "nbf"].iter().filter_map(|claim| Some(claims.time(claim).ok()?? - skew)));
        if let Ok(Some(end)) = claims.time("exp") {
            all.insert(end);
            all.extend(rules.max_life.map(|life| end - seconds(life) - skew));
        }
        all
    }
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}

/// The verdict on an assertion, for each domain that it may be meant for.
pub(super) fn assertion(site: &Site, judged: &Judged<'_>) -> String {
    let Some(client_id) = judged.client("sub") else {
        return "REFUSED: it names no client (sub): give --client-id to see the first rule that it breaks\n"
            .to_owned();
    };
    let application = site.trust.registry.application(client_id.as_str());
    let boundaries = with_ends(judged.boundaries(TimeRules::ASSERTION), application);
    let judge = |domain: &Domain, now| {
        // A store of its own: whether the jti was used, only the running edge knows.
        let used = ReplayStore::new(Timestamp::MIN);
        let assertions = AssertionRules {
            issuer: domain.issuer.as_ref(),
            fapi: domain.security_profile.is_some(),
            used: &used,
            limit: 1,
        };
        let mechanism = Mechanism::Assertion { kind: JWT, assertion: judged.token };
        let attempt = Attempt { client_id: &client_id, mechanism, presented: None, assertions, now };
        match judge_client(&site.trust, attempt) {
            Ok(Some(proof)) => Ok(by(&proof)),
            Ok(None) => {
                Ok(": its client is not registered, and [trust] unknown_applications = \"forward\""
                    .to_owned())
            }
            Err(Denial::Binding { proved: true, cause, .. }) => {
                Ok(format!(" with a client certificate besides ({cause})"))
            }
            Err(denial) => Err(denial.to_string()),
        }
    };
    let mut text = of_domains(site, judged, &boundaries, judge);
    text.push_str("an edge accepts it once, and not if it was issued before the edge started\n");
    text
}

fn by(proof: &Proof) -> String {
    let credential = proof.credential.and_then(|index| proof.application.credential_at(index));
    credential.map_or_else(
        || " by a key of the application's jwks_uri".to_owned(),
        |credential| format!(" by the credential {:?}", credential.name),
    )
}

/// The verdict on a request object, for each domain that it may be meant for.
pub(super) fn request_object(site: &Site, judged: &Judged<'_>) -> String {
    let Some(client_id) = judged.client("client_id") else {
        return "REFUSED: it names no client (client_id): give --client-id to see the first rule that it breaks\n".to_owned();
    };
    let Some(application) = site.trust.registry.application(client_id.as_str()) else {
        return format!("REFUSED: no application is registered as \"{client_id}\"\n");
    };
    let boundaries = with_ends(judged.boundaries(RequestObject::TIMES), Some(application));
    of_domains(site, judged, &boundaries, |domain, now| {
        let outside = Outside { request: Some(judged.token), ..Outside::default() };
        let issuer = domain.issuer.as_ref();
        match RequestObject::verify(judged.token, application, &outside, issuer, now) {
            Ok(verified) => Ok(format!(" by the request key {:?}", verified.key.name)),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// The verdict on an assertion without a configuration.
pub(super) fn assertion_alone(judged: &Judged<'_>) -> String {
    let client_id = judged.client("sub").unwrap_or_else(|| ClientId::new(""));
    // The first audience is taken for the issuer, so that another one is reported.
    let audience = judged.claims.and_then(|claims| claims.get("aud"));
    let first = audience.and_then(|aud| aud.as_str().or_else(|| aud.as_array()?.first()?.as_str()));
    let issuer = Issuer::new(first.unwrap_or_default(), [""; 0]);
    let used = ReplayStore::new(Timestamp::MIN);
    let rules = AssertionRules { issuer: Some(&issuer), fapi: false, used: &used, limit: 1 };
    let judge = |now| read_assertion(judged.token, &client_id, rules, now).map(|()| String::new());
    let text = when(judged.now, &judged.boundaries(TimeRules::ASSERTION), |now| {
        judge(now).map_err(|error| error.to_string())
    });
    format!("{text}\n{ALONE}")
}

/// What cannot be judged without a configuration.
const ALONE: &str =
    "the signature, aud and the client were not compared with anything registered: give --config\n";

/// The verdict on a request object without a configuration: its form and its times.
pub(super) fn request_object_alone(judged: &Judged<'_>) -> String {
    let judge = |now| {
        let jws = Jws::parse(judged.token).map_err(|error| error.to_string())?;
        let claims = Claims::parse(jws.payload()).map_err(|error| error.to_string())?;
        RequestObject::TIMES.judge(&claims, now).map(|_| String::new()).map_err(|error| error.to_string())
    };
    let text = when(judged.now, &judged.boundaries(RequestObject::TIMES), judge);
    format!("{text}\nonly its form and its times were judged. {ALONE}")
}

/// Adds the times at which the application's credentials expire.
fn with_ends(
    mut boundaries: BTreeSet<Timestamp>,
    application: Option<&Arc<Application>>,
) -> BTreeSet<Timestamp> {
    let registrations = application.into_iter().flat_map(|application| application.registrations());
    boundaries.extend(registrations.filter_map(|(_, credential)| credential.expires_at));
    boundaries
}

/// The verdict of each domain whose issuer the token addresses; of all domains if there is none.
fn of_domains(
    site: &Site,
    judged: &Judged<'_>,
    boundaries: &BTreeSet<Timestamp>,
    judge: impl Fn(&Domain, Timestamp) -> Result<String, String>,
) -> String {
    let audience = judged.claims.and_then(|claims| claims.get("aud"));
    let one = audience.and_then(Value::as_str);
    let several = audience.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let audiences: Vec<&str> = one.into_iter().chain(several).collect();
    let is_addressed = |domain: &&Arc<Domain>| {
        domain.issuer.as_ref().is_some_and(|issuer| audiences.iter().any(|aud| issuer.accepts(aud)))
    };
    let mut domains: Vec<&Arc<Domain>> = site.domains.values().filter(is_addressed).collect();
    if domains.is_empty() {
        domains = site.domains.values().collect();
    }
    let mut text = String::new();
    for domain in domains {
        let verdict = when(judged.now, boundaries, |now| judge(domain, now));
        let _ = writeln!(text, "{}: {verdict}", domain.name);
    }
    text
}

/// The judgement now, and when it changes. Between two boundaries it is the same.
fn when(
    now: Timestamp,
    boundaries: &BTreeSet<Timestamp>,
    judge: impl Fn(Timestamp) -> Result<String, String>,
) -> String {
    let accepted = |time: &&Timestamp| judge(**time).is_ok();
    let later = || boundaries.iter().filter(|time| **time > now);
    let end_after = |begin: Timestamp| {
        let end = boundaries.iter().filter(|time| **time > begin).find(|time| judge(**time).is_err());
        end.map_or_else(String::new, |end| format!(" until {end} ({})", distance(*end, now)))
    };
    let rule = match judge(now) {
        Ok(by) => return format!("accepted now{by}{}", end_after(now)),
        Err(rule) => rule,
    };
    let change = if let Some(begin) = later().find(accepted) {
        format!("accepted from {begin} ({}){}", distance(*begin, now), end_after(*begin))
    } else if let Some(begin) = boundaries.iter().filter(|time| **time < now).find(accepted) {
        format!("was accepted from {begin}{}", end_after(*begin))
    } else {
        "no time changes that".to_owned()
    };
    format!("REFUSED now: {rule}; {change}")
}

/// How far a time is from now.
pub(super) fn distance(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.seconds_since(now);
    let length = humantime::format_duration(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {length}"),
        _ => format!("{length} ago"),
    }
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
            if (at(from)..at(until)).contains(&time) { Ok(String::new()) } else { Err("a rule".to_owned()) }
        })
    }

    #[test]
    fn a_verdict_says_when_it_changes() {
        let (from, until) = (at(100), at(400));
        assert_eq!(verdict(340, 100, 400), format!("accepted now until {until} (in 1m)"));
        assert_eq!(
            verdict(40, 100, 400),
            format!("REFUSED now: a rule; accepted from {from} (in 1m) until {until} (in 6m)")
        );
        assert_eq!(
            verdict(460, 100, 400),
            format!("REFUSED now: a rule; was accepted from {from} until {until} (1m ago)")
        );
        assert_eq!(verdict(40, 100, 100), "REFUSED now: a rule; no time changes that");
    }
}
