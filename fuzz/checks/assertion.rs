//! Client assertions: one is accepted if and only if a registered key made it, for this client and server, within its times, and once.
//!
//! An input is the lines of [`super::signed`] and a payload; one that begins with a dot is the text of an assertion, which nobody has signed.

use std::sync::Arc;

use mtls_edge::{
    authenticate::{AssertionError, AssertionRules, Attempt, Denial, JWT, Mechanism, judge_client},
    clock::Timestamp,
    identity::{Authorities, RevocationPolicy},
    jose::MAX_BYTES,
    replay::{Replay, ReplayStore},
    trust::{
        ApplicationSpec, AuthMethod, Change, ClientId, CredentialSpec, Issuer, PublishedKeys, Registered,
        RegisteredKey, Registry, Trust, UnknownApplications,
    },
};
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value};

use super::signed::{CLIENT, Draft, ISSUER, Key, NOW, OLD_AUDIENCE, audience, is_in_time, object};

/// The keys of the client.
const REGISTERED: &[u8] = b"epr";

/// Checks an input.
pub fn check(input: &[u8]) {
    is_accepted(input);
}

/// Checks an input, and returns whether its assertion was accepted.
pub fn is_accepted(input: &[u8]) -> bool {
    let used = ReplayStore::new(Timestamp::from_unix(NOW - 1000));
    if let [b'.', text @ ..] = input {
        let Ok(text) = std::str::from_utf8(text) else { return false };
        assert!(judge(CLIENT, text, &used, false).is_err(), "a stranger's assertion: {text}");
        return false;
    }
    let Some(draft) = Draft::read(input) else { return false };
    let token = draft.token(draft.rest);
    let expected = token.len() <= MAX_BYTES && is_valid(&draft);
    let judged = judge(CLIENT, &token, &used, draft.is_fapi);
    assert_eq!(judged.is_ok(), expected, "{judged:?} for {} {}", draft.header, draft.rest);
    match judged {
        Ok(()) => {
            let again = judge(CLIENT, &token, &used, draft.is_fapi).unwrap_err();
            assert!(is_replay(&again), "{again:?}");
            assert!(judge("b", &token, &used, draft.is_fapi).is_err(), "another client: {}", draft.rest);
        }
        Err(denial) => {
            assert_eq!(used.in_use(), 0, "a refused assertion uses up its jti");
            let signature = token.rsplit('.').next().unwrap();
            let shown = format!("{denial} {}", denial.description());
            assert!(signature.len() < 8 || !shown.contains(signature), "{shown}");
        }
    }
    expected
}

fn is_replay(denial: &Denial) -> bool {
    matches!(denial, Denial::Assertion { error, .. } if **error == AssertionError::Replay(Replay::Used))
}

/// Whether an assertion must be accepted.
fn is_valid(draft: &Draft<'_>) -> bool {
    let typ = draft.typ();
    let is_typed = matches!(typ.as_deref(), None | Some("jwt" | "client-authentication+jwt"));
    let is_strong = !draft.is_fapi || draft.key.algorithm.is_in_fapi2();
    let claims = object(draft.rest.as_bytes());
    draft.is_authentic(REGISTERED)
        && is_typed
        && is_strong
        && claims.is_some_and(|claims| are_valid(&claims, draft))
}

fn are_valid(claims: &Map<String, Value>, draft: &Draft<'_>) -> bool {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_addressed = audience(claims).is_some_and(|values| {
        if draft.is_fapi {
            claims["aud"].as_str() == Some(ISSUER)
        } else {
            values.iter().all(|value| [ISSUER, OLD_AUDIENCE].contains(value))
        }
    });
    text("iss") == Some(CLIENT)
        && text("sub") == Some(CLIENT)
        && text("jti").is_some_and(|jti| !jti.is_empty())
        && !claims.contains_key("response_type")
        && is_addressed
        && is_in_time(claims, 300).is_some()
}

fn judge(client_id: &str, assertion: &str, used: &ReplayStore, fapi: bool) -> Result<(), Denial> {
    thread_local! {
        static TRUST: (Trust, Issuer) = (trust(), Issuer::new(ISSUER, [OLD_AUDIENCE]));
    }
    let client_id = ClientId::new(client_id);
    TRUST.with(|(trust, issuer)| {
        let assertions = AssertionRules { issuer: Some(issuer), fapi, used, limit: 100 };
        let mechanism = Mechanism::Assertion { kind: JWT, assertion };
        let now = Timestamp::from_unix(NOW);
        judge_client(trust, Attempt { client_id: &client_id, mechanism, presented: None, assertions, now })
            .map(|proof| assert!(proof.is_some_and(|proof| proof.is_authenticated)))
    })
}

/// "a" publishes three keys, "b" has registered one of them.
fn trust() -> Trust {
    let key = |letter: &u8| RegisteredKey { key: Box::new(Key::of(*letter).public()) };
    let published = PublishedKeys {
        url: "https://a.example/jwks".into(),
        keys: Some(REGISTERED.iter().map(key).collect()),
    };
    let method = AuthMethod::PrivateKeyJwt;
    let a =
        ApplicationSpec { published_keys: Some(published), ..ApplicationSpec::new(CLIENT, method, vec![]) };
    let credential = CredentialSpec::new("2026", Registered::Key(key(&b'e')));
    let b = ApplicationSpec::new("b", method, vec![credential]);
    let mut registry = Registry::default();
    let changes = [a, b].map(|spec| Change::Put(Box::new(spec.try_into().unwrap())));
    registry.apply_all(changes.into()).unwrap();
    let authorities =
        Authorities::new(Vec::<CertificateDer<'static>>::new(), Vec::new(), RevocationPolicy::default());
    Trust {
        authorities: Arc::new(authorities.unwrap()),
        crl_files: Arc::default(),
        missing_crls: Arc::default(),
        registry,
        unknown_applications: UnknownApplications::Refuse,
    }
}
