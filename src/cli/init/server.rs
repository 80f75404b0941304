//! What `init` knows of each authorization server: header profile, issuer and endpoints.

use clap::ValueEnum;

use crate::vouch::Profile;

/// An authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Server {
    /// Auth0 with a self-managed custom domain.
    Auth0,
    /// Keycloak.
    Keycloak,
    /// node-oidc-provider.
    OidcProvider,
    /// Ory Hydra, which does not support RFC 8705: the edge requires a certificate besides the secret.
    Hydra,
    /// Spring Authorization Server.
    Spring,
    /// Any other server that reads the headers of RFC 9440.
    Generic,
}

/// An endpoint: its path, methods, and how the edge authenticates its requests.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    pub(super) methods: &'static str,
    pub(super) authenticate: &'static str,
}

/// An endpoint at which clients authenticate.
const fn client(path: &'static str) -> Endpoint {
    Endpoint { path, methods: "[\"POST\"]", authenticate: "client" }
}

/// The UserInfo endpoint: an access token identifies the caller, not a `client_id`.
const fn userinfo(path: &'static str) -> Endpoint {
    Endpoint { path, methods: "[\"GET\", \"POST\"]", authenticate: "certificate" }
}

impl Server {
    /// Its name in text.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Auth0 => "Auth0",
            Self::Keycloak => "Keycloak",
            Self::OidcProvider => "node-oidc-provider",
            Self::Hydra => "Ory Hydra",
            Self::Spring => "Spring Authorization Server",
            Self::Generic => "an authorization server",
        }
    }

    /// The value of `--for`.
    pub(super) fn option(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The header profile that it reads.
    pub(super) fn profile(self) -> &'static str {
        Profile::of_server(&self.option()).unwrap_or(Profile::DEFAULT)
    }

    /// What else to configure, for the head of the file.
    pub(super) const fn note(self) -> &'static str {
        match self {
            Self::Auth0 => {
                "Write the API key of the custom domain into certs/cname-api-key, and its forwarding target into `urls` and `host`."
            }
            Self::Keycloak => {
                "In Keycloak: spi-x509cert-lookup--provider=rfc9440, proxy-headers=xforwarded, proxy-trusted-addresses=the edge's address."
            }
            Self::OidcProvider => {
                "In oidc-provider: features.mTLS with hooks that read ssl-client-cert, ssl-client-verify and ssl-client-subject-dn; provider.proxy = true."
            }
            Self::Hydra => {
                "Hydra does not support RFC 8705: it verifies the client secret, and the edge the certificate. Its tokens are not bound to the certificate."
            }
            Self::Spring => {
                "In Spring: a filter that reads ssl-client-cert and ssl-client-verify; server.forward-headers-strategy=framework."
            }
            Self::Generic => {
                "The server must read Client-Cert and Client-Cert-Chain (RFC 9440), and accept requests from the edge only."
            }
        }
    }

    /// What `X-Forwarded-For` contains.
    pub(super) const fn forwarded_for(self) -> &'static str {
        if matches!(self, Self::Auth0) { "client" } else { "list" }
    }

    /// Before each path; `{realm}` stands for the realm.
    pub(super) const fn prefix(self) -> &'static str {
        if matches!(self, Self::Keycloak) { "/realms/{realm}" } else { "" }
    }

    /// The issuer identifier behind the server's address, in the server's own form.
    pub(super) const fn issuer_path(self) -> &'static str {
        match self {
            Self::Auth0 => "/",
            Self::Keycloak => "/realms/{realm}",
            _ => "",
        }
    }

    /// The endpoints; the first is the token endpoint.
    pub(super) const fn endpoints(self) -> &'static [Endpoint] {
        match self {
            Self::Auth0 => const { &[client("/oauth/token"), client("/oauth/par"), userinfo("/userinfo")] },
            Self::Keycloak => {
                const {
                    &[
                        client("/protocol/openid-connect/token"),
                        client("/protocol/openid-connect/ext/par/request"),
                        client("/protocol/openid-connect/token/introspect"),
                        client("/protocol/openid-connect/revoke"),
                        userinfo("/protocol/openid-connect/userinfo"),
                    ]
                }
            }
            Self::OidcProvider => {
                const {
                    &[
                        client("/token"),
                        client("/request"),
                        client("/token/introspection"),
                        client("/token/revocation"),
                        userinfo("/me"),
                    ]
                }
            }
            // Hydra introspects on its admin port only, and has no pushed authorization requests.
            Self::Hydra => {
                const { &[client("/oauth2/token"), client("/oauth2/revoke"), userinfo("/userinfo")] }
            }
            Self::Spring => {
                const {
                    &[
                        client("/oauth2/token"),
                        client("/oauth2/par"),
                        client("/oauth2/introspect"),
                        client("/oauth2/revoke"),
                        userinfo("/userinfo"),
                    ]
                }
            }
            Self::Generic => {
                const {
                    &[
                        client("/oauth/token"),
                        client("/oauth/par"),
                        client("/oauth/introspect"),
                        client("/oauth/revoke"),
                        userinfo("/userinfo"),
                    ]
                }
            }
        }
    }
}
