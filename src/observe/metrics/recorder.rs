//! One worker's handle on its own metrics.

use std::{marker::PhantomData, ops::Deref, rc::Rc, sync::Arc};

use super::WorkerMetrics;

/// Records into one worker's metrics. It can't leave the thread, since cells have one writer.
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
        /// What one worker records. Aligned, so that no two workers write to one cache line.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct WorkerMetrics {
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl WorkerMetrics {
            /// Adds up what the workers have.
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
