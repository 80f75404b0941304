//! What `check` finds out about a key in a token, and the command or the line that helps.

use std::{fs, os::unix::fs::PermissionsExt};

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use super::{outage::lock, server, sessions::Spy};
use crate::support::{
    Ca, DOMAIN, EdgeBuilder,
    soft_hsm::{SoftHsm, domain},
    tool,
};

/// What `check` prints of an edge with this key; empty if that is valid.
fn checked(builder: EdgeBuilder, hsm: &SoftHsm, private_key: &str) -> String {
    // Of a folder that others can write is not what this is about.
    let output = hsm.domain(builder, "server.pem", private_key).output("check");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), !text.contains("error: "), "{text}");
    if output.status.success() { String::new() } else { text }
}

/// An edge before an upstream that is never called, a token with the key `server` of `server.pem`, and the CA.
fn prepared() -> Option<(EdgeBuilder, SoftHsm, Ca)> {
    let builder = EdgeBuilder::new("http://127.0.0.1:1");
    let hsm = SoftHsm::in_folder(builder.path())?;
    let ca = server(&builder, &hsm, &PKCS_ECDSA_P256_SHA256);
    Some((builder, hsm, ca))
}

#[test]
fn check_finds_the_one_key_of_the_certificate() {
    for attributes in [
        "token=edge;object=server",
        "token=edge;id=%a1",
        "token=edge;object=server;id=%A1;type=private",
        "manufacturer=SoftHSM%20project;model=SoftHSM%20v2;token=edge",
        "",
    ] {
        let Some((builder, hsm, _)) = prepared() else { return };
        let uri = hsm.uri(attributes);
        assert_eq!(checked(builder, &hsm, &uri), "", "{uri}");
    }
}

#[test]
fn check_names_what_a_token_has_instead() {
    for (attributes, expected) in [
        ("token=egde;object=server", "found no token that matches pkcs11:token=egde;object=server"),
        ("token=egde;object=server", "help: the module has: token=another;serial="),
        ("token=edge;object=sever", "found no private key that matches pkcs11:token=edge;object=sever"),
        ("token=edge;object=sever", "help: the token has: object=other;id=%b2, object=server;id=%a1"),
        ("token=edge", "found several private keys that match pkcs11:token=edge, expected one"),
        ("token=edge", "add the attribute that distinguishes them, id or object: object=other;id=%b2"),
        ("token=edge;object=other", "pkcs11:token=edge;object=other is not the key of the first certificate"),
        ("object=server", "found several tokens that match pkcs11:object=server, expected one"),
    ] {
        let Some((builder, hsm, ca)) = prepared() else { return };
        hsm.import("edge", "other", "b2", &ca.server(&[DOMAIN]));
        hsm.token("another");
        let uri = hsm.uri(attributes);
        let printed = checked(builder, &hsm, &uri);
        assert!(printed.contains(expected) && printed.contains("domain.private_key"), "{printed}");
    }
}

#[test]
fn a_key_of_another_type_is_not_the_certificates() {
    let Some((builder, hsm, _)) = prepared() else { return };
    let rsa = Ca::with_keys("Server CA", &PKCS_RSA_SHA256).server(&[DOMAIN]);
    hsm.import("edge", "rsa", "c3", &rsa);
    let printed = checked(builder, &hsm, &hsm.uri("object=rsa"));
    assert!(printed.contains("object=rsa is not the key of the first certificate"), "{printed}");
}

#[test]
fn a_certificate_that_is_not_first_is_named() {
    let Some((builder, hsm, ca)) = prepared() else { return };
    let path = builder.path().join("server.pem");
    let wrong = ca.pem() + &fs::read_to_string(&path).unwrap();
    fs::write(path, wrong).unwrap();
    let printed = checked(builder, &hsm, &hsm.uri("object=server"));
    assert!(printed.contains("object=server is the key of certificate 2 of 2"), "{printed}");
}

#[test]
fn a_wrong_pin_is_reported() {
    for (pin, expected) in [
        ("9999", "the token edge refused the PIN of pin-source"),
        ("", "pin is empty, expected a PIN"),
        ("1234\n5678\n", "pin has more than one line, expected a PIN"),
    ] {
        let Some((builder, hsm, _)) = prepared() else { return };
        fs::write(hsm.pin_file(), pin).unwrap();
        let printed = checked(builder, &hsm, &hsm.uri("object=server"));
        assert!(printed.contains(expected), "{printed}");
        assert!(!printed.contains("9999") && !printed.contains("5678"), "{printed}");
    }
}

