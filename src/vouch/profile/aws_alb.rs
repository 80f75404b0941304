//! `aws-alb`: an Application Load Balancer in verify mode (AWS, "Mutual authentication with TLS in Application Load
//! Balancer", section "HTTP headers for verify mode").

use super::{
    super::encoding::Encoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "aws-alb",
    parts: &[
        one("x-amzn-mtls-clientcert-serial-number", Encoding::SerialHex),
        one("x-amzn-mtls-clientcert-issuer", Encoding::IssuerDn),
        one("x-amzn-mtls-clientcert-subject", Encoding::SubjectDn),
        one("x-amzn-mtls-clientcert-validity", Encoding::Validity),
        one("x-amzn-mtls-clientcert-leaf", Encoding::PemUrlAws),
    ],
};
