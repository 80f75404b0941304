//! Subject alternative names (RFC 5280 section 4.2.1.6) and their comparison (section 7).

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;

/// A subject alternative name of a kind that can be registered (RFC 8705 section 2.1.2).
///
/// Names in certificates with other characters than visible ASCII are ignored: an IA5String can contain NUL, which has been
/// used to pass off a name as a shorter one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectAltName {
    /// dNSName, RFC 8705's `tls_client_auth_san_dns`.
    Dns(String),
    /// uniformResourceIdentifier, `tls_client_auth_san_uri`.
    Uri(String),
    /// iPAddress, `tls_client_auth_san_ip`.
    Ip(IpAddr),
    /// rfc822Name, `tls_client_auth_san_email`.
    Email(String),
}

/// Why a text is not a valid subject alternative name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SanError {
    /// The text is empty.
    #[error("empty; expected {expected}")]
    Empty {
        /// What is expected instead.
        expected: &'static str,
    },
    /// It contains whitespace, a control character or a non-ASCII character.
    #[error(
        "contains {found:?}, which a name in a certificate cannot; write international names in their ASCII form (xn--...)"
    )]
    Character {
        /// The first such character.
        found: char,
    },
    /// It does not have the syntax of its kind.
    #[error("{found:?} is not {expected}")]
    Syntax {
        /// The text.
        found: String,
        /// What is expected instead.
        expected: &'static str,
    },
}

const DNS: &str = "a host name such as client.example.com";
const URI: &str = "an absolute URI such as spiffe://example.com/client";
const IP: &str = "an IPv4 or IPv6 address without a port or a prefix length";
const EMAIL: &str = "a mailbox such as client@example.com";

impl SubjectAltName {
    /// Parses a dNSName. A wildcard is literal text.
    pub fn dns(text: &str) -> Result<Self, SanError> {
        let text = visible(text, DNS)?;
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_*".contains(&b))
        };
        let shaped = name.len() <= 253 && name.split('.').all(label);
        shape(shaped, text, DNS).map(|()| Self::Dns(text.to_owned()))
    }

    /// Parses a uniformResourceIdentifier, which must be absolute (RFC 5280 section 4.2.1.6).
    pub fn uri(text: &str) -> Result<Self, SanError> {
        let text = visible(text, URI)?;
        let shaped = text.split_once(':').is_some_and(|(scheme, rest)| {
            let mut letters = scheme.bytes();
            letters.next().is_some_and(|b| b.is_ascii_alphabetic())
                && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !rest.is_empty()
        });
        shape(shaped, text, URI).map(|()| Self::Uri(text.to_owned()))
    }

    /// Parses an iPAddress.
    pub fn ip(text: &str) -> Result<Self, SanError> {
        let text = visible(text, IP)?;
        text.parse().map(Self::Ip).map_err(|_| SanError::Syntax { found: text.to_owned(), expected: IP })
    }

    /// Parses an rfc822Name.
    pub fn email(text: &str) -> Result<Self, SanError> {
        let text = visible(text, EMAIL)?;
        let shaped = text.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !local.contains('@') && Self::dns(domain).is_ok()
        });
        shape(shaped, text, EMAIL).map(|()| Self::Email(text.to_owned()))
    }

    /// Whether two names are equal by RFC 5280 section 7.
    ///
    /// A dNSName ignores case and a trailing dot, and wildcards are not expanded. A URI ignores case in the scheme and the host
    /// only (section 7.4). Addresses are compared byte by byte, so that an IPv4-mapped IPv6 address differs from the IPv4
    /// address. A mailbox ignores case in the domain only (section 7.5).
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dns(a), Self::Dns(b)) => {
                let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                is_visible(a) && is_visible(b) && bare(a) == bare(b)
            }
            (Self::Uri(a), Self::Uri(b)) => is_visible(a) && is_visible(b) && normal_uri(a) == normal_uri(b),
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Email(a), Self::Email(b)) => {
                is_visible(a) && is_visible(b) && normal_mailbox(a) == normal_mailbox(b)
            }
            _ => false,
        }
    }

    /// Converts a name of a certificate; `None` if it is of an unsupported kind or malformed.
    pub(super) fn from_general(name: &GeneralName<'_>) -> Option<Self> {
        let text = |text: &str| is_visible(text).then(|| text.to_owned());
        match name {
            GeneralName::DNSName(name) => text(name).map(Self::Dns),
            GeneralName::URI(uri) => text(uri).map(Self::Uri),
            GeneralName::RFC822Name(mailbox) => text(mailbox).map(Self::Email),
            GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
                .ok()
                .map(Self::Ip),
            _ => None,
        }
    }
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

