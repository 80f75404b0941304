//! A configuration with a CRL that is fetched, for tests.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use tempfile::TempDir;
use testkit::Ca;
use time::OffsetDateTime;

const CRL: &str = "cached.crl";

/// A folder with all files but the CRL, whose server never answers.
pub(crate) struct Files {
    folder: TempDir,
    ca: Ca,
    _server: TcpListener,
}

impl Files {
    pub(crate) fn new() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = format!(
            r#"
[listen]
https = ["127.0.0.1:0"]
[trust]
client_ca = ["ca.der"]
crls = [{{ url = "http://{}/", file = "{CRL}" }}]
[[upstream]]
name = "as"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "m.pem"
private_key = "m.key"
"#,
            server.local_addr().unwrap()
        );
        let files = Self { folder: TempDir::new().unwrap(), ca: Ca::new("Client CA"), _server: server };
        files.write("edge.toml", config.as_bytes());
        files.write("applications.toml", b"# none\n");
        files.write("ca.der", &files.ca.der());
        files.issue_certificate(0);
        fs::set_permissions(files.folder.path().join("m.key"), Permissions::from_mode(0o600)).unwrap();
        files
    }

    /// Writes a certificate with this notBefore in seconds since 1970, and its key.
    pub(crate) fn issue_certificate(&self, not_before: i64) {
        let mut leaf = rcgen::CertificateParams::new(["m.example".to_owned()]).unwrap();
        leaf.not_before = OffsetDateTime::from_unix_timestamp(not_before).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        self.write("m.pem", leaf.self_signed(&key).unwrap().pem().as_bytes());
        self.write("m.key", key.serialize_pem().as_bytes());
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("edge.toml")
    }

    /// Replaces the cached CRL as a whole, as a fetch does.
    pub(crate) fn cache_crl(&self, crl: &[u8]) {
        self.write("beside", crl);
        fs::rename(self.folder.path().join("beside"), self.folder.path().join(CRL)).unwrap();
    }

    /// A valid CRL that revokes these serial numbers.
    pub(crate) fn crl(&self, serials: &[u64]) -> Vec<u8> {
        self.ca.crl_der(serials, |_| {})
    }

    /// As [`Self::crl`], with this thisUpdate in seconds since 1970.
    pub(crate) fn crl_dated(&self, serials: &[u64], date: i64) -> Vec<u8> {
        self.ca.crl_der(serials, |crl| crl.this_update = OffsetDateTime::from_unix_timestamp(date).unwrap())
    }

    /// An invalid CRL in the same name.
    pub(crate) fn forged_crl() -> Vec<u8> {
        Ca::new("Client CA").crl_der(&[], |_| {})
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }
}
