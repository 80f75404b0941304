//! `openssl s_client`: another implementation of TLS, which offers what it is told to.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::{Credentials, Edge, PATIENCE, certificates::pem};

/// `openssl s_client` before an edge.
pub struct SClient {
    arguments: Vec<String>,
}

impl SClient {
    /// With these arguments besides the address and the CA.
    pub fn new(edge: &Edge, arguments: &[&str]) -> Self {
        let ca = edge.folder.path().join("s_client-ca.pem");
        std::fs::write(&ca, pem(&edge.server_ca)).unwrap();
        let address = edge.https.to_string();
        let mut all = vec!["s_client".to_owned(), "-connect".into(), address, "-ign_eof".into()];
        all.extend(["-CAfile".to_owned(), ca.display().to_string()]);
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self { arguments: all }
    }

    /// With a client certificate.
    pub fn certificate(mut self, edge: &Edge, credentials: &Credentials) -> Self {
        let folder = edge.folder.path();
        credentials.write(folder, "s_client");
        for (option, file) in
            [("-cert", "s_client.pem"), ("-key", "s_client.key"), ("-cert_chain", "s_client.pem")]
        {
            self.arguments.extend([option.to_owned(), folder.join(file).display().to_string()]);
        }
        self
    }

    /// Sends a request, which must ask for the connection to be closed; gives all that the command printed.
    pub async fn send(self, request: &str) -> String {
        let request = request.to_owned();
        let run = tokio::task::spawn_blocking(move || {
            let mut child = Command::new("openssl")
                .args(&self.arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap_or_else(|error| panic!("the tests need the command openssl: {error}"));
            // It may have ended before it read anything.
            let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
            let output = child.wait_with_output().unwrap();
            let both = [output.stdout, output.stderr].concat();
            String::from_utf8_lossy(&both).into_owned()
        });
        tokio::time::timeout(PATIENCE, run).await.expect("openssl s_client hangs").unwrap()
    }
}
