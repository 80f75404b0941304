//! `traefik`: Traefik 3 with `passTLSClientCert.pem` (Traefik documentation, "PassTLSClientCert"). Raw base64: a
//! reader that URL-decodes turns its `+` into spaces, and needs `traefik-escaped`.

use super::{
    super::encoding::CertificateEncoding,
    part::{BuiltIn, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "traefik",
    parts: &[one("x-forwarded-tls-client-cert", CertificateEncoding::ChainCerts)],
};
