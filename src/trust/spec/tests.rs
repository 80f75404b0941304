use super::*;
use crate::{
    identity::{SubjectAltName, Thumbprint},
    trust::Subject,
};

fn certificate(name: &str, byte: u8) -> CredentialSpec {
    CredentialSpec::new(name, Registered::Certificate(Thumbprint::from_bytes([byte; 32]).into()))
}

fn subject(name: &str) -> CredentialSpec {
    let subject = Subject::San(SubjectAltName::dns("a.example").unwrap());
    CredentialSpec::new(name, Registered::Subject(RegisteredSubject { subject, ca: None }))
}

fn secret(name: &str, byte: u8) -> CredentialSpec {
    CredentialSpec::new(name, Registered::Secret(RegisteredSecret { sha256: [byte; 32] }))
}

fn built(
    id: &str,
    method: AuthMethod,
    credentials: Vec<CredentialSpec>,
) -> Result<Application, ApplicationError> {
    Application::try_from(ApplicationSpec::new(id, method, credentials))
}

fn error(role: Role, index: usize, fault: CredentialFault) -> ApplicationError {
    ApplicationError::Credential { role, index, fault }
}

#[test]
fn method_and_credentials_cannot_disagree() {
    let (pki, own) = (AuthMethod::PkiTls, AuthMethod::SelfSignedTls);
    let secrets = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
    assert_eq!(built("a", pki, vec![subject("x")]).unwrap().method.kind(), pki);
    assert_eq!(built("a", own, vec![certificate("x", 1)]).unwrap().method.kind(), own);
    for method in secrets {
        assert_eq!(built("a", method, vec![secret("x", 1)]).unwrap().method.kind(), method);
    }
    let wrong = |index, found, expected| {
        Err(error(Role::Authentication, index, CredentialFault::Kind { found, expected }))
    };
    let two = vec![certificate("x", 1), subject("y")];
    assert_eq!(built("a", own, two), wrong(1, "a subject", "a certificate"));
    assert_eq!(built("a", pki, vec![certificate("x", 1)]), wrong(0, "a certificate", "a subject"));
    assert_eq!(built("a", secrets[0], vec![certificate("x", 1)]), wrong(0, "a certificate", "a secret"));
    let jwt = built("a", AuthMethod::PrivateKeyJwt, vec![secret("x", 1)]);
    assert_eq!(jwt, wrong(0, "a secret", "a public key"));
    assert_eq!(built("a", AuthMethod::None, vec![secret("x", 1)]), Err(ApplicationError::PublicClient));
}

#[test]
fn each_method_has_its_number_of_credentials() {
    for method in AuthMethod::ALL {
        let built = built("a", method, vec![]);
        let needed = method.is_tls() || method == AuthMethod::PrivateKeyJwt;
        let error = needed.then_some(ApplicationError::NoCredential(method));
        assert_eq!(built.err(), error, "{method:?}");
    }
    let method = AuthMethod::SelfSignedTls;
    let two = vec![certificate("x", 1), certificate("y", 2)];
    assert_eq!(built("a", method, two).unwrap().credentials().count(), 2);
    let three = vec![certificate("x", 1), certificate("y", 2), certificate("z", 3)];
    let too_many = error(Role::Authentication, 2, CredentialFault::TooMany(3));
    assert_eq!(built("a", method, three).unwrap_err(), too_many);
}

#[test]
fn credentials_differ_in_name_and_in_what_they_register() {
    let repeated = |fault| Err(error(Role::Authentication, 1, fault));
    let method = AuthMethod::SelfSignedTls;
    assert_eq!(
        built("a", method, vec![certificate("x", 1), certificate("x", 2)]),
        repeated(CredentialFault::RepeatedName("x".to_owned()))
    );
    let thumbprint = Thumbprint::from_bytes([1; 32]);
    assert_eq!(
        built("a", method, vec![certificate("x", 1), certificate("y", 1)]),
        repeated(CredentialFault::RepeatedThumbprint(thumbprint))
    );
    assert_eq!(
        built("a", AuthMethod::ClientSecretPost, vec![secret("x", 1), secret("y", 1)]),
        repeated(CredentialFault::RepeatedSecret)
    );
}

#[test]
fn a_binding_is_any_certificate_or_registered_ones() {
    let bound = |is_bound, certificates| {
        let spec = ApplicationSpec::new("a", AuthMethod::ClientSecretBasic, vec![]);
        Application::try_from(ApplicationSpec { certificate_bound: is_bound, certificates, ..spec })
            .map(|application| application.binding)
    };
    assert_eq!(bound(false, vec![]), Ok(Binding::None));
    assert_eq!(bound(true, vec![]), Ok(Binding::AnyCertificate));
    let Ok(Binding::Registered(registered)) = bound(true, vec![subject("x")]) else { panic!() };
    assert!(matches!(*registered, CertificateCredentials::Subjects(_)));
    assert_eq!(bound(false, vec![subject("x")]), Err(ApplicationError::NotBound));
    let by_subject = ApplicationSpec {
        certificate_bound: true,
        certificates: vec![certificate("y", 1)],
        ..ApplicationSpec::new("a", AuthMethod::PkiTls, vec![subject("x")])
    };
    let refused = Application::try_from(by_subject);
    assert_eq!(refused, Err(ApplicationError::BoundByMethod(AuthMethod::PkiTls)));
    let fault = CredentialFault::Kind { found: "a certificate", expected: "a subject" };
    assert_eq!(bound(true, vec![subject("x"), certificate("y", 1)]), Err(error(Role::Binding, 1, fault)));
}

#[test]
fn a_client_id_is_printable_ascii_within_bounds() {
    for (id, error) in [
        ("", ClientIdError::Empty),
        ("a\u{e4}", ClientIdError::Character('\u{e4}')),
        ("a\tb", ClientIdError::Character('\t')),
        (" a", ClientIdError::OuterSpace),
        ("a ", ClientIdError::OuterSpace),
        (&"a".repeat(256), ClientIdError::TooLong(256)),
    ] {
        let built = built(id, AuthMethod::SelfSignedTls, vec![certificate("x", 1)]);
        assert_eq!(built, Err(ApplicationError::ClientId(error)));
    }
    assert!(built(&"a".repeat(255), AuthMethod::PkiTls, vec![subject("x")]).is_ok());
}
