//! The site of the configuration that `init` writes, and the clients that it registers.

use std::{path::Path, sync::Arc};

use mtls_edge::{
    clock::{Clock, Timestamp},
    identity::ClientCertificate,
    load::{Purpose, build},
    site::{Domain, Site},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::edge::Folder;

/// The domain that `init` configures.
pub const DOMAIN: &str = "mtls.localhost";

/// A site, and the clients that are judged by it.
pub struct Snapshot {
    pub site: Site,
    /// Registered by its thumbprint: self-signed.
    pub billing: ClientCertificate,
    /// Registered by its subject: issued by a client CA.
    pub payments: ClientCertificate,
}

impl Snapshot {
    /// Builds it as `run` does. Its domain has a route besides those that `init` writes: the subtree `/apps/*`, without authentication.
    pub fn new() -> Self {
        let folder = Folder::new("127.0.0.1:3000");
        let subtree =
            "\n[[domain.route]]\npath = \"/apps/*\"\nmethods = [\"GET\"]\nauthenticate = \"none\"\n";
        folder.edit(|text| text + subtree);
        let built = build(&folder.config().into(), Purpose::Start, &Clock::System);
        let (_, site) = built.site.expect("what init writes is valid");
        let [billing, payments] = ["billing", "payments"].map(|name| certificate(folder.path(), name));
        Self { site, billing, payments }
    }

    /// The site's domain.
    pub fn domain(&self) -> &Arc<Domain> {
        self.site.domains.get(DOMAIN).expect("init writes this domain")
    }
}

fn certificate(folder: &Path, name: &str) -> ClientCertificate {
    let file = folder.join(format!("certs/{name}.pem"));
    ClientCertificate::from_chain(&[CertificateDer::from_pem_file(file).unwrap()]).unwrap()
}

/// The current time, within the validity of the certificates.
pub fn now() -> Timestamp {
    Clock::System.now()
}
