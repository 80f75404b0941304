//! Decides which certificate is ordered when, and what becomes of it.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch::Receiver;
use zeroize::Zeroizing;

use super::{
    order::{Failed, Ordering},
    plan::{Domain, Plan},
    schedule,
    state::{Retry, State},
    suggest::Suggestions,
};
use crate::{
    clock::{Clock, Timestamp},
    identity::Validity,
    load::{AcmeFile, Issued, issued},
    observe::{FailedOrder, Reloads, Renewal},
    text,
    tls::Challenges,
};

/// How often the folder is looked at for validations that another process has announced.
pub(super) const TICK: Duration = Duration::from_millis(300);
/// How often a certificate that is not due is looked at: another process may have replaced it, or the operator removed it.
const LOOK: Duration = Duration::from_secs(60);
/// How often that is after a failure, or while another process orders.
const LOOK_SOON: Duration = Duration::from_secs(1);
/// The longest time to the next order after a failure, in seconds: the longest pause that a CA can ask for, and an hour.
const MAX_WAIT: i64 = 90_000;

/// The plan that is in force, if anything is ordered.
type Plans = Receiver<Option<Arc<Plan>>>;

/// What orders certificates needs of the edge.
pub(super) struct Renewals {
    pub(super) reloads: Arc<Reloads>,
    pub(super) clock: Clock,
    pub(super) challenges: Challenges,
}

/// When the certificate of each domain is looked at next, and what the CA is asked.
#[derive(Default)]
struct Looks<'a>(HashMap<&'a str, Look>);

struct Look {
    /// When the next one follows.
    next: Timestamp,
    /// The certificate, if it is time to ask the CA when to renew it.
    question: Option<Issued>,
}

impl<'a> Looks<'a> {
    /// Whether the time has come for a domain. It has, too, if it is further away than any: the clock was set back.
    fn are_due(&self, domain: &str, now: Timestamp) -> bool {
        self.0.get(domain).is_none_or(|Look { next, .. }| *next <= now || *next > now + LOOK)
    }

    /// The next question: the longest due. The domain is looked at again after it.
    fn take_question(&mut self, plan: &'a Plan, suggestions: &Suggestions) -> Option<(&'a str, Issued)> {
        let waits = |domain: &&str| self.0.get(domain).is_some_and(|look| look.question.is_some());
        let waiting = plan.domains.iter().map(|domain| &*domain.name).filter(waits);
        let domain = waiting.min_by_key(|domain| suggestions.ask_at(domain))?;
        self.0.remove(domain)?.question.map(|present| (domain, present))
    }
}

fn is_in_force(plans: &Plans, plan: &Arc<Plan>) -> bool {
    plans.borrow().as_ref().is_some_and(|active| Arc::ptr_eq(active, plan))
}

/// Waits until a plan is in force by which this domain is not ordered, or in another way.
async fn superseded(plans: &mut Plans, plan: &Plan, domain: &Domain) {
    let orders =
        |active: &Option<Arc<Plan>>| active.as_ref().is_some_and(|active| active.orders(domain, plan));
    // An error: the edge ends.
    let _ = plans.wait_for(|active| !orders(active)).await;
}

/// Where the certificate of a domain stands.
enum Standing {
    /// It is not due before this time, unless the CA suggests so.
    Fresh(Timestamp, Issued),
    /// An order failed, and the next one follows at this time.
    Pausing,
    /// Another is to be ordered in place of the present one, after these failures.
    Due(Option<CertificateDer<'static>>, Option<Retry>),
}

impl Renewals {
    /// Orders by the plan in force, until its sender is gone.
    pub(super) async fn run(self, plans: Plans) {
        let mut ends = plans.clone();
        let ended = async { while ends.changed().await.is_ok() {} };
        tokio::select! {
            () = ended => {}
            () = self.answer(plans.clone()) => {}
            () = self.renew(plans.clone()) => {}
        }
    }

