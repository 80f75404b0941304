//! The real program, started with a real configuration.

mod builder;
mod launch;

use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    process::Command,
};

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use testkit::client::Server;

use super::{Ca, Credentials, DOMAIN, self_signed, test_process};
pub use builder::EdgeBuilder;
pub use launch::INSTALLED;

/// The program: cargo's, or the one that `MTLS_EDGE_BIN` names, such as a release.
pub fn program() -> Command {
    let cargos = env!("CARGO_BIN_EXE_mtls-edge");
    Command::new(std::env::var_os("MTLS_EDGE_BIN").unwrap_or_else(|| cargos.into()))
}

/// The usual route, and one whose bodies are streamed.
const ROUTES: &str = "[[domain.route]]\n[[domain.route]]\npath = \"/any/*\"\nmethods = [\"GET\", \"HEAD\", \"POST\"]\nauthenticate = \"certificate\"";

/// An edge in front of an upstream, and the credentials of its one application, "billing". `upstream` is lines of `[[upstream]]`.
pub fn edge_before(url: impl std::fmt::Display, upstream: &str) -> (Edge, Credentials) {
    with_client(EdgeBuilder::new(url).upstream(upstream))
}

/// Starts an edge with further settings. See [`edge_before`].
pub fn with_client(edge: EdgeBuilder) -> (Edge, Credentials) {
    let credentials = self_signed("billing");
    let edge =
        edge.domain(DOMAIN, ROUTES).self_signed_application("billing", &[credentials.thumbprint()]).start();
    (edge, credentials)
}

/// A running edge with its configuration. It is killed when it goes out of scope, before its folder is removed.
pub struct Edge {
    running: testkit::Edge,
    /// The CA that clients trust, unless a test replaces it.
    pub server_ca: CertificateDer<'static>,
    /// The CA that has issued the domains' certificates.
    pub issuer: Ca,
    /// The folder of the configuration.
    pub folder: TempDir,
}

impl Deref for Edge {
    type Target = testkit::Edge;

    fn deref(&self) -> &testkit::Edge {
        &self.running
    }
}

impl DerefMut for Edge {
    fn deref_mut(&mut self) -> &mut testkit::Edge {
        &mut self.running
    }
}

impl Server for Edge {
    fn address(&self) -> SocketAddr {
        self.https
    }

    fn ca(&self) -> CertificateDer<'static> {
        self.server_ca.clone()
    }
}

impl Edge {
    /// Writes a file of the edge's folder, and waits until it is active.
    pub fn reload(&self, file: &str, text: &str) {
        let generation = self.log().matches("\"reloaded\"").count() + 2;
        std::fs::write(self.folder.path().join(file), text).unwrap();
        self.wait_for_log(&format!("\"reloaded\",\"generation\":{generation},"));
    }

    /// Sets the clock of an edge that was built with [`EdgeBuilder::clock`], and waits until it is set.
    pub fn set_clock(&mut self, time: time::OffsetDateTime) {
        self.execute(&format!("clock {}", time.unix_timestamp()));
    }

    /// Publishes an update from the second source of an edge that was built with [`EdgeBuilder::second_source`]: a command of
    /// [`test_process`]. Returns the conflict by which it was rejected, once that is known or the update is active.
    pub fn publish(&mut self, command: &str) -> Option<String> {
        let line: serde_json::Value = serde_json::from_str(&self.execute(command)).unwrap();
        Some(line["answer"].as_str().unwrap().to_owned()).filter(|conflict| !conflict.is_empty())
    }

    /// Ends a thread by a panic, in an edge that was built with [`EdgeBuilder::second_source`].
    pub fn panic(&mut self) {
        self.execute("panic");
    }

    /// Waits until a command has been executed, and returns its log line.
    fn execute(&mut self, command: &str) -> String {
        let before = self.logged();
        test_process::send(self.input().unwrap(), command);
        self.wait_for_log_after(before, test_process::EXECUTED)
    }

    /// Ends the edge as an operator does, and returns its whole log.
    pub fn stop(self) -> String {
        self.running.stop()
    }
}
