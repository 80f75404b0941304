//! The applications in the document of `/status`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A page of applications.
#[derive(Debug, Serialize, Deserialize)]
pub struct Applications {
    /// On all pages.
    pub total: usize,
    /// This page, from 1.
    pub page: usize,
    /// At least 1.
    pub pages: usize,
    /// The most on one page.
    pub per_page: usize,
    /// By `client_id`.
    pub list: Vec<Application>,
}

/// The applications that were refused after they were last served.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RefusedApplications {
    /// All of them.
    pub total: usize,
    /// Those that were refused last, the last one first.
    pub list: Vec<RefusedApplication>,
}

/// An application whose requests are refused.
#[derive(Debug, Serialize, Deserialize)]
pub struct RefusedApplication {
    /// Its `client_id`.
    pub client_id: String,
    /// The code of the last refusal's reason.
    pub code: String,
    /// The refused requests since it was last served.
    pub count: u64,
    /// The first of them.
    pub since: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// The last request that one of its credentials authenticated, since the start.
    pub last_used: Option<Timestamp>,
}

/// An application.
#[derive(Debug, Serialize, Deserialize)]
pub struct Application {
    /// Its `client_id`.
    pub client_id: String,
    /// Its `token_endpoint_auth_method`.
    pub method: String,
    /// In the order of the configuration.
    pub credentials: Vec<Credential>,
    /// The certificates to which its tokens are bound, if they are registered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Credential>,
    /// The keys of its request objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_keys: Vec<Credential>,
}

/// A credential of an application.
#[derive(Debug, Serialize, Deserialize)]
pub struct Credential {
    /// The operator's name for it.
    pub name: String,
    /// The matcher; none if this is a newer edge's, of a kind that this command does not know.
    #[serde(flatten)]
    pub registered: Option<Registered>,
    /// Of the registered certificate.
    pub subject: Option<String>,
    /// The second from which on it is refused, if one is configured.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The end of its certificate's validity, if known.
    pub not_after: Option<Timestamp>,
    /// Whole days until the earlier of the two, negative once it has passed.
    pub days_left: Option<i64>,
    /// The certificate from which that is known.
    pub known_from: Option<String>,
    /// The last request that it authenticated, since the start.
    pub last_used: Option<Timestamp>,
}

/// What a credential matches: a member under the name of the configuration key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registered {
    /// SHA-256, in hex.
    Thumbprint(String),
    /// RFC 7638 thumbprint of a key, or SHA-256 of a certificate's SubjectPublicKeyInfo, in base64url.
    PublicKey(String),
    /// Nothing is shown of a secret.
    Secret(String),
    /// RFC 4514.
    SubjectDn(String),
    /// dNSName.
    SanDns(String),
    /// uniformResourceIdentifier.
    SanUri(String),
    /// iPAddress.
    SanIp(String),
    /// rfc822Name.
    SanEmail(String),
}

impl Application {
    /// What it has registered, each with its method, or what else it is for.
    pub fn registrations(&self) -> impl Iterator<Item = (&str, &Credential)> {
        let authentication = self.credentials.iter().map(|credential| (self.method.as_str(), credential));
        let certificates = self.certificates.iter().map(|credential| ("certificate", credential));
        let request_keys = self.request_keys.iter().map(|credential| ("request key", credential));
        authentication.chain(certificates).chain(request_keys)
    }
}

impl Credential {
    /// When it expires, if known.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        [self.expires_at, self.not_after].into_iter().flatten().min()
    }
}

impl Registered {
    /// The configuration key and its value.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Thumbprint(value) => ("thumbprint", value),
            Self::PublicKey(value) => ("public_key", value),
            Self::Secret(value) => ("secret_sha256", value),
            Self::SubjectDn(value) => ("subject_dn", value),
            Self::SanDns(value) => ("san_dns", value),
            Self::SanUri(value) => ("san_uri", value),
            Self::SanIp(value) => ("san_ip", value),
            Self::SanEmail(value) => ("san_email", value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_a_member_named_for_its_key() {
        let json = r#"{"name":"a","subject_dn":"CN=a","subject":null,"expires_at":null,"not_after":null,"days_left":null,"known_from":null,"last_used":"2026-11-27T16:00:00Z"}"#;
        let credential: Credential = serde_json::from_str(json).unwrap();
        assert_eq!(credential.registered.as_ref().unwrap().parts(), ("subject_dn", "CN=a"));
        assert_eq!(serde_json::to_string(&credential).unwrap(), json);
        // Of a newer edge.
        let newer = json.replace("subject_dn", "jwks_uri");
        assert!(serde_json::from_str::<Credential>(&newer).unwrap().registered.is_none());
    }
}
