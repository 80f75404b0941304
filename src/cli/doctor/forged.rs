//! Makes a certificate that looks like an application's, and the headers that would vouch for it.

use http::{HeaderName, HeaderValue};
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

use crate::{
    config::settings::{Application, Matcher},
    identity::{self, ClientCertificate, Thumbprint},
    load::read_certificates,
    trust::AuthMethod,
    vouch::{Facts, Profile, Verdict},
};

/// The verdict on the chain of a self-signed certificate.
pub(super) const NOT_VERIFIED: Verdict = Verdict::NotVerified("self signed certificate");

/// An application, and a certificate that its credential matches as far as headers show it.
#[derive(Debug)]
pub(super) struct Forgery {
    pub(super) client_id: String,
    /// What an edge says of the chain of such an application's certificate.
    pub(super) verdict: Verdict,
    certificate: ClientCertificate,
    /// The registered thumbprint and name, where the certificate cannot have them.
    thumbprint: Option<Thumbprint>,
    subject: Option<String>,
}

impl Forgery {
    /// The forgery of an application's first credential; none if it does not authenticate with a certificate.
    ///
    /// A certificate is not a secret: if it is registered as a file, it is sent itself. Its key is what an attacker lacks, and headers do not
    /// prove that anyone has it.
    pub(super) fn of(application: &Application) -> Option<Self> {
        let client_id = application.client_id.value.clone();
        let verdict = match application.auth_method.value {
            AuthMethod::SelfSignedTls => NOT_VERIFIED,
            _ => Verdict::Verified,
        };
        let (mut thumbprint, mut subject, mut name) = (None, None, None);
        let mut san = None;
        match &application.credentials.first()?.matcher {
            Matcher::Certificate(file) => {
                let certificate =
                    ClientCertificate::from_chain(&read_certificates(&file.value).ok()?).ok()?;
                return Some(Self { client_id, verdict, certificate, thumbprint, subject });
            }
            Matcher::Thumbprint(text) => thumbprint = Some(text.value.parse().ok()?),
            Matcher::SubjectDn(text) => {
                let (parsed, _) = identity::DistinguishedName::parse(&text.value).ok()?;
                subject = Some(parsed.to_rfc2253());
                name = Some(parsed);
            }
            Matcher::SanDns(text) => san = SanType::DnsName(text.value.as_str().try_into().ok()?).into(),
            Matcher::SanUri(text) => san = SanType::URI(text.value.as_str().try_into().ok()?).into(),
            Matcher::SanEmail(text) => san = SanType::Rfc822Name(text.value.as_str().try_into().ok()?).into(),
            Matcher::SanIp(text) => san = SanType::IpAddress(text.value.parse().ok()?).into(),
            Matcher::PublicKey(_) | Matcher::SecretSha256(_) => return None,
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(name.as_ref(), &client_id);
        params.subject_alt_names = san.into_iter().collect();
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(1);
        params.not_after = now + time::Duration::days(1);
        let made = params.self_signed(&KeyPair::generate().ok()?).ok()?;
        let certificate = ClientCertificate::from_chain(&[made.der().clone()]).ok()?;
        Some(Self { client_id, verdict, certificate, thumbprint, subject })
    }

    /// The headers by which an edge with this profile and verdict would vouch for it; none if the certificate is too large for them.
    pub(super) fn headers(
        &self,
        profile: &Profile,
        verdict: Verdict,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let facts = Facts::of(&self.certificate);
        let mut evidence = facts.evidence(verdict, &[]);
        if let Some(certificate) = &mut evidence.certificate {
            if let Some(thumbprint) = &self.thumbprint {
                certificate.thumbprint = thumbprint.as_bytes();
            }
            if let Some(subject) = &self.subject {
                certificate.subject_rfc2253 = subject;
            }
        }
        profile.headers(&evidence).ok()
    }
}

/// The name in the certificate: the registered one, or one with the `client_id`. Of repeated types the last attribute is used.
fn distinguished_name(name: Option<&identity::DistinguishedName>, client_id: &str) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    let arcs = |oid: &str| oid.split('.').filter_map(|arc| arc.parse().ok()).collect();
    for (oid, value) in name.map(identity::DistinguishedName::attributes).unwrap_or_default() {
        dn.push(DnType::CustomDnType(arcs(&oid)), DnValue::Utf8String(value));
    }
    if name.is_none() {
        dn.push(DnType::CommonName, client_id);
    }
    dn
}
