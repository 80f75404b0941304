//! The `client_id` of a request, in each place.

use std::hint::black_box;

use criterion::Criterion;
use http::{Request, request::Parts};
use mtls_edge::{
    authenticate,
    oauth::{PARAMETERS, ParameterError, Parameters},
    trust::ClientId,
};

const FORM: &str = "application/x-www-form-urlencoded";

fn head(headers: &[(&str, &str)]) -> Parts {
    let request = Request::post("/oauth/token");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

fn client_id(head: &Parts, body: &[u8]) -> Result<ClientId, ParameterError> {
    Parameters::parse(head, body, &PARAMETERS).and_then(|parameters| authenticate::client_id(&parameters))
}

pub fn bench(criterion: &mut Criterion) {
    let form = "grant_type=client_credentials&scope=a+b&client_id=payments";
    // A signed assertion (RFC 7523) is the longest parameter that token requests have.
    let assertion =
        format!("grant_type=client_credentials&client_assertion={}&client_id=payments", "x".repeat(1500));
    let json = r#"{"grant_type":"client_credentials","scope":"a b","client_id":"payments"}"#;
    // payments:secret
    let basic = [("content-type", FORM), ("authorization", "Basic cGF5bWVudHM6c2VjcmV0")];
    for (place, head, body) in [
        ("a form", head(&[("content-type", FORM)]), form),
        ("a form with an assertion", head(&[("content-type", FORM)]), &assertion),
        ("JSON", head(&[("content-type", "application/json")]), json),
        ("HTTP Basic, with a form", head(&basic), "grant_type=client_credentials&scope=a+b"),
    ] {
        assert_eq!(client_id(&head, body.as_bytes()).unwrap().as_str(), "payments");
        criterion.bench_function(&format!("client_id from {place}"), |b| {
            b.iter(|| client_id(black_box(&head), black_box(body.as_bytes())).unwrap());
        });
    }
}
