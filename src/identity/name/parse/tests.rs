use super::*;

fn ok(text: &str) -> DistinguishedName {
    let (name, warning) = parse(text).unwrap();
    assert_eq!(warning, None, "{text}");
    name
}

fn error(text: &str) -> ParseNameError {
    parse(text).unwrap_err()
}

#[test]
fn the_four_forms_parse_to_equal_names() {
    let name = ok("CN=a,O=b,C=DE");
    for text in [
        "C = DE, O = b, CN = a",
        "/C=DE/O=b/CN=a",
        "C=DE\nO=b\nCN=a",
        "C=DE\r\nO=b\r\nCN=a\r\n",
        "C = DE\nO = b\nCN = a\n",
        "  CN=a,O=b,C=DE  ",
        "cn=A,o=B,c=de",
        "2.5.4.3=a,OID.2.5.4.10=b,countryName=DE",
    ] {
        assert_eq!(ok(text), name, "{text}");
    }
}

#[test]
fn escapes_quotes_and_hex_are_undone() {
    let name = ok("CN=M\u{fc}ller\\, \\\"x\\\" \\+ y,O=\\#1 ,C=DE".replace(" ,C", ",C").as_str());
    for text in [
        "CN=M\\C3\\BCller\\2C \\22x\\22 \\2B y,O=\\231,C=DE",
        "C = DE, O = \"#1\", CN = \"M\\C3\\BCller, \\\"x\\\" + y\"",
        "/C=DE/O=#1/CN=M\\xC3\\xBCller, \"x\" \\+ y",
        "C=DE\nO=\\#1\nCN=M\u{fc}ller, \"x\" \\+ y",
    ] {
        assert_eq!(ok(text), name, "{text}");
    }
    assert_eq!(ok("CN=#0C0161"), ok("CN=a"));
    assert_eq!(ok("2.5.4.97=PSDDE-1"), ok("organizationIdentifier=PSDDE-1"));
    assert_eq!(ok("1.2.3.4=#0C0161"), ok("1.2.3.4=a"));
    assert_eq!(ok("CN=\\ a\\ "), ok("CN=a"));
    assert_eq!(ok("CN=#"), ok("CN=\\#"));
}

#[test]
fn multi_valued_rdns_are_read_in_each_form() {
    let name = ok("UID=u+CN=a,O=b");
    for text in ["O = b, CN = a + UID = u", "/O=b/CN=a+UID=u", "O=b\nCN=a+UID=u", "O=b\nCN = a + UID = u"] {
        assert_eq!(ok(text), name, "{text}");
    }
}

#[test]
fn a_single_rdn_is_unambiguous() {
    for text in ["CN=a", "CN = a", "CN= a", "CN =a", "/CN=a", " CN=a\n"] {
        assert_eq!(ok(text), ok("CN=a"), "{text}");
    }
}

#[test]
fn an_ambiguous_order_is_an_error_with_both_forms() {
    let openssl_3_2 = error("C=DE, O=b, CN=a");
    assert_eq!(
        openssl_3_2.to_string(),
        "the order of \"C=DE, O=b, CN=a\" is ambiguous; if it begins with the least specific part (as openssl \
         prints it) write \"CN=a,O=b,C=DE\", if it begins with the most specific (as keytool, PowerShell and LDAP \
         print it) write \"C=DE,O=b,CN=a\""
    );
    assert_eq!(
        error("CN=a, O=b, C=DE").to_string(),
        "the order of \"CN=a, O=b, C=DE\" is ambiguous; if it begins with the most specific (as keytool, PowerShell and \
         LDAP print it) write \"CN=a,O=b,C=DE\", if it begins with the least specific part (as openssl prints it) write \
         \"C=DE,O=b,CN=a\""
    );
    for text in [
        "CN=a, O=b",
        "CN = a,O = b",
        "CN=a,O = b",
        "CN=a ,O=b",
        "CN = a, O=b",
        "CN=a,O= b",
        "CN=a + UID=u,O=b",
        "C = DE, CN = a+UID = u",
    ] {
        assert!(matches!(error(text), ParseNameError::Ambiguous { .. }), "{text}");
    }
}

