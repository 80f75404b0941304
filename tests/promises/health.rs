//! The health in `/status`: the state of the edge in one word, and the problems that explain it.

use serde_json::Value;

use crate::support::{
    Ca, Client, DOMAIN, EdgeBuilder, Upstream,
    admin::{exchange, happens, metric, status},
    certificates::{self_signed_with, time_from_now},
    command::text,
    edge_before, program, self_signed,
};

const DAY: i64 = 86_400;

/// The state, and level and code of each problem.
fn summary(status: &Value) -> (&str, Vec<(&str, &str)>) {
    let health = &status["health"];
    let problems = health["problems"].as_array().unwrap();
    let problems = problems
        .iter()
        .map(|problem| (problem["level"].as_str().unwrap(), problem["code"].as_str().unwrap()))
        .collect();
    (health["state"].as_str().unwrap(), problems)
}

#[tokio::test]
async fn a_rejected_reload_and_a_dead_upstream_degrade() {
    let upstream = Upstream::start().await;
    let (edge, client) = edge_before(upstream.url(), "");
    assert_eq!(summary(&status(&edge, "").await), ("healthy", vec![]));
    // The edge knows an origin only once it has used it.
    let state = async || status(&edge, "").await["upstreams"][0]["origins"][0]["state"].clone();
    assert_eq!(state().await, "untried");
    let shown = program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
    let shown = (shown.status.code(), text(&shown.stdout).replace(&upstream.url(), "URL"));
    assert!(shown.0 == Some(0) && shown.1.contains("URL  untried\n"), "{shown:?}");
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    assert_eq!(state().await, "ok");

    let config = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    // Nothing listens on the reserved port 1 of loopback.
    edge.reload("edge.toml", &config.replace(&upstream.url(), "http://127.0.0.1:1"));
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 503);
    let dead = status(&edge, "").await;
    assert_eq!(summary(&dead), ("degraded", vec![("degraded", "upstream_down")]));
    assert_eq!(state().await, "failing");

    std::fs::write(edge.folder.path().join("applications.toml"), "[[application]]\nclient_idd = 1\n")
        .unwrap();
    edge.wait_for_log("reload rejected");
    let rejected = status(&edge, "").await;
    let (state, problems) = summary(&rejected);
    assert_eq!(state, "degraded");
    // What fails requests is first.
    assert_eq!(problems, [("degraded", "upstream_down"), ("degraded", "reload_rejected")]);
    let count = async |code, level| {
        metric(&edge, &format!("mtls_edge_problems{{code=\"{code}\",level=\"{level}\"}}")).await
    };
    assert_eq!(count("upstream_down", "degraded").await, 1);
    assert_eq!((count("crl_stale", "degraded").await, count("crl_stale", "warning").await), (0, 0));
    let problem = &rejected["health"]["problems"][1];
    assert!(problem["what"].as_str().unwrap().contains("applications.toml:2:1: "), "{problem}");
    assert!(problem["at"].is_string(), "{problem}");
    edge.stop();
}

#[tokio::test]
async fn only_the_last_credential_of_an_application_matters() {
    let upstream = Upstream::start().await;
    let ends_in = |days: i64| self_signed_with("app", |params| params.not_after = time_from_now(days * DAY));
    let files = [("past.pem", -1), ("soon.pem", 10), ("later.pem", 300)];
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    for (name, days) in files {
        builder = builder.file(name, ends_in(days).chain_pem());
    }
    let certificates =
        |names: &[&str]| names.iter().map(|name| format!("certificate = \"{name}\"")).collect::<Vec<_>>();
    let method = "self_signed_tls_client_auth";
    let edge = builder.application("rotated", method, &certificates(&["past.pem", "later.pem"])).start();
    assert_eq!(summary(&status(&edge, "").await), ("healthy", vec![]));
    let registry = edge.folder.path().join("applications.toml");
    let written = std::fs::read_to_string(&registry).unwrap();

    std::fs::write(&registry, written.replace("later.pem", "soon.pem")).unwrap();
    happens(async || status(&edge, "").await["generation"] == 2).await;
    let soon = status(&edge, "").await;
    assert_eq!(summary(&soon), ("warning", vec![("warning", "credential_expiring")]));
    let what = soon["health"]["problems"][0]["what"].as_str().unwrap();
    assert_eq!(
        what,
        "replace a [[application.credential]] for the application \"rotated\", whose last one, \"c1\", expires"
    );

    let alone = written.split("[[application.credential]]").take(2).collect::<Vec<_>>();
    std::fs::write(&registry, alone.join("[[application.credential]]")).unwrap();
    happens(async || status(&edge, "").await["generation"] == 3).await;
    let past = status(&edge, "").await;
    assert_eq!(summary(&past), ("degraded", vec![("degraded", "credential_expired")]));
    let what = past["health"]["problems"][0]["what"].as_str().unwrap();
    assert_eq!(
        what,
        "register another [[application.credential]] for the application \"rotated\", whose last one, \"c0\", has expired"
    );
    edge.stop();
}

