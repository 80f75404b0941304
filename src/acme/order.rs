//! One order: from the account to the certificate with its key.

use std::time::{Duration, Instant};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, NewOrder, Order,
    OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use zeroize::Zeroizing;

use super::{
    account::account,
    http::{Http, NoResponse},
    plan::Plan,
    state::State,
};
use crate::text;

/// How long after a validation is announced all processes that share the folder answer it. They look every [`super::renew::TICK`].
const ANNOUNCED: Duration = Duration::from_secs(1);
/// For the whole order.
const TIMEOUT: Duration = Duration::from_secs(300);
/// For each of the two steps in which the CA works: the validation, and the issuance.
const POLL: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

pub(super) const RATE_LIMITED: &str = "urn:ietf:params:acme:error:rateLimited";
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why an order failed.
pub(super) struct Failed {
    /// A sentence for the operator.
    pub(super) why: String,
    /// Whether the CA may count it as an order.
    pub(super) is_placed: bool,
    /// How long the CA asks to wait.
    pub(super) retry_after: Option<Duration>,
}

/// What an order needs.
pub(super) struct Ordering<'a> {
    pub(super) plan: &'a Plan,
    pub(super) domain: &'a str,
    pub(super) state: &'a State,
    /// The certificate in whose place the CA issues another, if the CA knows it (RFC 9773 section 5).
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
}

impl Ordering<'_> {
    /// Orders a certificate. Returns the chain and its new key in PEM.
    pub(super) async fn order(&self) -> Result<Zeroizing<String>, Failed> {
        let acme = &self.plan.acme;
        let http = Http::new(&acme.directory.value, acme.ca.as_ref().map(|ca| ca.value.clone()));
        let mut is_placed = false;
        let order = self.place(&http, &mut is_placed);
        let outcome = tokio::time::timeout(TIMEOUT, order)
            .await
            .unwrap_or_else(|_| Err(Error::Other(format!("not issued within {TIMEOUT:?}").into())));
        outcome.map_err(|error| {
            let mut retry_after = http.retry_after();
            let why = match &error {
                Error::Timeout(Some(next)) => {
                    let pause = next.saturating_duration_since(Instant::now());
                    retry_after = Some(pause);
                    format!("the CA is not done, and asks to wait for {} s", pause.as_secs())
                }
                Error::Api(problem) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                    // The next order registers another one.
                    self.state.forget_account();
                    format!("the CA does not know the account any more: {}", said(problem))
                }
                Error::Api(problem) => format!("the CA rejects the order: {}", said(problem)),
                _ => error.to_string(),
            };
            Failed { why, is_placed, retry_after }
        })
    }

    async fn place(&self, http: &Http, is_placed: &mut bool) -> Result<Zeroizing<String>, Error> {
        let account: Account = account(self.plan, self.state, http).await?;
        *is_placed = true;
        let identifiers = [Identifier::Dns(self.domain.to_owned())];
        let new = || {
            let new = NewOrder::new(&identifiers);
            self.plan.acme.profile.iter().fold(new, |new, profile| new.profile(profile))
        };
        let mut order = match self.replaces.clone() {
            None => account.new_order(&new()).await?,
            Some(replaced) => match account.new_order(&new().replaces(replaced)).await {
                // Such as after an interrupted order, or if another account ordered the certificate.
                Err(error) if may_concern_replaced(&error) => {
                    let why = text::shown(&error);
                    tracing::info!(
                        domain = self.domain,
                        why,
                        "an order that names the certificate it replaces failed; ordering without the name"
                    );
                    account.new_order(&new()).await?
                }
                placed => placed?,
            },
        };
        self.validate(&mut order).await?;
        let key = KeyPair::generate().map_err(other)?;
        let mut params = CertificateParams::new(vec![self.domain.to_owned()]).map_err(other)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(other)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&POLL).await?;
        let key = Zeroizing::new(key.serialize_pem());
        Ok(Zeroizing::new(format!("{}\n{}", chain.trim_end(), key.as_str())))
    }

    /// Proves control of the domain, unless the CA remembers an earlier proof.
    async fn validate(&self, order: &mut Order) -> Result<(), Error> {
        // Withdrawn however this ends: a future that is dropped cannot clean up otherwise.
        let mut announced = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => {
                    return Err(other(format!("the CA's authorization is {status:?}, expected pending")));
                }
            }
            let mut challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or_else(|| {
                other("the CA does not offer tls-alpn-01, the validation that the edge supports")
            })?;
            let digest = challenge.key_authorization().digest().as_ref().try_into();
            let digest = digest.map_err(|_| Error::Crypto)?;
            announced.push(self.state.announce(self.domain, &digest).map_err(other)?);
            tokio::time::sleep(ANNOUNCED).await;
            challenge.set_ready().await.map_err(of_validation)?;
        }
        match order.poll_ready(&POLL).await {
            Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
            Ok(_) => Err(refused(order).await),
            Err(error) => Err(of_validation(error)),
        }
    }
}

/// Whether an order that named the certificate it replaces may be accepted without it. CAs use various errors for that. Without a response, the
/// CA may have accepted the order.
fn may_concern_replaced(error: &Error) -> bool {
    match error {
        Error::Api(Problem { r#type: Some(kind), .. }) => {
            ![RATE_LIMITED, NO_ACCOUNT].contains(&kind.as_str())
        }
        Error::Other(why) => !why.is::<NoResponse>(),
        _ => true,
    }
}

/// Why the CA found the domain not validated.
async fn refused(order: &mut Order) -> Error {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let errors = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        if let Some(error) = errors.into_iter().next() {
            return not_validated(error);
        }
    }
    other("the CA could not validate the domain, and does not say why")
}

/// An error while the CA validates.
fn of_validation(error: Error) -> Error {
    match error {
        Error::Api(problem) => not_validated(&problem),
        other => other,
    }
}

fn not_validated(problem: &Problem) -> Error {
    other(format!("the CA could not validate the domain: {}", said(problem)))
}

/// The text of a problem, and its type.
fn said(problem: &Problem) -> String {
    let text = problem.to_string();
    text.strip_prefix("API error: ").unwrap_or(&text).to_owned()
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Other(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_a_response_is_not_placed_again() {
        let silent = NoResponse("no response within 30s".to_owned());
        assert!(!may_concern_replaced(&Error::Other(Box::new(silent))));
        // Of the client, if the response does not name the certificate.
        assert!(may_concern_replaced(&other("replaces field mismatch")));
    }
}
