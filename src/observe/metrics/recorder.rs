//! A worker's handle to its own metrics.

use std::{marker::PhantomData, ops::Deref, rc::Rc, sync::Arc};

use super::WorkerMetrics;

/// Records into one worker's metrics. It is not `Send`, since each cell has a single writer.
#[derive(Clone, Debug)]
pub struct Recorder {
    metrics: Arc<WorkerMetrics>,
    on_one_thread: PhantomData<Rc<()>>,
}

impl Recorder {
    pub(super) fn new(metrics: Arc<WorkerMetrics>) -> Self {
        Self { metrics, on_one_thread: PhantomData }
    }
}

impl Deref for Recorder {
    type Target = WorkerMetrics;

    fn deref(&self) -> &WorkerMetrics {
        &self.metrics
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
            }
        }
    };
}
pub(super) use worker_metrics;