#[tokio::test]
async fn a_stale_crl_degrades_if_it_refuses_certificates() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    for (setting, level) in [("refuse", "degraded"), ("report", "warning")] {
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("ca", &ca.pem())
            .file("ca.crl", ca.crl_between(&[7], -7200, -3600))
            .trust_settings(&format!("crls = [\"ca.crl\"]\nstale_crl = \"{setting}\""))
            .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
            .start();
        assert_eq!(summary(&status(&edge, "").await), (level, vec![(level, "crl_stale")]));
        edge.stop();
    }
}

#[tokio::test]
async fn one_application_can_be_requested() {
    let upstream = Upstream::start().await;
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0");
    for (number, name) in ["a", "b c+d", "e"].into_iter().enumerate() {
        builder = builder.self_signed_application(name, &[format!("{number:064x}")]);
    }
    let edge = builder.start();
    for (query, found) in [("b%20c%2Bd", Some("b c+d")), ("b+c%2bd", Some("b c+d")), ("f", None), ("", None)]
    {
        let applications = &status(&edge, &format!("?client_id={query}")).await["applications"];
        assert_eq!(applications["list"][0]["client_id"].as_str(), found, "{query}");
        assert_eq!((&applications["total"], &applications["pages"]), (&3.into(), &1.into()));
    }
    // The server certificate of the tests is valid for a year.
    for (days, total) in [(30, 0), (400, 1)] {
        let expiring = &status(&edge, &format!("?expiring_days={days}")).await["expiring"];
        assert_eq!((&expiring["within_days"], &expiring["total"]), (&days.into(), &total.into()));
    }
    assert_eq!(crate::support::admin::get(&edge, "/status?expiring_days=-1").await.0, 400);
    edge.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_degrades_until_the_next_start() {
    let upstream = Upstream::start().await;
    let credentials = self_signed("billing");
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .self_signed_application("billing", &[credentials.thumbprint()])
        .second_source()
        .start();
    assert_eq!(metric(&edge, "mtls_edge_panics_total").await, 0);
    edge.panic();
    edge.wait_for_log("a thread panicked");
    let degraded = status(&edge, "").await;
    assert_eq!(summary(&degraded), ("degraded", vec![("degraded", "panicked")]));
    assert!(degraded["health"]["problems"][0]["what"].as_str().unwrap().contains("\"doomed\""), "{degraded}");
    assert_eq!(metric(&edge, "mtls_edge_panics_total").await, 1);
    assert_eq!(Client::with(&edge, &credentials).token("billing").await.status, 200);
}

#[tokio::test]
async fn problems_beyond_those_that_are_named_are_counted() {
    let upstream = Upstream::start().await;
    // Nothing listens on the reserved port 1 of loopback.
    let application = |number: usize| {
        format!(
            "[[application]]\nclient_id = \"app-{number:02}\"\nauth_method = \"private_key_jwt\"\n\
             jwks_uri = {{ url = \"http://127.0.0.1:1/{number:02}\", file = \"state/{number}.json\" }}\n"
        )
    };
    let applications: String = (0..23).map(application).collect();
    let edge = EdgeBuilder::new(upstream.url())
        .domain(
            DOMAIN,
            "client_auth = \"optional\"\nissuer = \"https://auth.example.test/\"\n[[domain.route]]\npath = \"/oauth/token\"\nauthenticate = \"client\"",
        )
        .applications_file("published.toml")
        .file("published.toml", applications)
        .start();
    let count = async |code: &str, level: &str| {
        metric(&edge, &format!("mtls_edge_problems{{code=\"{code}\",level=\"{level}\"}}")).await
    };
    happens(async || count("fetch_failing", "warning").await == 23).await;
    assert_eq!(count("key_set_missing", "degraded").await, 23);
    let shown = status(&edge, "").await;
    let problems = shown["health"]["problems"].as_array().unwrap();
    for (code, start, others) in [
        (
            "key_set_missing",
            "each assertion of the application \"app-",
            "each assertion of 3 other applications is refused: ",
        ),
        ("fetch_failing", "the key set http://127.0.0.1:1/", "3 other key sets cannot be fetched: "),
    ] {
        let found: Vec<_> = problems.iter().filter(|problem| problem["code"] == code).collect();
        assert_eq!(found.len(), 21, "{problems:#?}");
        for (number, problem) in found[..20].iter().enumerate() {
            assert!(
                problem["what"].as_str().unwrap().starts_with(&format!("{start}{number:02}")),
                "{problem}"
            );
            assert_eq!(problem["count"], 1, "{problem}");
        }
        assert!(found[20]["what"].as_str().unwrap().starts_with(others), "{}", found[20]);
        assert_eq!(found[20]["count"], 3);
        let printed = program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
        assert!(
            text(&printed.stdout)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .contains(others.trim_end())
        );
    }
    edge.stop();
}

#[tokio::test]
async fn each_problem_has_a_metric_and_a_row() {
    let page = include_str!("../../docs/observe.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| `code` of a problem")).skip(2);
    let words = |cell: &str| -> Vec<String> {
        let all = cell.split('`').skip(1).step_by(2);
        all.filter(|word| !word.contains(' ')).map(str::to_owned).collect()
    };
    let mut documented = Vec::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').collect();
        let (codes, levels) = (words(cells[1]), words(cells[2]));
        // One level for all codes, one each, or several of one code.
        for place in 0..codes.len().max(levels.len()) {
            let of = |list: &[String]| list[place.min(list.len() - 1)].clone();
            documented.push((of(&codes), of(&levels)));
        }
    }
    let upstream = Upstream::start().await;
    let (edge, _client) = edge_before(upstream.url(), "");
    let (_, text) = crate::support::admin::get(&edge, "/metrics").await;
    let series = text.lines().filter(|line| line.starts_with("mtls_edge_problems{"));
    let mut counted: Vec<(String, String)> = series
        .map(|line| {
            let quoted: Vec<&str> = line.split('"').collect();
            (quoted[1].to_owned(), quoted[3].to_owned())
        })
        .collect();
    counted.sort();
    documented.sort();
    assert_eq!(counted, documented);
    edge.stop();
}

