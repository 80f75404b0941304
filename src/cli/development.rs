//! Development certificates for `demo`, `init` and `dev-cert`. Not for production.

use std::{fs, io, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The domain of the demo and of `init`. It resolves everywhere, unlike names below it (RFC 6761 section 6.3).
pub(super) const DOMAIN: &str = "localhost";

/// The name of the development CA for clients.
const CLIENT_CA: &str = "mtls-edge development client CA";
/// What a call adds for a server that verifies a client secret.
pub(super) const SECRET: &str = " -d client_secret=SECRET";
/// How long a certificate is valid unless something else is asked for.
pub(super) const DAYS: u16 = 90;
/// How long a development CA is valid.
const CA_DAYS: u16 = 3650;

const README: &str = "For development only: `mtls-edge init` made these certificates and keys.

client-ca.key is the key of the client CA: anyone who has it can impersonate every application that is registered by its subject.
`mtls-edge dev-cert NAME` issues further client certificates with it. In production, replace all files, and do not keep the key of
a CA on the edge.
";

/// Why the certificates could not be created.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevelopmentError {
    /// A key or a certificate could not be created.
    #[error("cannot create a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file could not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The CA is missing.
    #[error("the development CA is missing: {0}")]
    NoAuthority(String),
}

/// Writes into `folder`: `server-ca.pem`, `server.pem` and `.key`; `client-ca.pem` and `.key`, `payments.pem` and `.key` (issued by
/// it, `CN=payments,O=Example Bank,C=DE`); `billing.pem` and `.key` (self-signed); and a README. The server certificate is for `domain` and localhost.
pub(super) fn write(folder: &Path, domain: &str) -> Result<(), DevelopmentError> {
    self::folder(folder)?;
    let server_ca = authority("mtls-edge development server CA")?;
    let client_ca = authority(CLIENT_CA)?;
    public(folder, "server-ca", &server_ca.pem())?;
    public(folder, "client-ca", &client_ca.pem())?;
    private(&folder.join("client-ca.key"), &client_ca.key().serialize_pem())?;
    readable(&folder.join("README"), README)?;

    let mut server = named(domain, DAYS)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut names = vec![domain, "localhost"];
    names.dedup();
    for name in names {
        server.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    }
    let key = KeyPair::generate()?;
    public(folder, "server", &server.signed_by(&key, &server_ca)?.pem())?;
    private(&folder.join("server.key"), &key.serialize_pem())?;

    Client::named("payments").write(folder, Some(&client_ca))?;
    Client::named("billing").write(folder, None)
}

/// A client whose certificate is created.
#[derive(Debug)]
pub(super) struct Client<'a> {
    /// Its name, in the subject and in the names of the files.
    pub(super) name: &'a str,
    /// dNSNames of the certificate.
    pub(super) dns: &'a [String],
    /// From now.
    pub(super) days: u16,
}

impl<'a> Client<'a> {
    fn named(name: &'a str) -> Self {
        Self { name, dns: &[], days: DAYS }
    }

    /// Its subject, as it is registered.
    pub(super) fn subject_dn(&self) -> String {
        format!("CN={},O=Example Bank,C=DE", self.name)
    }

    /// Writes a certificate of the development CA in `folder`, and its key: `NAME.pem` and `NAME.key`.
    pub(super) fn issue(&self, folder: &Path) -> Result<(), DevelopmentError> {
        self.write(folder, Some(&existing_authority(folder)?))
    }

    /// Writes a self-signed certificate, and its key.
    pub(super) fn self_sign(&self, folder: &Path) -> Result<(), DevelopmentError> {
        self.write(folder, None)
    }

    fn write(&self, folder: &Path, ca: Option<&Issuer<'_, KeyPair>>) -> Result<(), DevelopmentError> {
        let mut params = named(self.name, self.days)?;
        let mut dn = DistinguishedName::new();
        dn.push(DnType::CountryName, "DE");
        dn.push(DnType::OrganizationName, "Example Bank");
        dn.push(DnType::CommonName, self.name);
        params.distinguished_name = dn;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        for name in self.dns {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        let key = KeyPair::generate()?;
        let certificate = match ca {
            Some(ca) => params.signed_by(&key, ca)?,
            None => params.self_signed(&key)?,
        };
        private(&folder.join(format!("{}.key", self.name)), &key.serialize_pem())?;
        public(folder, self.name, &certificate.pem())?;
        Ok(())
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    CertifiedIssuer::self_signed(authority_params(name)?, KeyPair::generate()?)
}

fn authority_params(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = named(name, CA_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The client CA that [`write`] has written. Its certificate must be the one of its key: another CA's certificate may have replaced it.
fn existing_authority(folder: &Path) -> Result<Issuer<'static, KeyPair>, DevelopmentError> {
    let missing = |why: String| DevelopmentError::NoAuthority(why);
    let path = folder.join("client-ca.key");
    let key = fs::read_to_string(&path).map_err(|error| missing(format!("{}: {error}", path.display())))?;
    let key = KeyPair::from_pem(&key)
        .map_err(|_| missing(format!("{} is not a private key in PEM", path.display())))?;
    let path = folder.join("client-ca.pem");
    let certificate = CertificateDer::from_pem_file(&path)
        .map_err(|error| missing(format!("{}: {error}", path.display())))?;
    let is_pair = X509Certificate::from_der(&certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info());
    if !is_pair {
        let what = format!("client-ca.key is not the key of {}", path.display());
        return Err(missing(what));
    }
    Ok(Issuer::new(authority_params(CLIENT_CA)?, key))
}

/// A certificate that is valid for these days, and from yesterday on, since clocks differ.
fn named(name: &str, days: u16) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(days.into());
    Ok(params)
}

fn public(folder: &Path, name: &str, pem: &str) -> io::Result<()> {
    readable(&folder.join(format!("{name}.pem")), pem)
}

/// Creates a folder that only its owner can write to, whatever the umask.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Writes a new file that others can read but not write, whatever the umask.
pub(super) fn readable(path: &Path, text: &str) -> io::Result<()> {
    new(path, text, 0o644)
}

/// Writes a file that only its owner can read; it is created with these permissions.
pub(super) fn private(path: &Path, text: &str) -> io::Result<()> {
    new(path, text, 0o600)
}

fn new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())
}
