//! Certificates that renew themselves: orders them from a CA by ACME (RFC 8555), validated by TLS-ALPN-01 (RFC 8737), and writes them
//! into files. From there they are a change of a file like any other; requests and reloads never wait for a CA.
//!
//! Everything that outlives the process is in one folder ([`state`]), which several edges and processes may share: one of them orders at a
//! time, all of them answer the CA.

mod account;
mod http;
mod order;
mod plan;
mod renew;
mod schedule;
mod state;

use std::{sync::Arc, thread::JoinHandle};

use tokio::sync::watch;

use self::{
    plan::{Domain, Plan},
    renew::Renewals,
};
use crate::{
    clock::{Clock, Timestamp},
    config::settings::Settings,
    load::{AcmeFile, acme_validity},
    observe::Reloads,
    outbound,
    tls::Challenges,
};

pub use self::http::directory;

/// Orders the certificates of the configuration in the background, until it is dropped.
pub struct Renewer {
    reloads: Arc<Reloads>,
    clock: Clock,
    challenges: Challenges,
    running: Option<Running>,
}

struct Running {
    /// None: nothing is ordered. The thread ends when the sender is dropped.
    plan: watch::Sender<Option<Arc<Plan>>>,
    thread: JoinHandle<()>,
}

impl Renewer {
    /// Orders nothing yet. CAs are answered by `challenges`.
    #[must_use]
    pub fn new(reloads: Arc<Reloads>, clock: Clock, challenges: Challenges) -> Self {
        Self { reloads, clock, challenges, running: None }
    }

    /// From now on orders for the domains of these settings. The first domain starts a thread. An order in progress goes on unless what it
    /// depends on has changed.
    pub fn order_for(&mut self, settings: &Settings) {
        let plan = Plan::of(settings).map(Arc::new);
        let names = plan.iter().flat_map(|plan| &plan.domains).map(|domain| &*domain.name);
        self.reloads.orders.only(names);
        match (&self.running, plan) {
            (Some(running), plan) => {
                running.plan.send_if_modified(|active| {
                    let is_same = match (&*active, &plan) {
                        (Some(active), Some(plan)) => active.is_same(plan),
                        (active, plan) => active.is_none() && plan.is_none(),
                    };
                    if !is_same {
                        *active = plan;
                    }
                    !is_same
                });
            }
            (None, None) => {}
            (None, Some(plan)) => match self.start(plan) {
                Ok(running) => self.running = Some(running),
                Err(error) => tracing::error!(%error, "cannot start the thread that orders certificates"),
            },
        }
    }

    fn start(&self, plan: Arc<Plan>) -> std::io::Result<Running> {
        let (sender, receiver) = watch::channel(Some(plan));
        let runtime = outbound::runtime()?;
        let renewals = Renewals {
            reloads: Arc::clone(&self.reloads),
            clock: self.clock.clone(),
            challenges: self.challenges.clone(),
        };
        let thread = std::thread::Builder::new().name("acme".to_owned()).spawn(move || {
            runtime.block_on(renewals.run(receiver));
            // A name that is being resolved is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Running { plan: sender, thread })
    }
}

/// What the edge would do about each domain whose certificate is ordered: a line for the operator.
pub fn outlook(settings: &Settings, now: Timestamp) -> impl Iterator<Item = String> {
    let plan = Plan::of(settings);
    let directory = settings.acme.as_ref().map(|acme| acme.directory.value.to_string()).unwrap_or_default();
    plan.into_iter().flat_map(|plan| plan.domains).map(move |Domain { name, file }| {
        let order = format!("`run` orders one from {directory}");
        match acme_validity(&file, &name, now) {
            AcmeFile::Valid(validity) => {
                let due = schedule::due(&name, validity);
                format!(
                    "acme    {name}: its certificate expires on {}, and is renewed from {due} on\n",
                    validity.not_after
                )
            }
            AcmeFile::Missing => {
                format!("acme    {name}: no certificate in {}: {order}\n", file.value.display())
            }
            AcmeFile::Invalid(why) => format!("acme    {name}: {why}: {order}\n"),
        }
    })
}

impl Drop for Renewer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.plan);
            // It ends at once, whatever it waits for.
            let _ = running.thread.join();
        }
    }
}
