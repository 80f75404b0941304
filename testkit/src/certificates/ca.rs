//! A CA that issues for a test.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    RevokedCertParams, SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::{Credentials, base_params, client_params, leaf_params, pem, time_from_now};

/// A CA with its key. It generates keys of its own kind for what it issues.
#[derive(Debug)]
pub struct Ca {
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The CAs between this one and its root, this one first; empty for a root.
    path: Vec<CertificateDer<'static>>,
    algorithm: &'static SignatureAlgorithm,
}

impl Ca {
    /// A root with a P-256 key.
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// A root with a P-256 key, changed as the test needs it.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root(name, &PKCS_ECDSA_P256_SHA256, change)
    }

    /// A root whose keys, and those of all that it issues, are of this kind.
    pub fn with_keys(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        Self::root(name, algorithm, |_| {})
    }

    fn root(
        name: &str,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { name: name.to_owned(), issuer, path: Vec::new(), algorithm }
    }

    /// Another self-signed certificate of this CA's key, such as a renewed one.
    pub fn twin(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(&self.name);
        change(&mut params);
        let key = KeyPair::try_from(self.issuer.key().serialize_der()).unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        Self { name: self.name.clone(), issuer, path: Vec::new(), algorithm: self.algorithm }
    }

    /// A certificate of this CA's key that `issuer` has signed.
    pub fn twin_below(
        &self,
        issuer: &Self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = ca_params(&self.name);
        change(&mut params);
        params.signed_by(self.issuer.key(), &issuer.issuer).unwrap().der().clone()
    }

    /// A CA below this one. The chains of what it issues contain the path to the root, without the root.
    pub fn intermediate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let issuer = CertifiedIssuer::signed_by(params, self.generate(), &self.issuer).unwrap();
        let mut path = vec![issuer.der().clone()];
        path.extend_from_slice(&self.path);
        Self { name: name.to_owned(), issuer, path, algorithm: self.algorithm }
    }

    /// A client certificate: `CN=name,O=Example Bank,C=DE`, changed as the test needs it.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
        self.issue_to(&self.generate(), name, change)
    }

    /// A client certificate for this key.
    pub fn issue_to(
        &self,
        key: &KeyPair,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Credentials {
        let mut params = client_params(name);
        change(&mut params);
        self.sign(&params, key)
    }

    /// A client certificate alone, without chain and key: `CN=name`.
    pub fn leaf(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = leaf_params(name);
        change(&mut params);
        self.sign(&params, &self.generate()).chain.swap_remove(0)
    }

    /// A server certificate for these DNS names, valid for one year from now.
    pub fn server(&self, names: &[&str]) -> Credentials {
        self.server_with(names, |_| {})
    }

    /// A server certificate for these DNS names, changed as the test needs it.
    pub fn server_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Credentials {
        let mut params = base_params(names[0]);
        params.not_before = time_from_now(-86_400);
        params.not_after = time_from_now(365 * 86_400);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names =
            names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
        change(&mut params);
        self.sign(&params, &self.generate())
    }

    fn generate(&self) -> KeyPair {
        KeyPair::generate_for(self.algorithm).unwrap()
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Credentials {
        let mut chain = vec![params.signed_by(key, &self.issuer).unwrap().der().clone()];
        chain.extend_from_slice(&self.path);
        Credentials::of(chain, key)
    }

    /// A fresh CRL in PEM that revokes these serial numbers.
    pub fn crl(&self, serials: &[u64]) -> String {
        self.crl_between(serials, -3600, 86_400)
    }

    /// A CRL in PEM with `thisUpdate` and `nextUpdate` in seconds from now.
    pub fn crl_between(&self, serials: &[u64], this_update: i64, next_update: i64) -> String {
        let change = |crl: &mut CertificateRevocationListParams| {
            crl.this_update = time_from_now(this_update);
            crl.next_update = time_from_now(next_update);
        };
        self.sign_crl(serials, change).pem().unwrap()
    }

    /// A CRL in DER, from 2025 to 2035 unless changed.
    pub fn crl_der(
        &self,
        serials: &[u64],
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> Vec<u8> {
        self.sign_crl(serials, change).der().to_vec()
    }

    fn sign_crl(
        &self,
        serials: &[u64],
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> rcgen::CertificateRevocationList {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let mut params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(2035, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut params);
        params.signed_by(&self.issuer).unwrap()
    }

    /// The CA's certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// The CA's certificate in PEM.
    pub fn pem(&self) -> String {
        pem(&self.der())
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = base_params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
