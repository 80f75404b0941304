//! The headers of an `[[upstream]]`, whose values are secrets.

use super::edge_messages;

messages! { edge_messages:
    a_plain_secret:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { cname-api-key = "hunter2" }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.cname-api-key: found a string, expected where the value is: a secret does not stand in the configuration
 --> edge.toml:4:29
  |
4 | headers = { cname-api-key = "*******" }
  |                             ^^^^^^^^^
  |
  = help: write cname-api-key = { file = "secrets/cname-api-key" } or { env = "NAME" }

1 error, 0 warnings
"#;
    a_secret_from_two_places:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = { file = "f", env = "E" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.k: found both file and env, expected one of them
 --> edge.toml:4:17
  |
4 | headers = { k = { file = "f", env = "E" } }
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write k = { file = "secrets/k" } or { env = "NAME" }

1 error, 0 warnings
"#;
    a_secret_from_nowhere:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = { value = "hunter2" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.k: found neither file nor env, expected one of them
 --> edge.toml:4:17
  |
4 | headers = { k = { value = "*******" } }
  |                 ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write k = { file = "secrets/k" } or { env = "NAME" }

error: upstream.headers.value: unknown key "value"
 --> edge.toml:4:19
  |
4 | headers = { k = { value = "*******" } }
  |                   ^^^^^
  |
  = help: the keys of a secret's reference are file and env

2 errors, 0 warnings
"#;
    a_bad_variable:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = { env = "hunter2-x" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.env: found what is no name of an environment variable
 --> edge.toml:4:25
  |
4 | headers = { k = { env = "*********" } }
  |                         ^^^^^^^^^^^
  |
  = help: write env = "CNAME_API_KEY"

1 error, 0 warnings
"#;
    a_reserved_header:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { X_Forwarded_For = { env = "E" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.X_Forwarded_For: x-forwarded-for cannot be set here: the edge sets it on every request
 --> edge.toml:4:13
  |
4 | headers = { X_Forwarded_For = { env = "E" } }
  |             ^^^^^^^^^^^^^^^

1 error, 0 warnings
"#;
    one_header_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { a-b = { env = "E" }, a_b = { env = "E" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers: found a_b a second time; the first is on line 4
 --> edge.toml:4:34
  |
4 | headers = { a-b = { env = "E" }, a_b = { env = "E" } }
  |                                  ^^^
  |
  = help: `-`, `_` and letter case do not tell header names apart

1 error, 0 warnings
"#;
    the_client_ip_header_taken:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { a-b = { env = "E" } }
client_ip_header = "a-b"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.client_ip_header: found a-b, which `headers` sets on line 4
 --> edge.toml:5:20
  |
5 | client_ip_header = "a-b"
  |                    ^^^^^
  |
  = help: remove one of the two

1 error, 0 warnings
"#;
    a_syntax_error_beside_a_secret:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = "hunter2 }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: invalid basic string, expected `"`
 --> edge.toml:4:27
  |
4 | headers = { * = "******* }
  |                           ^

error: this is not TOML: missing key for inline table element, expected `,`
 --> edge.toml:5:1
  |
5 | [[domain]]
  | ^

error: this is not TOML: missing comma between key-value pairs, expected `,`
 --> edge.toml:6:1
  |
6 | name = "m.example"
  | ^

error: this is not TOML: missing comma between key-value pairs, expected `,`
 --> edge.toml:7:1
  |
7 | certificate = "*"
  | ^

error: this is not TOML: missing comma between key-value pairs, expected `,`
 --> edge.toml:8:1
  |
8 | private_key = "*"
  | ^

5 errors, 0 warnings
"#;
}
