use std::path::Path;

use proptest::prelude::*;
use testkit::tool::openssl;

use super::*;
use crate::identity::{certificate::ClientCertificate, testing::read_pem};

/// A TLV of up to 127 bytes.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag, u8::try_from(content.len()).unwrap()];
    der.extend_from_slice(content);
    der
}

/// An attribute's object identifier content, tag and value.
type Pair<'a> = (&'a [u8], u8, &'a [u8]);

/// A name in DER from RDNs, each a list of attributes.
fn name_of(rdns: &[&[Pair<'_>]]) -> DistinguishedName {
    let mut name = Vec::new();
    for rdn in rdns {
        let pair = |(oid, tag, value): &Pair<'_>| tlv(0x30, &[tlv(0x06, oid), tlv(*tag, value)].concat());
        name.extend(tlv(0x31, &rdn.iter().flat_map(pair).collect::<Vec<_>>()));
    }
    DistinguishedName::from_der(&tlv(0x30, &name)).unwrap()
}

const CN: &[u8] = &[0x55, 4, 3];
const O: &[u8] = &[0x55, 4, 10];
const C: &[u8] = &[0x55, 4, 6];
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;

fn parsed(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap().0
}

#[test]
fn string_types_case_and_whitespace_do_not_matter() {
    let utf8 = name_of(&[&[(C, PRINTABLE, b"DE")], &[(O, UTF8, b"Example  Bank")]]);
    let other = name_of(&[&[(C, UTF8, b"de")], &[(O, 0x1e, b"\0e\0X\0A\0M\0P\0L\0E\0 \0b\0a\0n\0k")]]);
    assert!(utf8.matches(&other));
    assert_eq!(utf8, parsed("O=\\ example bank\\ ,C=DE"));
    assert!(!utf8.matches(&parsed("O=examplebank,C=DE")));
}

#[test]
fn rdns_are_ordered_and_their_attributes_are_a_set() {
    let name = parsed("C = DE, O = b, CN = a + UID = u");
    assert_eq!(name, parsed("C = DE, O = b, UID = u + CN = a"));
    for other in [
        "C = DE, CN = a + UID = u, O = b",
        "C = DE, O = b",
        "C = DE, O = b, CN = a",
        "C = DE, O = b, CN = a, UID = u",
    ] {
        assert_ne!(name, parsed(other), "{other}");
    }
    let twice = name_of(&[&[(CN, UTF8, b"a"), (CN, UTF8, b"a")]]);
    assert_ne!(twice, parsed("CN=a"));
}

#[test]
fn invalid_strings_match_no_parsed_name() {
    let broken = name_of(&[&[(CN, UTF8, b"a\xff")]]);
    assert_eq!(broken, broken.clone());
    for text in ["CN=a", "CN=a\u{fffd}", "CN=a\u{ff}"] {
        assert_ne!(broken, parsed(text));
    }
    let error = DistinguishedName::parse("CN=#0C0261FF").unwrap_err();
    assert_eq!(error, ParseNameError::Hex { found: "#0C0261FF".into() });
    assert_ne!(name_of(&[&[(CN, UTF8, b"a\0")]]), parsed("CN=a"));
    assert_ne!(name_of(&[&[(CN, 0x04, b"a")]]), parsed("CN=a"));
    assert_eq!(name_of(&[&[(CN, 0x04, b"a")]]), parsed("CN=#040161"));
}

#[test]
fn the_first_difference_is_displayed() {
    let expected = parsed("C = DE, O = Example Bank, CN = a");
    let say = |other: &str| expected.first_difference(&parsed(other)).unwrap().to_string();
    assert_eq!(
        say("C = DE, O = Example Bank Ltd, CN = a"),
        "RDN 2 of 3: expected \"O=Example Bank\", found \"O=Example Bank Ltd\""
    );
    assert_eq!(say("C = DE, O = Example Bank"), "RDN 3 of 3: expected \"CN=a\", found nothing");
    assert_eq!(
        say("C = DE, O = Example Bank, CN = a, UID = u"),
        "RDN 4 of 4: expected nothing, found \"UID=u\""
    );
    assert_eq!(expected.first_difference(&parsed("c = de, o = example bank, cn = A")), None);
}

#[test]
fn invalid_names_are_refused() {
    assert!(DistinguishedName::from_der(&[0x30, 0]).unwrap().is_empty());
    assert_eq!(DistinguishedName::from_der(&[0x30, 2, 0x31, 0]), Err(NameError::EmptyRdn { index: 0 }));
    for der in
        [&[][..], &[0x30], &[0x31, 0], &[0x30, 0, 0], &[0x30, 2, 0x30, 0], &[0x30, 4, 0x31, 2, 0x30, 0]]
    {
        assert!(matches!(DistinguishedName::from_der(der), Err(NameError::Malformed(_))), "{der:?}");
    }
}

#[test]
fn object_identifiers_are_decoded_completely() {
    assert_eq!(dotted(&[0x55, 4, 3]).as_deref(), Some("2.5.4.3"));
    assert_eq!(dotted(&[0x2b, 6, 1, 4, 1, 0x82, 0x37]).as_deref(), Some("1.3.6.1.4.1.311"));
    assert_eq!(dotted(&[0x88, 0x37, 3]).as_deref(), Some("2.999.3"));
    for bytes in [&[][..], &[0x80, 1], &[0x55, 0x84], &[0xff; 40]] {
        assert_eq!(dotted(bytes), None, "{bytes:?}");
    }
}

/// The subject of a self-signed certificate that openssl makes with this subject section.
fn made_by_openssl(dir: &Path, section: &str) -> DistinguishedName {
    let config =
        format!("[req]\nprompt=no\nutf8=yes\nstring_mask=utf8only\ndistinguished_name=dn\n[dn]\n{section}\n");
    std::fs::write(dir.join("req.cnf"), config).unwrap();
    openssl(dir, &["req", "-x509", "-new", "-key", "key.pem", "-config", "req.cnf", "-out", "cert.pem"]);
    ClientCertificate::from_chain(&[read_pem(&dir.join("cert.pem"))]).unwrap().subject().clone()
}

fn printed_by_openssl(dir: &Path, form: &str) -> String {
    let printed = openssl(dir, &["x509", "-in", "cert.pem", "-noout", "-subject", "-nameopt", form]);
    printed.strip_prefix("subject=").unwrap().trim_end_matches('\n').to_owned()
}

#[test]
fn printed_forms_equal_those_of_openssl_and_can_be_parsed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    openssl(dir, &["genpkey", "-algorithm", "ED25519", "-out", "key.pem"]);
    let sections = [
        "C=DE\nO=b\nCN=a",
        "O=Example, Inc.\nCN=M\u{fc}ller \u{4f60}\u{1f600}",
        "O=a+b=c\nOU=x/y\nCN=semi\\; <angle>",
        "CN=\\\"quoted\\\" \\\\ back",
        "CN=\" outer blanks \"",
        "OU=\\#hash\nCN=in#side#",
        "OU=\\#\nCN=\" \"",
        "CN=a\n+UID=b\nO=c",
        "1.2.3.4.5=unknown\nCN=a",
        "CN=a\nemailAddress=a@example.com",
        "0.DC=com\n1.DC=example\nUID=u",
        "jurisdictionC=DE\njurisdictionST=Berlin\njurisdictionL=Mitte\nbusinessCategory=Private Organization\n\
         organizationIdentifier=PSDDE-BAFIN-123456\nserialNumber=HRB 1\nstreet=Weg 1\npostalCode=10115\nCN=bank",
        "title=Dr\nGN=g\nSN=s\ninitials=i\npseudonym=pp\ndnQualifier=q\ndescription=d\nname=n\n\
         generationQualifier=III\nx500UniqueIdentifier=id\ntelephoneNumber=12345\nhouseIdentifier=hh\nST=st\nL=l",
        "CN=tab\\tnew\\nline",
    ];
    for section in sections {
        let name = made_by_openssl(dir, section);
        assert_eq!(name.to_rfc2253(), printed_by_openssl(dir, "RFC2253"), "{section}");
        for text in [name.to_rfc4514(), name.to_openssl(), name.to_lines()] {
            assert_eq!(parsed(&text), name, "{text:?} of {section}");
        }
        for form in ["RFC2253", "RFC2253,-esc_msb,utf8", "oneline", "oneline,-esc_msb,utf8", "compat"] {
            let text = printed_by_openssl(dir, form);
            // The old form loses outer spaces and prints invalid UTF-8.
            if form == "compat"
                && ["outer", "OU=\\#\n", "tab", "1.2.3", "back"].iter().any(|s| section.contains(s))
            {
                continue;
            }
            assert_eq!(parsed(&text), name, "{form}: {text:?}");
        }
    }
}

#[test]
fn other_string_types_print_as_openssl_prints_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    openssl(dir, &["genpkey", "-algorithm", "ED25519", "-out", "key.pem"]);
    for mask in ["MASK:0x4", "MASK:0x800", "default"] {
        let config = format!(
            "[req]\nprompt=no\nutf8=yes\nstring_mask={mask}\ndistinguished_name=dn\n[dn]\nO=M\u{fc}ller, AG\nOU=plain\n"
        );
        std::fs::write(dir.join("req.cnf"), config).unwrap();
        openssl(dir, &["req", "-x509", "-new", "-key", "key.pem", "-config", "req.cnf", "-out", "cert.pem"]);
        let identity = ClientCertificate::from_chain(&[read_pem(&dir.join("cert.pem"))]).unwrap();
        assert_eq!(identity.subject().to_rfc2253(), printed_by_openssl(dir, "RFC2253"), "{mask}");
        assert_eq!(*identity.subject(), parsed("OU=plain,O=M\u{fc}ller\\, AG"), "{mask}");
    }
}

