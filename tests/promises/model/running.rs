//! Runs an edge and its model side by side.

use std::{collections::BTreeMap, fs};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use tokio::time::{Duration, Instant, sleep};

use super::{
    certificates::Certificate,
    files::{self, Files},
    steps::{Over, Request, Step, Whom},
    trust::{Application, Edit, Expected, Named, Trust},
};
use crate::support::{Answer, Client, Connection, Edge, PATIENCE, Upstream};

/// The most open connections.
const KEPT: usize = 12;
const RELOADED: &str = "\"reloaded\"";
const REFUSED: &str = "reload rejected";

/// How a response differs from the expected one.
pub type Mismatch = String;

struct Open {
    connection: Connection,
    certificate: Option<Certificate>,
}

pub struct Running {
    upstream: Upstream,
    pub edge: Edge,
    first: String,
    trust: Trust,
    /// The contents of the files, and whether the edge has accepted them.
    on_disk: Files,
    taken: bool,
    mark: u32,
    marks: u32,
    open: Vec<Open>,
    /// Clients that resume their sessions, by certificate, TLS version and protocol.
    resuming: BTreeMap<(Option<Certificate>, bool, bool), Client>,
    owners: BTreeMap<Certificate, Application>,
    pub seen: Seen,
}

/// How often each outcome occurred: a run in which all requests are refused would prove nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub served: usize,
    pub refused: usize,
    pub resumed: usize,
    pub kept: usize,
    pub reloads: usize,
    pub refused_reloads: usize,
}

