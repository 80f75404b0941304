//! `aws-alb-passthrough`: an Application Load Balancer in pass-through mode, the whole chain in one header (AWS,
//! "Mutual authentication with TLS in Application Load Balancer", section "HTTP headers for passthrough mode").

use super::{
    super::encoding::Encoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "aws-alb-passthrough",
    parts: &[one("x-amzn-mtls-clientcert", Encoding::ChainPemUrlAws)],
};
