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
mod suggest;

use std::{fmt, sync::Arc, thread::JoinHandle};

use serde::Serialize;
use tokio::sync::watch;

use self::{
    plan::{Domain, Plan},
    renew::Renewals,
};
use crate::{
    clock::{Clock, Timestamp},
    config::settings::Settings,
    load::{AcmeFile, Issued, issued},
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

/// What the edge would do about a domain whose certificate is ordered.
#[derive(Debug, Serialize)]
pub struct Outlook {
    domain: String,
    /// The end of the validity of the present certificate; `None` if there is none that can be used.
    not_after: Option<Timestamp>,
    /// When the next one is ordered.
    renewed_at: Option<Timestamp>,
    /// Why one is ordered at the start, and where.
    order: Option<String>,
}

impl Outlook {
    /// What it would do about each such domain.
    pub fn of(settings: &Settings, now: Timestamp) -> impl Iterator<Item = Self> {
        let plan = Plan::of(settings);
        let directory = settings.acme.as_ref().map(|acme| acme.directory.value.to_string());
        let directory = directory.unwrap_or_default();
        plan.into_iter().flat_map(|plan| plan.domains).map(move |Domain { name, file }| {
            let ordered = |why| (None, None, Some(format!("{why}: `run` orders one from {directory}")));
            let (not_after, renewed_at, order) = match issued(&file, &name, now) {
                AcmeFile::Valid(Issued { validity, .. }) if validity.not_after < now => {
                    ordered(format!("{} has expired (on {})", file.value.display(), validity.not_after))
                }
                AcmeFile::Valid(Issued { validity, .. }) => {
                    (Some(validity.not_after), Some(schedule::due(&name, validity)), None)
                }
                AcmeFile::Missing => ordered(format!("no certificate in {}", file.value.display())),
                AcmeFile::Invalid(why) => ordered(why),
            };
            Self { domain: name.to_string(), not_after, renewed_at, order }
        })
    }
}

/// A line for the operator.
impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acme    {}: ", self.domain)?;
        if let Some(order) = &self.order {
            f.write_str(order)?;
        }
        if let (Some(not_after), Some(due)) = (self.not_after, self.renewed_at) {
            write!(f, "its certificate expires on {not_after}, and is renewed from {due} on")?;
        }
        f.write_str("\n")
    }
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
