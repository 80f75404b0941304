//! Request objects: one is accepted if and only if a registered request key made it, for this client and server, within its times, with one
//! meaning; and none of them is a client assertion.
//!
//! An input is the lines of [`super::signed`], then a line with the parameters outside as a form, then the claims.

use std::{borrow::Cow, cell::LazyCell, collections::BTreeSet};

use mtls_edge::{
    authenticate::{AssertionRules, read_assertion},
    authorization_request::{Endpoint, Form, Outside, RequestObject, Requirements},
    clock::Timestamp,
    jose::MAX_BYTES,
    replay::ReplayStore,
    trust::{
        Application, ApplicationSpec, AuthMethod, ClientId, CredentialSpec, Issuer, Registered, RegisteredKey,
    },
};
use serde_json::{Map, Value};

use super::signed::{CLIENT, Draft, ISSUER, Key, NOW, OLD_AUDIENCE, audience, is_in_time, object, time};

/// The request keys of the client: two, as many as may be registered.
const REGISTERED: &[u8] = b"ep";
/// The longest life of a request object in seconds.
const LIFE: i64 = 3600;

/// Checks an input.
pub fn check(input: &[u8]) {
    is_accepted(input);
}

/// Checks an input, and returns whether its object was accepted.
pub fn is_accepted(input: &[u8]) -> bool {
    thread_local! {
        static FIXTURE: LazyCell<(Application, Issuer)> =
            LazyCell::new(|| (application(), Issuer::new(ISSUER, [OLD_AUDIENCE])));
    }
    let Some(draft) = Draft::read(input) else { return false };
    let Some((form, claims)) = draft.rest.split_once('\n') else { return false };
    let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(form.as_bytes()).collect();
    let token = draft.token(claims);
    let outside = |name: &str| {
        let (_, value) = parameters.iter().find(|(other, value)| other == name && !value.is_empty())?;
        Some(&**value)
    };
    check_form(outside("request"), outside("request_uri"));
    let response_type = outside("response_type");
    FIXTURE.with(|fixture| {
        let (application, issuer) = &**fixture;
        let outside = Outside { request: Some(&token), request_uri: None, response_type };
        let now = Timestamp::from_unix(NOW);
        let verified = RequestObject::verify(&token, application, &outside, Some(issuer), now);
        let members = object(claims.as_bytes());
        let expected = token.len() <= MAX_BYTES
            && is_authentic(&draft)
            && members.as_ref().is_some_and(|claims| are_valid(claims, response_type));
        assert_eq!(verified.is_ok(), expected, "{verified:?} for {} {}", draft.header, draft.rest);
        if let (Ok(verified), Some(claims)) = (verified, members) {
            check_meaning(&verified, &claims, &parameters);
            let used = ReplayStore::new(Timestamp::from_unix(NOW - 10_000));
            let rules = AssertionRules { issuer: Some(issuer), fapi: draft.is_fapi, used: &used, limit: 1 };
            assert!(read_assertion(&token, &ClientId::new(CLIENT), rules, now).is_err(), "{claims:?}");
        }
        expected
    })
}

/// A request object and a reference exclude each other: one at most, and only to what was pushed.
fn check_form(request: Option<&str>, request_uri: Option<&str>) {
    let outside = Outside { request, request_uri, response_type: None };
    for endpoint in [Endpoint::Authorization, Endpoint::Pushed] {
        for [signed, pushed] in [[false; 2], [true, false], [false, true]] {
            let form = Form::of(&outside, endpoint, Requirements { signed, pushed });
            match form {
                Ok(Form::Object(object)) => {
                    assert_eq!((Some(object), None), (request, request_uri));
                    assert!(!pushed || endpoint == Endpoint::Pushed);
                }
                Ok(Form::Reference) => {
                    let uri = request_uri.unwrap();
                    let reference = uri.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
                    assert!(!reference.is_empty() && uri.len() <= 512 && uri.is_ascii());
                    assert!(request.is_none() && endpoint == Endpoint::Authorization);
                }
                Ok(Form::Parameters) => {
                    assert_eq!((None, None), (request, request_uri));
                    assert!(!signed && (!pushed || endpoint == Endpoint::Pushed));
                }
                Err(_) => {}
            }
        }
    }
}