/// A name of one attribute of any length, in UTF-8.
fn large(text: &str) -> DistinguishedName {
    DistinguishedName::new(&[Rdn {
        attributes: vec![Attribute { oid: "2.5.4.3".to_owned(), value: Value::from_text(text) }],
    }])
}

#[test]
fn an_oversized_name_equals_only_its_own_bytes() {
    let long = "x".repeat(MAX_NAME_BYTES);
    assert_eq!(large(&long), large(&long));
    assert_ne!(large(&long), large(&long.to_uppercase()));
    assert_ne!(large(&long), large("x"));
    let error = DistinguishedName::parse(&format!("CN={long}")).unwrap_err();
    assert_eq!(error, ParseNameError::TooLarge);
    assert_eq!(large("x").first_difference(&large(&long)).unwrap().index, 0);
    assert_eq!(large(&long).first_difference(&large(&long)), None);
    let grows = "\u{fdfa}".repeat(1_000);
    assert_eq!(large(&grows), large(&grows));
    assert_ne!(large(&grows), large(&format!("{grows} ")));
    // The compared form of a peer's name is bounded.
    for text in ["\u{fdfa}", "\u{3300}", "\u{200b}", "a"] {
        for count in [1, 100, 1_300, 4_000, 18_000] {
            let name = large(&text.repeat(count));
            let bytes = text.len() * count;
            assert!(name.normal().len() <= bytes.max(MAX_NAME_BYTES * 4) + 128, "{text:?} {count}");
        }
    }
}

