//! Parameters outside a request object that differ from those in it.

use super::*;

#[tokio::test]
async fn parameters_that_contradict_the_object_are_reported() {
    let setup = Setup::start(Settings::default()).await;
    let object = setup.object();
    let request = [("client_id", APP), ("request", object.as_str())];
    let with = |outside: &[(&'static str, &'static str)]| {
        let mut parameters = request.to_vec();
        parameters.extend_from_slice(outside);
        parameters
    };
    // Equal values, and parameters that are only outside, contradict nothing.
    let equal =
        with(&[("scope", "openid"), ("state", "s1"), ("max_age", "60"), ("prompt", "login"), ("aud", "x")]);
    let differing =
        with(&[("scope", "openid admin"), ("redirect_uri", "https://evil.example/"), ("max_age", "0")]);
    for answer in setup.everywhere(&equal).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        let log = setup.edge.log_of(&answer);
        assert_eq!(
            (log["authorization_request"].as_str(), log.get("contradicted")),
            (Some("verified"), None)
        );
        assert_eq!(log["only_outside"], "prompt");
    }
    for answer in setup.everywhere(&differing).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        let log = setup.edge.log_of(&answer);
        assert_eq!(log["authorization_request"], "contradicted");
        assert_eq!(log["contradicted"], "max_age, redirect_uri, scope");
        assert_eq!(log.get("only_outside"), None);
        assert!(!log.to_string().contains("evil.example"), "a value is in the log: {log}");
    }
    assert_eq!(setup.seen(6).body, form(&differing));
    assert_eq!((setup.counted("verified").await, setup.counted("contradicted").await), (3, 3));
    setup.edge.stop();
}

#[tokio::test]
async fn strict_request_objects_refuses_contradictions() {
    let rules = "strict_request_objects = true";
    let setup = Setup::start(Settings { rules, ..Settings::default() }).await;
    let object = setup.object();
    let parameters = [
        ("client_id", APP),
        ("request", object.as_str()),
        ("scope", "openid admin"),
        ("state", "s2"),
        ("prompt", "login"),
    ];
    for answer in setup.everywhere(&parameters).await {
        let (description, outcome) = setup.refused(&answer, "invalid_request_object");
        assert!(description.ends_with(": scope, state"), "{description}");
        assert_eq!(outcome, "refused_parameters");
        let log = setup.edge.log_of(&answer);
        assert_eq!(
            (&log["contradicted"], &log["only_outside"]),
            (&"scope, state".into(), &"prompt".into()),
            "{log}"
        );
    }
    // A repeated parameter, of which a server takes the first or the last.
    let twice = [("client_id", APP), ("request", object.as_str()), ("scope", "openid"), ("scope", "admin")];
    for answer in setup.everywhere(&twice).await {
        setup.refused(&answer, "invalid_request_object");
    }
    // The query of a POST counts, too.
    let uri = format!("/authorize?{}", form(&[("scope", "admin")]));
    let answer = setup.browser().await.send(post(&uri, &parameters[..2], BROWSERS)).await;
    setup.refused(&answer, "invalid_request_object");
    // What OpenID Connect wants outside, and what is only outside.
    let equal = [
        ("client_id", APP),
        ("request", &object),
        ("scope", "openid"),
        ("response_type", "code"),
        ("ui_locales", "de"),
    ];
    for answer in setup.everywhere(&equal).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(setup.edge.log_of(&answer)["only_outside"], "ui_locales");
    }
    setup.edge.stop();
}
