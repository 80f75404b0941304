//! The metrics of what expires: certificates, credentials, CAs and CRLs.

use super::Descriptor;

/// One series per certificate of a domain. A domain with a single one has no `key_type`.
pub(crate) static SERVER_CERTIFICATE_EXPIRY: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_server_certificate_expiry_seconds",
    ["domain", "key_type"],
    "Seconds until a domain's server certificate expires.",
);
/// Absent if the admin address has no certificate.
pub(crate) static ADMIN_CERTIFICATE_EXPIRY: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_admin_certificate_expiry_seconds",
    [],
    "Seconds until the certificate of the admin address expires.",
);
/// One series per upstream with a `client_certificate`.
pub(crate) static UPSTREAM_CERTIFICATE_EXPIRY: Descriptor<1> = Descriptor::gauge(
    "mtls_edge_upstream_certificate_expiry_seconds",
    ["upstream"],
    "Seconds until the edge's client certificate for an upstream expires.",
);
/// Expired credentials are left out, so that a forgotten one does not hide the next expiry.
pub(crate) static CREDENTIAL_SOONEST_EXPIRY: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_credential_soonest_expiry_seconds",
    [],
    "Seconds until the next registered credential expires, of those whose expiry is known.",
);
/// Counts only credentials whose expiry is known.
pub(crate) static CREDENTIALS_EXPIRED: Descriptor<0> = Descriptor::gauge(
    "mtls_edge_credentials_expired",
    [],
    "Registered credentials that have expired, or whose certificate has.",
);
/// One series per configured client CA.
pub(crate) static CLIENT_CA_EXPIRY: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_client_ca_expiry_seconds",
    ["subject", "thumbprint"],
    "Seconds until a client CA certificate expires.",
);
/// `key` is the SHA-256 of the signing client CA's public key; without it, an intermediate CA signed the CRL.
pub(crate) static CRL_NEXT_UPDATE: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_crl_next_update_seconds",
    ["issuer", "key"],
    "Seconds until the nextUpdate of a CA's newest CRL; negative once the CRL is stale.",
);
/// Labels as with [`CRL_NEXT_UPDATE`].
pub(crate) static CRL_AGE: Descriptor<2> = Descriptor::gauge(
    "mtls_edge_crl_age_seconds",
    ["issuer", "key"],
    "Seconds since the thisUpdate of a CA's newest CRL.",
);