#[test]
fn rfc_4514_in_certificate_order_gets_a_warning() {
    for text in ["C=DE,O=b,CN=a", "DC=com,DC=example,UID=u"] {
        let (name, warning) = parse(text).unwrap();
        let ParseNameWarning::LooksReversed { reversed, .. } = warning.unwrap();
        assert_ne!(ok(&reversed), name);
    }
    let (_, warning) = parse("C=DE,O=b,CN=a").unwrap();
    assert_eq!(
        warning.unwrap().to_string(),
        "without spaces it is read as RFC 4514, so that \"C=DE\" is the most specific part; if the certificate has \
         it the other way round, write \"CN=a,O=b,C=DE\""
    );
    ok("CN=a,DC=example,DC=com");
    ok("O=b,C=DE");
}

#[test]
fn reversed_openssl_forms_get_a_warning() {
    for (text, form) in [
        ("CN = orders\nOU = Pay\nO = Example Bank, Inc.\nC = DE", "with one RDN per line"),
        ("CN=orders\r\nOU=Pay\r\nO=Example Bank, Inc.\r\nC=DE\r\n", "with one RDN per line"),
        ("CN = orders, OU = Pay, O = \"Example Bank, Inc.\", C = DE", "with spaces around `=`"),
        ("/CN=orders/OU=Pay/O=Example Bank, Inc./C=DE", "with slashes"),
    ] {
        let (name, warning) = parse(text).unwrap();
        let message = warning.unwrap().to_string();
        let reversed = "CN=orders,OU=Pay,O=Example Bank\\, Inc.,C=DE";
        assert_eq!(
            message,
            format!(
                "{form} it is read in the order of certificates, so that \"CN=orders\" is the least specific part; if the \
                 certificate has it the other way round, write {reversed:?}"
            )
        );
        assert_ne!(ok(reversed), name);
    }
    for text in ["E = a@b.example\nDC = example", "/serialNumber=1/C=DE", "UID = u, DC = com"] {
        assert!(parse(text).unwrap().1.is_some(), "{text}");
    }
    for text in ["O = b, C = DE", "C = DE, CN = a", "CN=a\nO=b"] {
        assert_eq!(parse(text).unwrap().1, None, "{text}");
    }
}

#[test]
fn a_label_is_reported_with_the_name_after_it() {
    for (text, advice) in [
        ("subject=C = DE, O = b, CN = a", "\"subject=\"; write \"CN=a,O=b,C=DE\""),
        ("subject= /C=DE/O=b/CN=a", "\"subject=\"; write \"CN=a,O=b,C=DE\""),
        ("Subject: CN=a,O=b", "\"Subject:\"; write \"CN=a,O=b\""),
        ("Subject      : CN=a,O=b", "\"Subject      :\"; write \"CN=a,O=b\""),
        ("[Subject]\n  CN=a,O=b", "\"[Subject]\"; write \"CN=a,O=b\""),
        ("dn: cn=a,o=b", "\"dn:\"; write \"CN=a,O=b\""),
    ] {
        assert_eq!(error(text).to_string(), format!("begins with the label {advice}"));
    }
    for (text, begins) in [
        (
            "subject=C=DE, O=b, CN=a",
            "if it begins with the least specific part (as openssl prints it) write \"CN=a,O=b,C=DE\"",
        ),
        (
            "Owner: CN=a, O=b, C=DE",
            "if it begins with the most specific (as keytool, PowerShell and LDAP print it) write \"CN=a,O=b,C=DE\"",
        ),
        ("Subject:\nCN = a\nC = DE", "with one RDN per line it is read in the order of certificates"),
        ("issuer=CN=a", "that is the issuer's name, expected the subject's"),
        ("subject=subject=CN=a", "remove it, and those after it"),
        ("subject=CN", "remove it; \"CN\" has no `=`"),
    ] {
        let message = error(text).to_string();
        assert!(
            message.starts_with("begins with the label ") && message.contains(begins),
            "{text}: {message}"
        );
    }
    let _ = error(&"subject=".repeat(100_000));
    // A label may be part of an attribute's name.
    assert!(matches!(error("subjectName2=a"), ParseNameError::UnknownAttribute { .. }));
}

