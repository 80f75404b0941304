//! Requests with and without a request object, and by reference to a pushed request.

use super::*;

const REFERENCE: &str = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";
const PLAIN: &[(&str, &str)] = &[("client_id", APP), ("response_type", "code"), ("scope", "openid")];
const BY_REFERENCE: &[(&str, &str)] = &[("client_id", APP), ("request_uri", REFERENCE)];

#[tokio::test]
async fn verify_allows_requests_without_an_object() {
    let setup = Setup::start(Settings::default()).await;
    for answer in setup.everywhere(PLAIN).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(setup.authorize(BY_REFERENCE).await.status, 200);
    assert_eq!(setup.seen(4).uri.to_string(), format!("/authorize?{}", form(BY_REFERENCE)));
    assert_eq!((setup.counted("unsigned").await, setup.counted("pushed").await), (3, 1));
    setup.edge.stop();
}

#[tokio::test]
async fn require_wants_an_object_or_a_pushed_request() {
    let setup = Setup::start(Settings { signed_request: "require", ..Settings::default() }).await;
    for answer in setup.everywhere(PLAIN).await {
        let (description, outcome) = setup.refused(&answer, "invalid_request_object");
        assert!(description.contains("a signed request object is required"), "{description}");
        assert_eq!(outcome, "refused_required");
    }
    let object = setup.object();
    for answer in setup.everywhere(&[("client_id", APP), ("request", &object)]).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(setup.authorize(BY_REFERENCE).await.status, 200);
    assert_eq!(setup.post_authorize(BY_REFERENCE).await.status, 200);
    setup.edge.stop();
}

#[tokio::test]
async fn only_a_pushed_request_can_be_referred_to() {
    let setup = Setup::start(Settings::default()).await;
    let long = format!("{REFERENCE}{}", "a".repeat(512));
    for uri in [
        "https://app.example/request.jwt",
        "http://169.254.169.254/latest",
        "urn:example:bwc4JK-ESC0w8acc191e",
        &long,
    ] {
        let answer = setup.authorize(&[("client_id", APP), ("request_uri", uri)]).await;
        let (description, outcome) = setup.refused(&answer, "invalid_request_object");
        assert!(description.starts_with("request_uri must be"), "{description}");
        assert_eq!(outcome, "refused_parameters");
    }
    let answer = setup.push(BY_REFERENCE).await;
    let (description, _) = setup.refused(&answer, "invalid_request_object");
    assert!(description.contains("must not contain request_uri"), "{description}");
    let object = setup.object();
    let both = [("client_id", APP), ("request", object.as_str()), ("request_uri", REFERENCE)];
    for answer in setup.everywhere(&both).await {
        let (description, _) = setup.refused(&answer, "invalid_request_object");
        assert!(description.contains("not both"), "{description}");
    }
    setup.edge.stop();
}

#[tokio::test]
async fn an_application_can_require_signed_requests() {
    let rules = "require_signed_request = true";
    let setup = Setup::start(Settings { rules, ..Settings::default() }).await;
    for answer in setup.everywhere(PLAIN).await {
        setup.refused(&answer, "invalid_request_object");
    }
    let object = setup.object();
    for answer in setup.everywhere(&[("client_id", APP), ("request", &object)]).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(setup.authorize(BY_REFERENCE).await.status, 200);
    setup.edge.stop();
}

#[tokio::test]
async fn an_application_can_require_pushed_requests() {
    let rules = "require_pushed_request = true";
    let setup = Setup::start(Settings { rules, ..Settings::default() }).await;
    let object = setup.object();
    for parameters in [PLAIN, &[("client_id", APP), ("request", &object)]] {
        for answer in [setup.authorize(parameters).await, setup.post_authorize(parameters).await] {
            let (description, outcome) = setup.refused(&answer, "invalid_request_object");
            assert!(description.contains("must push"), "{description}");
            assert_eq!(outcome, "refused_required");
        }
    }
    assert_eq!(setup.push(PLAIN).await.status, 200);
    assert_eq!(setup.push(&[("client_id", APP), ("request", &object)]).await.status, 200);
    assert_eq!(setup.authorize(BY_REFERENCE).await.status, 200);
    setup.edge.stop();
}