#[tokio::test]
async fn what_a_start_would_refuse_is_a_problem() {
    let (upstream, ca) = (Upstream::start().await, Ca::new("Client CA"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .application("payments", "tls_client_auth", &["subject_dn = \"CN=payments\"".to_owned()])
        .start();
    assert_eq!(summary(&status(&edge, "").await), ("healthy", vec![]));
    let config = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let line = config.lines().find(|line| line.starts_with("client_ca")).unwrap();
    // The removal takes effect at once, although an application needs the CA.
    edge.reload("edge.toml", &config.replace(line, ""));
    happens(async || status(&edge, "").await["health"]["state"] == "degraded").await;
    let removed = status(&edge, "").await;
    assert_eq!(summary(&removed), ("degraded", vec![("degraded", "start_prevented")]));
    let problem = &removed["health"]["problems"][0];
    assert!(
        problem["what"].as_str().unwrap().contains("client_ca") && problem["at"].is_string(),
        "{problem}"
    );
    edge.reload("edge.toml", &config);
    happens(async || status(&edge, "").await["health"]["state"] == "healthy").await;
    edge.stop();
}

#[tokio::test]
async fn a_client_ca_of_tomorrow_is_no_problem() {
    let ahead = Ca::with("Client CA", |params| params.not_before = time_from_now(DAY));
    let edge = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .trust("ca", &ahead.pem())
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    assert_eq!(summary(&status(&edge, "").await), ("healthy", vec![]));
    edge.stop();
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_a_problem() {
    let now = time_from_now(0);
    let yesterday = |params: &mut rcgen::CertificateParams| params.not_before = time_from_now(-DAY);
    let builder = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .trust("ca", &Ca::with("Client CA", yesterday).pem())
        .self_signed_application("billing", &[self_signed_with("billing", yesterday).thumbprint()]);
    Ca::new("CA").server_with(&[DOMAIN], yesterday).write(builder.path(), DOMAIN);
    let mut edge = builder.clock(now).start();
    assert_eq!(summary(&status(&edge, "").await), ("healthy", vec![]));
    edge.set_clock(now - time::Duration::days(400));
    let early = status(&edge, "").await;
    assert_eq!(summary(&early), ("degraded", vec![("degraded", "not_valid_yet"); 2]));
    let what = early["health"]["problems"][0]["what"].as_str().unwrap();
    assert!(what.contains("check the clock, it is "), "{what}");
    // What has happened is not shown as if it were to come.
    let output = program().args(["status", "--admin", &edge.admin.to_string()]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(", active since 1 year ahead of the clock: "), "{printed}");
    let (_, page) = exchange(&edge, "/status", "text/html").await;
    let started = page.split_once("started <time").unwrap().1.split_once("</time>").unwrap().0;
    assert!(started.ends_with(">1 year ahead of the clock"), "{started}");
    let since = page.split_once("<td>in force since</td><td>").unwrap().1.split_once("</time>").unwrap().0;
    assert!(since.ends_with(">1 year ahead of the clock"), "{since}");
    // A reload does not end that.
    let applications = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    edge.reload("applications.toml", &applications.replace("\"billing\"", "\"renamed\""));
    let codes = ["not_valid_yet", "not_valid_yet", "start_prevented"].map(|code| ("degraded", code));
    happens(async || summary(&status(&edge, "").await) == ("degraded", codes.to_vec())).await;
    edge.set_clock(now);
    happens(async || summary(&status(&edge, "").await) == ("healthy", vec![])).await;
    edge.stop();
}
