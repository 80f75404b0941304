//! `traefik-escaped`: the same header as Traefik 2 sent it, each certificate percent-encoded, the commas raw
//! (Traefik 2 documentation, "PassTLSClientCert", before 2.9.2).

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "traefik-escaped",
    parts: &[one("x-forwarded-tls-client-cert", CertificateEncoding::ChainCertsEscaped)],
};
