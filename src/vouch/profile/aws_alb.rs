//! `aws-alb`: an Application Load Balancer in verify mode (AWS, "Mutual authentication with TLS in Application Load
//! Balancer", section "HTTP headers for verify mode").

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "aws-alb",
    parts: &[
        one("x-amzn-mtls-clientcert-serial-number", CertificateEncoding::SerialHex),
        one("x-amzn-mtls-clientcert-issuer", CertificateEncoding::IssuerDn),
        one("x-amzn-mtls-clientcert-subject", CertificateEncoding::SubjectDn),
        one("x-amzn-mtls-clientcert-validity", CertificateEncoding::Validity),
        one("x-amzn-mtls-clientcert-leaf", CertificateEncoding::PemUrlAws),
    ],
};
