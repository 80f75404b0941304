use std::{fs, path::Path};

use proptest::prelude::*;
use testkit::tool::openssl;

use super::{
    ber::{self, Reader},
    kdf::{Hash, Pkcs12Derivation, Pkcs12Password, Purpose},
    limits::{MAX_ITERATIONS, MAX_SIZE},
    work::Work,
    *,
};

/// A key, its certificate and a keystore of both with the password "pass", by these arguments of `openssl pkcs12 -export`.
fn keystore(folder: &Path, arguments: &str) -> Vec<u8> {
    let run = |arguments: &str| openssl(folder, &arguments.split_whitespace().collect::<Vec<_>>());
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout a.key -subj /CN=a -out a.pem");
    run(&format!("pkcs12 -export -in a.pem -inkey a.key -out a.p12 -passout pass:pass {arguments}"));
    fs::read(folder.join("a.p12")).unwrap()
}

/// The error of a result whose value cannot be shown.
fn error<T>(result: Result<T, PbeError>) -> PbeError {
    result.err().expect("an error")
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], length.as_slice(), content].concat()
}

fn sequence(items: &[&[u8]]) -> Vec<u8> {
    element(ber::SEQUENCE, &items.concat())
}

fn number(number: u64) -> Vec<u8> {
    element(ber::INTEGER, &[&[0], number.to_be_bytes().as_slice()].concat()[1..])
}

/// The same elements with indefinite lengths, and with strings in parts.
fn as_ber(der: &[u8]) -> Vec<u8> {
    let (mut reader, mut changed) = (Reader::new(der), Vec::new());
    while !reader.is_empty() {
        let element = reader.next().unwrap();
        let content = element.content(element.tag).unwrap();
        let parts = |tag: u8, content: &[u8]| {
            let half = content.len() / 2;
            let parts = [&content[..half], &content[half..]].map(|part| self::element(0x04, part));
            [&[tag | 0x20, 0x80], parts.concat().as_slice(), &[0, 0]].concat()
        };
        changed.extend(match element.tag {
            0x04 | 0x80 => parts(element.tag, content),
            tag if tag & 0x20 != 0 => [&[tag, 0x80], as_ber(content).as_slice(), &[0, 0]].concat(),
            _ => element.whole.to_vec(),
        });
    }
    changed
}

#[test]
fn keys_are_derived_as_openssl_derives_them() {
    let folder = tempfile::tempdir().unwrap();
    let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
    for (hash, name) in
        [(Hash::Sha1, "SHA1"), (Hash::Sha256, "SHA256"), (Hash::Sha384, "SHA384"), (Hash::Sha512, "SHA512")]
    {
        for (purpose, id) in [(Purpose::Encryption, 1), (Purpose::InitializationVector, 2), (Purpose::Mac, 3)]
        {
            for (iterations, length) in [(1, 24), (1000, 7), (3, 150)] {
                let printed = openssl(
                    folder.path(),
                    &format!("kdf -keylen {length} -kdfopt digest:{name} -kdfopt hexpass:0073006d006500670000 -kdfopt hexsalt:0a58cf64530d823f -kdfopt iter:{iterations} -kdfopt id:{id} PKCS12KDF")
                        .split(' ')
                        .collect::<Vec<_>>(),
                );
                let derivation = Pkcs12Derivation { hash, salt: &salt, iterations };
                let password = Pkcs12Password::new("smeg");
                let key = derivation.derive(&password, purpose, length, &mut Work::default()).unwrap();
                let hex: Vec<String> = key.iter().map(|byte| format!("{byte:02X}")).collect();
                assert_eq!(printed.trim(), hex.join(":"), "{name} {id} {iterations}");
            }
        }
    }
}

