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

/// Clauses that the edge applies without the profile, too.
pub(super) fn of_every_domain(keys: &Keys) -> Vec<Clause> {
    let ahead = |name| {
        let assertion = keys.assertion_ahead(name);
        Call { dpop: true, ..Call::asserted(TOKEN, "jwt", &assertion, GRANT) }
    };
    vec![
        ("iat is not in the future", ahead("iat"), 401, "invalid_client"),
        ("nbf is not in the future", ahead("nbf"), 401, "invalid_client"),
    ]
}

/// Requests that break a clause in another spelling: path, query and body.
pub(super) const SPELLINGS: &[(&str, &str, &str)] = &[
    (TOKEN, "", "client_id=mtls&grant_type=%70assword"),
    (TOKEN, "", "client_id=mtls&gr%61nt_type=password"),
    (TOKEN, "", "client_id=mtls&grant_type=client_credentials&grant_type=password"),
    (TOKEN, "", "client_id=mtls&grant_type=password&grant_type=client_credentials"),
    (TOKEN, "grant_type=password", "client_id=mtls"),
    (TOKEN, "grant_type=password", "client_id=mtls&grant_type=client_credentials"),
    (TOKEN, "access%5Ftoken=a", "client_id=mtls&grant_type=client_credentials"),
    (TOKEN, "a=b&access_token", "client_id=mtls&grant_type=client_credentials"),
    (TOKEN, "%61ccess_token=", "client_id=mtls&grant_type=client_credentials"),
    ("/other", "", "client_id=secret&client_secret=s&grant%5Ftype=client_credentials"),
    ("/other", "grant_type=client_credentials", "client_id=secret&client_secret=s"),
    // Where request objects are not verified, a pushed request is recognized by its parameters.
    ("/oauth/push", "", "client_id=mtls&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"),
    ("/oauth/push", "redirect_uri=https%3A%2F%2Fapp.example%2Fcb", "client_id=mtls"),
    ("/oauth/push", "", "client_id=mtls&redirect%5Furi=https%3A%2F%2Fapp.example%2Fcb&scope=openid"),
    ("/authorize", "response_type=code", BY_REFERENCE),
    (
        "/authorize",
        "",
        "client_id=mtls&r%65quest_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Aa&response%5Ftype=code",
    ),
    ("/authorize", "request_uri=urn:ietf:params:oauth:request_uri:b", BY_REFERENCE),
    ("/other", "", "client_id=mtls&code%5Fchallenge=c"),
    ("/other", "r%65sponse_type=code&client_id=mtls", ""),
];
const BY_REFERENCE: &str = "client_id=mtls&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Aa";

/// What replaces one parameter of a good pushed request: its name, and how the body has it.
pub(super) const PUSHED_SPELLINGS: &[(&str, &str)] = &[
    ("response_type", "response_type=code&response_type=token"),
    ("response_type", "response_type=code+"),
    ("response_type", "response_type=Code"),
    ("response_type", "response_type=code+code"),
    ("code_challenge_method", "code_challenge_method=s256"),
    ("code_challenge_method", "code_challenge_method=S256&code_challenge_method=plain"),
    ("code_challenge", "code_challenge="),
    ("redirect_uri", "redirect_uri=HTTP%3A%2F%2Fapp.example%2Fcb"),
    ("redirect_uri", "redirect_uri=http%3A%2F%2F127.0.0.1%40app.example%2Fcb"),
    ("redirect_uri", "redirect_uri=http%3A%2F%2Flocalhost%3A80%40app.example%2Fcb"),
    ("redirect_uri", "redirect_uri=http%3A%2F%2F127.0.0.1.app.example%2Fcb"),
    ("redirect_uri", "redirect_uri=http%3A%2F%2F127.0.0.1%5C%40app.example%2Fcb"),
    ("redirect_uri", "redirect_uri=http%3A%5C%5Capp.example%2Fcb"),
    ("redirect_uri", "redirect_uri=http%3Aapp.example%2Fcb"),
    ("redirect_uri", "redirect_uri=+http%3A%2F%2Fapp.example%2Fcb"),
    ("redirect_uri", "redirect_uri=ht%09tp%3A%2F%2Fapp.example%2Fcb"),
    ("redirect_uri", "redirect_uri=%2F%2Fapp.example%2Fcb"),
    (
        "redirect_uri",
        "redirect_uri=https%3A%2F%2Fapp.example%2Fcb&redirect_uri=http%3A%2F%2Fapp.example%2Fcb",
    ),
];
