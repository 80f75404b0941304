//! Counters and histograms of one worker. Only the worker's own thread writes them, so an increment is a plain load and store
//! instead of a locked instruction; the scrape reads them.

use std::{
    fmt::Debug,
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::family::{Distribution, Families, Kind, Value};

/// One worker's counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    fn decrement(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    /// Adds a number.
    pub fn add(&self, count: u64) {
        // Not `fetch_add`: no other thread writes.
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One worker's number of something that begins and ends.
#[derive(Debug, Default)]
pub struct Gauge(Counter);

impl Gauge {
    /// Counts one that begins.
    pub fn begin(&self) {
        self.0.increment();
    }

    /// Counts one that has ended.
    pub fn end(&self) {
        self.0.decrement();
    }
}

/// The values of one label, or of several labels together, that are known when the edge is built. [`label!`] makes one of an enum.
pub trait Label: Copy + Debug + 'static {
    /// The names of the labels.
    const NAMES: &'static [&'static str];
    /// One counter per value.
    type Counters: AsRef<[Counter]> + Debug;

    /// Every value of each label, in the order of [`Label::index`].
    fn values() -> Vec<Vec<&'static str>>;

    /// Counters that are all zero.
    fn counters() -> Self::Counters;

    /// The index of this value in [`Label::values`].
    fn index(self) -> usize;
}

/// Declares an enum as the values of a label.
macro_rules! label {
    (
        $(#[$about:meta])*
        pub enum $name:ident: $label:literal { $($(#[$variant_about:meta])* $variant:ident = $value:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_about])* $variant,)*
        }

        impl $name {
            /// All values, as exporters show them.
            pub const VALUES: &'static [&'static str] = &[$($value),*];

            /// The value, as exporters show it.
            #[must_use]
            pub const fn value(self) -> &'static str {
                match self {
                    $(Self::$variant => $value,)*
                }
            }
        }

        impl $crate::observe::metrics::Label for $name {
            const NAMES: &'static [&'static str] = &[$label];
            type Counters = [$crate::observe::metrics::Counter; [$($value),*].len()];

            fn values() -> Vec<Vec<&'static str>> {
                Self::VALUES.iter().map(|value| vec![*value]).collect()
            }

            fn counters() -> Self::Counters {
                std::array::from_fn(|_| $crate::observe::metrics::Counter::default())
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use label;

/// One worker's counters, one per value of a label.
#[derive(Debug)]
pub struct Counters<L: Label>(L::Counters);

impl<L: Label> Default for Counters<L> {
    fn default() -> Self {
        Self(L::counters())
    }
}

impl<L: Label> Counters<L> {
    /// Sums the workers' counts, in the order of [`Label::values`].
    pub(super) fn sums<'a>(workers: impl Iterator<Item = &'a Self>) -> Vec<u64> {
        let mut sums = Vec::new();
        for counters in workers {
            sums.resize(counters.0.as_ref().len(), 0);
            for (sum, counter) in sums.iter_mut().zip(counters.0.as_ref()) {
                *sum += counter.get();
            }
        }
        sums
    }

    /// Adds one to the count of this value.
    pub fn increment(&self, label: L) {
        if let Some(counter) = self.0.as_ref().get(label.index()) {
            counter.increment();
        }
    }
}

/// The buckets of a histogram.
pub trait Buckets: Debug + 'static {
    /// The upper bounds, ascending. Larger observations are counted in an implicit last bucket.
    const BOUNDS: &'static [Duration];
}

/// Durations that one worker observed. Exporters show them in seconds.
#[derive(Debug)]
pub struct Histogram<B> {
    /// One per bound, and one for larger observations.
    buckets: Box<[Counter]>,
    nanoseconds: Counter,
    bounds: PhantomData<B>,
}

impl<B: Buckets> Default for Histogram<B> {
    fn default() -> Self {
        let buckets = (0..=B::BOUNDS.len()).map(|_| Counter::default()).collect();
        Self { buckets, nanoseconds: Counter::default(), bounds: PhantomData }
    }
}

impl<B: Buckets> Histogram<B> {
    /// Counts one observation.
    pub fn observe(&self, duration: Duration) {
        let bucket = B::BOUNDS.partition_point(|bound| *bound < duration);
        if let Some(counter) = self.buckets.get(bucket) {
            counter.increment();
            self.nanoseconds.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Sums the workers' observations.
    pub(super) fn distribution<'a>(workers: impl Iterator<Item = &'a Self> + Clone) -> Distribution {
        let in_bucket = |at: usize| -> u64 {
            workers.clone().filter_map(|worker| worker.buckets.get(at)).map(Counter::get).sum()
        };
        let mut all = Distribution::default();
        for (at, bound) in B::BOUNDS.iter().enumerate() {
            all.count += in_bucket(at);
            all.buckets.push((bound.as_secs_f64(), all.count));
        }
        all.count += in_bucket(B::BOUNDS.len());
        all.sum = workers.map(|worker| Duration::from_nanos(worker.nanoseconds.get()).as_secs_f64()).sum();
        all
    }
}

/// A metric type that workers record.
pub(super) trait Recorded: 'static {
    /// Sums the workers' values into one metric.
    fn sum<'a>(
        name: &'static str,
        help: &'static str,
        workers: impl Iterator<Item = &'a Self> + Clone,
        families: &mut Families,
    );
}

