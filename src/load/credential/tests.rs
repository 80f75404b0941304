use std::{fs, path::Path, sync::Arc};

use testkit::tool::openssl;

use super::*;
use crate::{
    config::{Source, Span, settings::SecretSource},
    tls::{CipherSuites, provider},
};

/// Loads the server's certificate and key in files of this folder, with the password "pass", while these credentials are active.
fn load(
    folder: &Path,
    certificate: &str,
    private_key: &str,
    active: &[LoadedCredential],
) -> (Option<LoadedCredential>, Vec<Problem>) {
    let spanned = |name: &str| Spanned {
        value: folder.join(name),
        span: Span { source: Arc::new(Source::empty()), range: 0..0 },
    };
    fs::write(folder.join("pass"), "pass").unwrap();
    let source = Spanned { value: SecretSource::File(folder.join("pass")), span: spanned(certificate).span };
    let (password, mut problems) = (Password::new(&source), Vec::new());
    let files = CredentialFiles {
        provider: &provider(CipherSuites::Default),
        role: Role::Server("a.example"),
        certificate: &spanned(certificate),
        private_key: &PrivateKey::File(spanned(private_key)),
        password: Some(&password),
        in_use: InUse::Running(active),
        tokens: &Patience::default(),
        now: Timestamp::from_unix(i64::try_from(1_u64 << 31).unwrap()),
    };
    let loaded = load_credential(&files, &mut problems);
    password.report_unused(files.role, &mut problems);
    (loaded, problems)
}

#[test]
fn an_active_key_is_not_derived_from_its_password_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &str| openssl(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>());
    let create = || {
        run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout plain.key -subj /CN=a.example -addext subjectAltName=DNS:a.example -days 20000 -out a.pem",
        );
        run("pkcs8 -topk8 -in plain.key -out a.key -passout pass:pass");
        run("pkcs12 -export -in a.pem -inkey plain.key -out a.p12 -passout pass:pass");
    };
    for (certificate, key) in [("a.pem", "a.key"), ("a.p12", "a.p12")] {
        create();
        let (first, problems) = load(folder.path(), certificate, key, &[]);
        let first = first.unwrap_or_else(|| panic!("{problems:?}"));
        // Without an active one it is opened.
        let (other, _) = load(folder.path(), certificate, key, &[]);
        assert!(!Arc::ptr_eq(&first.0.key, &other.unwrap().0.key));
        let active = [first];
        let (again, problems) = load(folder.path(), certificate, key, &active);
        let (again, hash) = again.unwrap();
        assert!(Arc::ptr_eq(&active[0].0.key, &again.key));
        assert_eq!((&active[0].0.cert, active[0].1), (&again.cert, hash));
        assert!(problems.is_empty(), "{problems:?}");
        create();
        let (changed, _) = load(folder.path(), certificate, key, &active);
        let (changed, hash) = changed.unwrap();
        assert!(!Arc::ptr_eq(&active[0].0.key, &changed.key) && active[0].1 != hash);
    }
}

#[test]
fn an_active_key_needs_its_password() {
    let folder = tempfile::tempdir().unwrap();
    assert_ne!(key::hash(b"file", "pass"), key::hash(b"file", "other"));
    assert_ne!(key::hash(b"sfile", "pas"), key::hash(b"file", "pass"));
    let run = |arguments: &str| openssl(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>());
    run(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout a.key -subj /CN=a.example -addext subjectAltName=DNS:a.example -days 20000 -out a.pem",
    );
    // A keystore without a password: that one is configured stays a warning.
    run("pkcs12 -export -in a.pem -inkey a.key -out a.p12 -passout pass: -nomac -keypbe NONE -certpbe NONE");
    let (first, problems) = load(folder.path(), "a.p12", "a.p12", &[]);
    let active = [first.unwrap_or_else(|| panic!("{problems:?}"))];
    let (_, again) = load(folder.path(), "a.p12", "a.p12", &active);
    for problems in [problems, again] {
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.what.contains("private_key_password is superfluous"), "{problem:?}");
    }
}
