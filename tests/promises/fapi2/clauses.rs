//! Requests that break one clause each.

use serde_json::{Value, json};

use super::{Call, ISSUER, Keys, PUSHED, Pairs, REFERENCE, TOKEN_ENDPOINT, pushed_with};

/// The name of a clause, a request that breaks it, and the status and code of its refusal.
pub(super) type Clause = (&'static str, Call, u16, &'static str);

const GRANT: Pairs<'static> = &[("grant_type", "client_credentials")];
const TOKEN: &str = "/oauth/token";
const PAR: &str = "/oauth/par";
const SECRET: Pairs<'static> = &[("client_id", "secret"), ("client_secret", "correct horse")];
const PUBLIC: Pairs<'static> = &[("client_id", "public")];

fn post(path: &'static str, client: Pairs<'_>, parameters: Pairs<'_>) -> Call {
    Call::post(path, &[client, parameters].concat())
}

/// Clauses for clients and token requests.
pub(super) fn of_clients(keys: &Keys) -> Vec<Clause> {
    let by_assertion = |client_id: &str, alg: &str, aud: &Value| {
        let assertion = keys.assertion(client_id, alg, aud);
        Call { dpop: true, ..Call::asserted(TOKEN, client_id, &assertion, GRANT) }
    };
    let unbound = Call { dpop: false, ..by_assertion("jwt", "PS256", &json!(ISSUER)) };
    let in_query = Call { query: "access_token=a".to_owned(), ..Call::mtls(TOKEN, GRANT) };
    vec![
        (
            "no password grant",
            Call::mtls(TOKEN, &[("grant_type", "password")]),
            400,
            "unsupported_grant_type",
        ),
        ("no client secrets", post(TOKEN, SECRET, GRANT), 401, "invalid_client"),
        ("no client secrets when pushing", post(PAR, SECRET, PUSHED), 401, "invalid_client"),
        ("no public clients", post(TOKEN, PUBLIC, GRANT), 401, "invalid_client"),
        ("no public clients when pushing", post(PAR, PUBLIC, PUSHED), 401, "invalid_client"),
        ("no tokens without authentication", Call::post("/other", GRANT), 401, "invalid_client"),
        ("no RS256 assertions", by_assertion("legacy", "RS256", &json!(ISSUER)), 401, "invalid_client"),
        ("aud is a string", by_assertion("jwt", "PS256", &json!([ISSUER])), 401, "invalid_client"),
        ("aud is the issuer", by_assertion("jwt", "PS256", &json!(TOKEN_ENDPOINT)), 401, "invalid_client"),
        ("tokens are bound", unbound, 400, "invalid_request"),
        ("no access token in a query", in_query, 400, "invalid_request"),
        ("nor at other paths", Call::get("/other", &[("access_token", "a")]), 400, "invalid_request"),
    ]
}

/// Clauses for pushed requests.
pub(super) fn of_pushed_requests(keys: &Keys) -> Vec<Clause> {
    const BAD: &str = "invalid_request";
    const TYPE: &str = "unsupported_response_type";
    let object = |name: &str, value: &Value| {
        let object = keys.object(name, value);
        Call::mtls(PAR, &[("request", &object)])
    };
    let legacy = keys.legacy.token(&json!({ "alg": "RS256" }), &Keys::claims("jwt"));
    let assertion = keys.assertion("jwt", "PS256", &json!(ISSUER));
    let legacy = Call::asserted(PAR, "jwt", &assertion, &[("request", &legacy)]);
    vec![
        ("PKCE", pushed_with("code_challenge", None), 400, BAD),
        ("S256, not plain", pushed_with("code_challenge_method", Some("plain")), 400, BAD),
        ("S256, not the default", pushed_with("code_challenge_method", None), 400, BAD),
        ("code, not hybrid", pushed_with("response_type", Some("code id_token")), 400, TYPE),
        ("code, not implicit", pushed_with("response_type", Some("token")), 400, TYPE),
        ("response_type is required", pushed_with("response_type", None), 400, TYPE),
        ("redirect_uri is required", pushed_with("redirect_uri", None), 400, BAD),
        ("redirect_uri is not http", pushed_with("redirect_uri", Some("http://app.example/cb")), 400, BAD),
        ("nor like loopback", pushed_with("redirect_uri", Some("http://localhost.app.example/")), 400, BAD),
        ("no RS256 request objects", legacy, 400, "invalid_request_object"),
        ("PKCE in an object", object("code_challenge", &Value::Null), 400, BAD),
        ("S256 in an object", object("code_challenge_method", &json!("plain")), 400, BAD),
        ("code in an object", object("response_type", &json!("code token")), 400, TYPE),
        ("redirect_uri in an object", object("redirect_uri", &Value::Null), 400, BAD),
        ("https in an object", object("redirect_uri", &json!("http://app.example/")), 400, BAD),
    ]
}

/// Clauses for the authorization endpoint.
pub(super) fn of_authorization_requests(keys: &Keys) -> Vec<Clause> {
    let by_reference = [("client_id", "mtls"), ("request_uri", REFERENCE)];
    let beside = |name, value| Call::get("/authorize", &[&by_reference[..], &[(name, value)]].concat());
    let plain = [&[("client_id", "mtls")], PUSHED].concat();
    let object = keys.object("x", &json!(1));
    let by_value = [("client_id", "mtls"), ("request", object.as_str())];
    vec![
        ("only pushed requests", Call::get("/authorize", &plain), 400, "invalid_request_object"),
        ("also by POST", Call::post("/authorize", &plain), 400, "invalid_request_object"),
        ("signed or not", Call::get("/authorize", &by_value), 400, "invalid_request_object"),
        ("at every path", Call::get("/other", &plain), 400, "invalid_request_object"),
        ("no response_type beside it", beside("response_type", "code"), 400, "invalid_request"),
        (
            "no redirect_uri beside it",
            beside("redirect_uri", "https://app.example/cb"),
            400,
            "invalid_request",
        ),
        ("no code_challenge beside it", beside("code_challenge", "c"), 400, "invalid_request"),
    ]
}
