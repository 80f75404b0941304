//! `/metrics` is valid in the Prometheus text format 0.0.4, whatever certificates and paths contain.

use std::collections::{BTreeMap, BTreeSet};

use rcgen::DnType;

use crate::support::{Ca, Client, EdgeBuilder, Upstream, admin, self_signed};

/// Values by metric and labels.
type Samples = BTreeMap<(String, Vec<(String, String)>), f64>;

/// The labels of a sample, and the text after them.
fn labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        let (name, after) = rest.split_once("=\"").expect("a label without a value");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !name.is_empty(), "{name}");
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().expect("a label that does not end") {
                (at, '"') => break at + 1,
                (_, '\\') => match chars.next().unwrap().1 {
                    c @ ('\\' | '"') => value.push(c),
                    'n' => value.push('\n'),
                    other => panic!("the escape \\{other}"),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end..];
        if let Some(after) = rest.strip_prefix(',') {
            assert!(!after.starts_with('}'), "a comma at the end");
            rest = after;
        } else {
            assert!(rest.starts_with('}'), "{rest}");
        }
    }
}

/// The samples by metric and labels. Panics if a strict parser would reject the text.
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'));
    let (mut samples, mut done, mut current) = (BTreeMap::new(), BTreeSet::new(), None::<String>);
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && done.insert(name.to_owned()), "{name} comes twice");
            current = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(
                current.as_deref() == Some(name) && matches!(kind, "counter" | "gauge" | "histogram"),
                "{line}"
            );
        } else {
            let end = line.find(['{', ' ']).unwrap();
            let (name, rest) = line.split_at(end);
            let family = current.as_deref().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].map(|part| format!("{family}{part}"));
            assert!(name == family || of_histogram.iter().any(|of| of == name), "{line}");
            let (mut labels, rest) = rest.strip_prefix('{').map_or((Vec::new(), rest), labels);
            let value: f64 = rest.strip_prefix(' ').unwrap().parse().unwrap();
            labels.sort();
            let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), labels.len(), "{line}");
            assert!(samples.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
        }
    }
    samples
}

#[tokio::test]
async fn every_label_is_escaped_and_no_series_comes_twice() {
    let upstream = Upstream::start().await;
    // Any response is fine: it is not a CRL, and is counted as failed.
    let names = ["a\"b", "a\\b", "a\nb", "a,b=\"c\"} 1\nx 2", "\u{fc}\\\"\n"];
    let cas: Vec<Ca> = names
        .iter()
        .map(|name| {
            let name = (*name).to_owned();
            Ca::with("CA", |params| params.distinguished_name.push(DnType::OrganizationName, name))
        })
        .collect();
    let source = |target: &str, file: &str| {
        format!("{{ url = \"{}{target}\", file = '''{file}''', refresh = \"1h\" }}", upstream.url())
    };
    let sources = [
        source("/l.crl?a=1", "one.crl"),
        source("/l.crl?a=2", "t\"w\\o.crl"),
        source("/l.crl", "th\nree.crl"),
        source("/other.crl", "four.crl"),
    ];
    let mut builder = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .trust_settings(&format!("stale_crl = \"report\"\ncrls = [{}, \"ca.crl\"]", sources.join(", ")))
        .file("ca.crl", cas[0].crl(&[1]));
    for (number, ca) in cas.iter().enumerate() {
        builder = builder.trust(&format!("ca{number}"), &ca.pem());
    }
    let edge = builder.start();
    let _ = Client::new(&edge).refused().await;
    let failed = |samples: &Samples| {
        let is_failed = |labels: &[(String, String)]| labels.contains(&("outcome".into(), "failed".into()));
        let of_fetches = samples.iter().filter(|((name, _), _)| name == "mtls_edge_crl_fetches_total");
        of_fetches.filter(|((_, labels), count)| is_failed(labels) && **count > 0.0).count()
    };
    let samples = tokio::time::timeout(crate::support::PATIENCE, async {
        loop {
            let samples = parse(&admin::get(&edge, "/metrics").await.1);
            if failed(&samples) == 4 {
                break samples;
            }
        }
    });
    let samples = samples.await.expect("the four sources are not counted apart");
    let all = |name: &str, label: &str| -> BTreeSet<String> {
        let labels = samples.keys().filter(|(of, _)| of == name).map(|(_, labels)| labels);
        labels.flatten().filter(|(of, _)| of == label).map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(all("mtls_edge_client_ca_expiry_seconds", "subject").len(), names.len());
    assert_eq!(all("mtls_edge_crl_fetches_total", "url").len(), 2);
    let files = all("mtls_edge_crl_fetches_total", "file");
    let ends = |end: &str| files.iter().any(|file| file.ends_with(end));
    assert!(
        files.len() == 3 && ends("/one.crl") && ends("/t\"w\\o.crl") && ends("/th\nree.crl"),
        "{files:?}"
    );
    assert_eq!(all("mtls_edge_server_certificate_expiry_seconds", "domain").len(), 1);
    for name in ["mtls_edge_log_lines_dropped_total", "mtls_edge_probes_total"] {
        assert!(samples.contains_key(&(name.to_owned(), Vec::new())), "{name}");
    }
    let status = admin::status(&edge, "").await;
    let sources = status["crl_sources"].as_array().unwrap().clone();
    let files: BTreeSet<_> =
        sources.iter().map(|source| source["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!((sources.len(), files.len()), (4, 4), "{status}");
}