fn visible<'a>(text: &'a str, expected: &'static str) -> Result<&'a str, SanError> {
    let text = text.trim();
    match text.chars().find(|c| !c.is_ascii_graphic()) {
        Some(found) => Err(SanError::Character { found }),
        None if text.is_empty() => Err(SanError::Empty { expected }),
        None => Ok(text),
    }
}

fn shape(shaped: bool, found: &str, expected: &'static str) -> Result<(), SanError> {
    if shaped { Ok(()) } else { Err(SanError::Syntax { found: found.to_owned(), expected }) }
}

fn normal_mailbox(mailbox: &str) -> String {
    match mailbox.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => mailbox.to_owned(),
    }
}

fn normal_uri(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once(':') else { return uri.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let Some(rest) = rest.strip_prefix("//") else { return format!("{scheme}:{rest}") };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => format!("{scheme}://{user}@{}{path}", host.to_ascii_lowercase()),
        None => format!("{scheme}://{}{path}", authority.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &Result<SubjectAltName, SanError>, b: &Result<SubjectAltName, SanError>) -> bool {
        a.as_ref().unwrap().matches(b.as_ref().unwrap())
    }

    #[test]
    fn a_host_name_ignores_case_and_a_trailing_dot() {
        let dns = SubjectAltName::dns;
        assert!(same(&dns("Client.Example.com"), &dns("client.example.COM.")));
        assert!(same(&dns("*.example.com"), &dns("*.EXAMPLE.com")));
        assert!(!same(&dns("*.example.com"), &dns("a.example.com")));
        assert!(!same(&dns("example.com"), &dns("example.com.evil")));
        assert!(!SubjectAltName::Dns("a\0b".into()).matches(&SubjectAltName::Dns("a\0b".into())));
        assert!(!SubjectAltName::Dns("m\u{fc}".into()).matches(&SubjectAltName::Dns("m\u{fc}".into())));
    }

    #[test]
    fn a_uri_ignores_case_in_scheme_and_host_only() {
        let uri = SubjectAltName::uri;
        assert!(same(&uri("SPIFFE://Example.com/Client"), &uri("spiffe://example.com/Client")));
        assert!(!same(&uri("spiffe://example.com/client"), &uri("spiffe://example.com/Client")));
        assert!(!same(&uri("https://User@example.com"), &uri("https://user@example.com")));
        assert!(same(&uri("URN:a:B"), &uri("urn:a:B")));
        assert!(!same(&uri("urn:a:B"), &uri("urn:a:b")));
    }

    #[test]
    fn an_address_is_its_bytes() {
        let ip = SubjectAltName::ip;
        assert!(same(&ip("2001:db8::1"), &ip("2001:DB8:0:0::1")));
        assert!(!same(&ip("::ffff:192.0.2.1"), &ip("192.0.2.1")));
    }

    #[test]
    fn a_mailbox_ignores_case_in_its_domain_only() {
        let email = SubjectAltName::email;
        assert!(same(&email("Bob@Example.com"), &email("Bob@example.COM")));
        assert!(!same(&email("bob@example.com"), &email("Bob@example.com")));
    }

    #[test]
    fn kinds_do_not_mix() {
        assert!(!SubjectAltName::Dns("192.0.2.1".into()).matches(&SubjectAltName::ip("192.0.2.1").unwrap()));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(matches!(SubjectAltName::dns(" "), Err(SanError::Empty { .. })));
        assert_eq!(SubjectAltName::dns("m\u{fc}ller.de"), Err(SanError::Character { found: '\u{fc}' }));
        assert!(
            SubjectAltName::dns("https://a.example").unwrap_err().to_string().contains("is not a host name")
        );
        assert!(SubjectAltName::uri("a.example/path").is_err());
        assert!(SubjectAltName::ip("192.0.2.0/24").is_err());
        assert!(SubjectAltName::email("example.com").is_err());
        assert!(SubjectAltName::email("a@b@example.com").is_err());
    }
}
