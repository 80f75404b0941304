//! `rfc9440`: the Client-Cert HTTP header fields (RFC 9440 sections 2.2 and 2.3).
//!
//! `Client-Cert-Chain` is left out where the client presented its certificate only (section 2.3 has it optional).

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
