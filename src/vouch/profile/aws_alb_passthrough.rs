//! `aws-alb-passthrough`: an Application Load Balancer in pass-through mode, the whole chain in one header (AWS,
//! "Mutual authentication with TLS in Application Load Balancer", section "HTTP headers for passthrough mode").

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "aws-alb-passthrough",
    parts: &[one("x-amzn-mtls-clientcert", CertificateEncoding::ChainPemUrlAws)],
};