#[test]
fn the_work_of_a_file_is_bounded() {
    let mut work = Work::default();
    assert!(work.take(MAX_ITERATIONS / 2, 1).is_ok() && work.take(MAX_ITERATIONS / 4, 2).is_ok());
    assert_eq!(work.take(1, 1), Err(PbeError::TooMuchWork));
    assert_eq!(Work::default().take(u64::MAX, 2), Err(PbeError::TooMuchWork));
    assert_eq!(Work::default().take(0, 1), Err(PbeError::Malformed));

    let salt = element(ber::OCTET_STRING, b"12345678");
    let pkcs8 = |iterations: u64| {
        let kdf = sequence(&[
            &element(ber::OBJECT_IDENTIFIER, oid::PBKDF2),
            &sequence(&[&salt, &number(iterations)]),
        ]);
        let iv = element(ber::OCTET_STRING, &[0; 16]);
        let cipher = sequence(&[&element(ber::OBJECT_IDENTIFIER, oid::AES_256_CBC), &iv]);
        let scheme = sequence(&[&element(ber::OBJECT_IDENTIFIER, oid::PBES2), &sequence(&[&kdf, &cipher])]);
        sequence(&[&scheme, &element(ber::OCTET_STRING, &[0; 16])])
    };
    assert_eq!(error(decrypt_private_key(&pkcs8(1), "pass")), PbeError::WrongPassword);
    // SHA-1 makes two blocks of these keys.
    for iterations in [MAX_ITERATIONS / 2 + 1, u64::from(u32::MAX) + 1, u64::MAX >> 1] {
        assert_eq!(error(decrypt_private_key(&pkcs8(iterations), "pass")), PbeError::TooMuchWork);
    }
    let digest = sequence(&[
        &sequence(&[&element(ber::OBJECT_IDENTIFIER, oid::SHA256)]),
        &element(ber::OCTET_STRING, &[0; 32]),
    ]);
    let content = element(ber::EXPLICIT_0, &element(ber::OCTET_STRING, &sequence(&[])));
    let pfx = |iterations: u64| {
        sequence(&[
            &number(3),
            &sequence(&[&element(ber::OBJECT_IDENTIFIER, oid::DATA), &content]),
            &sequence(&[&digest, &salt, &number(iterations)]),
        ])
    };
    assert_eq!(error(open(&pfx(1), "pass")), PbeError::WrongPassword);
    assert_eq!(error(open(&pfx(MAX_ITERATIONS + 1), "pass")), PbeError::TooMuchWork);
    assert_eq!(error(open(&vec![0x30; MAX_SIZE + 1], "pass")), PbeError::TooLarge);
}

#[test]
fn a_keystore_in_ber_is_read_as_openssl_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let der = keystore(folder.path(), "");
    let changed = as_ber(&der);
    assert_ne!(der, changed);
    fs::write(folder.path().join("ber.p12"), &changed).unwrap();
    openssl(folder.path(), &["pkcs12", "-in", "ber.p12", "-noout", "-passin", "pass:pass"]);
    let [expected, found] = [der, changed].map(|file| open(&file, "pass").unwrap());
    assert_eq!(found.key, expected.key);
    assert_eq!(found.certificates, expected.certificates);
}

#[test]
fn a_keystore_with_pbmac1_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = keystore(folder.path(), "-nomac");
    let mut fields = Reader::new(&file).next().unwrap().reader(ber::SEQUENCE).unwrap();
    let (version, content) = (fields.next().unwrap(), fields.next().unwrap());
    let mut info = content.reader(ber::SEQUENCE).unwrap();
    info.next().unwrap();
    let octets = info.next().unwrap().reader(ber::EXPLICIT_0).unwrap().next().unwrap();
    fs::write(folder.path().join("content"), octets.octets(ber::OCTET_STRING).unwrap()).unwrap();
    // The keys and HMACs of RFC 9579 by openssl, whose older versions do not write such keystores.
    for (prf, prf_oid, mac, mac_oid, length) in [
        ("SHA256", oid::HMAC_SHA256, "-sha256", oid::HMAC_SHA256, 32),
        ("SHA512", oid::HMAC_SHA512, "-sha256", oid::HMAC_SHA256, 32),
        ("SHA512", oid::HMAC_SHA512, "-sha512", oid::HMAC_SHA512, 64),
    ] {
        let run = |arguments: &str| openssl(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
        let key = run(&format!(
            "kdf -keylen {length} -kdfopt digest:{prf} -kdfopt pass:pass -kdfopt salt:saltsalt -kdfopt iter:2048 PBKDF2"
        ));
        let key = key.trim().replace(':', "");
        let printed = run(&format!("dgst {mac} -mac HMAC -macopt hexkey:{key} -r content"));
        let hex = printed.split(' ').next().unwrap();
        let digest: Vec<u8> =
            (0..length).map(|at| u8::from_str_radix(&hex[2 * at..][..2], 16).unwrap()).collect();
        let algorithm =
            |oid, parameters: &[u8]| sequence(&[&element(ber::OBJECT_IDENTIFIER, oid), parameters]);
        let null = element(ber::NULL, &[]);
        let salt = element(ber::OCTET_STRING, b"saltsalt");
        let parameters = [&salt[..], &number(2048), &number(length as u64), &algorithm(prf_oid, &null)];
        let pbmac1 = [algorithm(oid::PBKDF2, &sequence(&parameters)), algorithm(mac_oid, &null)];
        let function = algorithm(oid::PBMAC1, &sequence(&pbmac1.each_ref().map(Vec::as_slice)));
        let digest = sequence(&[&function, &element(ber::OCTET_STRING, &digest)]);
        let ignored = element(ber::OCTET_STRING, b"NOT USED");
        let checked = sequence(&[version.whole, content.whole, &sequence(&[&digest, &ignored, &number(1)])]);
        assert!(open(&checked, "pass").is_ok(), "{prf} {mac}");
        assert_eq!(error(open(&checked, "pas")), PbeError::WrongPassword);
    }
}

