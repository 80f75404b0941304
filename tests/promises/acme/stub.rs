//! A CA that validates nothing, and whose orders end as a test wants.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::support::{DOMAIN, Seen, Upstream, certificates::time_from_now};

/// What the CA says once it is asked to validate.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The order, besides its URLs.
    pub order: Value,
    /// The challenge, besides its URL and token.
    pub challenge: Value,
    /// Whether that is the answer to the request to validate, and not only seen later.
    pub is_immediate: bool,
    /// What is issued, in PEM; the order is ready, and then valid.
    pub certificate: Option<String>,
    /// `Retry-After` of the order.
    pub retry_after: Option<&'static str>,
    /// The start and end of the window in which the CA suggests to renew each certificate (RFC 9773), in seconds from now. Debian's Pebble
    /// has no renewal information.
    pub window: Option<(i64, i64)>,
    /// Where the CA says when to renew, if not at its own URL.
    pub renewal_info: Option<String>,
    /// Status and type of its error about each certificate.
    pub no_window: Option<(u16, &'static str)>,
    /// What becomes of an order that names the certificate it replaces.
    pub replacing: Replacing,
}

/// What becomes of an order that names the certificate it replaces (RFC 9773 section 5).
#[derive(Clone, Copy, Debug, Default)]
pub enum Replacing {
    #[default]
    Accepted,
    /// The response does not name the certificate.
    Ignored,
    /// With this status and type of problem.
    Rejected(u16, &'static str),
}

/// A problem document (RFC 8555 section 6.7).
pub fn error(detail: &str) -> Value {
    json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": detail, "status": 403 })
}

/// A running CA. It ends with the test.
pub struct StubCa {
    server: Upstream,
    state: Arc<Mutex<State>>,
}

struct State {
    script: Script,
    /// Whether it was asked to validate the last order.
    is_asked: bool,
    /// Whether it was asked to issue by the last order.
    is_finalized: bool,
}

impl StubCa {
    /// Starts a CA whose orders end by this script.
    pub async fn start(script: Script) -> Self {
        let state = Arc::new(Mutex::new(State { script, is_asked: false, is_finalized: false }));
        let active = Arc::clone(&state);
        let server = Upstream::answering(move |seen| answer(seen, &mut active.lock().unwrap())).await;
        Self { server, state }
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("{}/dir", self.server.url())
    }

    /// Orders end by this script from now on.
    pub fn follow(&self, script: Script) {
        self.state.lock().unwrap().script = script;
    }

    /// The certificates that the orders replace, by their names, each placed or rejected.
    pub fn replaced(&self) -> Vec<Option<String>> {
        self.server.seen().iter().filter(|seen| seen.uri.path() == "/new").map(replaced).collect()
    }

    /// The certificates that it was asked about, by their names (RFC 9773 section 4.1).
    pub fn asked_about(&self) -> Vec<String> {
        let asked = |seen: &Seen| seen.uri.path().strip_prefix("/renewal-info/").map(str::to_owned);
        self.server.seen().iter().filter_map(asked).collect()
    }

    /// How often this path was requested.
    pub fn requests(&self, path: &str) -> usize {
        self.server.seen().iter().filter(|seen| seen.uri.path() == path).count()
    }
}

/// The member `replaces` of an order (RFC 9773 section 5).
fn replaced(seen: &Seen) -> Option<String> {
    let signed: Value = serde_json::from_slice(&seen.body).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap()).unwrap();
    let order: Value = serde_json::from_slice(&payload).unwrap();
    order["replaces"].as_str().map(str::to_owned)
}

fn answer(seen: &Seen, state: &mut State) -> Response<Full<Bytes>> {
    let (window, replacing) = (state.script.window, state.script.replacing);
    let url = |path: &str| format!("http://{}{path}", seen.header("host"));
    let path = seen.uri.path();
    let is_asked = state.is_asked || (path == "/challenge" && state.script.is_immediate);
    match path {
        "/new" => (state.is_asked, state.is_finalized) = (false, false),
        "/finalize" => state.is_finalized = true,
        "/challenge" => state.is_asked = true,
        _ => {}
    }
    let pending = json!({ "status": "pending" });
    let script = if is_asked { state.script.clone() } else { Script::default() };
    let with = |said: &Value, urls: Value| {
        let mut all = if said.is_null() { pending.clone() } else { said.clone() };
        all.as_object_mut().unwrap().extend(urls.as_object().unwrap().clone());
        all
    };
    let mut order = with(
        &script.order,
        json!({ "authorizations": [url("/authorization")], "finalize": url("/finalize") }),
    );
    if script.certificate.is_some() {
        order["status"] = if state.is_finalized { "valid" } else { "ready" }.into();
        order["certificate"] = url("/certificate").into();
    }
    let challenge =
        with(&script.challenge, json!({ "type": "tls-alpn-01", "url": url("/challenge"), "token": "t" }));
    let (status, location, body) = match path {
        "/dir" => {
            let mut urls =
                json!({ "newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/new") });
            if window.is_some() {
                let own = || url("/renewal-info");
                urls["renewalInfo"] = state.script.renewal_info.clone().unwrap_or_else(own).into();
            }
            (200, None, urls)
        }
        _ if path.starts_with("/renewal-info/") && state.script.no_window.is_some() => {
            let (status, kind) = state.script.no_window.unwrap_or_default();
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            (status, None, json!({ "type": kind, "detail": "unknown" }))
        }
        _ if path.starts_with("/renewal-info/") => {
            let [start, end] = window
                .map_or([0; 2], |(start, end)| [start, end])
                .map(|seconds| time_from_now(seconds).format(&Rfc3339).unwrap());
            let explained = "https://ca.example/why";
            (
                200,
                None,
                json!({ "suggestedWindow": { "start": start, "end": end }, "explanationURL": explained }),
            )
        }
        "/account" => (201, Some("/account/1"), json!({ "status": "valid" })),
        "/new" => match (replaced(seen), replacing) {
            (Some(_), Replacing::Rejected(status, kind)) => {
                let kind = format!("urn:ietf:params:acme:error:{kind}");
                (status, None, json!({ "type": kind, "detail": "replaced", "status": status }))
            }
            (Some(replaced), Replacing::Accepted) => {
                order["replaces"] = replaced.into();
                (201, Some("/order"), order)
            }
            (None, _) | (_, Replacing::Ignored) => (201, Some("/order"), order),
        },
        "/order" | "/finalize" => (200, None, order),
        "/authorization" => {
            let identifier = json!({ "type": "dns", "value": DOMAIN });
            let status = challenge["status"].clone();
            (200, None, json!({ "identifier": identifier, "status": status, "challenges": [challenge] }))
        }
        "/challenge" => (200, None, challenge),
        _ => (200, None, json!({})),
    };
    let mut response = Response::builder().status(status).header("replay-nonce", "n");
    if let Some(path) = location {
        response = response.header("location", url(path));
    }
    if let Some(after) = script.retry_after.filter(|_| path == "/order") {
        response = response.header("retry-after", after);
    }
    if path.starts_with("/renewal-info/") {
        response = response.header("retry-after", "21600");
    }
    let issued = script.certificate.filter(|_| path == "/certificate");
    response.body(Full::from(issued.unwrap_or_else(|| body.to_string()))).unwrap()
}