#[tokio::test]
async fn an_unknown_client_is_refused_or_forwarded() {
    let setup = Setup::start(Settings::default()).await;
    let object = setup.object();
    for parameters in [
        &[("client_id", "nobody"), ("response_type", "code")][..],
        &[("client_id", "nobody"), ("request", &object)],
    ] {
        let answer = setup.authorize(parameters).await;
        let (description, outcome) = setup.refused(&answer, "invalid_request");
        assert_eq!(description, "the client_id is not registered here");
        assert_eq!(outcome, "refused_parameters");
        assert_eq!(setup.edge.log_of(&answer)["client_id"], "nobody");
    }
    for parameters in [&[("response_type", "code")][..], &[("request", &object)]] {
        setup.refused(&setup.authorize(parameters).await, "invalid_request");
    }
    setup.edge.stop();

    let trust = "unknown_applications = \"forward\"";
    let setup = Setup::start(Settings { trust, ..Settings::default() }).await;
    for (parameters, outcome) in [
        (&[("client_id", "nobody"), ("response_type", "code")][..], "unsigned"),
        (&[("client_id", "nobody"), ("request", &object)], "unverified"),
        (&[("response_type", "code")], "unsigned"),
    ] {
        let answer = setup.authorize(parameters).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(setup.edge.log_of(&answer)["authorization_request"], outcome);
    }
    let required = Settings { trust, signed_request: "require", ..Settings::default() };
    let strict = Setup::start(required).await;
    for parameters in [
        &[("client_id", "nobody"), ("request", object.as_str())],
        &[("client_id", "nobody"), ("request_uri", REFERENCE)],
    ] {
        strict.refused(&strict.authorize(parameters).await, "invalid_request");
    }
    strict.edge.stop();
    // Whoever the client is, the server fetches nothing.
    let uri = [("client_id", "nobody"), ("request_uri", "https://evil.example/r")];
    setup.authorize(&uri).await.oauth_error(400, "invalid_request_object");
    // A registered application is verified all the same.
    let wrong = sign(&SigningKey::p256(), &claims());
    setup
        .authorize(&[("client_id", APP), ("request", &wrong)])
        .await
        .oauth_error(400, "invalid_request_object");
    setup.edge.stop();
}

#[tokio::test]
async fn a_request_that_servers_read_differently_is_refused() {
    let setup = Setup::start(Settings::default()).await;
    let (object, other) = (setup.object(), sign(&SigningKey::p256(), &claims()));
    let valid = form(&[("client_id", APP), ("request", &object)]);
    for extra in [
        form(&[("request", &object)]),
        form(&[("request", &other)]),
        form(&[("Request", &other)]),
        form(&[("request[]", &other)]),
        form(&[("request\0", &other)]),
        form(&[("requestUri", "https://evil.example")]),
        form(&[("request-uri", "https://evil.example")]),
        form(&[("Response_Type", "token")]),
        form(&[("response_type", "code"), ("response_type", "token")]),
        form(&[("client_id", "other")]),
        format!("x=1;request={other}"),
        "_method=POST".to_owned(),
    ] {
        let query = format!("/authorize?{valid}&{extra}");
        let get = Request::get(&query).header(header::HOST, BROWSERS).body(Full::<Bytes>::default()).unwrap();
        let answer = setup.browser().await.send(get).await;
        answer.oauth_error(400, "invalid_request");
        let post = Request::post("/authorize")
            .header(header::HOST, BROWSERS)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(format!("{valid}&{extra}")))
            .unwrap();
        setup.browser().await.send(post).await.oauth_error(400, "invalid_request");
    }
    assert_eq!(setup.upstream.seen().len(), 0);
    setup.edge.stop();
}