fn is_authentic(draft: &Draft<'_>) -> bool {
    let typ = draft.typ();
    draft.is_authentic(REGISTERED) && matches!(typ.as_deref(), None | Some("jwt" | "oauth-authz-req+jwt"))
}

/// Whether the claims of an authentic object must be accepted.
fn are_valid(claims: &Map<String, Value>, response_type: Option<&str>) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_optional_text = |name: &str| claims.get(name).is_none_or(Value::is_string);
    let inside = text("response_type").unwrap_or_default();
    let is_addressed = audience(claims)
        .is_some_and(|values| values.iter().any(|value| [ISSUER, OLD_AUDIENCE].contains(value)));
    let is_short = is_in_time(claims, LIFE)
        .is_some_and(|exp| time(claims, "nbf").is_ok_and(|nbf| nbf.is_none_or(|nbf| exp - nbf <= LIFE)));
    text("client_id") == Some(CLIENT)
        && text("iss") == Some(CLIENT)
        && is_optional_text("sub")
        && text("sub") != Some(CLIENT)
        && is_optional_text("jti")
        && text("jti").is_none_or(|jti| (1..=255).contains(&jti.len()))
        && is_addressed
        && is_short
        && !["request", "request_uri"].iter().any(|nested| claims.contains_key(*nested))
        && !inside.is_empty()
        && response_type.is_none_or(|outside| outside == inside)
}

/// Checks how parameters outside are compared with those in the object.
fn check_meaning(
    object: &RequestObject<'_>,
    claims: &Map<String, Value>,
    parameters: &[(Cow<'_, str>, Cow<'_, str>)],
) {
    const OF_THE_JWT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];
    // Lists of names are text: a name that has the separator in it would be taken for several.
    let plain: Vec<_> =
        parameters.iter().filter(|(name, _)| !name.is_empty() && !name.contains(", ")).collect();
    let borrowed = || plain.iter().map(|(name, value)| (Cow::from(&**name), Cow::from(&**value)));
    let named = object.contradictions(borrowed()).names();
    let named: BTreeSet<&str> = named.split(", ").filter(|name| !name.is_empty()).collect();
    for (name, value) in &plain {
        let inside = claims.get(&**name).filter(|_| !OF_THE_JWT.contains(&&**name));
        match inside {
            Some(Value::String(text)) if text != value => assert!(named.contains(&**name), "{name} {value}"),
            Some(_) => {}
            None => assert!(!named.contains(&**name), "{name} is only outside"),
        }
    }
    let only_outside = object.only_outside(plain.iter().map(|(name, _)| &**name)).unwrap_or_default();
    let only_outside: BTreeSet<&str> = only_outside.split(", ").collect();
    let of_the_transport =
        ["client_id", "request", "client_secret", "client_assertion", "client_assertion_type"];
    for (name, _) in &plain {
        let is_only = !claims.contains_key(&**name) && !of_the_transport.contains(&&**name);
        assert_eq!(only_outside.contains(&**name), is_only, "{name}");
    }
    for name in claims.keys() {
        let text = claims[name].as_str().filter(|text| !text.is_empty());
        assert_eq!(object.parameter(name), text);
    }
}

fn application() -> Application {
    let key = |letter: &u8| {
        let key = RegisteredKey { key: Box::new(Key::of(*letter).public()) };
        CredentialSpec::new(char::from(*letter).to_string(), Registered::Key(key))
    };
    let spec = ApplicationSpec::new(CLIENT, AuthMethod::None, Vec::new());
    let request_keys = REGISTERED.iter().map(key).collect();
    Application::try_from(ApplicationSpec { request_keys, ..spec }).unwrap()
}
