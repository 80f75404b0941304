use http::Request;

use super::*;
use crate::{
    oauth::{PARAMETERS, Parameters},
    trust::{ApplicationSpec, AuthMethod},
};

fn posted(body: &str) -> Parameters {
    let request = Request::post("/x").header("content-type", "application/x-www-form-urlencoded");
    Parameters::parse(&request.body(()).unwrap().into_parts().0, body.as_bytes(), &PARAMETERS).unwrap()
}

fn got(query: &str) -> Parameters {
    let head = Request::get(format!("/x?{query}")).body(()).unwrap().into_parts().0;
    Parameters::parse(&head, b"", &PARAMETERS).unwrap()
}

const PUSHED: &str = "client_id=a&response_type=code&redirect_uri=https%3A%2F%2Fa.example%2Fcb&code_challenge=c&code_challenge_method=S256";

#[test]
fn a_pushed_request_uses_code_and_pkce() {
    let check = |body: &str| Pushed::Parameters(&posted(body)).check();
    assert_eq!(check(PUSHED), Ok(()));
    for (from, to, error) in [
        ("response_type=code", "response_type=code+id_token", FapiError::ResponseType),
        ("response_type=code", "response_type=token", FapiError::ResponseType),
        ("response_type=code", "response_type=", FapiError::ResponseType),
        ("redirect_uri=", "x=", FapiError::NoRedirectUri),
        ("https%3A", "http%3A", FapiError::RedirectUri),
        ("S256", "plain", FapiError::Challenge),
        ("&code_challenge_method=S256", "", FapiError::Challenge),
        ("code_challenge=c", "code_challenge=", FapiError::Challenge),
    ] {
        assert_eq!(check(&PUSHED.replace(from, to)), Err(error), "{to}");
    }
}

#[test]
fn only_loopback_may_use_http() {
    for uri in [
        "https://a.example/cb",
        "http://127.0.0.1/cb",
        "http://127.0.0.1:8080",
        "http://localhost:3000/cb?x",
        "http://[::1]:1/",
        "HTTP://localhost/",
        "com.example.app:/cb",
    ] {
        assert!(is_confidential(uri), "{uri}");
    }
    for uri in [
        "http://a.example/cb",
        "HTTP://a.example/cb",
        "http://127.0.0.1.a.example/",
        "http://localhost@a.example/",
        "http://127.0.0.1:80@a.example/",
        "http://localhost:a@b.example/",
        "http://localhost\\@a.example/",
        "http://127.0.0.1:80\\@a.example/",
        "http://[::1]\\@a.example/",
        "http://[::1]a.example/",
        "http:a.example",
        "http:/127.0.0.1/",
        " http://a.example/cb",
        "ht%74p://a.example",
        "//a.example/cb",
        ":",
        "",
    ] {
        assert!(!is_confidential(uri), "{uri}");
    }
}

#[test]
fn an_authorization_request_is_recognized_at_any_path() {
    for query in ["response_type=code", "request=a.b.c", "request_uri=urn:x", "code_challenge=c"] {
        assert!(is_authorization_request(&got(query)) && is_authorization_request(&posted(query)), "{query}");
    }
    assert!(!is_authorization_request(&got("client_id=a&state=b&redirect_uri=c")));
    assert!(is_pushed_request(&posted("client_id=a&redirect_uri=c")));
    assert!(!is_pushed_request(&posted("client_id=a&grant_type=authorization_code&code=b&redirect_uri=c")));
    assert!(!is_pushed_request(&posted("client_id=a&token=b")));
    assert_eq!(check_reference(&got("client_id=a&request_uri=urn:x&state=b")), Ok(()));
    for name in ["response_type", "redirect_uri", "code_challenge", "request"] {
        let parameters = got(&format!("client_id=a&request_uri=urn:x&{name}=b"));
        assert_eq!(check_reference(&parameters), Err(FapiError::BesideReference(name)));
    }
}

#[test]
fn tokens_are_bound_and_not_sent_in_the_query() {
    for query in ["access_token=a", "a=b&access_token=", "Access-Token=a"] {
        assert_eq!(check_query(Some(query)), Err(FapiError::TokenInQuery), "{query}");
    }
    assert_eq!((check_query(Some("a=access_token")), check_query(None)), (Ok(()), Ok(())));
    let grant = |grant: &str, is_bound| check_token(&posted(&format!("grant_type={grant}")), is_bound);
    assert_eq!(grant("authorization_code", true), Ok(()));
    assert_eq!(grant("client_credentials", false), Err(FapiError::Unbound));
    assert_eq!(grant("password", true), Err(FapiError::PasswordGrant));
    assert_eq!(check_token(&posted("token=a"), false), Ok(()));
}

#[test]
fn clients_use_certificates_or_assertions() {
    let public = Application::try_from(ApplicationSpec::new("a", AuthMethod::None, vec![])).unwrap();
    let secret = ApplicationSpec::new("a", AuthMethod::ClientSecretBasic, vec![]);
    let secret = Application::try_from(secret).unwrap();
    for application in [Some(&public), Some(&secret), None] {
        assert_eq!(check_client(application), Err(FapiError::ClientMethod));
    }
}
