//! Messages about applications whose method no domain offers.

use super::*;

const SECRET: &str = "[[application]]\nclient_id = \"web\"\nauth_method = \"client_secret_basic\"\n";
const OFF: &str = "client_auth = \"off\"\n";

fn with_domain(keys: &str, applications: &str) -> Folder {
    let folder = Folder::new();
    folder.after("private_key = \"server.key\"", keys).write("applications.toml", applications);
    folder
}

#[test]
fn a_domain_without_certificates_serves_other_methods() {
    let (accepted, printed) = with_domain(OFF, SECRET).check();
    assert!(accepted && printed.is_empty(), "{printed}");
    // Nobody who is registered can use it.
    with_domain(OFF, APPLICATIONS).prints(
        r#"
error: domain.route.authenticate: the domain has client_auth = "off", and each registered application presents a certificate: every request would be refused
  --> edge.toml:12:15
   |
12 | client_auth = "off"
   |               ^^^^^
   |
   = help: write client_auth = "optional" for the domain, authenticate = "none" for the route, or register an application with another auth_method

1 error, 0 warnings
"#,
    );
    let route = format!("{OFF}[[domain.route]]\nauthenticate = \"client\"\n");
    let bound = format!("{SECRET}certificate_bound = true\n");
    let (accepted, printed) = with_domain(&route, &bound).check();
    assert!(!accepted && printed.contains(" --> edge.toml:14:16\n"), "{printed}");
}

#[test]
fn an_application_that_no_domain_serves_is_a_warning() {
    with_domain(OFF, &format!("{SECRET}{APPLICATIONS}")).prints(
        r#"
warning: domain.client_auth: "billing" presents a certificate, but no domain requests one: each of its requests would be refused
  --> edge.toml:12:15
   |
12 | client_auth = "off"
   |               ^^^^^
   |
   = help: write client_auth = "optional"

0 errors, 1 warning
"#,
    );
    let (accepted, printed) = with_domain("", &format!("{SECRET}{APPLICATIONS}")).check();
    let what = "warning: domain.client_auth: \"web\" needs no certificate, but each domain requires one";
    assert!(accepted && printed.contains(what), "{printed}");
    let (accepted, printed) =
        with_domain("client_auth = \"optional\"\n", &format!("{SECRET}{APPLICATIONS}")).check();
    assert!(accepted && printed.is_empty(), "{printed}");
}

#[test]
fn assertions_need_an_issuer() {
    let key = "[[application]]\nclient_id = \"reports\"\nauth_method = \"private_key_jwt\"\n[[application.credential]]\nname = \"a\"\npublic_key = \"billing.pem\"\nalg = \"ES256\"\n";
    with_domain("client_auth = \"optional\"\n", key).prints(
        r#"
error: domain.issuer: missing: "reports" authenticates with private_key_jwt, and an assertion is addressed to the domain's issuer
 --> edge.toml:9:8
  |
9 | name = "mtls.example.test"
  |        ^^^^^^^^^^^^^^^^^^^
  |
  = help: write issuer = "https://..." exactly as the authorization server's metadata has it (/.well-known/openid-configuration)

1 error, 0 warnings
"#,
    );
    let keys = "client_auth = \"optional\"\nissuer = \"https://auth.example\"\n";
    let (accepted, printed) = with_domain(keys, key).check();
    assert!(accepted && printed.is_empty(), "{printed}");
}

#[test]
fn forwarding_unknown_applications_is_a_warning() {
    let config = EDGE.replace("[trust]\n", "[trust]\nunknown_applications = \"forward\"\n");
    Folder::new().write("edge.toml", config).prints(
        r#"
warning: trust.unknown_applications: requests of each client_id that is not registered are forwarded, and the edge verifies nothing about them: it does not notice a client_id that is misspelt or was removed
 --> edge.toml:2:24
  |
2 | unknown_applications = "forward"
  |                        ^^^^^^^^^
  |
  = help: register all applications, then write unknown_applications = "refuse"

0 errors, 1 warning
"#,
    );
}

#[test]
fn rules_that_no_route_checks_are_refused() {
    let applications = format!("{SECRET}require_pushed_request = true\n");
    let (accepted, printed) = with_domain("client_auth = \"optional\"\n", &applications).check();
    assert!(!accepted && printed.contains("no route checks them: none is enforced"), "{printed}");
    let route = "client_auth = \"optional\"\nissuer = \"https://a.example/\"\n[[domain.route]]\npath = \"/authorize\"\nmethods = [\"GET\"]\nauthenticate = \"none\"\nsigned_request = \"verify\"\n";
    let (_, printed) = with_domain(route, &applications).check();
    assert!(!printed.contains("no route checks them"), "{printed}");
}
