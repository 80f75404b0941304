use base64::{Engine, engine::general_purpose::STANDARD};
use http::Request;
use proptest::prelude::*;

use super::*;

/// More names than the edge currently reads.
const NAMES: [&str; 6] =
    ["client_id", "client_secret", "client_assertion", "client_assertion_type", "request", "request_uri"];
const MANY: Interest<6> = Interest::new(NAMES);
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn head(method: &str, query: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(format!("/t{query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn in_form<const N: usize>(body: &str, interest: &Interest<N>) -> Result<Parameters, ParameterError> {
    Parameters::parse(&head("POST", "", &[("content-type", FORM)]), body.as_bytes(), interest)
}

fn in_json(body: &str) -> Result<Parameters, ParameterError> {
    Parameters::parse(&head("POST", "", &[("content-type", JSON)]), body.as_bytes(), &MANY)
}

#[test]
fn each_parameter_is_read_in_each_place() {
    for name in NAMES {
        let of = |parameters: Result<Parameters, ParameterError>| {
            let parameters = parameters.unwrap();
            for other in NAMES.iter().filter(|other| **other != name) {
                assert_eq!(parameters.get(other), None, "{other} beside {name}");
            }
            parameters.get(name).map(str::to_owned)
        };
        assert_eq!(of(in_form(&format!("x=1&{name}=a%20b&y"), &MANY)).as_deref(), Some("a b"));
        assert_eq!(of(in_json(&format!(r#"{{"x":1,"{name}":"a b"}}"#))).as_deref(), Some("a b"));
        let get = head("GET", &format!("?x&{name}=a+b"), &[]);
        assert_eq!(of(Parameters::parse(&get, b"", &MANY)).as_deref(), Some("a b"));
    }
}

#[test]
fn basic_has_two_parameters() {
    let basic = |text: &str| {
        let value = format!("Basic {}", STANDARD.encode(text));
        Parameters::parse(&head("POST", "", &[("authorization", &value)]), b"", &MANY)
    };
    let both = basic("a%3Ab:s+1:2").unwrap();
    assert_eq!((both.get("client_id"), both.get("client_secret")), (Some("a:b"), Some("s 1:2")));
    assert_eq!(basic("a:").unwrap().get("client_secret"), None);
    assert_eq!(basic("a:%61").unwrap_err(), ParameterError::BasicEscape("client_secret"));
    assert_eq!(basic("a:%0a").unwrap_err(), ParameterError::Control("client_secret"));
    // Parameters that are not of interest are not validated.
    let value = format!("Basic {}", STANDARD.encode("a:%61%zz"));
    let one = Interest::new(["client_id"]);
    let one = Parameters::parse(&head("POST", "", &[("authorization", &value)]), b"", &one).unwrap();
    assert_eq!(one.get("client_id"), Some("a"));
}

#[test]
fn an_empty_value_counts_as_not_sent() {
    let parameters = in_form("client_id=&client_secret&request=a", &MANY).unwrap();
    assert_eq!(NAMES.map(|name| parameters.get(name)), [None, None, None, None, Some("a"), None]);
    assert_eq!(parameters.get("scope"), None);
}

#[test]
fn two_values_of_a_parameter_are_refused() {
    for name in NAMES {
        let repeated = ParameterError::Repeated(name);
        assert_eq!(in_form(&format!("{name}=a&{name}=a"), &MANY).unwrap_err(), repeated);
        assert_eq!(in_json(&format!(r#"{{"{name}":"a","{name}":"a"}}"#)).unwrap_err(), repeated);
        for method in ["GET", "POST"] {
            let head = head(method, &format!("?{name}=a"), &[("content-type", FORM)]);
            let parse = |body: String| Parameters::parse(&head, body.as_bytes(), &MANY).map(drop);
            assert_eq!(parse(format!("{name}=b")), Err(ParameterError::Differ(name)));
            assert_eq!(parse(format!("{name}=a")), Ok(()));
        }
    }
}

/// Names that some servers take for this one.
fn lookalikes(name: &str) -> Vec<String> {
    let camel: String = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let first = &name[..1];
    let mut spellings = vec![
        name.to_uppercase(),
        camel,
        format!("{name}[]"),
        format!("{name}%5B0%5D"),
        format!("x[{name}]"),
        format!("x.{name}"),
        format!("[{name}]"),
        format!("+{name}"),
        format!("{name}%20"),
        format!("{name}%00x"),
        format!("?{name}"),
        format!("%EF%BB%BF{name}"),
        format!("_{name}"),
        format!("{name}%ff"),
        format!("%25{:02x}{}", first.as_bytes()[0], &name[1..]),
        format!("%25u00{:02x}{}", first.as_bytes()[0], &name[1..]),
    ];
    if name.contains('_') {
        for instead in ["-", ".", "+", "%5B", "%255F", "__", "%C1%9F", "%EF%BC%BF"] {
            spellings.push(name.replacen('_', instead, 1));
        }
    }
    spellings
}

#[test]
fn lookalikes_of_each_parameter_are_refused() {
    for name in NAMES {
        for spelling in lookalikes(name) {
            for form in [format!("{name}=a&{spelling}=b"), format!("x&{spelling}=b")] {
                let error = in_form(&form, &Interest::new([name])).unwrap_err();
                assert_eq!(error, ParameterError::Lookalike(name), "{form}");
                // `request.uri` resembles both `request` and `request_uri`.
                let error = in_form(&form, &MANY).unwrap_err();
                assert!(matches!(error, ParameterError::Lookalike(_)), "{form}: {error}");
            }
        }
    }
}

#[test]
fn values_are_read_strictly() {
    for name in NAMES {
        for (form, error) in [
            (format!("{name}=a;x=1"), ParameterError::Separator(name)),
            (format!("x=1;{name}=a"), ParameterError::Separator(name)),
            (format!("{name}=%zz"), ParameterError::Escape(name)),
            (format!("{name}=%00"), ParameterError::Control(name)),
            (format!("{name}=%ff"), ParameterError::NotUtf8(name)),
        ] {
            assert_eq!(in_form(&form, &MANY).unwrap_err(), error, "{form}");
        }
        for (json, error) in [
            (format!(r#"{{"{name}":1}}"#), ParameterError::NotJson),
            (format!(r#"{{"{name}":"\u0000"}}"#), ParameterError::Control(name)),
            (format!(r#"{{"x":"&{name}=b"}}"#), ParameterError::FormInJson),
        ] {
            assert_eq!(in_json(&json).unwrap_err(), error, "{json}");
        }
    }
}

#[test]
fn other_parameters_are_ignored() {
    let one = Interest::new(["client_id"]);
    let rest = NAMES[1..].iter().map(|name| format!("{name}=%zz;x&{name}=%00&{name}[]=c"));
    let form = format!("client_id=a&scope=b&scope=c&{}", rest.collect::<Vec<_>>().join("&"));
    assert_eq!(in_form(&form, &one).unwrap().get("client_id"), Some("a"));
    assert!(in_form(&form, &MANY).is_err());
}

/// Parameters with every known variation of the name.
fn tricks(name: &'static str) -> Vec<String> {
    let names =
        lookalikes(name).into_iter().chain([name, "scope", "x", "_method", "_charset_"].map(str::to_owned));
    let values = ["", "=", "=a", "=b", "=%zz", "=%00", "=%ff", "=utf-8", "=a;b", "=a=b"];
    names.flat_map(|name| values.map(|value| format!("{name}{value}"))).collect()
}

/// Picks of [`tricks`], and the separators after them.
fn picks() -> impl Strategy<Value = Vec<(prop::sample::Index, bool)>> {
    prop::collection::vec((any::<prop::sample::Index>(), prop::bool::weighted(0.1)), 1..6)
}

fn form_of(tricks: &[String], picks: &[(prop::sample::Index, bool)]) -> String {
    let pieces = picks.iter().map(|(pick, semicolon)| {
        let separator = if *semicolon { ';' } else { '&' };
        format!("{}{separator}", pick.get(tricks))
    });
    pieces.collect()
}

proptest! {
    #[test]
    fn every_name_is_read_as_strictly_as_client_id(picks in picks()) {
        let of = |name: &'static str| {
            let read = in_form(&form_of(&tricks(name), &picks), &Interest::new([name]));
            let values = |read: Parameters| read.0.into_iter().map(|one| one.value).collect::<Vec<_>>();
            read.map(values).map_err(|error| format!("{error:?}").replace(name, "NAME"))
        };
        prop_assert_eq!(of("client_id"), of("request_uri"));
        prop_assert_eq!(of("client_id"), of("client_secret"));
    }

    #[test]
    fn a_larger_interest_reads_the_same_values(picks in picks()) {
        let form = form_of(&NAMES.map(tricks).concat(), &picks);
        if let Ok(many) = in_form(&form, &MANY) {
            let one = in_form(&form, &Interest::new(["client_id"])).unwrap();
            prop_assert_eq!(many.get("client_id"), one.get("client_id"));
        }
    }

    #[test]
    fn no_bytes_panic(body: Vec<u8>, json: bool) {
        let kind = if json { JSON } else { FORM };
        let _ = Parameters::parse(&head("POST", "", &[("content-type", kind)]), &body, &MANY);
    }
}
