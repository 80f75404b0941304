//! Claims by type.

use super::*;

fn wrong<T>(claim: &'static str, expected: &'static str) -> Result<T, ClaimsError> {
    Err(ClaimsError::Type { claim, expected })
}

#[test]
fn claims_are_read_by_type() {
    let read = claims(&json!({ "iss": "a", "exp": 5, "x": { "y": [1] } }));
    assert_eq!(read.string("iss"), Ok(Some("a")));
    assert_eq!(read.string("sub"), Ok(None));
    assert_eq!(read.required_string("sub"), Err(ClaimsError::Missing { claim: "sub" }));
    assert_eq!(read.string("exp"), wrong("exp", "a string"));
    assert_eq!(read.required_time("nbf"), Err(ClaimsError::Missing { claim: "nbf" }));
    assert_eq!(read.get("x"), Some(&json!({ "y": [1] })));
    assert_eq!(read.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["exp", "iss", "x"]);
    assert_eq!(claims(&json!({ "sub": null })).string("sub"), wrong("sub", "a string"));
}

#[test]
fn a_payload_is_one_object_without_repeated_members() {
    for payload in [&b""[..], b"[]", b"{}{}", b"{\"a\":1", b"\xff", b"null"] {
        assert_eq!(Claims::parse(payload), Err(ClaimsError::NotAnObject));
    }
    for payload in [&br#"{"sub":"a","sub":"b"}"#[..], br#"{"x":[{"sub":1,"sub":1}]}"#] {
        assert_eq!(Claims::parse(payload), Err(ClaimsError::Duplicate { name: "sub".into() }));
    }
}

#[test]
fn numeric_dates_are_seconds_with_an_optional_fraction() {
    let time = |value: Value| claims(&json!({ "exp": value })).time("exp").map(|time| time.unwrap().unix());
    assert_eq!(time(json!(1_700_000_000)), Ok(1_700_000_000));
    assert_eq!(time(json!(1_700_000_000.9)), Ok(1_700_000_000));
    assert_eq!(time(json!(0)), Ok(0));
    assert_eq!(time(json!(253_402_300_799_i64)), Ok(253_402_300_799));
    for value in [
        json!("1700000000"),
        json!(null),
        json!(true),
        json!([1]),
        json!(-1),
        json!(-0.5),
        json!(1_700_000_000_000_i64),
        json!(u64::MAX),
        json!(1e300),
        json!(-1e300),
    ] {
        assert_eq!(time(value.clone()), wrong("exp", "a number of seconds since 1970"), "{value}");
    }
}

#[test]
fn an_audience_is_a_string_or_strings() {
    let values = |value: Value| {
        claims(&json!({ "aud": value })).audience().map(|audience| {
            let values: Vec<String> = audience.values().map(str::to_owned).collect();
            (matches!(audience, Audience::One(_)), values)
        })
    };
    assert_eq!(values(json!("a")), Ok((true, vec!["a".into()])));
    assert_eq!(values(json!(["a"])), Ok((false, vec!["a".into()])));
    assert_eq!(values(json!(["a", "b"])), Ok((false, vec!["a".into(), "b".into()])));
    for value in
        [json!([]), json!([1]), json!(["a", null]), json!([["a"]]), json!({ "a": 1 }), json!(1), json!(null)]
    {
        assert_eq!(values(value.clone()), wrong("aud", "a string or an array of strings"), "{value}");
    }
    assert_eq!(claims(&json!({})).audience(), Err(ClaimsError::Missing { claim: "aud" }));
}
