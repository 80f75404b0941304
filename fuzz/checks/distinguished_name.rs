//! Distinguished names, as an operator writes them and as a certificate has them.

use std::hash::{DefaultHasher, Hash, Hasher};

use mtls_edge::identity::{DistinguishedName, ParseNameError};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// The longest text that a log line shows of a name, in bytes.
const MAX_SHOWN: usize = 2 * 1024;

/// Checks a text, and the same bytes as DER.
pub fn check(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok((name, _)) = DistinguishedName::parse(text)
    {
        reads_back(&name, false);
    }
    let name = DistinguishedName::from_der(input);
    let reference = X509Name::from_der(input);
    match (&name, &reference) {
        (Ok(name), _) => {
            let again = DistinguishedName::from_der(input).expect("as before");
            assert_eq!((name, hash(name)), (&again, hash(&again)));
            reads_back(name, true);
        }
        // Stricter than x509-parser: nothing after the name, an RDN has an attribute, an attribute one value and a valid type.
        (Err(_), _) => {}
    }
    if let (Ok(_), Err(error)) = (&name, &reference) {
        panic!("x509-parser does not read it: {error}");
    }
}

fn hash(name: &DistinguishedName) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Each printed form is read as an equal name, and none has an invisible character.
fn reads_back(name: &DistinguishedName, is_from_der: bool) {
    for text in [name.to_rfc4514(), name.to_openssl(), name.to_lines()] {
        match DistinguishedName::parse(&text) {
            Ok((read, _)) => assert_eq!(&read, name, "{text:?}"),
            // A certificate may hold what cannot be registered: no RDNs, a string with bytes that its type does not have, too many
            // bytes.
            Err(ParseNameError::Empty | ParseNameError::Hex { .. } | ParseNameError::TooLarge)
                if is_from_der => {}
            Err(error) => panic!("{text:?}: {error}"),
        }
        let hidden = text.chars().find(|c| *c != '\n' && mtls_edge::text::is_hidden(*c));
        assert_eq!(hidden, None, "{text:?}");
    }
    assert!(name.to_rfc2253().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
    assert!(name.shown().len() <= MAX_SHOWN);
}
