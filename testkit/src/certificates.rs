//! The factory of certificates, CRLs and keys, with rcgen.
//!
//! Validity is from 2020 to 2040 unless a test changes it: wide enough for the system's clock, and fixed for unit tests that set
//! their own. Server certificates are valid for one year, since reports of their expiry are tested.

mod ca;
mod credentials;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;

pub use ca::Ca;
pub use credentials::{Credentials, pem};

/// A self-signed client certificate: `CN=name,O=Example Bank,C=DE`, P-256.
pub fn self_signed(name: &str) -> Credentials {
    self_signed_with(name, |_| {})
}

/// A self-signed client certificate, customized by `change`.
pub fn self_signed_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
    self_signed_by(&KeyPair::generate().unwrap(), name, change)
}

/// A self-signed client certificate of this key.
pub fn self_signed_by(key: &KeyPair, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
    let mut params = client_params(name);
    change(&mut params);
    Credentials::of(vec![params.self_signed(key).unwrap().der().clone()], key)
}

/// `count` CAs of one name, each signed by the next one's key and the last by the first's: path building does not terminate by itself. Returns the
/// first CA, to issue with, and the certificates.
pub fn ring(
    name: &str,
    count: usize,
    change: impl Fn(&mut CertificateParams),
) -> (Ca, Vec<CertificateDer<'static>>) {
    let mut cas: Vec<Ca> = (0..count).map(|_| Ca::new(name)).collect();
    let signed = (0..count).map(|index| cas[index].twin_below(&cas[(index + 1) % count], &change)).collect();
    (cas.swap_remove(0), signed)
}

/// A name with a common name only.
pub fn common_name(name: &str) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CommonName, name);
    dn
}

/// The time `seconds` from now.
pub fn time_from_now(seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc() + time::Duration::seconds(seconds)
}

/// `CN=name,O=Example Bank,C=DE`, for client authentication.
fn client_params(name: &str) -> CertificateParams {
    let mut params = leaf_params(name);
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CountryName, "DE");
    dn.push(DnType::OrganizationName, "Example Bank");
    dn.push(DnType::CommonName, name);
    params.distinguished_name = dn;
    params
}

/// `CN=name`, for client authentication.
fn leaf_params(name: &str) -> CertificateParams {
    let mut params = base_params(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn base_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    params
}
