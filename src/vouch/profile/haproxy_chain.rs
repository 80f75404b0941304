//! `haproxy-chain`: HAProxy's `ssl_c_der,base64` and `ssl_c_chain_der,base64` (HAProxy configuration manual,
//! section 7.3.4), as Keycloak's haproxy provider reads them if its `ssl-cert-chain` option names the header.
//!
//! The name `Client-Cert-Chain` is that of RFC 9440, but the encoding differs. No profile sends both.

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "haproxy-chain",
    parts: &[
        one("ssl_client_cert", CertificateEncoding::DerBase64),
        one("client-cert-chain", CertificateEncoding::ChainDerBase64),
    ],
};
