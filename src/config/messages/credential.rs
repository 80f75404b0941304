//! `[[application.credential]]`.

use super::registry_messages;

messages! { registry_messages:
    a_credential_without_matcher:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
"#
=> r#"error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:3:1
  |
3 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

1 error, 0 warnings
"#;
    a_credential_with_two_matchers:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
san_dns = "d"
"#
=> r#"error: application.credential: found thumbprint and san_dns, expected exactly one of them
 --> applications.toml:6:11
  |
6 | san_dns = "d"
  |           ^^^
  |
  = help: keep one; a second way in is a second credential

1 error, 0 warnings
"#;
    a_matcher_of_the_other_method:
r#"[[application]]
client_id = "b"
auth_method = "tls_client_auth"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.credential.thumbprint: thumbprint belongs to self_signed_tls_client_auth, but the application uses tls_client_auth (line 3)
 --> applications.toml:6:14
  |
6 | thumbprint = "t"
  |              ^^^
  |
  = help: write subject_dn or one of san_dns, san_uri, san_ip, san_email, or make it an application of its own

1 error, 0 warnings
"#;
    mixed_credentials:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application.credential]]
name = "o"
san_dns = "d"
"#
=> r#"error: application.credential.san_dns: san_dns belongs to tls_client_auth, but the application uses self_signed_tls_client_auth (line 4)
 --> applications.toml:8:11
  |
8 | san_dns = "d"
  |           ^^^
  |
  = help: write thumbprint or certificate, or make it an application of its own

1 error, 0 warnings
"#;
    a_pin_without_subject:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
ca = "c"
"#
=> r#"error: application.credential.ca: found a ca beside a thumbprint or certificate, which needs none: it names one certificate already
 --> applications.toml:6:6
  |
6 | ca = "c"
  |      ^^^
  |
  = help: remove ca

1 error, 0 warnings
"#;
    one_credential_name_twice:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.credential.name: found "n" a second time; the first is on line 4
 --> applications.toml:7:8
  |
7 | name = "n"
  |        ^^^
  |
  = help: give each credential of an application a name of its own

1 error, 0 warnings
"#;
    a_misspelt_credential_key:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumb_print = "t"
"#
=> r#"error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:3:1
  |
3 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

error: application.credential.thumb_print: unknown key "thumb_print"
 --> applications.toml:5:1
  |
5 | thumb_print = "t"
  | ^^^^^^^^^^^
  |
  = help: did you mean "thumbprint"?

2 errors, 0 warnings
"#;
    a_jwks_own_name:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
"x5t#S256" = "t"
"#
=> r#"error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:3:1
  |
3 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

error: application.credential."x5t#S256": unknown key "x5t#S256"
 --> applications.toml:5:1
  |
5 | "x5t#S256" = "t"
  | ^^^^^^^^^^
  |
  = help: did you mean "thumbprint"?

2 errors, 0 warnings
"#;
    the_rfcs_own_names:
r#"[[application]]
client_id = "b"
token_endpoint_auth_method = "tls_client_auth"
[[application.credential]]
name = "n"
tls_client_auth_san_dns = "d"
[[application.credential]]
name = "o"
tls_client_auth_subject_dn = "CN=a"
"#
=> r#"error: application.token_endpoint_auth_method: unknown key "token_endpoint_auth_method"
 --> applications.toml:3:1
  |
3 | token_endpoint_auth_method = "***************"
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean "auth_method"?

error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:4:1
  |
4 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

error: application.credential.tls_client_auth_san_dns: unknown key "tls_client_auth_san_dns"
 --> applications.toml:6:1
  |
6 | tls_client_auth_san_dns = "d"
  | ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean "san_dns"?

error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:7:1
  |
7 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

error: application.credential.tls_client_auth_subject_dn: unknown key "tls_client_auth_subject_dn"
 --> applications.toml:9:1
  |
9 | tls_client_auth_subject_dn = "CN=a"
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean "subject_dn"?

5 errors, 0 warnings
"#;
    a_variable_for_a_thumbprint:
r#"[[application]]
client_id = "a"
[[application.credential]]
name = "n"
thumbprint = "${THUMBPRINT}"
"#
=> r#"warning: application.credential.thumbprint: found a variable: variables are not expanded
 --> applications.toml:5:14
  |
5 | thumbprint = "${THUMBPRINT}"
  |              ^^^^^^^^^^^^^^^
  |
  = help: write the value itself in place of ${THUMBPRINT}

0 errors, 1 warning
"#;
}
