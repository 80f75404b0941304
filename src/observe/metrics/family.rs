//! Metrics with their values at one moment, as exporters read them.

use std::collections::BTreeMap;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

/// What is fixed about a metric whose value is read at the scrape.
#[derive(Debug)]
pub struct Descriptor<const LABELS: usize> {
    name: &'static str,
    kind: Kind,
    labels: [&'static str; LABELS],
    help: &'static str,
}

impl<const LABELS: usize> Descriptor<LABELS> {
    /// A value that only rises. By convention its name ends with `_total`.
    #[must_use]
    pub const fn counter(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels, help }
    }

    /// A value that rises and falls. By convention its name ends with its unit.
    #[must_use]
    pub const fn gauge(name: &'static str, labels: [&'static str; LABELS], help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels, help }
    }
}

/// The value of one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(i64),
    /// Of a histogram.
    Distribution(Distribution),
}

/// How observations are spread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Upper bounds, rising, with the number of observations up to each. The last bucket, without a bound, is `count`.
    pub buckets: Vec<(f64, u64)>,
    /// All observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

/// One metric with all its series.
#[derive(Debug)]
pub struct Family {
    /// The full name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// One sentence.
    pub help: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
    /// Values by label values, in the order of `labels`. A label with an empty value is the same as none.
    pub series: BTreeMap<Vec<String>, Value>,
}

/// All metrics at one moment, in the order in which they were set first.
#[derive(Debug, Default)]
pub struct Families(Vec<Family>);

impl Families {
    /// Sets one series, unless it is set already: one CA in two files is one series.
    pub fn set<const LABELS: usize>(
        &mut self,
        metric: &'static Descriptor<LABELS>,
        labels: [&str; LABELS],
        value: impl TryInto<i64>,
    ) {
        let Descriptor { name, kind, labels: names, help } = metric;
        // A count beyond 2^63 is not reached.
        let value = Value::Number(value.try_into().unwrap_or(i64::MAX));
        let family = self.family(name, *kind, help, names);
        family.series.entry(labels.map(str::to_owned).to_vec()).or_insert(value);
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

    /// The metrics.
    pub fn iter(&self) -> impl Iterator<Item = &Family> {
        self.0.iter()
    }
}
