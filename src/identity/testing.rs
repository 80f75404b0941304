//! Certificates for this module's tests: made by rcgen, and by the openssl command where another implementation's word
//! is the point.

use std::{path::Path, process::Command};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{Authorities, ClientCertificate, RevocationPolicy, StaleCrl};

use crate::clock::Timestamp;

/// 2030-01-01: the time at which tests look at certificates.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_893_456_000);

/// A CA that issues for tests.
pub(crate) struct TestCa(CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    /// A self-signed CA.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// A self-signed CA of a special kind.
    pub(crate) fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Another self-signed certificate of the same key.
    pub(crate) fn renewed(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = ca_params(name);
        change(&mut params);
        params.self_signed(self.0.key()).unwrap().der().clone()
    }

    /// A certificate of this CA's key that another CA has issued.
    pub(crate) fn below(
        &self,
        issuer: &Self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = ca_params(name);
        change(&mut params);
        params.signed_by(self.0.key(), &issuer.0).unwrap().der().clone()
    }

    /// A CA under this one.
    pub(crate) fn intermediate(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        Self(CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    /// A client's certificate, fit for clientAuth unless changed.
    pub(crate) fn leaf(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = leaf_params(name);
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.0).unwrap().der().clone()
    }

    /// A CRL that revokes `serials` and is fresh until the first of `next_update`, a year.
    pub(crate) fn crl(&self, serials: &[u64], next_update: i32) -> Vec<u8> {
        self.crl_of(2025, serials, next_update)
    }

    /// A CRL issued on the first of `this_update`, a year.
    pub(crate) fn crl_of(&self, this_update: i32, serials: &[u64], next_update: i32) -> Vec<u8> {
        self.crl_with(serials, |list| {
            list.this_update = date_time_ymd(this_update, 1, 1);
            list.next_update = date_time_ymd(next_update, 1, 1);
        })
    }

    /// A CRL of a special kind.
    pub(crate) fn crl_with(
        &self,
        serials: &[u64],
        change: impl FnOnce(&mut CertificateRevocationListParams),
    ) -> Vec<u8> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let mut params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(2035, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut params);
        params.signed_by(&self.0).unwrap().der().to_vec()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }
}

/// Trust in these CAs, without CRLs.
pub(crate) fn trust(cas: &[&TestCa]) -> Authorities {
    trust_with(cas, Vec::new(), StaleCrl::Refuse)
}

/// Trust in these CAs.
pub(crate) fn trust_with(cas: &[&TestCa], crls: Vec<Vec<u8>>, stale: StaleCrl) -> Authorities {
    let policy = RevocationPolicy { stale, ..RevocationPolicy::default() };
    Authorities::new(cas.iter().map(|ca| ca.der()).collect(), crls, policy).unwrap()
}

/// The identity of a client that presents `chain`, the leaf first.
pub(crate) fn client(chain: &[CertificateDer<'static>]) -> ClientCertificate {
    ClientCertificate::from_chain(chain).unwrap()
}

pub(crate) fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = leaf_params("self");
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

/// Runs openssl in a folder; its standard output.
pub(crate) fn openssl(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output();
    let output = output.expect("the tests need the openssl command");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A certificate file's DER.
pub(crate) fn read_pem(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}
