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
    a_bound_of_buffered_bytes_that_is_too_small:
r#"[limits]
buffered_bytes = 65_536
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.buffered_bytes: found 65536, expected a whole number from 1048576 to 68719476736
 --> edge.toml:2:18
  |
2 | buffered_bytes = 65_536
  |                  ^^^^^^

1 error, 0 warnings
"#;
    an_address_that_may_have_no_connection:
r#"[limits]
connections_per_address = 0
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.connections_per_address: found 0, expected a whole number from 1 to 1000000
 --> edge.toml:2:27
  |
2 | connections_per_address = 0
  |                           ^

1 error, 0 warnings
"#;
    a_string_for_an_upstreams_connections:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
connections = "many"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.connections: found string "many", expected a whole number from 1 to 100000
 --> edge.toml:4:15
  |
4 | connections = "many"
  |               ^^^^^^
  |
  = help: write connections = 1024

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
    a_session_that_is_too_long:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
session_lifetime = "2d"
"#
=> r#"error: domain.session_lifetime: found "2d", expected a duration from 1m to 1day
 --> edge.toml:8:20
  |
8 | session_lifetime = "2d"
  |                    ^^^^

1 error, 0 warnings
"#;
}
