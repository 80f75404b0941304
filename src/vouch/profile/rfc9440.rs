//! `rfc9440`: the Client-Cert HTTP header fields (RFC 9440 sections 2.2 and 2.3).
//!
//! `Client-Cert-Chain` is optional (section 2.3), and omitted if the client has presented no intermediates.

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "rfc9440",
    parts: &[
        one("client-cert", CertificateEncoding::DerSf),
        one("client-cert-chain", CertificateEncoding::ChainSf),
    ],
};
