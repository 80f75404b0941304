//! `auth0`: Auth0 with self-managed certificates (Auth0 documentation, "Configure mTLS for a Customer Edge").
//!
//! Auth0 selects the authentication method by `client-certificate-ca-verified`: `SUCCESS` means `tls_client_auth`, `FAILED`
//! `self_signed_tls_client_auth`. The encoded certificate must not exceed 4096 bytes.

use super::{
    super::encoding::{CertificateEncoding, ClientEncoding},
    part::{BuiltIn, at_most, client},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "auth0",
    parts: &[
        at_most(4096, "client-certificate", CertificateEncoding::PemUrl),
        client("client-certificate-ca-verified", ClientEncoding::Verdict),
    ],
};
