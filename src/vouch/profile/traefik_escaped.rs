//! `traefik-escaped`: the header of Traefik 2, with each certificate percent-encoded, but not the commas
//! (Traefik 2 documentation, "PassTLSClientCert", before 2.9.2).

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "traefik-escaped",
    parts: &[one("x-forwarded-tls-client-cert", CertificateEncoding::ChainCertsEscaped)],
};
