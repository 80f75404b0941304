//! Certificates of one run: a server and a client of each kind of key, with their CAs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::contender::DOMAIN;

/// The `client_id` of the application that calls, and the CN of its certificate.
pub const CLIENT_ID: &str = "payments";

/// Keys of the certificates, CAs included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keys {
    /// ECDSA over P-256.
    P256,
    /// RSA of 2,048 bits.
    Rsa2048,
}

/// A chain with its key, as rustls takes it.
#[derive(Debug)]
pub struct Identity {
    /// The leaf alone.
    pub certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()))
    }
}

/// What both sides need.
#[derive(Debug)]
pub struct Certificates {
    /// PEM, for a proxy.
    pub server_certificate: PathBuf,
    /// PEM.
    pub server_key: PathBuf,
    /// PEM: the CA of the client.
    pub client_ca: PathBuf,
    /// The CA that clients trust.
    pub server_ca: CertificateDer<'static>,
    /// For the rustls floor.
    pub server: Identity,
    /// The application's.
    pub client: Identity,
    /// Of the same names, by a CA that nobody trusts.
    pub stranger: Identity,
}

impl Certificates {
    /// Makes them in this folder.
    pub fn new(folder: &Path, keys: Keys) -> io::Result<Self> {
        make(folder, keys).map_err(io::Error::other)
    }
}

fn make(folder: &Path, keys: Keys) -> Result<Certificates, Box<dyn std::error::Error + Send + Sync>> {
    fs::create_dir_all(folder)?;
    let (server_ca, client_ca) = (authority("Server CA", keys)?, authority("Client CA", keys)?);
    let mut params = CertificateParams::new(vec![DOMAIN.to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = key(keys)?;
    let certificate = params.signed_by(&key, &server_ca)?;
    let path = |name: &str| folder.join(name);
    fs::write(path("server.pem"), certificate.pem())?;
    fs::write(path("client-ca.pem"), client_ca.pem())?;
    fs::write(path("server.key"), key.serialize_pem())?;
    fs::set_permissions(path("server.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(Certificates {
        server_certificate: path("server.pem"),
        server_key: path("server.key"),
        client_ca: path("client-ca.pem"),
        server_ca: server_ca.der().clone(),
        server: Identity { certificate: certificate.der().clone(), key: key.serialize_der() },
        client: client(&client_ca, keys)?,
        stranger: client(&authority("Client CA", keys)?, keys)?,
    })
}

fn key(keys: Keys) -> Result<KeyPair, rcgen::Error> {
    match keys {
        Keys::P256 => KeyPair::generate(),
        Keys::Rsa2048 => KeyPair::generate_for(&PKCS_RSA_SHA256),
    }
}

fn authority(name: &str, keys: Keys) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key(keys)?)
}

fn client(issuer: &CertifiedIssuer<'_, KeyPair>, keys: Keys) -> Result<Identity, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "DE");
    params.distinguished_name.push(DnType::OrganizationName, "Example Bank");
    params.distinguished_name.push(DnType::CommonName, CLIENT_ID);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = key(keys)?;
    let certificate = params.signed_by(&key, issuer)?;
    Ok(Identity { certificate: certificate.der().clone(), key: key.serialize_der() })
}
