//! Values of a type, a range or a form that their key does not take.

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
  = help: write crls = ["certs/client-ca.crl"]

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
    a_number_out_of_range:
r#"[limits]
header_bytes = 1_024
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.header_bytes: found 1024, expected a whole number from 8192 to 1048576
 --> edge.toml:2:16
  |
2 | header_bytes = 1_024
  |                ^^^^^

1 error, 0 warnings
"#;
    a_duration_without_unit:
r#"[limits]
head_timeout = 10
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.head_timeout: found integer 10, expected a duration from 1ms to 1h with its unit
 --> edge.toml:2:16
  |
2 | head_timeout = 10
  |                ^^
  |
  = help: write "10s"

1 error, 0 warnings
"#;
    a_duration_out_of_range:
r#"[limits]
head_timeout = "2h"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.head_timeout: found "2h", expected a duration from 1ms to 1h
 --> edge.toml:2:16
  |
2 | head_timeout = "2h"
  |                ^^^^

1 error, 0 warnings
"#;
    a_duration_that_is_none:
r#"[limits]
head_timeout = "soon"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.head_timeout: found "soon", expected a duration from 1ms to 1h
 --> edge.toml:2:16
  |
2 | head_timeout = "soon"
  |                ^^^^^^
  |
  = help: write it as "500ms", "10s" or "2m"

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
}
