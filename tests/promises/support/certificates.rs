//! Certificates made by rcgen, and by the `openssl` command where another implementation's word is the point.

use std::{path::Path, process::Command};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// A certificate chain (leaf first) with its key.
#[derive(Debug)]
pub struct Credentials {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Credentials {
    /// From the PEM files that a tool wrote.
    pub fn read(certificate: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
        Self { chain, key: PrivateKeyDer::from_pem_file(key).unwrap() }
    }

    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// SHA-256 of the leaf, lower hex.
    pub fn thumbprint(&self) -> String {
        Sha256::digest(self.leaf()).iter().fold(String::new(), |text, b| format!("{text}{b:02x}"))
    }

    /// The chain in PEM.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(pem).collect()
    }

    /// The key in PEM.
    pub fn key_pem(&self) -> String {
        let label = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem_of(label, self.key.secret_der())
    }

    /// Writes `NAME.pem` and `NAME.key` into a folder, the key for its owner alone.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), self.chain_pem()).unwrap();
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&key, self.key_pem()).unwrap();
        std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// The same certificate with the chain cut to the leaf, or with another chain behind it.
    pub fn with_chain(mut self, rest: &[CertificateDer<'static>]) -> Self {
        self.chain.truncate(1);
        self.chain.extend_from_slice(rest);
        self
    }
}

/// A certificate in PEM.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    pem_of("CERTIFICATE", certificate)
}

fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A CA that issues for a test. Leaves are fit for clientAuth unless changed.
pub struct Ca {
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The CAs between this one and a trusted root, this one first; empty for a root.
    path: Vec<CertificateDer<'static>>,
}

impl Ca {
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// A root of a special kind.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { name: name.to_owned(), issuer, path: Vec::new() }
    }

    /// Another self-signed certificate of this CA's key.
    pub fn twin(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(&self.name);
        change(&mut params);
        let issuer = CertifiedIssuer::self_signed(params, self.key()).unwrap();
        Self { name: self.name.clone(), issuer, path: Vec::new() }
    }

    /// A certificate of this CA's key that another has issued.
    pub fn twin_below(
        &self,
        issuer: &Self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = ca_params(&self.name);
        change(&mut params);
        params.signed_by(&self.key(), &issuer.issuer).unwrap().der().clone()
    }

    fn key(&self) -> KeyPair {
        KeyPair::try_from(self.issuer.key().serialize_der()).unwrap()
    }

    /// A CA under this one; what it issues comes with the whole path to the root, without the root.
    pub fn intermediate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.issuer).unwrap();
        let mut path = vec![issuer.der().clone()];
        path.extend_from_slice(&self.path);
        Self { name: name.to_owned(), issuer, path }
    }

    /// A client's certificate: CN=`name`, O=Example Bank, C=DE, changed as the test wants.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
        let mut params = client_params(name);
        change(&mut params);
        self.sign(&params)
    }

    /// A server's certificate for these DNS names.
    pub fn server(&self, names: &[&str]) -> Credentials {
        let mut params = base_params(names[0]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names =
            names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let mut chain = vec![leaf];
        chain.extend_from_slice(&self.path);
        Credentials { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// A fresh CRL of this CA in PEM that revokes these serial numbers.
    pub fn crl(&self, serials: &[u64]) -> String {
        self.crl_between(serials, -3600, 86_400)
    }

    /// The same, issued and to be renewed so many seconds from now.
    pub fn crl_between(&self, serials: &[u64], this_update: i64, next_update: i64) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: time_from_now(-3600),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: time_from_now(this_update),
            next_update: time_from_now(next_update),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub fn pem(&self) -> String {
        pem(&self.der())
    }
}

/// A self-signed client certificate by rcgen: CN=`name`, O=Example Bank, C=DE, P-256.
pub fn self_signed(name: &str) -> Credentials {
    self_signed_with(name, |_| {})
}

pub fn self_signed_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
    self_signed_by(&KeyPair::generate().unwrap(), name, change)
}

/// The same with this key.
pub fn self_signed_by(key: &KeyPair, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
    let mut params = client_params(name);
    change(&mut params);
    let leaf = params.self_signed(key).unwrap().der().clone();
    Credentials { chain: vec![leaf], key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = base_params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn client_params(name: &str) -> CertificateParams {
    let mut params = base_params(name);
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CountryName, "DE");
    dn.push(DnType::OrganizationName, "Example Bank");
    dn.push(DnType::CommonName, name);
    params.distinguished_name = dn;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn base_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = time_from_now(-86_400);
    params.not_after = time_from_now(365 * 86_400);
    params
}

/// A time some seconds from now.
pub fn time_from_now(seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds)
}

/// Runs the `openssl` command in a folder; its standard output.
pub fn openssl(folder: &Path, arguments: &[&str]) -> String {
    run(folder, "openssl", arguments)
}

/// Runs a tool in a folder; fails, and never skips, where it is missing.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("the tests need the command {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
