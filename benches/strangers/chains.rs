//! Unregistered certificates that are expensive to judge.

use rcgen::{CertificateParams, CustomExtension, KeyPair, SerialNumber};
use rustls::pki_types::CertificateDer;
use testkit::{
    Ca, Credentials,
    certificates::{common_name, ring},
};

/// CAs of a ring.
const CAS: usize = 9;
/// Unknown extensions of 20 bytes, 6 KB in all.
const EXTENSIONS: u64 = 190;

/// A certificate with this common name, issued by an unknown CA. It is not self-signed: a long name twice would exceed the size
/// limit of a handshake message.
pub fn unknown(name: &str) -> Credentials {
    Ca::new("stranger").issue(name, |params| params.distinguished_name = common_name(name))
}

/// CAs of one name, each signed by the next one's key, and leaves below the first.
pub struct Ring {
    issuer: Ca,
    cas: Vec<CertificateDer<'static>>,
    key: KeyPair,
    serial: u64,
}

impl Ring {
    /// Generates the CAs.
    pub fn new(name: &str, extended: bool) -> Self {
        let unknown =
            |number| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, number], vec![5; 14]);
        let (issuer, cas) = ring(name, CAS, |params: &mut CertificateParams| {
            params.custom_extensions = (0..if extended { EXTENSIONS } else { 0 }).map(unknown).collect();
        });
        Self { issuer, cas, key: KeyPair::generate().unwrap(), serial: 0 }
    }

    /// A chain with a new leaf, so that cached verdicts of others do not help.
    pub fn chain(&mut self) -> Credentials {
        self.serial += 1;
        let leaf = self.issuer.issue_to(&self.key, "payments", |params| {
            params.distinguished_name = common_name("payments");
            params.serial_number = Some(SerialNumber::from(self.serial));
        });
        leaf.with_chain(&self.cas)
    }
}
