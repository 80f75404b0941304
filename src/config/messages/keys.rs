//! Tables and keys: unknown, missing, in the wrong place.

use super::edge_messages;

messages! { edge_messages:
    a_misspelt_choice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "requird"
"#
=> r#"error: domain.client_auth: found "requird", expected "required", "optional" or "off"
 --> edge.toml:8:15
  |
8 | client_auth = "requird"
  |               ^^^^^^^^^
  |
  = help: did you mean "required"?

1 error, 0 warnings
"#;
    an_unknown_key_with_a_near_name:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_aut = "off"
"#
=> r#"error: domain.client_aut: unknown key "client_aut"
 --> edge.toml:8:1
  |
8 | client_aut = "off"
  | ^^^^^^^^^^
  |
  = help: did you mean "client_auth"?

1 error, 0 warnings
"#;
    a_key_of_another_table:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_ca = ["x"]
"#
=> r#"error: domain.client_ca: unknown key "client_ca"
 --> edge.toml:8:1
  |
8 | client_ca = ["x"]
  | ^^^^^^^^^
  |
  = help: "client_ca" is a key of [trust]

1 error, 0 warnings
"#;
    an_unknown_table:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[limit]
"#
=> r#"error: limit: unknown table [limit]
 --> edge.toml:8:2
  |
8 | [limit]
  |  ^^^^^
  |
  = help: did you mean "limits"?

1 error, 0 warnings
"#;
    no_domain:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
"#
=> r#"error: domain: missing: at least one [[domain]] is needed
 --> edge.toml:3:30
  |
3 | urls = ["http://127.0.0.1:1"]
  |                              ^
  |
  = help: write at least:
          [[domain]]
          name = "mtls.auth.example.com"
          certificate = "certs/server.pem"
          private_key = "certs/server.key"

1 error, 0 warnings
"#;
    no_upstream:
r#"[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream: missing: at least one [[upstream]] is needed
 --> edge.toml:4:18
  |
4 | private_key = "k"
  |                  ^
  |
  = help: write at least:
          [[upstream]]
          name = "auth-server"
          urls = ["http://127.0.0.1:3000"]

1 error, 0 warnings
"#;
    a_domain_without_its_names:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
"#
=> r#"error: domain.name: missing: [[domain]] must have "name"
 --> edge.toml:4:1
  |
4 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write name = "mtls.auth.example.com"

error: domain.certificate: missing: [[domain]] must have "certificate"
 --> edge.toml:4:1
  |
4 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write certificate = "certs/server.pem"

error: domain.private_key: missing: [[domain]] must have "private_key"
 --> edge.toml:4:1
  |
4 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write private_key = "certs/server.key"

3 errors, 0 warnings
"#;
    single_brackets:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[domain]
name = "m.example"
"#
=> r#"error: domain: found one table, expected a list of tables [[domain]]
 --> edge.toml:4:1
  |
4 | [domain]
  | ^^^^^^^^
  |
  = help: write [[domain]] with double brackets

1 error, 0 warnings
"#;
    double_brackets:
r#"[[listen]]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen: found a list, expected one table [listen]
 --> edge.toml:1:1
  |
1 | [[listen]]
  | ^^^^^^^^^^
  |
  = help: write [listen] with single brackets, and only once

1 error, 0 warnings
"#;
}
