//! What became of the CRLs that are fetched, for metrics and `/status`.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::reloads::{age, rfc3339};

/// The sources by their URL, which is without its query. Written by who fetches, read by the admin address.
#[derive(Debug, Default)]
pub struct Fetches(Mutex<BTreeMap<String, State>>);

#[derive(Clone, Debug, Default)]
struct State {
    file: String,
    fetched: u64,
    failed: u64,
    last: Option<SystemTime>,
    failure: Option<(SystemTime, String)>,
}

impl Fetches {
    fn state(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        // Every change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the sources from now on, each with its file.
    pub fn only(&self, sources: &[(String, String)]) {
        let mut all = self.state();
        all.retain(|url, _| sources.iter().any(|(wanted, _)| wanted == url));
        for (url, file) in sources {
            all.entry(url.clone()).or_default().file.clone_from(file);
        }
    }

    /// A list was fetched and taken. Whether the fetch before had failed.
    pub fn succeeded(&self, url: &str) -> bool {
        let mut all = self.state();
        let Some(state) = all.get_mut(url) else { return false };
        state.fetched += 1;
        state.last = Some(SystemTime::now());
        state.failure.take().is_some()
    }

    /// None was. Whether that is news: the fetch before did not fail in the same way.
    pub fn failed(&self, url: &str, why: &str) -> bool {
        let mut all = self.state();
        let Some(state) = all.get_mut(url) else { return false };
        state.failed += 1;
        let before = state.failure.replace((SystemTime::now(), why.to_owned()));
        before.is_none_or(|(_, before)| before != why)
    }

    /// For `/status`.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        let all = self.state().clone();
        let of_one = |(url, state): (String, State)| {
            serde_json::json!({
                "url": url,
                "file": state.file,
                "fetched": state.fetched,
                "failed": state.failed,
                "last_fetched": state.last.map(rfc3339),
                "failure": state.failure.map(|(at, why)| serde_json::json!({ "at": rfc3339(at), "why": why })),
            })
        };
        all.into_iter().map(of_one).collect()
    }

    /// In the Prometheus text format 0.0.4; nothing where nothing is fetched.
    #[must_use]
    pub fn text(&self) -> String {
        let all = self.state().clone();
        let mut text = String::new();
        if all.is_empty() {
            return text;
        }
        text.push_str("# HELP mtls_edge_crl_fetches_total Fetches of CRLs by outcome.\n# TYPE mtls_edge_crl_fetches_total counter\n");
        for (url, state) in &all {
            for (outcome, count) in [("taken", state.fetched), ("failed", state.failed)] {
                let _ = writeln!(
                    text,
                    "mtls_edge_crl_fetches_total{{url=\"{url}\",outcome=\"{outcome}\"}} {count}"
                );
            }
        }
        text.push_str("# HELP mtls_edge_crl_fetch_age_seconds Seconds since a CRL was fetched last.\n# TYPE mtls_edge_crl_fetch_age_seconds gauge\n");
        for (url, state) in &all {
            if let Some(last) = state.last {
                let _ = writeln!(
                    text,
                    "mtls_edge_crl_fetch_age_seconds{{url=\"{url}\"}} {}",
                    age(last).as_secs()
                );
            }
        }
        text
    }
}