#[test]
fn displayed_names_are_bounded() {
    for text in ["\u{fdfa}", "\u{200b}", "a", ",", "\0"] {
        let name = large(&text.repeat(20_000));
        assert!(name.shown().len() <= 256 + 3, "{text:?}");
        assert!(large("b").first_difference(&name).unwrap().to_string().len() < 2_000);
    }
    let name = parsed("C = DE, O = Example Bank, CN = a + UID = u");
    assert_eq!(name.shown(), name.to_rfc4514());
}

fn any_name() -> impl Strategy<Value = DistinguishedName> {
    let types = prop::sample::select(vec![
        "2.5.4.3",
        "2.5.4.10",
        "2.5.4.97",
        "1.2.3.4",
        "0.9.2342.19200300.100.1.44",
    ]);
    let text = prop_oneof![
        "[a \u{ad}\u{85}\u{200b}\u{200f}\u{2028}-\u{202e}\u{2066}\u{feff}\u{e0041}]{0,8}",
        "[ -~]{0,12}",
        "[ ,+=/#\"\\\\;<>a\u{fc}]{0,8}",
        "\\PC{0,6}",
        "[(?:i).*+^,\\[]{0,6}",
        "(C=|, CN=|\n|\t|a){0,4}"
    ];
    let attribute = (types, text)
        .prop_map(|(oid, text)| Attribute { oid: oid.to_owned(), value: Value::from_text(&text) });
    let rdn = prop::collection::vec(attribute, 1..3).prop_map(|attributes| Rdn { attributes });
    prop::collection::vec(rdn, 1..4).prop_map(|rdns| DistinguishedName::new(&rdns))
}

proptest! {
    #[test]
    fn every_printed_form_parses_to_an_equal_name(name in any_name()) {
        for text in [name.to_rfc4514(), name.to_openssl(), name.to_lines()] {
            let read = DistinguishedName::parse(&text);
            prop_assert_eq!(read.map(|(read, _)| read), Ok(name.clone()), "{:?}", text);
            prop_assert!(!text.chars().any(|c| c != '\n' && crate::text::is_hidden(c)), "{:?}", text);
        }
        prop_assert!(name.to_rfc2253().bytes().all(|b| b.is_ascii_graphic() || b == b' '));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>, text: String) {
        let _ = DistinguishedName::from_der(&bytes);
        let _ = DistinguishedName::parse(&text);
    }

    #[test]
    fn damaged_names_do_not_panic(at: prop::sample::Index, byte: u8) {
        let mut der = tlv(0x30, &tlv(0x31, &tlv(0x30, &[tlv(0x06, CN), tlv(0x0c, b"abc")].concat())));
        let at = at.index(der.len());
        der[at] = byte;
        if let Ok(name) = DistinguishedName::from_der(&der) {
            let _ = (name.to_rfc2253(), name.to_rfc4514(), name.to_openssl(), name.to_lines());
        }
    }
}
