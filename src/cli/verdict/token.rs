//! How the edge judges an assertion or a request object.

use std::{collections::BTreeSet, fmt::Write, sync::Arc, time::Duration};

use serde_json::Value;

use super::{AWAITS_KEY_SET, Rule, Verdict, by, forwarded, when};
use crate::{
    authenticate::{
        AssertionError, AssertionRules, Attempt, Denial, JWT, Mechanism, judge_client, read_assertion,
    },
    authorization_request::{Outside, RequestObject},
    cli::presented::Token,
    clock::Timestamp,
    jose::{Claims, Jws, TimeRules},
    replay::ReplayStore,
    site::{Authenticate, Domain, Route, SignedRequest, Site},
    tls::ClientAuth,
    trust::{Application, ClientId, Issuer, UnknownApplications},
};

/// A token to be judged.
pub(in crate::cli) struct Judged<'a> {
    pub(in crate::cli) token: &'a Token,
    /// The client that sends it; `None`: the one that it names.
    pub(in crate::cli) client_id: Option<&'a str>,
    pub(in crate::cli) now: Timestamp,
}

impl Judged<'_> {
    /// The verdict by a configuration, for each domain that the token may be meant for.
    pub(in crate::cli) fn by(&self, site: &Site) -> Verdict {
        if self.token.is_request_object { request_object(site, self) } else { assertion(site, self) }
    }

    /// What can be judged without a configuration.
    pub(in crate::cli) fn alone(&self) -> String {
        if self.token.is_request_object { request_object_alone(self) } else { assertion_alone(self) }
    }

    fn client(&self, claim: &str) -> Option<ClientId> {
        let named = || self.token.claims.as_ref()?.get(claim)?.as_str();
        self.client_id.or_else(named).map(ClientId::new)
    }

    /// The times at which the judgement may change, by these rules.
    fn boundaries(&self, rules: TimeRules) -> BTreeSet<Timestamp> {
        let mut all = BTreeSet::from([self.now]);
        let Ok(jws) = Jws::parse(&self.token.text) else { return all };
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

fn names_no_client(claim: &str) -> String {
    format!("it names no client ({claim}): give --client-id to see the first rule that it breaks")
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.unsigned_abs())
}

/// The verdict on an assertion, for each domain that it may be meant for.
fn assertion(site: &Site, judged: &Judged<'_>) -> Verdict {
    let Some(client_id) = judged.client("sub") else { return Verdict::refused(names_no_client("sub")) };
    let mechanism = Mechanism::Assertion { kind: JWT, assertion: &judged.token.text };
    if let Some(verdict) = forwarded(site, &client_id, mechanism) {
        return verdict;
    }
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
        if !domain.routes.iter().any(|route| route.authenticate == Authenticate::Client) {
            return Err("no route authenticates clients by their client_id".into());
        }
        let attempt = Attempt { client_id: &client_id, mechanism, presented: None, assertions, now };
        match judge_client(&site.trust, attempt) {
            Ok(proof) => Ok(proof.as_ref().map_or_else(String::new, by)),
            Err(Denial::Binding { proved: true, .. }) if domain.client_auth == ClientAuth::Off => {
                Err("its tokens are bound to a certificate, and none is requested (client_auth = \"off\")"
                    .into())
            }
            Err(Denial::Binding { proved: true, cause, .. }) => {
                Ok(format!(" with a client certificate besides ({cause})"))
            }
            Err(denial) => {
                let rule = Rule::from(&denial);
                Err(match denial {
                    Denial::Assertion { error, .. } if matches!(*error, AssertionError::NoKeySet) => {
                        Rule { otherwise: AWAITS_KEY_SET, ..rule }
                    }
                    _ => rule,
                })
            }
        }
    };
    let mut verdict = of_domains(site, judged, &boundaries, judge);
    verdict.text.push_str("an edge accepts it once, and not if it was issued before the edge started\n");
    verdict
}

/// The verdict on a request object, for each domain that it may be meant for.
fn request_object(site: &Site, judged: &Judged<'_>) -> Verdict {
    let Some(client_id) = judged.client("client_id") else {
        return Verdict::refused(names_no_client("client_id"));
    };
    let Some(application) = site.trust.registry.application(client_id.as_str()) else {
        return match site.trust.unknown_applications {
            UnknownApplications::Refuse => Verdict::refused(Denial::UnknownClient(client_id)),
            UnknownApplications::Forward => Verdict::not_judged(
                &client_id,
                "a route with signed_request = \"require\" refuses its request objects, and others forward them without a verdict",
            ),
        };
    };
    let boundaries = with_ends(judged.boundaries(RequestObject::TIMES), Some(application));
    of_domains(site, judged, &boundaries, |domain, now| {
        let reads = |route: &Route| route.signed_request != SignedRequest::Off;
        if domain.security_profile.is_none() && !domain.routes.iter().any(reads) {
            return Err("no route verifies request objects (signed_request)".into());
        }
        let outside = Outside { request: Some(&judged.token.text), ..Outside::default() };
        let issuer = domain.issuer.as_ref();
        match RequestObject::verify(&judged.token.text, application, &outside, issuer, now) {
            Ok(verified) => Ok(format!(" by the request key {:?}", verified.key.name)),
            Err(error) => Err(error.into()),
        }
    })
}

/// The verdict on an assertion without a configuration.
fn assertion_alone(judged: &Judged<'_>) -> String {
    let client_id = judged.client("sub").unwrap_or_else(|| ClientId::new(""));
    // The first audience is taken for the issuer, so that another one is reported.
    let audience = judged.token.claims.as_ref().and_then(|claims| claims.get("aud"));
    let first = audience.and_then(|aud| aud.as_str().or_else(|| aud.as_array()?.first()?.as_str()));
    let issuer = Issuer::new(first.unwrap_or_default(), [""; 0]);
    let used = ReplayStore::new(Timestamp::MIN);
    let rules = AssertionRules { issuer: Some(&issuer), fapi: false, used: &used, limit: 1 };
    let judge = |now| read_assertion(&judged.token.text, &client_id, rules, now).map(|()| String::new());
    let verdict =
        when(judged.now, &judged.boundaries(TimeRules::ASSERTION), |now| judge(now).map_err(Rule::from));
    format!("{}\n{ALONE}", verdict.text)
}

/// What cannot be judged without a configuration.
const ALONE: &str =
    "the signature, aud and the client were not compared with anything registered: give --config\n";

/// The verdict on a request object without a configuration: its form and its times.
fn request_object_alone(judged: &Judged<'_>) -> String {
    let judge = |now| {
        let jws = Jws::parse(&judged.token.text)?;
        let claims = Claims::parse(jws.payload())?;
        RequestObject::TIMES.judge(&claims, now)?;
        Ok(String::new())
    };
    let verdict = when(judged.now, &judged.boundaries(RequestObject::TIMES), judge);
    format!("{}\nonly its form and its times were judged. {ALONE}", verdict.text)
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
    judge: impl Fn(&Domain, Timestamp) -> Result<String, Rule>,
) -> Verdict {
    let audience = judged.token.claims.as_ref().and_then(|claims| claims.get("aud"));
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
    let mut all = Verdict::default();
    for domain in domains {
        let Verdict { text, is_accepted } = when(judged.now, boundaries, |now| judge(domain, now));
        let _ = writeln!(all.text, "{}: {text}", domain.name);
        all.is_accepted |= is_accepted;
    }
    all.add_awaiting(site);
    all
}
