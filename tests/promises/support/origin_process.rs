//! An origin that is a process of its own, which a test kills and stops: the test binary runs itself.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::net::TcpListener;

use super::scripted::serve_http;

/// Where the process listens; without it [`process`] is a test that has nothing to do.
const ADDRESS: &str = "MTLS_EDGE_TEST_ORIGIN";
/// The file to which it writes the query of each request that it received.
const LOG: &str = "MTLS_EDGE_TEST_ORIGIN_LOG";

/// A running origin. It ends with the test.
pub struct OriginProcess {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

impl OriginProcess {
    /// Starts a process on a free port that logs to this file.
    pub fn start(log: &Path) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), log)
    }

    fn start_at(address: SocketAddr, log: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "support::origin_process::process", "--nocapture"])
            .env(ADDRESS, address.to_string())
            .env(LOG, log)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.map_while(Result::ok).find_map(|line| line.strip_prefix("listens on ")?.parse().ok());
        Self { child, log: log.to_owned(), address: address.expect("the origin does not start") }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it listened.
    pub fn revive(&mut self) {
        *self = Self::start_at(self.address, &self.log.clone());
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// How often each request was received, over all its lives.
    pub fn received(&self) -> HashMap<u64, usize> {
        let mut received = HashMap::new();
        // The last line may be incomplete.
        let text = fs::read_to_string(&self.log).unwrap();
        for id in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.parse().ok()) {
            *received.entry(id).or_default() += 1;
        }
        received
    }
}

impl Drop for OriginProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The origin's process.
#[test]
fn process() {
    let Some(address) = std::env::var_os(ADDRESS) else { return };
    let address: SocketAddr = address.to_str().unwrap().parse().unwrap();
    let log = OpenOptions::new().create(true).append(true).open(std::env::var_os(LOG).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.unwrap();
        println!("\nlistens on {}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let log = log.try_clone().unwrap();
            tokio::spawn(serve(stream, log));
        }
    });
}

async fn serve(stream: tokio::net::TcpStream, log: File) {
    let log = std::sync::Arc::new(log);
    serve_http(stream, false, move |request| {
        if let Some(id) = request.uri().query() {
            (&*log).write_all(format!("{id}\n").as_bytes()).unwrap();
        }
        async { Response::new(Full::new(Bytes::from_static(b"{}"))) }
    })
    .await;
}
