//! `apache`: httpd with `RequestHeader set SSL_CLIENT_CERT "%{SSL_CLIENT_CERT}s"` and the like for
//! `SSL_CLIENT_CERT_CHAIN_n` (Apache documentation, `mod_ssl`), where `mod_headers` turns newlines into spaces.

use super::{
    super::encoding::{CertificateEncoding, pem_spaces},
    part::{BuiltIn, each_intermediate, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "apache",
    parts: &[
        one("ssl_client_cert", CertificateEncoding::PemSpaces),
        each_intermediate("ssl_client_chain_", pem_spaces),
    ],
};
