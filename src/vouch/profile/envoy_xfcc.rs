//! `envoy-xfcc`: Envoy with `forward_client_cert_details: SANITIZE_SET` (Envoy documentation, "HTTP header
//! manipulation", section x-forwarded-client-cert).

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn =
    BuiltIn { name: "envoy-xfcc", parts: &[one("x-forwarded-client-cert", CertificateEncoding::Xfcc)] };
