//! When the CA suggests to renew a certificate: ACME renewal information (RFC 9773). A CA that must revoke certificates asks for new ones
//! before that.

use std::{collections::HashMap, time::Duration};

use instant_acme::{Account, CertificateIdentifier, Error, RenewalInfo};
use rustls::pki_types::CertificateDer;

use super::{http::Http, plan::Plan, schedule, state::State};
use crate::{
    clock::{Clock, Timestamp},
    load::Issued,
    text,
};

/// For the request and that of the directory.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest time to the next question, whatever the CA wants.
const SHORTEST: Duration = Duration::from_secs(60);
/// The time to the next question if this one is not answered.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);
/// The time to the next question to a CA that makes no suggestions.
const UNSUPPORTED: Duration = Duration::from_secs(86_400);

/// What the CA suggests for the certificates of the domains.
#[derive(Default)]
pub(super) struct Suggestions<'a>(HashMap<&'a str, Suggestion>);

struct Suggestion {
    /// The certificate that it is about.
    certificate: CertificateIdentifier<'static>,
    /// When to renew it, if the CA has said so.
    renew_at: Option<Timestamp>,
    /// When the CA is asked again.
    ask_at: Timestamp,
}

impl<'a> Suggestions<'a> {
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
        self.0.get(domain).filter(|suggestion| suggestion.certificate == certificate)
    }

    /// Asks the CA about a certificate, unless it is not time to. Returns whether it has asked.
    pub(super) async fn ask(
        &mut self,
        plan: &Plan,
        state: &State,
        domain: &'a str,
        present: &Issued,
        clock: &Clock,
    ) -> bool {
        let Some(certificate) = identifier(&present.certificate) else { return false };
        let (now, before) = (clock.now(), self.about(domain, &present.certificate));
        let ask_at = before.map_or(now, |before| before.ask_at);
        // A clock that was set back must not keep it from asking for long.
        if ask_at > now && ask_at <= now + UNSUPPORTED {
            return false;
        }
        let former = before.and_then(|before| before.renew_at);
        let answer = tokio::time::timeout(TIMEOUT, renewal_info(plan, state, &certificate)).await;
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
            Err(Error::Unsupported(_)) => (None, UNSUPPORTED),
            Err(error) => {
                tracing::info!(domain, why = text::shown(&error), "the CA does not say when to renew");
                (former, AFTER_FAILURE)
            }
        };
        self.0.insert(domain, Suggestion { certificate, renew_at, ask_at: clock.now() + pause });
        true
    }
}

/// The name of a certificate (RFC 9773 section 4.1); none if it does not name the key of its issuer.
fn identifier(certificate: &CertificateDer<'_>) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(certificate).ok().map(CertificateIdentifier::into_owned)
}

/// What the CA says about a certificate, and how long it asks to wait until the next question.
async fn renewal_info(
    plan: &Plan,
    state: &State,
    certificate: &CertificateIdentifier<'_>,
) -> Result<(RenewalInfo, Duration), Error> {
    // A CA without an account has issued nothing.
    let directory = plan.directory();
    let stored = state.account().filter(|stored| stored.directory == directory);
    let Some(stored) = stored else { return Err(Error::Unsupported("no account")) };
    let http = Http::new(&plan.acme.directory.value, plan.acme.ca.as_ref().map(|ca| ca.value.clone()));
    let account = Account::builder_with_http(Box::new(http)).from_credentials(stored.credentials).await?;
    account.renewal_info(certificate).await
}
