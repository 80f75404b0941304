//! The registry from which exporters read all metrics.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Families, Recorder, Totals, WorkerMetrics};

/// A module with values that are read at the scrape.
pub trait Collector: Send + Sync {
    /// Sets the current values.
    fn collect(&self, families: &mut Families);

    /// Adds its share of the totals.
    fn add_to(&self, _totals: &mut Totals) {}
}

impl<F: Fn(&mut Families) + Send + Sync> Collector for F {
    fn collect(&self, families: &mut Families) {
        self(families);
    }
}

/// The metrics of all workers, and the collectors of other modules.
#[derive(Default)]
pub struct Registry {
    workers: Mutex<Vec<Arc<WorkerMetrics>>>,
    collectors: Mutex<Vec<Arc<dyn Collector>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Registers one more worker. Must be called on the worker's thread.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        let metrics = Arc::<WorkerMetrics>::default();
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&metrics));
        Recorder::new(metrics)
    }

    /// Registers a collector.
    pub fn add(&self, collector: impl Collector + 'static) {
        self.collectors.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(collector));
    }

    fn workers(&self) -> Vec<Arc<WorkerMetrics>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Not locked while they collect: one may read totals.
    fn collectors(&self) -> Vec<Arc<dyn Collector>> {
        self.collectors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a snapshot of all metrics.
    #[must_use]
    pub fn collect(&self) -> Families {
        let mut families = Families::default();
        WorkerMetrics::sum(self.workers().iter().map(Arc::as_ref), &mut families);
        for collector in self.collectors() {
            collector.collect(&mut families);
        }
        families
    }

    /// Sums what all requests have in common. Costs less than [`Registry::collect`], and does not depend on the number of applications.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::of(self.workers().iter().map(Arc::as_ref));
        for collector in self.collectors() {
            collector.add_to(&mut totals);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        export::prometheus,
        observe::metrics::{CloseReason, Descriptor, Outcome},
    };

    static OPEN: Descriptor<1> = Descriptor::gauge("open", ["what"], "Open.");

    #[test]
    fn counts_of_workers_add_up_also_after_a_worker_has_ended() {
        let registry = Arc::new(Registry::default());
        for _ in 0..3 {
            let of_worker = Arc::clone(&registry);
            let worker = std::thread::spawn(move || {
                let metrics = of_worker.recorder();
                metrics.requests.increment(Outcome::Forwarded);
                metrics.connections_closed.increment(CloseReason::Stalled);
                metrics.handshakes.increment();
                metrics.handshakes.increment();
            });
            worker.join().unwrap();
        }
        registry.add(|families: &mut Families| families.set(&OPEN, ["door"], 7));
        let text = prometheus::text(&registry.collect());
        for line in [
            "mtls_edge_requests_total{outcome=\"forwarded\"} 3",
            "mtls_edge_requests_total{outcome=\"refused\"} 0",
            "mtls_edge_connections_closed_total{reason=\"stalled\"} 3",
            "mtls_edge_handshakes_total 6",
            "open{what=\"door\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
