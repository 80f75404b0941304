//! Looks up the host names of upstreams with the system's resolver.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use tokio::{net::lookup_host, runtime::Builder, task::JoinSet, time::timeout};

use crate::config::{Problem, Span, settings::Settings};

/// The time limit for all names together.
const LIMIT: Duration = Duration::from_secs(2);

/// How many names are looked up concurrently; each occupies a thread.
const AT_ONCE: usize = 32;

/// A warning for each upstream host name that cannot be resolved, at the URL that has it first. Addresses and `localhost` are not
/// looked up.
pub(super) fn unresolved(settings: &Settings) -> Vec<Problem> {
    let mut names: HashMap<&str, (&Span, u16)> = HashMap::new();
    for url in settings.upstreams.iter().flat_map(|upstream| &upstream.urls) {
        if let Some(origin) = url.value.network().filter(|origin| is_name(&origin.host)) {
            names.entry(&origin.host).or_insert((&url.span, origin.port));
        }
    }
    if names.is_empty() {
        return Vec::new();
    }
    let Ok(runtime) = Builder::new_current_thread().enable_all().max_blocking_threads(AT_ONCE).build() else {
        return Vec::new();
    };
    let failures =
        runtime.block_on(failures(names.iter().map(|(name, (_, port))| ((*name).to_owned(), *port))));
    // The command must not wait for a resolver that does not answer.
    runtime.shutdown_background();
    let problem = |(name, (span, _)): (&str, (&Span, u16))| {
        let why = failures.get(name)?;
        let what = format!("the host name {name:?} could not be resolved{why}");
        let help = "check the name; it must resolve on the machine where the edge runs";
        Some(Problem::warning(span, "upstream.urls", what).help(help))
    };
    names.into_iter().filter_map(problem).collect()
}

fn is_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let is_local =
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    host.parse::<IpAddr>().is_err() && !is_local
}

/// Why each name could not be resolved, as the end of the message.
async fn failures(names: impl Iterator<Item = (String, u16)>) -> HashMap<String, String> {
    let mut lookups = JoinSet::new();
    let mut failures = HashMap::new();
    for (name, port) in names {
        failures.insert(name.clone(), format!(" within {} s", LIMIT.as_secs()));
        lookups.spawn(async move {
            let found =
                lookup_host((name.as_str(), port)).await.map(|mut addresses| addresses.next().is_some());
            (name, found)
        });
    }
    let all = async {
        while let Some(lookup) = lookups.join_next().await {
            let Ok((name, found)) = lookup else { continue };
            let why = match found {
                Ok(true) => {
                    failures.remove(&name);
                    continue;
                }
                Ok(false) => ": it has no address".to_owned(),
                Err(error) => format!(": {}", reason(&error.to_string())),
            };
            failures.insert(name, why);
        }
    };
    drop(timeout(LIMIT, all).await);
    failures
}

/// The resolver's error without its prefix.
fn reason(error: &str) -> &str {
    error.strip_prefix("failed to lookup address information: ").unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_looked_up() {
        for name in ["auth.internal.example", "keycloak", "localhost.example", "10.0.0.1.example"] {
            assert!(is_name(name), "{name}");
        }
        for other in ["127.0.0.1", "::1", "2001:db8::1", "localhost", "LOCALHOST.", "mtls.localhost"] {
            assert!(!is_name(other), "{other}");
        }
    }
}
