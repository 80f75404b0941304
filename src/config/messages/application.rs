//! `[[application]]`.

use super::registry_messages;

messages! { registry_messages:
    no_application:
r#"# none
"#
=> r#"warning: application: no application is registered: every request that has to authenticate will be refused
 --> applications.toml:1:7
  |
1 | # none
  |       ^
  |
  = help: write [[application]] for each; `mtls-edge inspect CERT` prints a credential to paste

0 errors, 1 warning
"#;
    an_application_without_client_id:
r#"[[application]]
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.client_id: missing: [[application]] must have "client_id"
 --> applications.toml:1:1
  |
1 | [[application]]
  | ^^^^^^^^^^^^^^^
  |
  = help: write client_id = "billing"

1 error, 0 warnings
"#;
    a_client_id_that_is_not_ascii:
r#"[[application]]
client_id = "ü"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.client_id: found "ü" with 'ü' in it, expected printable ASCII (RFC 6749, appendix A.1)
 --> applications.toml:2:13
  |
2 | client_id = "ü"
  |             ^^^

1 error, 0 warnings
"#;
    one_client_id_twice:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.client_id: found "b" a second time; the first is on line 2
 --> applications.toml:7:13
  |
7 | client_id = "b"
  |             ^^^
  |
  = help: put both credentials under one [[application]]

1 error, 0 warnings
"#;
    a_method_not_served:
r#"[[application]]
client_id = "b"
auth_method = "private_key_jwt"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.auth_method: found "private_key_jwt", which the edge does not serve yet
 --> applications.toml:3:15
  |
3 | auth_method = "private_key_jwt"
  |               ^^^^^^^^^^^^^^^^^
  |
  = help: write "self_signed_tls_client_auth" or "tls_client_auth", or leave the application out

1 error, 0 warnings
"#;
    a_misspelt_auth_method:
r#"[[application]]
client_id = "b"
auth_method = "tls_client_aut"
[[application.credential]]
name = "n"
san_dns = "t"
"#
=> r#"error: application.auth_method: found "tls_client_aut", expected "self_signed_tls_client_auth" or "tls_client_auth"
 --> applications.toml:3:15
  |
3 | auth_method = "tls_client_aut"
  |               ^^^^^^^^^^^^^^^^
  |
  = help: did you mean "tls_client_auth"?

1 error, 0 warnings
"#;
    an_application_without_credential:
r#"[[application]]
client_id = "b"
"#
=> r#"error: application.credential: missing: an application needs at least one [[application.credential]]
 --> applications.toml:1:1
  |
1 | [[application]]
  | ^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints one to paste

1 error, 0 warnings
"#;
    three_credentials:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "1"
thumbprint = "t"
[[application.credential]]
name = "2"
thumbprint = "t"
[[application.credential]]
name = "3"
thumbprint = "t"
"#
=> r#"error: application.credential: found 3 credentials, expected at most two: one in use and its successor
 --> applications.toml:9:1
  |
9 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: remove the credential that is no longer in use

1 error, 0 warnings
"#;
    a_space_behind_a_client_id:
r#"[[application]]
client_id = "b "
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"warning: application.client_id: found "b ", which ends with a space
 --> applications.toml:2:13
  |
2 | client_id = "b "
  |             ^^^^
  |
  = help: write "b", if that is what the application sends

0 errors, 1 warning
"#;
    a_variable_for_a_client_id:
r#"[[application]]
client_id = "${CLIENT_ID}"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"warning: application.client_id: found "${CLIENT_ID}": variables are not expanded
 --> applications.toml:2:13
  |
2 | client_id = "${CLIENT_ID}"
  |             ^^^^^^^^^^^^^^
  |
  = help: write the value itself in place of ${CLIENT_ID}

0 errors, 1 warning
"#;
    a_key_of_an_application_twice:
r#"[[application]]
client_id = "a"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application]]
client_id = "b"
client_id = "c"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: this is not TOML: duplicate key
 --> applications.toml:8:1
  |
8 | client_id = "c"
  | ^^^^^^^^^
  |
  = help: client_id is on line 7 already: remove one of the two

1 error, 0 warnings
"#;
}
