//! The Prometheus text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! Written here and not by a library: `prometheus` writes this format, but would bring its own registry and model for
//! the two escapes below; `prometheus-client` writes OpenMetrics, where the `# TYPE` of a counter lacks its `_total`.

use std::fmt::{Display, Write};

use crate::observe::metrics::{Families, Family, Kind, Value};

/// Formats all metrics.
#[must_use]
pub fn text(families: &Families) -> String {
    let mut text = String::new();
    for family in families.iter() {
        // Writing to a string cannot fail.
        let _ = write(&mut text, family);
    }
    text
}

fn write(text: &mut String, family: &Family) -> std::fmt::Result {
    let Family { name, kind, help, labels, series } = family;
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    writeln!(
        text,
        "# HELP {name} {}\n# TYPE {name} {kind}",
        help.replace('\\', "\\\\").replace('\n', "\\n")
    )?;
    for (values, value) in series {
        let pairs = labels.iter().copied().zip(values.iter().map(String::as_str));
        match value {
            Value::Number(number) => sample(text, name, "", pairs, number)?,
            Value::Seconds(seconds) => sample(text, name, "", pairs, seconds)?,
            Value::Distribution(all) => {
                let infinite = [("+Inf".to_owned(), all.count)];
                for (bound, count) in
                    all.buckets.iter().map(|(bound, count)| (bound.to_string(), *count)).chain(infinite)
                {
                    sample(text, name, "_bucket", pairs.clone().chain([("le", bound.as_str())]), count)?;
                }
                sample(text, name, "_sum", pairs.clone(), all.sum)?;
                sample(text, name, "_count", pairs, all.count)?;
            }
        }
    }
    Ok(())
}

/// Appends one sample. A label with an empty value is left out, which means the same to Prometheus.
fn sample<'a>(
    text: &mut String,
    name: &str,
    suffix: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    value: impl Display,
) -> std::fmt::Result {
    write!(text, "{name}{suffix}")?;
    let mut separator = '{';
    for (label, value) in labels.filter(|(_, value)| !value.is_empty()) {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(text, "{separator}{label}=\"{value}\"")?;
        separator = ',';
    }
    writeln!(text, "{} {value}", if separator == ',' { "}" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::Descriptor;

    #[test]
    fn label_values_are_escaped_and_empty_ones_left_out() {
        static AGE: Descriptor<2> = Descriptor::gauge("age_seconds", ["url", "file"], "Age.\\\n");
        let mut families = Families::default();
        families.set(&AGE, ["http://a/\"}\\\n", ""], -3);
        families.set(&AGE, ["http://b", "c"], 4);
        families.set(&AGE, ["http://b", "c"], 5);
        families.set(&AGE, ["", ""], 6);
        assert_eq!(
            text(&families),
            "# HELP age_seconds Age.\\\\\\n\n# TYPE age_seconds gauge\n\
             age_seconds 6\n\
             age_seconds{url=\"http://a/\\\"}\\\\\\n\"} -3\n\
             age_seconds{url=\"http://b\",file=\"c\"} 4\n"
        );
    }
}
