//! `auth0`: Auth0 with self-managed certificates (Auth0 documentation, "Configure mTLS for a Customer Edge").
//!
//! `client-certificate-ca-verified` decides which method Auth0 applies: `SUCCESS` means `tls_client_auth`, `FAILED`
//! `self_signed_tls_client_auth`. A certificate that takes more than 4096 bytes cannot be forwarded.

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
