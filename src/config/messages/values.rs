//! Values of a type, a word or a form that their key does not take.

use super::edge_messages;

messages! { edge_messages:
    a_wrong_type:
r#"[listen]
workers = "4"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.workers: found string "4", expected a whole number from 1 to 1024
 --> edge.toml:2:11
  |
2 | workers = "4"
  |           ^^^
  |
  = help: write workers = 4

1 error, 0 warnings
"#;
    a_string_for_a_list:
r#"[trust]
crls = "x"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls: found a string, expected a list of strings
 --> edge.toml:2:8
  |
2 | crls = "x"
  |        ^^^
  |
  = help: write crls = ["x"]

1 error, 0 warnings
"#;
    a_word_for_a_stale_crl:
r#"[trust]
stale_crl = "reports"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.stale_crl: found "reports", expected "refuse" or "report"
 --> edge.toml:2:13
  |
2 | stale_crl = "reports"
  |             ^^^^^^^^^
  |
  = help: did you mean "report"?

1 error, 0 warnings
"#;
    an_empty_string:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
header_profile = ""
"#
=> r#"error: domain.header_profile: found an empty string, expected the name of a header profile
 --> edge.toml:8:18
  |
8 | header_profile = ""
  |                  ^^
  |
  = help: write header_profile = "auth0"

1 error, 0 warnings
"#;
    a_pem_for_a_path:
r#"[trust]
client_ca = ["-----BEGIN CERTIFICATE-----"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.client_ca: found the text of a PEM file, expected the path of a file
 --> edge.toml:2:14
  |
2 | client_ca = ["-----BEGIN CERTIFICATE-----"]
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write client_ca = ["certs/client-ca.pem"]

1 error, 0 warnings
"#;
    a_word_for_an_eku:
r#"[trust]
client_ca = [{ file = "a.pem", eku = "server" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.client_ca.eku: found "server", expected "client", "client-or-server" or "any"
 --> edge.toml:2:38
  |
2 | client_ca = [{ file = "a.pem", eku = "server" }]
  |                                      ^^^^^^^^

1 error, 0 warnings
"#;
    a_client_ca_without_its_file:
r#"[trust]
client_ca = [{ eku = "any" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.client_ca.file: missing: a client CA must have "file"
 --> edge.toml:2:14
  |
2 | client_ca = [{ eku = "any" }]
  |              ^^^^^^^^^^^^^^^
  |
  = help: write file = "certs/psd2.pem"

1 error, 0 warnings
"#;
    a_word_for_a_crl_depth:
r#"[trust]
crl_depth = "leafs"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crl_depth: found "leafs", expected "chain" or "leaf"
 --> edge.toml:2:13
  |
2 | crl_depth = "leafs"
  |             ^^^^^^^
  |
  = help: did you mean "leaf"?

1 error, 0 warnings
"#;
}
