//! The types of this module made from `testkit`'s certificates, for unit tests.

use std::path::Path;

use rcgen::{CertificateParams, CertificateRevocationListParams, date_time_ymd};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use testkit::{
    Ca,
    certificates::{common_name, self_signed_with},
};

use super::{Authorities, ClientCertificate, RevocationPolicy, StaleCrl};
use crate::clock::Timestamp;

/// 2030-01-01: the time at which tests judge certificates, within the validity of `testkit`'s.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_893_456_000);

/// Changes a CRL's `nextUpdate` to the first day of a year.
pub(crate) fn until(year: i32) -> impl FnOnce(&mut CertificateRevocationListParams) {
    move |crl| crl.next_update = date_time_ymd(year, 1, 1)
}

/// Changes a CRL's `thisUpdate` and `nextUpdate` to the first days of these years.
pub(crate) fn between(this: i32, next: i32) -> impl FnOnce(&mut CertificateRevocationListParams) {
    move |crl| {
        crl.this_update = date_time_ymd(this, 1, 1);
        crl.next_update = date_time_ymd(next, 1, 1);
    }
}

/// Authorities of these CAs, without CRLs.
pub(crate) fn trust(cas: &[&Ca]) -> Authorities {
    trust_with(cas, Vec::new(), StaleCrl::Refuse)
}

/// Authorities of these CAs with CRLs.
pub(crate) fn trust_with(cas: &[&Ca], crls: Vec<Vec<u8>>, stale: StaleCrl) -> Authorities {
    let policy = RevocationPolicy { stale, ..RevocationPolicy::default() };
    Authorities::new(cas.iter().map(|ca| ca.der()).collect(), crls, policy).unwrap()
}

/// The identity of a client that presents `chain`, the leaf first.
pub(crate) fn client(chain: &[CertificateDer<'static>]) -> ClientCertificate {
    ClientCertificate::from_chain(chain).unwrap()
}

/// A self-signed certificate: `CN=self`, changed as the test needs it.
pub(crate) fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let credentials = self_signed_with("self", |params| {
        params.distinguished_name = common_name("self");
        change(params);
    });
    credentials.leaf().clone()
}

/// The certificate of a PEM file.
pub(crate) fn read_pem(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}