#[test]
fn endless_nesting_is_refused() {
    let nested = |levels: usize| [[0x30, 0x80].repeat(levels), [0, 0].repeat(levels)].concat();
    assert!(Reader::new(&nested(16)).next().is_ok());
    for levels in [17, 100_000] {
        assert!(matches!(Reader::new(&nested(levels)).next(), Err(PbeError::Malformed)));
    }
    let mut string = element(0x04, b"a");
    for _ in 0..100 {
        string = element(0x24, &string);
    }
    let string = Reader::new(&string).next().unwrap();
    assert!(matches!(string.octets(ber::OCTET_STRING), Err(PbeError::Malformed)));
}

#[test]
fn a_wrong_password_is_reported_for_every_byte_of_padding() {
    let folder = tempfile::tempdir().unwrap();
    // Without its check, one wrong password in 256 leaves a valid padding.
    let file = keystore(folder.path(), "-nomac -iter 1 -certpbe NONE");
    for attempt in 0..600 {
        assert_eq!(error(open(&file, &format!("wrong{attempt}"))), PbeError::WrongPassword, "{attempt}");
    }
    assert!(open(&file, "pass").is_ok_and(|keystore| keystore.is_protected));
}

#[test]
fn unsupported_forms_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| openssl(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
    run("genpkey -algorithm ed25519 -out a.key");
    for (arguments, expected) in [
        ("-scrypt", "derives its key by scrypt"),
        ("-v1 PBE-MD5-DES -provider legacy -provider default", "PKCS#5 v1.5"),
        (
            "-v1 PBE-SHA1-RC4-128 -provider legacy -provider default",
            "is encrypted by 1.2.840.113549.1.12.1.1",
        ),
        ("-v2 aria256", "is encrypted by 1.2.410.200046.1.1.12"),
        ("-v2prf hmacWithSHA224", "uses the hash 1.2.840.113549.2.8"),
    ] {
        run(&format!("pkcs8 -topk8 -in a.key -outform DER -out a.p8 -passout pass:pass {arguments}"));
        let file = fs::read(folder.path().join("a.p8")).unwrap();
        let found = error(decrypt_private_key(&file, "pass")).to_string();
        assert!(found.contains(expected) && found.ends_with("which is not supported"), "{found}");
    }
    for arguments in
        ["", "-v2 aes128", "-v2 aes-192-cbc", "-v2 des3", "-v2prf hmacWithSHA512", "-v1 PBE-SHA1-3DES"]
    {
        let arguments =
            format!("pkcs8 -topk8 -in a.key -outform DER -out a.p8 -passout pass:pass {arguments}");
        run(arguments.trim_end());
        let file = fs::read(folder.path().join("a.p8")).unwrap();
        assert!(decrypt_private_key(&file, "pass").is_ok(), "{arguments}");
        assert_eq!(error(decrypt_private_key(&file, "pas")), PbeError::WrongPassword, "{arguments}");
    }
}

#[test]
fn damaged_keystores_are_refused_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    // Without a check, so that each part is read although it is damaged.
    let file = keystore(folder.path(), "-nomac -iter 1");
    let whole = open(&file, "pass").unwrap();
    for length in 0..file.len() {
        assert!(open(&file[..length], "pass").is_err(), "{length}");
    }
    for index in 0..file.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut damaged = file.clone();
            damaged[index] ^= bit;
            // A damaged attribute or certificate may remain.
            if let Ok(opened) = open(&damaged, "pass") {
                assert!(is_private_key(&opened.key) && !opened.certificates.is_empty());
            }
        }
    }
    assert!(is_private_key(&whole.key));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), prefix in 0usize..3) {
        let prefixes: [&[u8]; 3] = [b"", b"\x30\x80\x02\x01\x03", b"\x30\x80\x30\x80\x06"];
        let bytes = [prefixes[prefix], &bytes].concat();
        let _ = (open(&bytes, "pass"), decrypt_private_key(&bytes, ""), is_pkcs12(&bytes));
    }
}

#[test]
fn a_private_key_has_version_1_or_2() {
    let key = |version| sequence(&[&number(version), &sequence(&[]), &element(ber::OCTET_STRING, b"key")]);
    assert_eq!([0, 1, 2, 255].map(|version| is_private_key(&key(version))), [true, true, false, false]);
    assert!(!is_private_key(&[key(0), key(0)].concat()));
}
