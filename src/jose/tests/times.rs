//! The times of a token.

use super::*;
use crate::clock::Timestamp;

const NOW: i64 = 1_700_000_000;

fn judge(rules: TimeRules, times: &Value) -> Result<Lifetime, ClaimsError> {
    rules.judge(&claims(times), Timestamp::from_unix(NOW))
}

#[test]
fn a_token_is_valid_until_the_second_of_exp() {
    for rules in [TimeRules::ASSERTION, TimeRules::ACCESS_TOKEN] {
        assert_eq!(judge(rules, &json!({})), Err(ClaimsError::Missing { claim: "exp" }));
        assert!(judge(rules, &json!({ "exp": NOW + 1 })).is_ok());
        assert_eq!(judge(rules, &json!({ "exp": NOW })), Err(ClaimsError::Expired { seconds: 0 }));
        assert_eq!(judge(rules, &json!({ "exp": NOW - 60 })), Err(ClaimsError::Expired { seconds: 60 }));
        assert!(matches!(
            judge(rules, &json!({ "exp": "soon" })),
            Err(ClaimsError::Type { claim: "exp", .. })
        ));
        assert!(matches!(
            judge(rules, &json!({ "exp": NOW + 9, "iat": "now" })),
            Err(ClaimsError::Type { claim: "iat", .. })
        ));
    }
}

#[test]
fn iat_and_nbf_may_be_10_seconds_ahead() {
    for claim in ["iat", "nbf"] {
        for (ahead, is_accepted) in [(-250, true), (8, true), (10, true), (11, false), (60, false)] {
            let found = judge(TimeRules::ASSERTION, &json!({ "exp": NOW + 40, claim: NOW + ahead }));
            assert_eq!(found.is_ok(), is_accepted, "{claim} {ahead}");
            if !is_accepted {
                assert_eq!(found, Err(ClaimsError::InTheFuture { claim, seconds: ahead, limit: 10 }));
            }
        }
    }
}

#[test]
fn an_assertion_lives_300_seconds_at_most() {
    let judge = |times: &Value| judge(TimeRules::ASSERTION, times);
    let lifetime = judge(&json!({ "exp": NOW + 300, "iat": NOW })).unwrap();
    assert_eq!((lifetime.expires.unix(), lifetime.issued.unwrap().unix()), (NOW + 300, NOW));
    // A clock that is ten seconds ahead.
    assert!(judge(&json!({ "exp": NOW + 310, "iat": NOW + 10 })).is_ok());
    assert!(judge(&json!({ "exp": NOW + 310 })).is_ok());
    assert_eq!(
        judge(&json!({ "exp": NOW + 311 })),
        Err(ClaimsError::ExpiresTooLate { seconds: 311, limit: 310 })
    );
    assert_eq!(
        judge(&json!({ "exp": NOW + 200, "iat": NOW - 101 })),
        Err(ClaimsError::LifeTooLong { seconds: 301, limit: 300 })
    );
    assert_eq!(
        judge(&json!({ "exp": NOW + 301, "iat": NOW })),
        Err(ClaimsError::LifeTooLong { seconds: 301, limit: 300 })
    );
}

#[test]
fn an_access_token_lives_as_long_as_its_server_decides() {
    assert!(judge(TimeRules::ACCESS_TOKEN, &json!({ "exp": NOW + 86_400, "iat": NOW - 86_400 })).is_ok());
}
