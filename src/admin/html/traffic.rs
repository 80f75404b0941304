//! The traffic of the last minutes: a place for each chart, which the script draws, and a table.

use std::fmt::Write;

use crate::{
    admin::history::{INTERVAL, Sample},
    observe::metrics::Outcome,
};

/// The charts by their id and title.
const CHARTS: [(&str, &str); 4] = [
    ("requests", "Requests"),
    ("refusals", "Refusals by reason"),
    ("latency", "Latency"),
    ("connections", "Connections"),
];

/// Renders these samples, which are in order, the last one not complete.
pub(super) fn traffic(html: &mut String, samples: &[Sample]) {
    html.push_str("<div class=\"charts\" hidden>");
    for (id, title) in CHARTS {
        let _ = write!(
            html,
            "<figure class=\"chart\" id=\"chart-{id}\"><figcaption>{title} <span class=\"quiet\"></span></figcaption><div></div></figure>"
        );
    }
    html.push_str("</div>\n<div id=\"traffic\" data-live>");
    if !samples.is_empty() {
        table(html, samples);
    }
    html.push_str("</div>\n");
}

/// One row per minute, the latest first. The script closes it: the charts show the same.
fn table(html: &mut String, samples: &[Sample]) {
    html.push_str(
        "<section><details open><summary>traffic by minute</summary><table><thead><tr><th scope=\"col\">minutes ago</th>",
    );
    let outcomes = Outcome::VALUES.iter().map(|outcome| format!("{} /s", outcome.replace('_', " ")));
    for column in outcomes.chain(["p50 ms", "p99 ms", "connections"].map(str::to_owned)) {
        let _ = write!(html, "<th scope=\"col\" class=\"number\">{column}</th>");
    }
    html.push_str("</tr></thead>\n<tbody>");
    let per_minute = usize::try_from(60 / INTERVAL.as_secs()).unwrap_or(1);
    for (minute, samples) in samples.rchunks(per_minute).enumerate() {
        let _ = write!(html, "<tr><td>{minute}</td>");
        for outcome in 0..Outcome::VALUES.len() {
            let rate = mean(samples.iter().filter_map(|sample| sample.requests.get(outcome).copied()));
            let _ = write!(html, "<td class=\"number\">{rate:.1}</td>");
        }
        for quantile in [|sample: &Sample| sample.p50, |sample: &Sample| sample.p99] {
            let worst = samples.iter().filter_map(quantile).max_by(f64::total_cmp);
            let worst = worst.map(|worst| format!("{worst:.1}")).unwrap_or_default();
            let _ = write!(html, "<td class=\"number\">{worst}</td>");
        }
        let connections = samples.last().map(|sample| sample.connections).unwrap_or_default();
        let _ = writeln!(html, "<td class=\"number\">{connections}</td></tr>");
    }
    html.push_str("</tbody></table></details></section>");
}

#[allow(clippy::cast_precision_loss, reason = "at most 12 samples")]
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}
