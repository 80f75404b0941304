use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber,
};

use super::*;

/// An object of each supported kind, in DER.
struct Made {
    certificate: Vec<u8>,
    crl: Vec<u8>,
    key: Vec<u8>,
    request: Vec<u8>,
}

fn made() -> Made {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let request = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let key = KeyPair::generate().unwrap();
    let der = key.serialize_der();
    let ca = CertifiedIssuer::self_signed(params, key).unwrap();
    let now = time::OffsetDateTime::now_utc();
    let list = CertificateRevocationListParams {
        this_update: now,
        next_update: now + time::Duration::days(1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let crl = list.signed_by(&ca).unwrap().der().to_vec();
    Made { certificate: ca.der().to_vec(), crl, key: der, request }
}

fn section(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn message(read: Result<usize, Fault>) -> String {
    match read {
        Ok(count) => format!("{count} read"),
        Err(fault) => format!("F{fault}"),
    }
}

fn cas(file: impl AsRef<[u8]>) -> String {
    message(certificates(file.as_ref()).map(|found| found.len()))
}

fn lists(file: impl AsRef<[u8]>) -> String {
    message(crls(file.as_ref()).map(|found| found.len()))
}

fn key(file: impl AsRef<[u8]>) -> String {
    message(private_key(file.as_ref()).map(|_| 1))
}

#[test]
fn well_formed_files_are_read_in_every_form() {
    let made = made();
    let one = section("CERTIFICATE", &made.certificate);
    let two = one.clone() + &one;
    for file in [
        two.clone(),
        format!("\u{feff}{two}"),
        format!("{one}\u{feff}{one}"),
        two.replace('\n', "\r\n"),
        two.replace('\n', "\r"),
        two.replace('\n', "\r\r\n"),
        two.replace('\n', " \t\n"),
        two.trim_end().to_owned(),
        format!("subject=CN = a\nissuer=CN = front-END\n\n{two}\n# the end - END of it\n"),
        format!("Bag Attributes\n    localKeyID: 01 23\n{two}"),
        // An empty RFC 1421 header.
        two.replace("E-----\nM", "E-----\n\nM"),
        // One line of base64, as some tools write it.
        {
            let flat = section("CERTIFICATE", &made.certificate)
                .replace("-----\n", "@")
                .replace('\n', "")
                .replace('@', "-----\n");
            flat.replace("-----END", "\n-----END").repeat(2)
        },
    ] {
        assert_eq!(cas(&file), "2 read", "{file}");
    }
    let lines = certificates(format!("a\nb\n{two}").as_bytes()).unwrap();
    assert_eq!(lines[0].line, Some(3));
    assert_eq!(lines[0].value.as_ref(), made.certificate);
    assert_eq!(cas(&made.certificate), "1 read");
    assert_eq!(lists(&made.crl), "1 read");
    assert_eq!(lists(section("X509 CRL", &made.crl).repeat(3)), "3 read");
    assert_eq!(key(section("PRIVATE KEY", &made.key)), "1 read");
}

#[test]
fn malformed_pem_is_an_error_at_its_line() {
    let made = made();
    let one = section("CERTIFICATE", &made.certificate);
    let n = one.lines().count();
    let spoiled = "found a BEGIN or END boundary with something else on its line, or misspelled";
    let cases = [
        (String::new(), "F is empty".to_owned()),
        ("\u{feff}".to_owned(), "F is empty".to_owned()),
        ("x".to_owned(), "F contains no certificate (no \"-----BEGIN CERTIFICATE-----\" line)".to_owned()),
        (one.trim_end().to_owned() + &one, format!("F, line {n}: {spoiled}")),
        (format!("{one}# {one}"), format!("F, line {}: {spoiled}", n + 1)),
        (format!("{one}  {one}"), format!("F, line {}: {spoiled}", n + 1)),
        (one.replace("BEGIN", "begin"), format!("F, line 1: {spoiled}")),
        (one.replace("-----BEGIN", "----BEGIN"), format!("F, line 1: {spoiled}")),
        (one.replace("-----BEGIN", "----- BEGIN"), format!("F, line 1: {spoiled}")),
        (one.replace("-----BEGIN", "—BEGIN"), format!("F, line 1: {spoiled}")),
        (one.replace("BEGIN CERTIFICATE-----", "BEGIN CERTIFICATE----"), format!("F, line 1: {spoiled}")),
        (one.replace("CERTIFICATE-----\nM", "CERTIFICATE-----M"), format!("F, line 1: {spoiled}")),
        (one.replace("\n-----END", "-----END"), format!("F, line {}: {spoiled}", n - 1)),
        (
            one.replace("END CERTIFICATE", "END X509 CRL"),
            format!("F, line {n}: found the end of \"X509 CRL\", expected the end of \"CERTIFICATE\", which begins on line 1"),
        ),
        (
            one.split_once('\n').unwrap().1.to_owned(),
            format!("F, line {}: found the end of a section \"CERTIFICATE\" without a BEGIN line", n - 1),
        ),
        (
            one.replace("-----END CERTIFICATE-----\n", "") + &one,
            format!("F, line {n}: found the beginning of another section, expected \"-----END CERTIFICATE-----\" for the section that begins on line 1"),
        ),
        (
            one.replace("-----END CERTIFICATE-----\n", ""),
            "F is truncated: the section that begins on line 1 has no \"-----END CERTIFICATE-----\" line".to_owned(),
        ),
        (one.replacen("\nM", "\n*", 1), "F, line 2: found characters that are not base64".to_owned()),
        (one.replacen("\nM", "\n=", 1), "F, line 2: found characters that are not base64".to_owned()),
        (
            one.replacen("\n-----END", "=\n-----END", 1),
            format!("F, line {}: found truncated base64: its length or its padding is wrong", n - 1),
        ),
        (
            section("CERTIFICATE", &[]).replace("\n\n", "\n"),
            "F, line 1: found an empty section \"CERTIFICATE\"".to_owned(),
        ),
        (
            one.replacen("\n-----END", "\n\n-----END", 1),
            format!("F, line {n}: found an empty line within the section that begins on line 1"),
        ),
        (
            one.replacen("-----\nM", "-----\nComment: x\n\nM", 1),
            "F, line 2: found header lines within the section, expected base64".to_owned(),
        ),
        (
            section("CERTIFICATE", &[made.certificate.as_slice(), b"\n"].concat()),
            "F, line 1: found data after the end of a certificate (bytes: 1), expected one object".to_owned(),
        ),
        (
            section("CERTIFICATE", &made.certificate[..made.certificate.len() - 2]),
            "F, line 1: it is truncated: the last 2 bytes are missing".to_owned(),
        ),
        (section("CERTIFICATE", b"\x05\x00"), "F, line 1: it does not have the structure of a certificate".to_owned()),
        (format!("{one}\0"), format!("F, line {}: found a NUL byte, expected text", n + 1)),
        ("{\"kty\": \"RSA\"}".to_owned(), "F is JSON, expected a certificate (\"-----BEGIN CERTIFICATE-----\")".to_owned()),
        (STANDARD.encode(&made.certificate), "F is base64 without its boundary lines, expected a certificate (\"-----BEGIN CERTIFICATE-----\")".to_owned()),
    ];
    for (file, expected) in cases {
        assert_eq!(cas(&file), expected, "{file}");
        if expected.contains(", line ") || expected.contains("truncated") {
            // A valid second section does not hide it.
            assert!(cas(format!("{file}\n{one}")).starts_with('F'), "{file}");
        }
    }
}

#[test]
fn other_formats_are_named_with_a_conversion() {
    let made = made();
    let (certificate, crl, request) = (
        section("CERTIFICATE", &made.certificate),
        section("X509 CRL", &made.crl),
        section("CERTIFICATE REQUEST", &made.request),
    );
    let private = section("PRIVATE KEY", &made.key);
    let any = |label: &str| section(label, &made.key);
    let help = |read: Result<usize, Fault>| read.unwrap_err().help_for("a b.pem").unwrap();
    for (file, found, command) in [
        (crl.clone(), "a CRL", "openssl crl -in 'a b.pem' -out 'a b.pem.new'"),
        (private.clone(), "a private key", "openssl crl2pkcs7"),
        (request, "a certificate signing request", "openssl req -in"),
        (
            section("NEW CERTIFICATE REQUEST", &made.request),
            "a certificate signing request",
            "openssl req -in",
        ),
        (any("TRUSTED CERTIFICATE"), "a TRUSTED CERTIFICATE", "openssl x509 -in"),
        (any("X509 CERTIFICATE"), "the old label X509 CERTIFICATE", "openssl x509 -in"),
        (any("PKCS7"), "a PKCS#7", "openssl pkcs7 -in 'a b.pem' -print_certs"),
        (any("CMS"), "a PKCS#7", "openssl pkcs7 -in 'a b.pem' -print_certs"),
        (any("ATTRIBUTE CERTIFICATE"), "an attribute certificate", "remove it"),
        (any("ENCRYPTED PRIVATE KEY"), "encrypted with a password", "openssl crl2pkcs7"),
        (any("EC PARAMETERS"), "EC PARAMETERS", "openssl crl2pkcs7"),
        (any("DH PARAMETERS"), "Diffie-Hellman", "openssl crl2pkcs7"),
        (any("PUBLIC KEY"), "a public key", "not only its public key"),
        (any("PGP MESSAGE"), "a section labelled \"PGP MESSAGE\"", "openssl crl2pkcs7"),
        (section("CERTIFICATE", &made.crl), "a CRL", "openssl crl -in"),
        (section("CERTIFICATE", &made.key), "a private key", "openssl crl2pkcs7"),
    ] {
        for file in [file.clone(), certificate.clone() + &file] {
            let said = cas(&file);
            assert!(
                said.contains(", line ") && said.contains(found) && said.contains("expected a certificate"),
                "{said}"
            );
            let help = help(certificates(file.as_bytes()).map(|found| found.len()));
            assert!(help.contains(command), "{help}");
        }
    }
    for (file, found) in [
        (&made.crl, "F is a CRL"),
        (&made.key, "F is a private key"),
        (&made.request, "F is a certificate signing"),
    ] {
        assert!(cas(file).starts_with(found), "{}", cas(file));
    }
    let marked = [b"\xef\xbb\xbf".as_slice(), &made.certificate].concat();
    assert_eq!(cas(marked), "F has a byte order mark before its DER, expected DER alone");
    assert!(lists(&made.certificate).starts_with("F is a certificate, expected a CRL"));
    assert!(lists(crl + &certificate).contains("found a certificate, expected a CRL"));
    assert!(key(&made.key).starts_with("F is a private key, expected a private key in PEM"));
    assert!(help(private_key(&made.key).map(|_| 1)).starts_with("run: openssl pkey -inform DER"));
    assert!(key(&certificate).contains("found a certificate, expected a private key"));
    assert!(
        key(private.clone() + &private).contains("found a second private key; the first begins on line 1")
    );
    let encrypted =
        private.replace("KEY-----\nM", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nM");
    assert!(key(&encrypted).contains("encrypted with a password"), "{}", key(&encrypted));
    assert!(help(private_key(encrypted.as_bytes()).map(|_| 1)).contains("openssl pkey -in"));
    assert!(key(any("RSA PRIVATE KEY")).contains("in another encoding than its label says"));
}

#[test]
fn utf_16_is_reported_with_a_conversion_command() {
    let text = section("CERTIFICATE", &made().certificate);
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (file, line, command) in [
        (little.clone(), 1, "iconv -f UTF-16LE -t UTF-8 F > F.new"),
        (big.clone(), 1, "iconv -f UTF-16BE -t UTF-8 F > F.new"),
        ([b"\xff\xfe".as_slice(), &little].concat(), 1, "iconv -f UTF-16 -t UTF-8 F > F.new"),
        ([b"\xfe\xff".as_slice(), &big].concat(), 1, "iconv -f UTF-16 -t UTF-8 F > F.new"),
        // `>>` of Windows PowerShell appends UTF-16 to a file in another encoding.
        (
            [text.as_bytes(), &little].concat(),
            text.lines().count() + 1,
            "save the whole file in one encoding",
        ),
        ([text.as_bytes(), &big].concat(), text.lines().count() + 1, "save the whole file in one encoding"),
    ] {
        let fault = certificates(&file).unwrap_err();
        assert_eq!(
            fault.to_string(),
            format!(", line {line}: found UTF-16, expected a file in ASCII or UTF-8")
        );
        assert!(fault.help_for("F").unwrap().contains(command), "{:?}", fault.help_for("F"));
    }
}

#[test]
fn a_key_beside_certificates_is_accepted_only_if_expected() {
    let made = made();
    let both = section("CERTIFICATE", &made.certificate) + &section("PRIVATE KEY", &made.key);
    assert_eq!(message(certificates_beside_key(both.as_bytes()).map(|found| found.len())), "1 read");
    assert_eq!(message(private_key_or_encrypted(both.as_bytes(), true).map(|_| 1)), "1 read");
    assert!(cas(&both).contains("found a private key"));
    assert!(key(&both).contains("found a certificate"));
    let list = both + &section("X509 CRL", &made.crl);
    assert!(message(certificates_beside_key(list.as_bytes()).map(|found| found.len())).contains("a CRL"));
    assert!(message(private_key_or_encrypted(list.as_bytes(), true).map(|_| 1)).contains("a CRL"));
}

proptest! {
    /// For any bytes: no panic, and as many objects as BEGIN lines, or an error.
    #[test]
    fn every_begin_becomes_an_object_or_an_error(
        pieces in prop::collection::vec(prop_oneof![
            Just("-----BEGIN CERTIFICATE-----".to_owned()), Just("-----END CERTIFICATE-----".to_owned()),
            Just("-----BEGIN X509 CRL-----".to_owned()), Just("-----END X509 CRL-----".to_owned()),
            Just("\n".to_owned()), Just("\r\n".to_owned()), Just("\r".to_owned()), Just(" ".to_owned()), Just("\u{feff}".to_owned()),
            Just("BODY".to_owned()), Just("WHOLE".to_owned()), Just("\0".to_owned()), "[ -~]{0,12}",
        ], 0..24)
    ) {
        static MADE: std::sync::LazyLock<Made> = std::sync::LazyLock::new(made);
        let body = STANDARD.encode(&MADE.certificate);
        let whole = section("CERTIFICATE", &MADE.certificate);
        let text: String = pieces.iter().map(|piece| match piece.as_str() { "BODY" => &body, "WHOLE" => &whole, other => other }).collect();
        let begins = text.to_ascii_uppercase().matches("-----BEGIN").count();
        let ends = text.to_ascii_uppercase().matches("-----END").count();
        if let Ok(found) = certificates(text.as_bytes()) {
            prop_assert_eq!((found.len(), found.len()), (begins, ends), "{:?}", text);
        }
        if let Ok(found) = crls(text.as_bytes()) {
            prop_assert_eq!(found.len(), begins, "{:?}", text);
        }
        let _ = (private_key(text.as_bytes()), private_key_or_encrypted(text.as_bytes(), true));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), der in any::<bool>()) {
        let bytes = if der { [b"\x30\x82".as_slice(), &bytes].concat() } else { bytes };
        let _ = (certificates(&bytes), crls(&bytes), private_key(&bytes));
    }

    #[test]
    fn files_joined_without_a_newline_are_refused(count in 2usize..5, crlf in any::<bool>()) {
        let one = section("X509 CRL", &made().crl);
        let one = if crlf { one.replace('\n', "\r\n") } else { one };
        let glued = one.trim_end().repeat(count);
        prop_assert!(crls(glued.as_bytes()).is_err());
        let apart = (one.trim_end().to_owned() + "\n").repeat(count);
        prop_assert_eq!(crls(apart.as_bytes()).unwrap().len(), count);
    }
}
