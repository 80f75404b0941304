//! Development certificates for `demo` and `init`. Not for production.

use std::{fs, io, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType,
};

/// The domain of the development server's certificate. Every resolver maps it to loopback (RFC 6761 section 6.3).
pub(super) const DOMAIN: &str = "mtls.localhost";

/// Why the certificates could not be created.
#[derive(Debug, thiserror::Error)]
pub(super) enum DevelopmentError {
    /// A key or a certificate could not be created.
    #[error("cannot create a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file could not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Writes into `folder`: `server-ca.pem`, `server.pem` and `.key`; `client-ca.pem`, `payments.pem` and `.key` (issued by
/// it, `CN=payments,O=Example Bank,C=DE`); `billing.pem` and `.key` (self-signed); `cname-api-key` (a made-up secret).
pub(super) fn write(folder: &Path) -> Result<(), DevelopmentError> {
    self::folder(folder)?;
    let server_ca = authority("mtls-edge development server CA")?;
    let client_ca = authority("mtls-edge development client CA")?;
    public(folder, "server-ca", &server_ca.pem())?;
    public(folder, "client-ca", &client_ca.pem())?;

    let mut server = named(DOMAIN)?;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.subject_alt_names =
        vec![SanType::DnsName(DOMAIN.try_into()?), SanType::DnsName("localhost".try_into()?)];
    let key = KeyPair::generate()?;
    public(folder, "server", &server.signed_by(&key, &server_ca)?.pem())?;
    private(&folder.join("server.key"), &key.serialize_pem())?;

    let key = KeyPair::generate()?;
    public(folder, "payments", &client("payments")?.signed_by(&key, &client_ca)?.pem())?;
    private(&folder.join("payments.key"), &key.serialize_pem())?;

    let key = KeyPair::generate()?;
    public(folder, "billing", &client("billing")?.self_signed(&key)?.pem())?;
    private(&folder.join("billing.key"), &key.serialize_pem())?;

    private(&folder.join("cname-api-key"), "development-only\n")?;
    Ok(())
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = named(name)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn client(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = named(name)?;
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CountryName, "DE");
    dn.push(DnType::OrganizationName, "Example Bank");
    dn.push(DnType::CommonName, name);
    params.distinguished_name = dn;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

/// A certificate that is valid for 90 days from yesterday, since clocks differ.
fn named(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(90);
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