    /// Answers the validations that any process announces.
    async fn answer(&self, plans: Plans) {
        loop {
            let plan = plans.borrow().clone();
            let announced = plan.map(|plan| {
                State::new(&plan.acme.state).challenges(plan.domains.iter().map(|domain| &*domain.name))
            });
            if let Err(error) = self.challenges.set(&announced.unwrap_or_default()) {
                tracing::debug!(%error, "an ACME validation cannot be answered");
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Orders by the plan in force, if there is one.
    async fn renew(&self, mut plans: Plans) {
        let mut suggestions = Suggestions::default();
        loop {
            let plan = plans.borrow_and_update().clone();
            match plan {
                Some(plan) => {
                    suggestions.keep_for(&plan);
                    self.renew_by(&plan, &mut plans, &mut suggestions).await;
                }
                // An error: the edge ends.
                None => drop(plans.changed().await),
            }
        }
    }

    /// Orders what is due, one domain after the other, until another plan is in force. An order in progress is completed if it is one by
    /// that plan, too. Between the orders the CA is asked about one certificate at a time.
    async fn renew_by(&self, plan: &Arc<Plan>, plans: &mut Plans, suggestions: &mut Suggestions) {
        let (state, mut looks) = (State::new(&plan.acme.state), Looks::default());
        loop {
            for domain in &plan.domains {
                if looks.are_due(&domain.name, self.clock.now()) {
                    tokio::select! {
                        look = self.look(plan, domain, &state, suggestions) => looks.0.insert(&domain.name, look),
                        () = superseded(plans, plan, domain) => return,
                    };
                }
                if !is_in_force(plans, plan) {
                    return;
                }
            }
            // After the orders: the CA may not answer for long.
            if suggestions.may_ask(self.clock.now())
                && let Some((domain, present)) = looks.take_question(plan, suggestions)
            {
                tokio::select! {
                    () = suggestions.ask(plan, &state, domain, &present, &self.clock) => {}
                    Ok(()) = plans.changed() => return,
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Orders the certificate of a domain if it is due.
    async fn look(&self, plan: &Plan, domain: &Domain, state: &State, suggestions: &Suggestions) -> Look {
        let now = self.clock.now();
        let next = match self.standing(domain, state, suggestions) {
            Standing::Fresh(due, present) => {
                let is_asked = suggestions.are_outdated(&domain.name, &present, now);
                return Look { next: due.min(now + LOOK), question: is_asked.then_some(present) };
            }
            Standing::Pausing => now + LOOK_SOON,
            Standing::Due(..) => self.order(plan, domain, state, suggestions).await,
        };
        Look { next, question: None }
    }

    /// Orders the certificate of a domain, unless another process does. Returns when to look again.
    async fn order(
        &self,
        plan: &Plan,
        domain: &Domain,
        state: &State,
        suggestions: &Suggestions,
    ) -> Timestamp {
        let soon = self.clock.now() + LOOK_SOON;
        let _lock = match state.lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => return soon,
            Err(error) => return self.cannot_write(plan, domain, &error),
        };
        // Another process may have ordered it until now.
        let Standing::Due(present, retry) = self.standing(domain, state, suggestions) else { return soon };
        // An order that is interrupted counts as a failure, so that an edge that ends again and again does not use up what the CA allows.
        let interrupted = self.failed(retry.as_ref(), "the order was interrupted", true, None);
        if let Err(error) = state.put_retry(&domain.name, &interrupted) {
            return self.cannot_write(plan, domain, &error);
        }
        state.clear_challenges();
        tracing::info!(domain = &*domain.name, directory = %plan.acme.directory.value, "ordering a certificate");
        let replaces = present.and_then(|present| suggestions.replaced(&domain.name, &present));
        let ordering = Ordering { plan, domain: &domain.name, state, replaces };
        let outcome = match ordering.order().await {
            Ok(pem) => {
                self.install(domain, &pem).map_err(|why| Failed { why, is_placed: true, retry_after: None })
            }
            Err(failed) => Err(failed),
        };
        match outcome {
            Ok(renewal) => {
                state.forget_retry(&domain.name);
                self.reloads.orders.issued(&domain.name);
                self.reloads.orders.seen(&domain.name, Some(renewal), None);
                let (not_after, due) = (renewal.not_after, renewal.due);
                tracing::info!(domain = &*domain.name, %not_after, renewed_from = %due, "certificate issued");
            }
            Err(Failed { why, is_placed, retry_after }) => {
                let retry = self.failed(retry.as_ref(), &why, is_placed, retry_after);
                if let Err(error) = state.put_retry(&domain.name, &retry) {
                    return self.cannot_write(plan, domain, &error);
                }
                self.report(domain, &retry);
            }
        }
        soon
    }

    /// Reads how a domain's certificate stands, and shows it.
    fn standing(&self, domain: &Domain, state: &State, suggestions: &Suggestions) -> Standing {
        let now = self.clock.now();
        let present = match issued(&domain.file, &domain.name, now) {
            AcmeFile::Valid(issued) => Some(issued),
            AcmeFile::Missing | AcmeFile::Invalid(_) => None,
        };
        let renewal = present.as_ref().map(|present| Renewal {
            not_after: present.validity.not_after,
            due: suggestions.due(&domain.name, present),
        });
        let retry = state.retry(&domain.name);
        let is_due = renewal.is_none_or(|renewal| renewal.due <= now);
        let failure = match &retry {
            Some(Retry { since, next, why, .. }) => {
                Some(FailedOrder { since: *since, why: why.clone(), next: *next })
            }
            // Such as a folder that cannot be written.
            None => {
                self.reloads.orders.state(&domain.name).and_then(|state| state.failure).filter(|_| is_due)
            }
        };
        self.reloads.orders.seen(&domain.name, renewal, failure);
        match (renewal.zip(present), retry) {
            (Some((Renewal { due, .. }, present)), _) if due > now => Standing::Fresh(due, present),
            // A clock that was set back must not stop orders for long.
            (_, Some(retry)) if retry.next > now && retry.next.seconds_since(now) <= MAX_WAIT => {
                Standing::Pausing
            }
            (present, retry) => Standing::Due(present.map(|(_, present)| present.certificate), retry),
        }
    }

    /// The failures with another one.
    fn failed(
        &self,
        before: Option<&Retry>,
        why: &str,
        is_placed: bool,
        retry_after: Option<Duration>,
    ) -> Retry {
        let now = self.clock.now();
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let pause = schedule::pause(failures, is_placed).max(retry_after.unwrap_or_default());
        let since = before.map_or(now, |before| before.since);
        Retry { failures, since, next: now + pause, why: text::shown(&why) }
    }

    /// Checks what was issued, and replaces the domain's file with it.
    fn install(&self, domain: &Domain, pem: &Zeroizing<String>) -> Result<Renewal, String> {
        let unwritable = |error: io::Error| format!("cannot write {}: {error}", domain.file.value.display());
        let file = State::put_issued(&domain.file.value, pem.as_bytes()).map_err(unwritable)?;
        let now = self.clock.now();
        let validity = match issued(&domain.file.clone().map(|_| file.clone()), &domain.name, now) {
            AcmeFile::Valid(Issued { validity, .. }) if validity.not_after >= now => validity,
            AcmeFile::Valid(Issued { validity: Validity { not_after, .. }, .. }) => {
                return Err(format!("the issued certificate is rejected: it has expired (on {not_after})"));
            }
            AcmeFile::Missing => return Err("the issued certificate has disappeared".to_owned()),
            AcmeFile::Invalid(why) => return Err(format!("the issued certificate is rejected: {why}")),
        };
        let due = schedule::due(&domain.name, validity);
        std::fs::rename(&file, &domain.file.value).map_err(unwritable)?;
        if due <= now {
            return Err(format!(
                "the issued certificate is due for renewal already: it expires on {}",
                validity.not_after
            ));
        }
        Ok(Renewal { not_after: validity.not_after, due })
    }

    /// Shows that the folder cannot be written: no certificate is ordered then.
    fn cannot_write(&self, plan: &Plan, domain: &Domain, error: &io::Error) -> Timestamp {
        let why = format!("cannot write into {}: {error}", plan.acme.state.display());
        let mut retry = self.failed(None, &why, false, None);
        if let Some(before) = self.reloads.orders.state(&domain.name).and_then(|state| state.failure) {
            retry.since = before.since;
        }
        self.report(domain, &retry);
        retry.next
    }

    /// Shows a failure, and logs it if that is worth a line.
    fn report(&self, domain: &Domain, retry: &Retry) {
        let orders = &self.reloads.orders;
        let renewal = orders.state(&domain.name).and_then(|state| state.renewal);
        let Retry { since, next, why, failures } = retry;
        orders.seen(
            &domain.name,
            renewal,
            Some(FailedOrder { since: *since, why: why.clone(), next: *next }),
        );
        let then = match renewal {
            Some(Renewal { not_after, .. }) if not_after < self.clock.now() => "the active one has expired",
            Some(_) => "keeping the active one",
            None => "the domain is not served",
        };
        if orders.failed(&domain.name) {
            tracing::error!(
                domain = &*domain.name, why, failures, failing_since = %since, next = %next, then,
                "certificate not issued"
            );
        } else {
            tracing::debug!(domain = &*domain.name, why, failures, next = %next, "certificate not issued");
        }
    }
}