#[test]
fn a_uri_is_refused_without_showing_a_pin() {
    for (uri, expected) in [
        (
            "pkcs11:token=edge?module-path=/m.so&pin-value=PIN-1234",
            "secrets are not written in the configuration",
        ),
        ("pkcs11:token=edge;pin=PIN-1234?module-path=/m.so", "unknown attribute \"pin\" of a PKCS#11 URI"),
        ("pkcs11:tokn=edge?module-path=/m.so&pin-source=file:pin", "did you mean \"token\"?"),
        ("pkcs11:token=edge?module-path=m.so&pin-source=file:pin", "without an absolute module-path"),
        ("pkcs11:token=edge?module-path=/m.so", "without pin-source"),
        (
            "pkcs11:token=edge?module-path=/no/m.so&pin-source=file:pin",
            "/no/m.so cannot be read: No such file",
        ),
    ] {
        let Some((builder, hsm, _)) = prepared() else { return };
        let printed = checked(builder, &hsm, uri);
        assert!(printed.contains(expected) && !printed.contains("PIN-1234"), "{printed}");
    }
}

#[test]
fn a_certificate_is_not_in_a_token() {
    let Some((builder, hsm, _)) = prepared() else { return };
    let certificate = "pkcs11:object=server?pin-value=PIN-1234";
    let output = hsm.domain(builder, certificate, &hsm.uri("object=server")).output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    let expected = "domain.certificate: found a PKCS#11 URI, expected the path of a file";
    assert!(printed.contains(expected) && !printed.contains("PIN-1234"), "{printed}");
}

#[test]
fn a_module_that_anyone_can_replace_is_not_loaded() {
    let Some((builder, hsm, _)) = prepared() else { return };
    let module = builder.path().join("module.so");
    fs::copy(&hsm.module, &module).unwrap();
    let uri = |file: &std::path::Path| {
        hsm.uri("object=server").replace(hsm.module.to_str().unwrap(), file.to_str().unwrap())
    };
    fs::set_permissions(&module, fs::Permissions::from_mode(0o646)).unwrap();
    let uri = uri(&module);
    let printed = checked(builder, &hsm, &uri);
    assert!(printed.contains("module.so can be written by others (mode 646)"), "{printed}");
    assert!(printed.contains("help: run: chmod o-w "), "{printed}");
}

#[test]
fn a_library_that_is_not_a_module_is_refused() {
    let Some((builder, hsm, _)) = prepared() else { return };
    let folder = builder.path().to_owned();
    tool::run(
        &folder,
        "sh",
        &["-c", "echo 'int answer(void) { return 42; }' | cc -x c -shared -o other.so -"],
    );
    for (name, expected) in [
        ("other.so", "cannot be loaded as a PKCS#11 module: Missing PKCS#11 symbol: C_GetFunctionList"),
        ("server.pem", "cannot be loaded as a PKCS#11 module: "),
    ] {
        let Some((builder, hsm, _)) = prepared() else { return };
        fs::copy(folder.join("other.so"), builder.path().join("other.so")).unwrap();
        let module = builder.path().join(name);
        let uri = hsm.uri("object=server").replace(hsm.module.to_str().unwrap(), module.to_str().unwrap());
        let printed = checked(builder, &hsm, &uri);
        assert!(printed.contains(expected), "{printed}");
    }
    drop(hsm);
}

#[test]
fn check_warns_of_a_pin_that_others_can_read() {
    let Some((builder, hsm, _)) = prepared() else { return };
    fs::set_permissions(hsm.pin_file(), fs::Permissions::from_mode(0o644)).unwrap();
    let output = hsm.domain(builder, "server.pem", &hsm.uri("object=server")).output("check");
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("pin can be read by others (mode 644)"), "{printed}");
}

#[test]
fn a_token_that_takes_all_of_the_time_is_told_from_the_others() {
    let Some((builder, hsm, _)) = prepared() else { return };
    let uri = hsm.uri("token=edge");
    // By another module, so that this is no answer of the first one.
    let Some((builder, other, _)) = Spy::between(builder, &hsm, &uri) else { return };
    let mut locked = Vec::new();
    lock(&hsm.tokens(), &mut locked);
    let builder = builder.extra(&domain("other.example.test", "server.pem", &other));
    let printed = checked(builder, &hsm, &uri);
    for expected in
        ["the token has not answered within 10", "the token was not asked: keys before it took the 10s"]
    {
        assert_eq!(printed.matches(expected).count(), 1, "{printed}");
    }
}
