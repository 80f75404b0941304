//! The keys of request objects: two at a time, each with its algorithm, apart from those for authentication.

use super::*;

#[tokio::test]
async fn every_algorithm_verifies_with_its_own_key() {
    for (key, alg, others) in [
        (SigningKey::rsa(), "RS256", &["RS384", "PS256"][..]),
        (SigningKey::rsa(), "RS384", &["RS256"]),
        (SigningKey::rsa(), "PS256", &["RS256"]),
        (SigningKey::p256(), "ES256", &[]),
        (SigningKey::ed25519(), "EdDSA", &[]),
    ] {
        let (pem, table) = (key.public_pem(), request_key("jar", alg));
        let setup = Setup::with_keys(Settings::default(), key, &[("jar", &pem)], &table).await;
        let object = setup.key.token(&json!({ "alg": alg }), &claims());
        let answer = setup.authorize(&[("client_id", APP), ("request", &object)]).await;
        assert_eq!(answer.status, 200, "{alg}: {answer:?}");
        for other in others {
            let object = setup.key.token(&json!({ "alg": other }), &claims());
            let answer = setup.authorize(&[("client_id", APP), ("request", &object)]).await;
            assert_eq!(answer.oauth_error(400, "invalid_request_object"), NOT_VERIFIED);
            let log = setup.edge.log_of(&answer);
            assert!(log["reason"].as_str().unwrap().contains(other), "{log}");
        }
        setup.edge.stop();
    }
}

/// Whether an object that this key signs passes on an open connection.
async fn passes(connection: &mut Connection, key: &SigningKey, kid: Option<&str>) -> bool {
    let mut header = json!({ "alg": "ES256" });
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let object = key.token(&header, &claims());
    let answer = connection.send(get(&[("client_id", APP), ("request", &object)])).await;
    if answer.status != 200 {
        answer.oauth_error(400, "invalid_request_object");
    }
    answer.status == 200
}

#[tokio::test]
async fn a_request_key_is_rotated_on_an_open_connection() {
    let (old, new) = (SigningKey::p256(), SigningKey::p256());
    let (old_pem, new_pem) = (old.public_pem(), new.public_pem());
    let (first, second) = (request_key("old", "ES256"), request_key("new", "ES256") + "kid = \"new\"\n");
    let files = [("old", old_pem.as_str()), ("new", &new_pem)];
    let setup = Setup::with_keys(Settings::default(), SigningKey::p256(), &files, &first).await;
    let mut browser = setup.browser().await;
    assert!(passes(&mut browser, &old, None).await && !passes(&mut browser, &new, Some("new")).await);

    let reload =
        |tables: &str| setup.edge.reload("registry.toml", &applications(&setup.certificate, "", tables));
    reload(&format!("{first}{second}"));
    // With its `kid`, and without, when both keys are tried.
    for (key, kid) in [(&old, None), (&old, Some("any")), (&new, Some("new")), (&new, None)] {
        assert!(passes(&mut browser, key, kid).await, "{kid:?}");
    }
    assert!(!passes(&mut browser, &new, Some("other")).await);

    reload(&second);
    assert!(!passes(&mut browser, &old, None).await && passes(&mut browser, &new, Some("new")).await);
    setup.edge.stop();
}

#[tokio::test]
async fn an_application_without_a_request_key_cannot_sign() {
    let setup = Setup::with_keys(Settings::default(), SigningKey::p256(), &[], "").await;
    let object = setup.object();
    for answer in setup.everywhere(&[("client_id", APP), ("request", &object)]).await {
        let (description, outcome) = setup.refused(&answer, "invalid_request_object");
        assert_eq!(description, "no key for request objects is registered for this client_id");
        assert_eq!(outcome, "refused_signature");
    }
    setup.edge.stop();
}

#[tokio::test]
async fn an_expired_request_key_is_refused_on_an_open_connection() {
    let (key, certificate, upstream) = (SigningKey::p256(), self_signed(APP), Upstream::start().await);
    let start = time::OffsetDateTime::from_unix_timestamp(now()).unwrap();
    let end = start + time::Duration::minutes(1);
    let rfc_3339 = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    let table = request_key("jar", "ES256") + &format!("expires_at = {rfc_3339}\n");
    let route = "[[domain.route]]\npath = \"/authorize\"\nmethods = [\"GET\"]\nauthenticate = \"none\"\nsigned_request = \"verify\"";
    let mut edge = EdgeBuilder::new(upstream.url())
        .domain(BROWSERS, &format!("issuer = \"{ISSUER}\"\nclient_auth = \"off\"\n{route}"))
        .applications_file("registry.toml")
        .file("registry.toml", applications(&certificate, "", &table))
        .file("jar.pem", key.public_pem())
        .clock(start)
        .start();
    let mut browser = Client::new(&edge).server_name(BROWSERS).connect().await;
    let object = sign(&key, &claims_with("exp", json!(now() + 600)));
    let parameters = [("client_id", APP), ("request", object.as_str())];
    assert_eq!(browser.send(get(&parameters)).await.status, 200);
    edge.set_clock(end - time::Duration::SECOND);
    assert_eq!(browser.send(get(&parameters)).await.status, 200);
    edge.set_clock(end);
    let answer = browser.send(get(&parameters)).await;
    assert_eq!(answer.oauth_error(400, "invalid_request_object"), NOT_VERIFIED);
    assert_eq!(
        edge.log_of(&answer)["reason"],
        "the keys that are registered for request objects of this client_id have expired"
    );
    edge.stop();
}
