//! `nginx`: the names that ingress-nginx made common, with the variables of `ngx_http_ssl_module` as their values:
//! `$ssl_client_escaped_cert`, `$ssl_client_verify`, `$ssl_client_s_dn`, `$ssl_client_i_dn`.

use super::{
    super::encoding::{CertificateEncoding, ClientEncoding},
    part::{BuiltIn, client, one},
};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "nginx",
    parts: &[
        one("ssl-client-cert", CertificateEncoding::PemUrl),
        client("ssl-client-verify", ClientEncoding::Verdict),
        one("ssl-client-subject-dn", CertificateEncoding::SubjectDn),
        one("ssl-client-issuer-dn", CertificateEncoding::IssuerDn),
    ],
};
