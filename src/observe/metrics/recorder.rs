//! A worker's handle to its own metrics.

use std::{ops::Deref, rc::Rc, sync::Arc};

use super::{WorkerMetrics, traffic};

/// Records into one worker's metrics. It is not `Send`, since each cell has a single writer.
#[derive(Clone, Debug)]
pub struct Recorder(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Arc<WorkerMetrics>,
    traffic: traffic::Local,
}

impl Recorder {
    pub(super) fn new(metrics: Arc<WorkerMetrics>) -> Self {
        let traffic = traffic::Local::of(Arc::clone(&metrics));
        Self(Rc::new(Inner { metrics, traffic }))
    }

    /// The worker's traffic by route and upstream.
    #[must_use]
    pub fn traffic(&self) -> &traffic::Local {
        &self.0.traffic
    }
}

impl Deref for Recorder {
    type Target = WorkerMetrics;

    fn deref(&self) -> &WorkerMetrics {
        &self.0.metrics
    }
}

/// Declares the metrics that workers record: `/// Help.`, then `field: type = "name"`.
macro_rules! worker_metrics {
    ($(#[doc = $help:literal] $field:ident: $kind:ty = $name:literal,)*) => {
        /// The metrics that one worker records. Aligned, so that two workers never write to the same cache line.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct WorkerMetrics {
            $(#[doc = $help] pub $field: $kind,)*
            /// Traffic by route and upstream.
            pub(in crate::observe::metrics) traffic: traffic::Shared,
        }

        impl WorkerMetrics {
            /// Sums the workers' values.
            fn sum<'a>(workers: impl Iterator<Item = &'a Self> + Clone, families: &mut Families) {
                $(<$kind as cells::Recorded>::sum(
                    $name,
                    $help.trim_ascii(),
                    workers.clone().map(|worker| &worker.$field),
                    families,
                );)*
                traffic::collect(workers.map(|worker| &worker.traffic), families);
            }
        }
    };
}
pub(super) use worker_metrics;
