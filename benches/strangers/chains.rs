//! Certificates that nobody has registered, made to be expensive.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

/// CAs of a ring.
const CAS: usize = 9;
/// Extensions that nobody knows, of 20 octets, and how many make 6 KB.
const EXTENSIONS: u64 = 190;

/// A chain, leaf first, with the leaf's key.
#[derive(Debug)]
pub struct Chain {
    /// In DER.
    pub certificates: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Chain {
    /// As rustls takes it.
    pub fn identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.certificates.clone(), PrivateKeyDer::try_from(self.key.clone()).unwrap())
    }

    /// SHA-256 of the leaf in hex.
    pub fn thumbprint(&self) -> String {
        Sha256::digest(&self.certificates[0])
            .iter()
            .fold(String::new(), |hex, octet| format!("{hex}{octet:02x}"))
    }
}

/// A certificate with this name, signed by its own key.
pub fn self_signed(name: &str) -> Chain {
    let key = KeyPair::generate().unwrap();
    // Another name as its issuer: twice a long one would be more than a handshake may hold.
    let issuer = named("stranger");
    let certificate =
        client(name).signed_by(&key, &Issuer::from_params(&issuer, &key)).unwrap().der().clone();
    Chain { certificates: vec![certificate], key: key.serialize_der() }
}

/// CAs of one name, each signed by the next one's key, and leaves below the first.
pub struct Ring {
    issuer: CertifiedIssuer<'static, KeyPair>,
    cas: Vec<CertificateDer<'static>>,
    key: KeyPair,
    serial: u64,
}

impl Ring {
    /// Makes the CAs.
    pub fn new(name: &str, extended: bool) -> Self {
        let params = authority(name, if extended { EXTENSIONS } else { 0 });
        let keys: Vec<KeyPair> = (0..CAS).map(|_| KeyPair::generate().unwrap()).collect();
        let cas = (0..CAS).map(|place| {
            let next = Issuer::from_params(&params, &keys[(place + 1) % CAS]);
            params.signed_by(&keys[place], &next).unwrap().der().clone()
        });
        let cas = cas.collect();
        let first = keys.into_iter().next().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, first).unwrap();
        Self { issuer, cas, key: KeyPair::generate().unwrap(), serial: 0 }
    }

    /// A chain with a leaf that was never seen before, so that what is remembered of others is of no use.
    pub fn chain(&mut self) -> Chain {
        self.serial += 1;
        let mut params = client("payments");
        params.serial_number = Some(SerialNumber::from(self.serial));
        let mut certificates = vec![params.signed_by(&self.key, &self.issuer).unwrap().der().clone()];
        certificates.extend_from_slice(&self.cas);
        Chain { certificates, key: self.key.serialize_der() }
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn client(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn authority(name: &str, extensions: u64) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let unknown =
        |number| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, number], vec![5; 14]);
    params.custom_extensions = (0..extensions).map(unknown).collect();
    params
}
