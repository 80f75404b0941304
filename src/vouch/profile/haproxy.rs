//! `haproxy`: HAProxy's `ssl_c_der,base64`, and one numbered header per intermediate, as Keycloak's haproxy provider
//! reads them by default (Keycloak documentation, "Configuring a reverse proxy"; numbered headers are deprecated there).

use super::{
    super::encoding::{CertificateEncoding, der_base64},
    part::{BuiltIn, each_intermediate, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "haproxy",
    parts: &[
        one("ssl_client_cert", CertificateEncoding::DerBase64),
        each_intermediate("ssl_client_chain_", der_base64),
    ],
};