#[tokio::test]
async fn the_query_of_a_post_hides_nothing() {
    let setup = Setup::start(Settings::default()).await;
    let object = setup.object();
    let uri = |parameters: &[(&str, &str)]| format!("/authorize?{}", form(parameters));
    for (query, body) in [
        (&[("request", object.as_str())][..], &[("client_id", APP)][..]),
        (&[("request_uri", "https://evil.example/r")], &[("client_id", APP)]),
        (&[("response_type", "token")], &[("client_id", APP), ("request", &object)]),
        (&[("client_id", APP), ("request", &object)], &[]),
        (&[("client_id", APP), ("request", &object)], &[("scope", "a")]),
        (&[("request", "a.b.c")], &[("client_id", APP), ("request", &object)]),
        // Equal in both places, too: a server that reads only the query would serve the rest of it.
        (
            &[("client_id", APP), ("response_type", "code"), ("redirect_uri", "https://evil.example/")],
            &[("client_id", APP), ("response_type", "code"), ("request", &object)],
        ),
    ] {
        let answer = setup.browser().await.send(post(&uri(query), body, BROWSERS)).await;
        answer.oauth_error(400, "invalid_request");
    }
    assert_eq!(setup.upstream.seen().len(), 0);
    setup.edge.stop();
}

#[tokio::test]
async fn a_get_with_a_body_is_refused() {
    let setup = Setup::start(Settings::default()).await;
    let object = setup.object();
    let query = [("client_id", APP), ("response_type", "code"), ("redirect_uri", "https://evil.example/")];
    for (kind, body) in [
        ("application/x-www-form-urlencoded", form(&[("request", &object)])),
        ("application/x-www-form-urlencoded", form(&[("request_uri", REFERENCE)])),
        ("application/x-www-form-urlencoded", "x=1".to_owned()),
        ("application/json", json!({ "request_uri": REFERENCE }).to_string()),
        ("text/plain", "x".to_owned()),
    ] {
        let request = Request::get(format!("/authorize?{}", form(&query)))
            .header(header::HOST, BROWSERS)
            .header(header::CONTENT_TYPE, kind)
            .body(Full::<Bytes>::from(body))
            .unwrap();
        setup.browser().await.send(request).await.oauth_error(400, "invalid_request");
    }
    assert_eq!(setup.upstream.seen().len(), 0);
    setup.edge.stop();
}

#[tokio::test]
async fn no_other_spelling_of_the_path_avoids_the_check() {
    let upstream = Upstream::start().await;
    let routes = format!(
        "issuer = \"{ISSUER}\"\nclient_auth = \"off\"\n\
         [[domain.route]]\npath = \"/authorize\"\nmethods = [\"GET\", \"POST\"]\nauthenticate = \"none\"\nsigned_request = \"require\"\n\
         [[domain.route]]\npath = \"/*\"\nmethods = [\"GET\", \"HEAD\", \"POST\", \"PUT\"]\nauthenticate = \"none\""
    );
    let edge = EdgeBuilder::new(upstream.url()).domain(BROWSERS, &routes).start();
    let mut browser = Client::new(&edge).server_name(BROWSERS).connect().await;
    for (method, path, status) in [
        ("GET", "/authorize", 400),
        ("POST", "/authorize", 400),
        ("HEAD", "/authorize", 405),
        ("PUT", "/authorize", 405),
        ("GET", "/Authorize", 404),
        ("GET", "/authorize/", 404),
        ("GET", "//authorize", 404),
        ("GET", "/%61uthorize", 404),
        ("GET", "/x/../authorize", 404),
        ("GET", "/authorize;x", 404),
        ("GET", "/authorize/resume/abc", 200),
        ("GET", "/u/login", 200),
    ] {
        let request = Request::builder().method(method).uri(path).header(header::HOST, BROWSERS);
        let answer = browser.send(request.body(Full::<Bytes>::default()).unwrap()).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    assert_eq!(upstream.seen().len(), 2);
    edge.stop();
}
