//! What is wrong about a CRL that is fetched from a URL.

use super::edge_messages;

messages! { edge_messages:
    an_issuer_of_a_crl_that_is_no_path:
r#"[trust]
crls = [{ url = "http://crl.example/a.crl", file = "a", issuer = 1 }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.issuer: found integer 1, expected the path of a file
 --> edge.toml:2:66
  |
2 | crls = [{ url = "http://crl.example/a.crl", file = "a", issuer = 1 }]
  |                                                                  ^
  |
  = help: write issuer = "certs/issuing-ca.pem"

1 error, 0 warnings
"#;
    a_crl_source_without_its_file:
r#"[trust]
crls = [{ url = "http://crl.example/a.crl" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.file: missing: a CRL's source must have "file"
 --> edge.toml:2:9
  |
2 | crls = [{ url = "http://crl.example/a.crl" }]
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write file = "state/corp.crl"

1 error, 0 warnings
"#;
    a_crl_source_with_user_information:
r#"[trust]
crls = [{ url = "https://me:hunter2@crl.example/a.crl", file = "a" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.url: found a URL with user information, expected a URL such as http://crl.example.com/corp.crl
 --> edge.toml:2:17
  |
2 | crls = [{ url = "************************************", file = "a" }]
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#;
    a_crl_source_of_another_scheme:
r#"[trust]
crls = [{ url = "ldap://crl.example/a?hunter2", file = "a" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.url: found what is no http or https URL without a fragment, expected a URL such as http://crl.example.com/corp.crl
 --> edge.toml:2:17
  |
2 | crls = [{ url = "****************************", file = "a" }]
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

1 error, 0 warnings
"#;
    a_crl_source_that_is_fetched_too_seldom:
r#"[trust]
crls = [{ url = "http://crl.example/a?hunter2", file = "a", refresh = "8d" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.refresh: found "8d", expected a duration from 1ms to 7days
 --> edge.toml:2:71
  |
2 | crls = [{ url = "****************************", file = "a", refresh = "8d" }]
  |                                                                       ^^^^

1 error, 0 warnings
"#;
    a_crl_source_over_another_list:
r#"[trust]
crls = ["a", { url = "http://crl.example/a", file = "a" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.file: a is named a second time; the other is on line 2: what is fetched would be overwritten
 --> edge.toml:2:53
  |
2 | crls = ["a", { url = "http://crl.example/a", file = "a" }]
  |                                                     ^^^
  |
  = help: give each list a file of its own

1 error, 0 warnings
"#;
    an_unknown_key_of_a_crl_source:
r#"[trust]
crls = [{ uri = "http://crl.example/a", file = "a" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls.url: missing: a CRL's source must have "url"
 --> edge.toml:2:9
  |
2 | crls = [{ uri = "http://crl.example/a", file = "a" }]
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write url = "http://crl.example.com/corp.crl"

error: trust.crls.uri: unknown key "uri"
 --> edge.toml:2:11
  |
2 | crls = [{ uri = "http://crl.example/a", file = "a" }]
  |           ^^^
  |
  = help: did you mean "url"?

2 errors, 0 warnings
"#;
}
