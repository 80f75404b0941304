//! The issuer's key set: fetched, kept on disk, rotated.

use std::fs;

use serde_json::json;
use testkit::jws::SigningKey;

use super::{
    outcome,
    setup::{Setup, bearer, get, key_set},
};
use crate::support::{
    Client, DOMAIN,
    admin::{self, happens, metric, reloaded},
    command::start_problems,
    self_signed,
};

const FILE: &str = "state/jwks.json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_used_and_a_removed_one_refused() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    assert!(
        edge.folder.path().join(FILE).exists(),
        "the first key set is fetched before any request is served"
    );
    let client = Client::with(&edge, &setup.client);
    let mut open = client.connect().await;
    let ask = |token: &str| {
        let request = http::Request::get("/api/x").header("authorization", format!("Bearer {token}"));
        request.body(http_body_util::Full::<bytes::Bytes>::default()).unwrap()
    };
    let old = setup.token();
    let next = SigningKey::p256();
    let new = next.token(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k2" }), &setup.claims());
    assert_eq!(open.send(ask(&old)).await.status, 200);
    assert_eq!(open.send(ask(&new)).await.status, 401);

    setup.serve(200, &key_set(&[("k1", &setup.key), ("k2", &next)]));
    let line = reloaded(&edge, 2);
    assert!(line.contains("changed: jwks.json"), "{line}");
    assert_eq!(open.send(ask(&old)).await.status, 200);
    assert_eq!(open.send(ask(&new)).await.status, 200);

    setup.serve(200, &key_set(&[("k2", &next)]));
    reloaded(&edge, 3);
    assert_eq!(
        open.send(ask(&old)).await.status,
        401,
        "also on an open connection, and though it was verified before"
    );
    assert_eq!(open.send(ask(&new)).await.status, 200);
    let status = admin::status(&edge, "").await;
    let source = &status["key_set_sources"][0];
    assert!(source["fetched"].as_u64().unwrap() >= 3 && source["failure"].is_null(), "{source}");
    let labels = format!("{{url=\"{}\",outcome=\"taken\"}}", source["url"].as_str().unwrap());
    assert!(metric(&edge, &format!("mtls_edge_key_set_fetches_total{labels}")).await >= 3);
    assert!(!edge.stop().contains("zQ7hidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_fetch_keeps_the_last_keys() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    let client = Client::with(&edge, &setup.client);
    let mut private = setup.key.jwk();
    private["d"] = json!("AAAA");
    let mut encrypting = setup.key.jwk();
    encrypting["use"] = json!("enc");
    for (status, body, why) in [
        (500, String::new(), "the server responded with 500"),
        (200, "<html>".to_owned(), "the fetched document is not a usable key set: not a JSON object"),
        (200, json!({ "keys": [encrypting] }).to_string(), "it has no key that can verify signatures"),
        (200, json!({ "keys": [private] }).to_string(), "private key"),
    ] {
        setup.serve(status, &body);
        let line = edge.wait_for_log(why);
        assert!(line.contains("key set fetch failed; keeping the cached key set"), "{line}");
        assert_eq!(get(&client, "/api/x", &bearer(&setup.token())).await.status, 200, "{why}");
    }
    assert_eq!(fs::read_to_string(edge.folder.path().join(FILE)).unwrap(), key_set(&[("k1", &setup.key)]));
    let failure = &admin::status(&edge, "").await["key_set_sources"][0]["failure"]["why"];
    assert!(failure.as_str().unwrap().contains("private key"), "{failure}");
    // A damaged file does not replace the active keys either.
    fs::write(edge.folder.path().join(FILE), "damaged").unwrap();
    edge.wait_for_log("is not a usable key set");
    assert_eq!(get(&client, "/api/x", &bearer(&setup.token())).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_set_requests_wait_for_it() {
    let setup = Setup::start().await;
    setup.serve(503, "");
    let output = setup.builder("").output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("state/jwks.json does not exist yet: `run` fetches it from http://"),
        "{printed}"
    );

    let edge = setup.builder("").start();
    let line = edge.wait_for_log("no key set from ");
    assert!(line.contains("the server responded with 503"), "{line}");
    let client = Client::with(&edge, &setup.client);
    let answer = get(&client, "/api/x", &bearer(&setup.token())).await;
    answer.oauth_error(503, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "2");
    let reason = edge.log_of(&answer)["reason"].to_string();
    assert!(reason.contains("no key set of the token issuer \\\"as\\\" has been fetched yet"), "{reason}");
    admin::assert_counted(&edge, "token_unavailable").await;
    assert_eq!(outcome(&edge, "unavailable").await, 1);
    let problem = admin::status(&edge, "").await["health"]["problems"][0].clone();
    assert_eq!((&problem["code"], &problem["level"]), (&"key_set_missing".into(), &"degraded".into()));
    assert!(problem["at"].is_string(), "{problem}");
    assert!(problem["what"].as_str().unwrap().contains("token issuer \"as\""), "{problem}");
    setup.serve(200, &key_set(&[("k1", &setup.key)]));
    happens(async || get(&client, "/api/x", &bearer(&setup.token())).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_key_set_of_an_issuer_degrades() {
    let setup = Setup::start().await;
    let edge = setup.builder("").start();
    setup.serve(200, &key_set(&[]));
    reloaded(&edge, 2);
    let problem = admin::status(&edge, "").await["health"]["problems"][0].clone();
    assert_eq!((&problem["code"], &problem["level"]), (&"key_set_missing".into(), &"degraded".into()));
    let what = problem["what"].as_str().unwrap();
    assert!(what.contains("token issuer \"as\"") && what.ends_with("/jwks has no keys"), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_key_set_needs_no_network() {
    let setup = Setup::start().await;
    setup.serve(500, "");
    let builder = || setup.builder("").file(FILE, key_set(&[("k1", &setup.key)]));
    let output = builder().output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !printed.contains("jwks"), "{printed}");
    assert_eq!(setup.issuer.seen().len(), 0, "check needs no network");
    let edge = builder().start();
    let client = Client::with(&edge, &setup.client);
    assert_eq!(get(&client, "/api/x", &bearer(&setup.token())).await.status, 200);
    // A fetch that fails leaves no key set missing.
    edge.wait_for_log("keeping the cached key set");
    let problems = admin::status(&edge, "").await["health"]["problems"].to_string();
    assert!(!problems.contains("key_set_missing"), "{problems}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kid_fetches_the_key_set_early() {
    let setup = Setup::start().await;
    let table = setup.keys("").replace("refresh = \"50ms\"", "refresh = \"7d\"");
    let edge = setup.builder_of(&table, "").start();
    let client = Client::with(&edge, &setup.client);
    let next = SigningKey::p256();
    let new = next.token(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k2" }), &setup.claims());
    // At the start the set is fetched twice: before the first site, and by the thread that fetches from then on.
    happens(async || setup.issuer.seen().len() == 2).await;
    setup.serve(200, &key_set(&[("k1", &setup.key), ("k2", &next)]));
    for _ in 0..5 {
        get(&client, "/api/x", &bearer(&new)).await.oauth_error(401, "invalid_token");
    }
    reloaded(&edge, 2);
    assert_eq!(get(&client, "/api/x", &bearer(&new)).await.status, 200);
    assert_eq!(setup.issuer.seen().len(), 3, "many requests cause one fetch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_that_fails_for_an_hour_is_a_warning() {
    const WARNING: &str = "key set has not been fetched for long; the cached key set is still in use";
    let setup = Setup::start().await;
    let start = time::OffsetDateTime::now_utc();
    let mut edge = setup.builder("").clock(start).start();
    // The fetch before the first site is built is not counted.
    happens(async || admin::status(&edge, "").await["key_set_sources"][0]["fetched"].as_u64() >= Some(1))
        .await;
    setup.serve(500, "");
    edge.wait_for_log("key set fetch failed");
    for (hours, warnings) in [(0, 0), (1, 1), (20, 1), (26, 2)] {
        edge.set_clock(start + time::Duration::hours(hours));
        // Of two fetches that end from now on, the second begins from now on.
        let failed = async || {
            let status = admin::status(&edge, "").await;
            status["key_set_sources"][0]["failed"].as_u64().unwrap()
        };
        let before = failed().await;
        happens(async || failed().await >= before + 2).await;
        edge.wait_for_logs(WARNING, warnings);
        assert_eq!(edge.log().matches(WARNING).count(), warnings, "after {hours} h");
    }
    let url = admin::status(&edge, "").await["key_set_sources"][0]["url"].as_str().unwrap().to_owned();
    let age = metric(&edge, &format!("mtls_edge_key_set_fetch_age_seconds{{url=\"{url}\"}}")).await;
    assert_eq!(age, 26 * 3600, "since the last fetch, by the clock");
    let line = edge.wait_for_log(WARNING);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["level"], line["url"].as_str().unwrap().contains("zQ7hidden")),
        (&"WARN".into(), false)
    );
    for name in ["failing_since", "last_fetched"] {
        assert!(line[name].as_str().unwrap().starts_with(&start.date().to_string()), "{line}");
    }
}

/// Whatever the path is, a key set never takes the place of what an operator has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetched_key_set_replaces_no_file_of_the_operators() {
    let setup = Setup::start().await;
    let key = format!("{DOMAIN}.key");
    for (file, complaint) in [
        (key.clone(), "is also named at edge.toml:"),
        (format!("state/../{key}"), "is also named at edge.toml:"),
        (format!("not-yet/../{key}"), "is also named at edge.toml:"),
        ("edge.toml".to_owned(), "is a file of TOML by its name"),
        ("state/../applications.toml".to_owned(), "is a file of TOML by its name"),
        // In no configuration: the check has to let it pass, and the fetch does not write.
        (
            "notes.pem".to_owned(),
            "notes.pem contains something else than a cached document, and is not replaced",
        ),
    ] {
        let issuer = setup.keys("").replace("state/jwks.json", &file);
        let builder = setup
            .builder_of(&issuer, "")
            .file("state/kept", "")
            .file("notes.pem", self_signed("notes").key_pem());
        assert_eq!(builder.output("check").status.success(), file == "notes.pem", "{file}");
        let path = builder.path().join(file.trim_start_matches("not-yet/../"));
        let before = fs::read_to_string(&path).unwrap();
        let printed = if file == "notes.pem" {
            let edge = builder.start();
            assert_eq!(fs::read_to_string(&path).unwrap(), before);
            edge.stop()
        } else {
            let output = builder.output("run");
            assert_eq!(output.status.code(), Some(1), "{file}");
            assert_eq!(fs::read_to_string(&path).unwrap(), before, "{file}");
            start_problems(&output)
        };
        assert!(printed.contains(complaint), "{file}: {printed}");
    }
}