impl Running {
    pub async fn start() -> Self {
        let upstream = Upstream::start().await;
        let trust = Trust::first();
        let edge = files::start(&upstream.url(), &trust);
        let first = files::first_configuration(&edge);
        let on_disk = files::written(&first, &trust, 0);
        Self {
            upstream,
            edge,
            first,
            trust,
            on_disk,
            taken: true,
            mark: 0,
            marks: 0,
            open: Vec::new(),
            resuming: BTreeMap::new(),
            owners: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    pub async fn step(&mut self, step: &Step) -> Result<(), Mismatch> {
        match step {
            Step::Edit(edits) => self.edit(edits).await,
            Step::Ask(request) => self.ask(request).await,
        }
    }

    /// Writes the files, and waits until the edge has accepted or rejected them.
    async fn edit(&mut self, edits: &[Edit]) -> Result<(), Mismatch> {
        let after = edits.iter().fold(self.trust.clone(), |trust, edit| trust.edited(edit));
        let valid = after.is_valid();
        let mut files = files::written(&self.first, &after, self.mark);
        let changed = files.iter().filter(|(name, text)| self.on_disk.get(*name) != Some(*text)).count();
        // A change of one file is one reload. If there may be several or none, the log must name the last version.
        let marked = changed > 1 || !valid || !self.taken;
        if marked {
            self.marks += 1;
            files = files::written(&self.first, &after, self.marks);
        }
        let (reloaded, refused) = (self.count(RELOADED), self.count(REFUSED));
        // The registry, which contains the mark, is written last.
        let (last, others): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == files::REGISTRY);
        for (name, text) in others.into_iter().chain(last) {
            if self.on_disk.get(name) != Some(text) {
                fs::write(self.edge.folder.path().join(name), text).unwrap();
            }
        }
        let unchanged = files == self.on_disk;
        self.on_disk = files;
        self.taken = valid;
        if !valid {
            self.seen.refused_reloads += 1;
            self.edge.signal("HUP");
            return self.happens("the reload is refused", |edge| count(edge, REFUSED) > refused).await;
        }
        self.seen.reloads += 1;
        self.trust = after;
        if marked {
            self.mark = self.marks;
            let mark = format!("application {}", files::mark(self.mark));
            return self.happens("the edit is in force", |edge| edge.log().contains(&mark)).await;
        }
        if unchanged {
            self.edge.signal("HUP");
        }
        self.happens("the edit is in force", |edge| count(edge, RELOADED) > reloaded).await
    }

    fn count(&self, line: &str) -> usize {
        count(&self.edge, line)
    }

    async fn happens(&self, what: &str, happened: impl Fn(&Edge) -> bool) -> Result<(), Mismatch> {
        let start = Instant::now();
        while !happened(&self.edge) {
            if start.elapsed() > PATIENCE {
                return Err(format!("waited in vain until {what}"));
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn ask(&mut self, request: &Request) -> Result<(), Mismatch> {
        let (mut open, over) = match request.over {
            Over::Kept(index) if !self.open.is_empty() => {
                (Some(self.open.remove(index % self.open.len())), request.over)
            }
            Over::Kept(_) => (None, Over::New { http2: false }),
            over => (None, over),
        };
        let certificate = open.as_ref().map_or(request.certificate, |open| open.certificate);
        let named = self.named(request.named, certificate);
        let expected = self.trust.answer(certificate, named, request.route, open.is_some());
        let before = self.upstream.seen().len();
        let kept = open.is_some();
        if open.is_none() {
            let client = self.client(over, certificate);
            if expected == Expected::NoHandshake {
                client.refused().await;
                self.seen.refused += 1;
                return self.upstream_saw(before);
            }
            let connection = client.connect().await;
            self.seen.resumed += usize::from(connection.resumed);
            open = Some(Open { connection, certificate });
        }
        let mut open = open.unwrap();
        self.seen.kept += usize::from(kept);
        let path = request.route.path();
        let answer = open.connection.try_send(form(path, named)).await;
        let context = || format!("{certificate:?} for {named:?} at {path}: expected {expected:?}");
        let answer = answer.map_err(|error| format!("{}, found {error:?}", context()))?;
        self.judge(&expected, certificate, &answer, before).map_err(|why| format!("{}: {why}", context()))?;
        match expected {
            Expected::Refused { closes: true, .. } => open.connection.closed().await,
            // The body may be unread, after which an HTTP/1.1 connection cannot be used: drop it.
            Expected::Refused { status: 401, .. } => {}
            _ => {
                self.open.push(open);
                if self.open.len() > KEPT {
                    self.open.remove(0);
                }
            }
        }
        Ok(())
    }

    /// The client that the request names; the certificate's last owner is remembered.
    fn named(&mut self, whom: Whom, certificate: Option<Certificate>) -> Named {
        if let Some(certificate) = certificate
            && let Some((owner, _)) = self.trust.owner(certificate)
        {
            self.owners.insert(certificate, owner);
        }
        match whom {
            Whom::This(named) => named,
            Whom::Own => {
                let last = certificate.and_then(|certificate| self.owners.get(&certificate));
                Named::Application(last.copied().unwrap_or(Application::Alpha))
            }
        }
    }

    fn client(&mut self, over: Over, certificate: Option<Certificate>) -> Client {
        let edge = &self.edge;
        let make = |versions: &[_], http2: bool| {
            let client = Client::build(edge, versions, certificate.map(Certificate::credentials));
            if http2 { client.http2() } else { client }
        };
        match over {
            Over::Resumed { tls12, http2 } => {
                let version = if tls12 { &rustls::version::TLS12 } else { &rustls::version::TLS13 };
                let client = self.resuming.entry((certificate, tls12, http2));
                client.or_insert_with(|| make(&[version], http2).resuming()).clone()
            }
            Over::New { http2 } => make(rustls::ALL_VERSIONS, http2),
            Over::Kept(_) => make(rustls::ALL_VERSIONS, false),
        }
    }

    fn judge(
        &mut self,
        expected: &Expected,
        certificate: Option<Certificate>,
        answer: &Answer,
        before: usize,
    ) -> Result<(), Mismatch> {
        let wrong = || format!("found {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        match expected {
            Expected::Refused { status, error, .. } => {
                self.seen.refused += 1;
                if answer.status != *status || answer.json()["error"] != *error {
                    return Err(wrong());
                }
                self.upstream_saw(before)
            }
            Expected::Served { verdict } => {
                self.seen.served += 1;
                if answer.status != 200 {
                    return Err(wrong());
                }
                self.upstream_saw(before + 1)?;
                let headers = self.upstream.last().headers;
                let thumbprint = verdict.and(certificate).map(Certificate::thumbprint);
                header(&headers, "x-model-thumbprint", thumbprint)?;
                header(&headers, "x-model-verdict", *verdict)
            }
            Expected::NoHandshake => Err(wrong()),
        }
    }

    fn upstream_saw(&self, count: usize) -> Result<(), Mismatch> {
        let seen = self.upstream.seen().len();
        if seen == count { Ok(()) } else { Err(format!("the upstream saw {seen} requests, not {count}")) }
    }
}

fn count(edge: &Edge, line: &str) -> usize {
    edge.log().matches(line).count()
}

/// A form request with forged vouching headers, which the upstream must never receive.
fn form(path: &str, named: Named) -> http::Request<Full<Bytes>> {
    let client_id = match named {
        Named::Application(one) => format!("&client_id={}", one.client_id()),
        Named::Unknown => "&client_id=nobody".to_owned(),
        Named::Nobody => String::new(),
    };
    http::Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-model-thumbprint", Certificate::SelfSigned.thumbprint())
        .header("x-model-verdict", "SUCCESS")
        .body(Full::from(format!("grant_type=client_credentials{client_id}")))
        .unwrap()
}

/// Asserts that the header is present once with this value, or absent.
fn header(headers: &HeaderMap, name: &str, expected: Option<&str>) -> Result<(), Mismatch> {
    let found: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    if found.iter().copied().eq(expected) {
        Ok(())
    } else {
        Err(format!("the upstream received {name}: {found:?}, not {expected:?}"))
    }
}
