//! `openssl s_client`: another TLS implementation, whose offers a test can choose.

use super::{Credentials, Edge, certificates::pem, tool::run_tool};

/// `openssl s_client` before an edge.
pub struct SClient<'a> {
    edge: &'a Edge,
    arguments: Vec<String>,
}

impl<'a> SClient<'a> {
    /// With these arguments besides the address and the CA. Files are in the edge's folder.
    pub fn new(edge: &'a Edge, arguments: &[&str]) -> Self {
        std::fs::write(edge.folder.path().join("s_client-ca.pem"), pem(&edge.server_ca)).unwrap();
        let address = edge.https.to_string();
        let usual = ["s_client", "-connect", &address, "-ign_eof", "-CAfile", "s_client-ca.pem"];
        let arguments = usual.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        Self { edge, arguments }
    }

    /// With a client certificate.
    pub fn certificate(mut self, credentials: &Credentials) -> Self {
        credentials.write(self.edge.folder.path(), "s_client");
        let files = ["-cert", "s_client.pem", "-key", "s_client.key", "-cert_chain", "s_client.pem"];
        self.arguments.extend(files.map(str::to_owned));
        self
    }

    /// Sends a request, which must ask for the connection to be closed; gives all that the command printed.
    pub async fn send(self, request: &str) -> String {
        let said = run_tool(self.edge.folder.path(), "openssl", &self.arguments, request).await;
        said.out + &said.err
    }

    /// Gives it commands, such as `R` for a renegotiation, and gives all that it printed.
    pub async fn commands(mut self, commands: &str) -> String {
        self.arguments.retain(|argument| argument != "-ign_eof");
        self.send(commands).await
    }
}