#[test]
fn an_owner_is_an_attribute_or_keytools_label() {
    for text in ["owner=", "owner=a", "owner=a,O=b", "2.5.4.32=a"] {
        assert!(ok(text).to_rfc4514().starts_with("owner="), "{text}");
        ok(&ok(text).to_openssl());
    }
    assert!(matches!(error("Owner: CN=a"), ParseNameError::Label { .. }));
}

#[test]
fn a_regular_expression_is_reported() {
    for text in ["^CN=a$", "CN=(.*?)(?:$)", "(.*?)(?:$)", "^.*CN=a.*$", "CN=[^,]+"] {
        let message = error(text).to_string();
        assert!(message.contains("is a regular expression, which is not supported"), "{message}");
    }
    for text in
        ["CN=HOST$,O=b", "CN=*.example.com", "CN=a (b)", "CN=a.b", "CN=a (?)", "CN=\\\\d", "CN=\\d0\\bf"]
    {
        ok(text);
    }
}

#[test]
fn errors_name_the_mistake() {
    for empty in ["", "  ", "\n", "\r\n"] {
        assert_eq!(error(empty), ParseNameError::Empty);
    }
    assert_eq!(
        error("CN=a,commonNam=b").to_string(),
        "unknown attribute \"commonNam\"; the nearest known one is \"commonName\""
    );
    assert_eq!(error("2.5.=a"), ParseNameError::BadOid { found: "2.5.".into() });
    for text in ["CN=a,b", "CN=a,", "CN", "/CN=a/b", "/CN=http://x", "CN=a+b", "C=DE\nCN=a+b", "/"] {
        assert!(matches!(error(text), ParseNameError::MissingEquals { .. }), "{text}");
    }
    assert_eq!(
        error("/CN=a/b").to_string(),
        "\"b\" has no `=`; expected NAME=value, and a separator within a value escaped as \"\\\\/\""
    );
    for text in ["/C=DE, O=b", "C=DE\nO=b, CN=a", "/O=b,CN=a", "C=DE,\nO=b", "C=DE;\nO=b"] {
        assert!(matches!(error(text), ParseNameError::TwoReadings { .. }), "{text}");
    }
    assert_eq!(error("CN=\\zz"), ParseNameError::Escape { found: "\\zz".into() });
    assert_eq!(error("CN=a\\"), ParseNameError::Escape { found: "\\".into() });
    // The old form does not escape a backslash of the value, so these are ambiguous.
    for text in ["/CN=a\\ b", "/CN=a\\C3", "CN=\\xC3"] {
        assert!(matches!(error(text), ParseNameError::Escape { .. }), "{text}");
    }
    assert!(matches!(error("CN=\"a"), ParseNameError::UnclosedQuote { .. }));
    assert!(matches!(error("CN=\"a\"b"), ParseNameError::AfterQuote { .. }));
    assert_eq!(
        error("CN=a;O=b").to_string(),
        "';' does not separate parts: write ',' between them, or \"\\\\;\" if it belongs to a value"
    );
    assert_eq!(
        error("CN=a+b,O=c").to_string(),
        "\"b\" has no `=`; expected NAME=value, and a separator within a value escaped as \"\\\\+\""
    );
    for text in ["CN=a,O=b,", "CN=a,,O=b", ",CN=a", "/CN=a/", "CN=a+"] {
        let message = error(text).to_string();
        assert!(
            message.starts_with("a part is empty, at the end or between two separators; remove"),
            "{text}: {message}"
        );
    }
    assert_eq!(error("CN=a\"b"), ParseNameError::Unescaped { found: '"' });
    assert_eq!(error("CN=\\FF"), ParseNameError::NotUtf8 { found: "\\FF".into() });
    for text in ["CN=#zz", "CN=#0C01", "CN=#0C016161"] {
        assert!(matches!(error(text), ParseNameError::Hex { .. }), "{text}");
    }
}
