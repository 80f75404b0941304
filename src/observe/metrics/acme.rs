//! The metrics of certificates that are ordered by ACME.

use super::Descriptor;

/// `issued` or `failed`.
pub(crate) static ACME_ORDERS: Descriptor<2> = Descriptor::counter(
    "mtls_edge_acme_orders_total",
    ["domain", "result"],
    "Orders of certificates by ACME, by result: issued or failed.",
);
/// One series per domain whose certificate is ordered by ACME and present.
pub(crate) static ACME_RENEWAL: Descriptor<1> = Descriptor::gauge(
    "mtls_edge_acme_renewal_seconds",
    ["domain"],
    "Seconds until the certificate of a domain is renewed by ACME; negative if that is overdue.",
);