pub(super) fn number(count: u64) -> Value {
    Value::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

impl Recorded for Counter {
    fn sum<'a>(
        name: &'static str,
        help: &'static str,
        workers: impl Iterator<Item = &'a Self> + Clone,
        families: &mut Families,
    ) {
        let count = workers.map(Self::get).sum();
        families.family(name, Kind::Counter, help, &[]).series.insert(Vec::new(), number(count));
    }
}

impl Recorded for Gauge {
    fn sum<'a>(
        name: &'static str,
        help: &'static str,
        workers: impl Iterator<Item = &'a Self> + Clone,
        families: &mut Families,
    ) {
        let count = workers.map(|Self(count)| count.get()).sum();
        families.family(name, Kind::Gauge, help, &[]).series.insert(Vec::new(), number(count));
    }
}

impl<L: Label> Recorded for Counters<L> {
    fn sum<'a>(
        name: &'static str,
        help: &'static str,
        workers: impl Iterator<Item = &'a Self> + Clone,
        families: &mut Families,
    ) {
        let family = families.family(name, Kind::Counter, help, L::NAMES);
        for (values, count) in L::values().into_iter().zip(Self::sums(workers)) {
            family.series.insert(values.into_iter().map(str::to_owned).collect(), number(count));
        }
    }
}

impl<B: Buckets> Recorded for Histogram<B> {
    fn sum<'a>(
        name: &'static str,
        help: &'static str,
        workers: impl Iterator<Item = &'a Self> + Clone,
        families: &mut Families,
    ) {
        let family = families.family(name, Kind::Histogram, help, &[]);
        family.series.insert(Vec::new(), Value::Distribution(Self::distribution(workers)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus;

    #[derive(Debug)]
    struct Waits;

    impl Buckets for Waits {
        const BOUNDS: &'static [Duration] = &[Duration::from_millis(5), Duration::from_secs(1)];
    }

    #[test]
    fn histograms_of_workers_add_up() {
        let workers = [Histogram::<Waits>::default(), Histogram::default()];
        for milliseconds in [0, 5, 6] {
            workers[0].observe(Duration::from_millis(milliseconds));
        }
        for milliseconds in [1000, 1001, 90_000] {
            workers[1].observe(Duration::from_millis(milliseconds));
        }
        let mut families = Families::default();
        Histogram::sum("wait_seconds", "Waits.", workers.iter(), &mut families);
        assert_eq!(
            prometheus::text(&families),
            "# HELP wait_seconds Waits.\n# TYPE wait_seconds histogram\n\
             wait_seconds_bucket{le=\"0.005\"} 2\nwait_seconds_bucket{le=\"1\"} 4\n\
             wait_seconds_bucket{le=\"+Inf\"} 6\nwait_seconds_sum 92.012\nwait_seconds_count 6\n"
        );
    }
}
