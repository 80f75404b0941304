//! When the CA suggests to renew a certificate: ACME renewal information (RFC 9773). A CA that must revoke certificates asks for new ones
//! before that.

use std::{collections::HashMap, sync::Arc, time::Duration};

use instant_acme::{Account, CertificateIdentifier, Error, Problem, RenewalInfo};
use rustls::pki_types::CertificateDer;

use super::{
    http::Http,
    order::RATE_LIMITED,
    plan::Plan,
    schedule,
    state::{State, StoredAccount},
};
use crate::{
    clock::{Clock, Timestamp},
    load::Issued,
    text,
};

const INTERNAL: &str = "urn:ietf:params:acme:error:serverInternal";

/// For the request and that of the directory.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest time to the next question, whatever the CA wants.
const SHORTEST: Duration = Duration::from_secs(60);
/// The time to the next question if this one is not answered.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);
/// The time to the next question to a CA that makes no suggestions: the longest.
const UNSUPPORTED: Duration = Duration::from_secs(86_400);
/// The time to the next question without an account, which the next order registers.
const WITHOUT_ACCOUNT: Duration = Duration::from_secs(60);

/// What the CA suggests for the certificates of the domains.
#[derive(Default)]
pub(super) struct Suggestions {
    /// The last answer about each domain's certificate.
    answers: HashMap<Box<str>, Suggestion>,
    /// The CA is asked nothing before this time.
    paused_until: Option<Timestamp>,
    /// By which they were made.
    plan: Option<Arc<Plan>>,
}

struct Suggestion {
    /// The certificate that it is about.
    certificate: CertificateIdentifier<'static>,
    /// When to renew it, if the CA has said so.
    renew_at: Option<Timestamp>,
    /// When the CA is asked again.
    ask_at: Timestamp,
}

impl Suggestions {
    /// Keeps what is about the domains of this plan, if it has the same CA as the last one.
    pub(super) fn keep_for(&mut self, plan: &Arc<Plan>) {
        if !self.plan.as_ref().is_some_and(|last| last.has_same_ca(plan)) {
            *self = Self::default();
        }
        self.answers.retain(|answered, _| plan.domains.iter().any(|domain| domain.name == *answered));
        self.plan = Some(Arc::clone(plan));
    }

    /// When the certificate of a domain is renewed: at two thirds of its lifetime, or earlier if the CA suggests so.
    pub(super) fn due(&self, domain: &str, present: &Issued) -> Timestamp {
        let own = schedule::due(domain, present.validity);
        let suggested = self.about(domain, &present.certificate).and_then(|suggestion| suggestion.renew_at);
        suggested.map_or(own, |suggested| suggested.min(own))
    }

    /// The name of a certificate in an order for the next one; none if the CA has shown no knowledge of it.
    pub(super) fn replaced(
        &self,
        domain: &str,
        present: &CertificateDer<'_>,
    ) -> Option<CertificateIdentifier<'static>> {
        let suggestion = self.about(domain, present)?;
        suggestion.renew_at.map(|_| suggestion.certificate.clone())
    }

    fn about(&self, domain: &str, present: &CertificateDer<'_>) -> Option<&Suggestion> {
        let certificate = identifier(present)?;
        self.answers.get(domain).filter(|suggestion| suggestion.certificate == certificate)
    }

    /// Whether the CA may be asked at all.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        self.paused_until.is_none_or(|until| has_come(until, now))
    }

    /// Whether it is time to ask about a certificate, if the CA may be asked.
    pub(super) fn are_outdated(&self, domain: &str, present: &Issued, now: Timestamp) -> bool {
        let Some(certificate) = identifier(&present.certificate) else { return false };
        let answer = self.answers.get(domain).filter(|answer| answer.certificate == certificate);
        answer.is_none_or(|answer| has_come(answer.ask_at, now))
    }

    /// From when on the CA is asked about a domain's certificate again; none if it was not asked yet.
    pub(super) fn ask_at(&self, domain: &str) -> Option<Timestamp> {
        self.answers.get(domain).map(|answer| answer.ask_at)
    }

    /// Asks the CA about a certificate.
    pub(super) async fn ask(
        &mut self,
        plan: &Plan,
        state: &State,
        domain: &str,
        present: &Issued,
        clock: &Clock,
    ) {
        let Some(certificate) = identifier(&present.certificate) else { return };
        // A CA without an account has issued nothing.
        let directory = plan.directory();
        let Some(account) = state.account().filter(|account| account.directory == directory) else {
            self.paused_until = Some(clock.now() + WITHOUT_ACCOUNT);
            return;
        };
        let former = self.about(domain, &present.certificate).and_then(|before| before.renew_at);
        let answer = tokio::time::timeout(TIMEOUT, renewal_info(plan, account, &certificate)).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::Other("no answer in time".into())));
        let (renew_at, pause) = match answer {
            Ok((info, pause)) => {
                let window = (info.suggested_window.start.into(), info.suggested_window.end.into());
                let renew_at = schedule::suggested(domain, present.validity, window);
                let is_earlier = renew_at.is_some_and(|at| at < schedule::due(domain, present.validity));
                if let Some(renew_at) = renew_at.filter(|at| is_earlier && former != Some(*at)) {
                    let explanation = info.explanation_url.as_ref().map(text::shown);
                    tracing::info!(domain, %renew_at, explanation, "the CA suggests an early renewal");
                }
                (renew_at, pause.max(SHORTEST))
            }
            Err(Error::Unsupported(_)) => {
                self.answers.clear();
                self.paused_until = Some(clock.now() + UNSUPPORTED);
                return;
            }
            Err(error) => {
                tracing::info!(domain, why = text::shown(&error), "the CA does not say when to renew");
                // A CA that does not respond is not asked about each domain: orders would wait for that.
                if !concerns_certificate(&error) {
                    self.paused_until = Some(clock.now() + AFTER_FAILURE);
                }
                (former, AFTER_FAILURE)
            }
        };
        let answer = Suggestion { certificate, renew_at, ask_at: clock.now() + pause };
        self.answers.insert(domain.into(), answer);
    }
}

/// Whether a time has come. It has, too, if it is further away than any: the clock was set back.
fn has_come(time: Timestamp, now: Timestamp) -> bool {
    time <= now || time > now + UNSUPPORTED
}

/// Whether the CA may answer about other certificates: it has none of this name, not too many questions or a fault.
fn concerns_certificate(error: &Error) -> bool {
    match error {
        Error::Api(Problem { r#type: Some(kind), .. }) => ![RATE_LIMITED, INTERNAL].contains(&kind.as_str()),
        // `Str`: a response without Retry-After, whatever its status is.
        Error::Api(_) | Error::Str(_) => true,
        _ => false,
    }
}

/// The name of a certificate (RFC 9773 section 4.1); none if it does not name the key of its issuer.
fn identifier(certificate: &CertificateDer<'_>) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(certificate).ok().map(CertificateIdentifier::into_owned)
}

/// What the CA says about a certificate, and how long it asks to wait until the next question.
async fn renewal_info(
    plan: &Plan,
    account: StoredAccount,
    certificate: &CertificateIdentifier<'_>,
) -> Result<(RenewalInfo, Duration), Error> {
    let http = Http::new(&plan.acme.directory.value, plan.acme.ca.as_ref().map(|ca| ca.value.clone()));
    let account = Account::builder_with_http(Box::new(http)).from_credentials(account.credentials).await?;
    account.renewal_info(certificate).await
}
