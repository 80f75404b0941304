//! Access tokens of resource requests (RFC 6750): verified by their issuer's keys or by introspection, and bound to the client's certificate (RFC 8705
//! section 3) or to a DPoP key (RFC 9449).

/// The `typ` header that JWT access tokens must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt` or `application/at+jwt` (RFC 9068 section 4).
    #[default]
    AtJwt,
    /// These, and `JWT` or none, as servers without RFC 9068 send them. ID tokens look alike: only `aud` tells them apart.
    AnyJwt,
}
