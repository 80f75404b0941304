//! A snapshot of all metrics, which exporters read.

use std::{collections::BTreeMap, time::Duration};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value that only increases.
    Counter,
    /// A value that increases and decreases.
    Gauge,
    /// Observations counted in buckets.
    Histogram,
}

/// Name, type, labels and help text of a metric whose value is read at the scrape.
#[derive(Debug)]
pub struct Descriptor<const LABELS: usize> {
    name: &'static str,
    kind: Kind,
    labels: [&'static str; LABELS],
    help: &'static str,
}

impl<const LABELS: usize> Descriptor<LABELS> {
    /// Describes a value that only increases. By convention its name ends with `_total`.
    #[must_use]
    pub const fn counter(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels, help }
    }

    /// Describes a value that increases and decreases. By convention its name ends with its unit.
    #[must_use]
    pub const fn gauge(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels, help }
    }
}

/// The value of one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The value of a counter or a gauge.
    Number(i64),
    /// The value of a counter of seconds.
    Seconds(f64),
    /// The value of a histogram.
    Distribution(Distribution),
}

/// The distribution of a histogram's observations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Upper bounds, ascending, each with the number of observations up to it. The `+Inf` bucket is `count`.
    pub buckets: Vec<(f64, u64)>,
    /// The number of all observations.
    pub count: u64,
    /// The sum of all observations.
    pub sum: f64,
}

/// One metric with all its series.
#[derive(Debug)]
pub struct Family {
    /// The full name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The help text, one sentence.
    pub help: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
    /// Values by label values, in the order of `labels`. A label with an empty value is the same as none.
    pub series: BTreeMap<Vec<String>, Value>,
}

/// A snapshot of all metrics, in the order in which they were first set.
#[derive(Debug, Default)]
pub struct Families(Vec<Family>);

impl Families {
    /// Sets one series, unless it is set already, as when two files contain the same CA.
    pub fn set<const LABELS: usize>(
        &mut self,
        metric: &'static Descriptor<LABELS>,
        labels: [&str; LABELS],
        value: impl TryInto<i64>,
    ) {
        let Descriptor { name, kind, labels: names, help } = metric;
        // No count reaches 2^63.
        let value = Value::Number(value.try_into().unwrap_or(i64::MAX));
        let family = self.family(name, *kind, help, names);
        family.series.entry(labels.map(str::to_owned).to_vec()).or_insert(value);
    }

    /// Sets a series without labels to seconds.
    pub(super) fn set_seconds(&mut self, metric: &'static Descriptor<0>, duration: Duration) {
        let Descriptor { name, kind, labels, help } = metric;
        self.family(name, *kind, help, labels)
            .series
            .insert(Vec::new(), Value::Seconds(duration.as_secs_f64()));
    }

    pub(super) fn family(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> &mut Family {
        let at = self.0.iter().position(|family| family.name == name).unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push(Family { name, kind, help, labels, series: BTreeMap::new() });
        }
        #[allow(clippy::indexing_slicing, reason = "it was found or pushed at this index")]
        &mut self.0[at]
    }

    /// Iterates over the metrics.
    pub fn iter(&self) -> impl Iterator<Item = &Family> {
        self.0.iter()
    }
}
