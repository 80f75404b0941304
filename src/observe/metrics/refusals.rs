//! The reason codes of refusals. They are stable: `docs/observe.md` lists them, alerts and the log use them.

use super::cells::label;

label! {
    /// Why a request was refused.
    pub enum RefusalCode: "reason" {
        /// CONNECT, or an upgrade.
        Upgrade = "upgrade",
        /// `Host` is missing, repeated or malformed.
        Host = "host",
        /// `Host` differs from the server name of the connection.
        Misdirected = "misdirected",
        /// `[listen]` does not allow the client's address.
        Address = "address_denied",
        /// Too many requests from the client's address.
        AddressRate = "address_rate",
        /// Too many requests of the application.
        ApplicationRate = "application_rate",
        /// The request was not complete within `request_timeout`.
        RequestTimeout = "request_timeout",
        /// Too many header fields.
        TooManyHeaders = "too_many_headers",
        /// Whitespace around a field value over HTTP/2.
        HeaderWhitespace = "header_whitespace",
        /// A field name over HTTP/2 that is not a token.
        HeaderName = "header_name",
        /// A query parameter overrides the method.
        MethodOverride = "method_override",
        /// No route has the path.
        NotFound = "not_found",
        /// Upstreams may read the path in different ways.
        AmbiguousPath = "ambiguous_path",
        /// The path is too long.
        PathTooLong = "path_too_long",
        /// The route does not allow the method.
        MethodNotAllowed = "method_not_allowed",
        /// The request names no client.
        NoClientId = "no_client_id",
        /// Upstreams may read the parameters in different ways.
        Parameters = "parameters",
        /// More than one client authentication.
        SeveralMechanisms = "several_mechanisms",
        /// A credential in the query.
        CredentialInQuery = "credential_in_query",
        /// An assertion without its type, or the reverse.
        IncompleteAssertion = "incomplete_assertion",
        /// The authorization request is neither signed nor pushed.
        RequestRequired = "request_required",
        /// Parameters outside the request object.
        RequestParameters = "request_parameters",
        /// The encoding or the header of the request object.
        RequestToken = "request_token",
        /// The key or the signature of the request object.
        RequestSignature = "request_signature",
        /// The time claims of the request object.
        RequestLifetime = "request_lifetime",
        /// Other claims of the request object.
        RequestClaims = "request_claims",
        /// A clause of the domain's security profile.
        Profile = "profile",
        /// No client certificate.
        NoCertificate = "no_certificate",
        /// The client certificate cannot be parsed.
        CertificateUnreadable = "certificate_unreadable",
        /// The client certificate has expired.
        CertificateExpired = "certificate_expired",
        /// The client certificate is not valid yet.
        CertificateNotYetValid = "certificate_not_yet_valid",
        /// The client certificate is too large for the header profile.
        CertificateTooLarge = "certificate_too_large",
        /// The client certificate is revoked.
        CertificateRevoked = "certificate_revoked",
        /// No CRL covers the client certificate, or it is stale or not valid.
        Crl = "crl",
        /// The chain of the client certificate does not verify for another reason.
        Chain = "chain",
        /// No application has the `client_id`.
        UnknownClient = "unknown_client",
        /// No application has registered the certificate.
        UnknownCertificate = "unknown_certificate",
        /// The application has registered another certificate or key.
        ThumbprintMismatch = "thumbprint_mismatch",
        /// The application has registered another subject.
        SubjectMismatch = "subject_mismatch",
        /// Another CA than the pinned one has issued the certificate.
        IssuerMismatch = "issuer_mismatch",
        /// The credential's `expires_at` has passed.
        CredentialExpired = "credential_expired",
        /// The request carries no credential.
        NoCredential = "no_credential",
        /// The application has registered another method.
        OtherMethod = "other_method",
        /// The secret is not a registered one.
        SecretMismatch = "secret_mismatch",
        /// The application's tokens are bound to a certificate, and it has presented no suitable one.
        CertificateBinding = "certificate_binding",
        /// No registered key has signed the assertion.
        AssertionSignature = "assertion_signature",
        /// The `jti` of the assertion was used before.
        AssertionReplayed = "assertion_replayed",
        /// Too many used `jti` values are remembered.
        AssertionIdsFull = "assertion_ids_full",
        /// The assertion breaks another rule.
        Assertion = "assertion",
        /// No access token.
        TokenMissing = "token_missing",
        /// The access token is sent in a malformed or wrong place.
        TokenRequest = "token_request",
        /// The access token or its DPoP proof is not valid.
        TokenInvalid = "token_invalid",
        /// The access token cannot be verified now.
        TokenUnavailable = "token_unavailable",
        /// The body is too long.
        BodyTooLarge = "body_too_large",
        /// The body is too slow.
        BodyTimeout = "body_timeout",
        /// The body ended early.
        BodyIncomplete = "body_incomplete",
        /// The memory for bodies is used up.
        BodyMemory = "body_memory",
        /// No origin accepted a connection.
        UpstreamUnreachable = "upstream_unreachable",
        /// A limit of the upstream is reached.
        UpstreamBusy = "upstream_busy",
        /// The upstream closed the connection, or sent an invalid response.
        UpstreamFailed = "upstream_failed",
        /// The upstream did not respond in time.
        UpstreamTimeout = "upstream_timeout",
    }
}
