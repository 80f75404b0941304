//! Request smuggling: hostile requests over both protocols, and for each what the upstream received. One that is refused arrives not at
//! all, or never whole; one that is served arrives once, by the letter of RFC 9112, with the body that the edge read.

mod http1;
mod http2;
mod strict;

use futures_util::{StreamExt, stream};
use strict::{Arrived, Received};

use crate::support::{
    Client, DOMAIN, Edge, EdgeBuilder,
    http2::{Field, Outcome},
    scripted::Scripted,
    with_client,
};

/// The body of the requests that are served.
const FORM: &str = "client_id=billing";
/// As many as the issue asks for, over each protocol.
const AT_LEAST: usize = 446;

/// What must become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It is not served, and nothing behind it.
    Refused,
    /// It is answered with this status, or with any error if that is 0, and does not arrive. What follows is another request.
    Answered(u16),
    /// It is served, with this body. What follows is another request.
    Served(&'static str),
    /// It is served, with this body, and nothing behind it.
    Last(&'static str),
}

/// A request of HTTP/1.1, with `{case}` where its number belongs.
struct Case {
    what: String,
    text: String,
    expected: Expected,
}

async fn start() -> (Scripted, Arrived, Edge, Client) {
    let (upstream, arrived) = strict::start().await;
    // A request that is not whole ends.
    let limits = "head_timeout = \"1s\"\nbody_timeout = \"1s\"\nidle_timeout = \"2s\"";
    let (edge, credentials) = with_client(EdgeBuilder::new(upstream.url()).limits(limits));
    let client = Client::with(&edge, &credentials);
    (upstream, arrived, edge, client)
}

/// The number of a request, in its target.
fn mark(number: usize) -> String {
    format!("case={number}.")
}

/// What arrived of a request: it, what it smuggled, and the one after it.
fn of_case(arrived: &Arrived, number: usize) -> [Vec<Received>; 3] {
    let arrived = arrived.lock().unwrap();
    let mine = |path: &str| {
        let is_mine = |target: &str| target.contains(&mark(number)) && target.starts_with(path);
        arrived.iter().flatten().filter(|received| is_mine(&received.target)).cloned().collect::<Vec<_>>()
    };
    [[mine("/oauth"), mine("/any/thing")].concat(), mine("/any/smuggled"), mine("/any/next")]
}

/// The bodies of the requests that arrived whole.
fn whole(requests: &[Received]) -> Vec<String> {
    let bodies = requests.iter().filter_map(|request| request.body.as_ref());
    bodies.map(|body| String::from_utf8_lossy(body).into_owned()).collect()
}

fn assert_strict(arrived: &Arrived) {
    let arrived = arrived.lock().unwrap();
    let wrong: Vec<_> = arrived.iter().filter_map(|arrived| arrived.as_ref().err()).collect();
    assert!(wrong.is_empty(), "not by RFC 9112: {wrong:#?}");
}

#[tokio::test]
async fn no_request_over_http1_smuggles_another() {
    let (_upstream, arrived, edge, client) = start().await;
    let cases = http1::cases();
    assert!(cases.len() >= AT_LEAST, "{}", cases.len());
    let send = |(number, case): (usize, &Case)| {
        let text = case.text.replace("{case}", &mark(number));
        // A request on the same connection, which ends it.
        let next =
            format!("GET /any/next?{} HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\n\r\n", mark(number));
        let client = client.clone();
        async move { client.raw((text + &next).as_bytes()).await }
    };
    let answers: Vec<String> = stream::iter(cases.iter().enumerate()).map(send).buffered(32).collect().await;
    edge.stop();
    assert_strict(&arrived);
    let mut wrong = Vec::new();
    for (number, (case, answer)) in cases.iter().zip(&answers).enumerate() {
        let [this, smuggled, next] = of_case(&arrived, number);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_right = match case.expected {
            Expected::Refused => !(100..400).contains(&status) && whole(&this).is_empty() && next.is_empty(),
            Expected::Answered(expected) => {
                status >= 400
                    && (expected == 0 || status == expected)
                    && this.is_empty()
                    && (next.len() == 1 || expected == 0)
            }
            Expected::Served(body) => {
                status < 300 && this.len() == 1 && whole(&this) == [body] && next.len() == 1
            }
            Expected::Last(body) => {
                status < 300 && this.len() == 1 && whole(&this) == [body] && next.is_empty()
            }
        };
        if !is_right || !smuggled.is_empty() {
            wrong.push((case.what.clone(), case.expected, status, this, smuggled, next));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
}

#[tokio::test]
async fn no_request_over_http2_smuggles_another() {
    let (_upstream, arrived, edge, client) = start().await;
    let cases = http2::cases();
    assert!(cases.len() >= AT_LEAST, "{}", cases.len());
    let send = |(number, case): (usize, &http2::Case)| {
        let numbered = |fields: &[(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> {
            let value =
                |value: &[u8]| String::from_utf8_lossy(value).replace("{case}", &mark(number)).into_bytes();
            fields.iter().map(|(name, text)| (name.clone(), value(text))).collect()
        };
        let (fields, trailers, body) = (numbered(&case.fields), numbered(&case.trailers), case.body);
        let client = client.clone();
        async move {
            let [fields, trailers] = [&fields, &trailers]
                .map(|all| all.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<Field<'_>>>());
            crate::support::http2::request(&client, &fields, body.as_bytes(), &trailers).await
        }
    };
    let outcomes: Vec<Outcome> =
        stream::iter(cases.iter().enumerate()).map(send).buffered(32).collect().await;
    crate::support::admin::assert_counted(&edge, "header_name").await;
    edge.stop();
    assert_strict(&arrived);
    let mut wrong = Vec::new();
    for (number, (case, outcome)) in cases.iter().zip(&outcomes).enumerate() {
        let [this, smuggled, _] = of_case(&arrived, number);
        let is_right = match case.expected {
            Expected::Served(body) => {
                *outcome == Outcome::Status(200) && this.len() == 1 && whole(&this) == [body]
            }
            _ => !matches!(outcome, Outcome::Status(..400)) && whole(&this).is_empty(),
        };
        if !is_right || !smuggled.is_empty() {
            wrong.push((case.what.clone(), case.expected, outcome, this, smuggled));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
}
