//! Text that is not TOML, with the line as it should be.

use super::edge_messages;

messages! { edge_messages:
    a_key_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "off"
ca_hints = false
client_auth = "required"
"#
=> r#"error: this is not TOML: duplicate key
  --> edge.toml:10:1
   |
10 | client_auth = "required"
   | ^^^^^^^^^^^
   |
   = help: client_auth is on line 8 already: remove one of the two

1 error, 0 warnings
"#;
    a_key_twice_in_an_inline_table:
r#"[trust]
client_ca = [{ file = "a", eku = "any", file = "b" }]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: duplicate key
 --> edge.toml:2:41
  |
2 | client_ca = [{ file = "a", eku = "any", file = "b" }]
  |                                         ^^^^
  |
  = help: file is on line 2 already: remove one of the two

1 error, 0 warnings
"#;
    a_table_twice:
r#"[log]
level = "info"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[log]
format = "json"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: duplicate key
 --> edge.toml:6:2
  |
6 | [log]
  |  ^^^
  |
  = help: [log] begins on line 1 already: put its keys there

1 error, 0 warnings
"#;
    one_table_of_several_in_single_brackets:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[domain]
name = "n.example"
"#
=> r#"error: this is not TOML: duplicate key
 --> edge.toml:8:2
  |
8 | [domain]
  |  ^^^^^^
  |
  = help: write [[domain]] in double brackets, here and on line 4

1 error, 0 warnings
"#;
    a_string_without_quotes:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = mtls.localhost
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: string values must be quoted
 --> edge.toml:5:8
  |
5 | name = mtls.localhost
  |        ^^^^^^^^^^^^^^
  |
  = help: write name = "mtls.localhost"

1 error, 0 warnings
"#;
    a_path_without_quotes_and_a_comment:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = certs/server.pem   # renewed in May
private_key = "k"
"#
=> r#"error: this is not TOML: string values must be quoted
 --> edge.toml:6:15
  |
6 | certificate = certs/server.pem   # renewed in May
  |               ^^^^^^^^^^^^^^^^
  |
  = help: write certificate = "certs/server.pem"

1 error, 0 warnings
"#;
    typographic_quotes:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = “m.example”
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: found the typographic quotation mark “, expected "
 --> edge.toml:5:8
  |
5 | name = “m.example”
  |        ^^^^^^^^^^^
  |
  = help: write name = "m.example"

1 error, 0 warnings
"#;
    typographic_single_quotes:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = ‘m.example’
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: found the typographic quotation mark ‘, expected "
 --> edge.toml:5:8
  |
5 | name = ‘m.example’
  |        ^^^^^^^^^^^
  |
  = help: write name = "m.example"

1 error, 0 warnings
"#;
    one_quote_missing:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k
"#
=> r#"error: this is not TOML: invalid basic string, expected `"`
 --> edge.toml:7:17
  |
7 | private_key = "k
  |                 ^
  |
  = help: write private_key = "k"

1 error, 0 warnings
"#;
    a_list_without_quotes:
r#"[listen]
https = [0.0.0.0:8443, [::]:8443]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: string values must be quoted
 --> edge.toml:2:13
  |
2 | https = [0.0.0.0:8443, [::]:8443]
  |             ^^^^^^^^^
  |
  = help: write https = ["0.0.0.0:8443", "[::]:8443"]

1 error, 0 warnings
"#;
    true_in_another_spelling:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
ca_hints = False
"#
=> r#"error: this is not TOML: invalid boolean, expected `false`
 --> edge.toml:8:12
  |
8 | ca_hints = False
  |            ^^^^^
  |
  = help: write ca_hints = false

1 error, 0 warnings
"#;
    yaml:
r#"listen:
  https: 0.0.0.0:8443
"#
=> r#"error: this is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
 --> edge.toml:1:7
  |
1 | listen:
  |       ^
  |
  = help: write [listen]

error: this is not TOML: string values must be quoted
 --> edge.toml:2:10
  |
2 |   https: 0.0.0.0:8443
  |          ^
  |
  = help: write https = "0.0.0.0:8443"

2 errors, 0 warnings
"#;
    json:
r#"{
  "listen": {}
}
"#
=> r#"error: this is not TOML: it begins with {, as JSON does
 --> edge.toml:1:1
  |
1 | {
  | ^
  |
  = help: write tables as [listen] and values as name = "value"; `mtls-edge init DIR` writes an example

1 error, 0 warnings
"#;
    a_duration_without_quotes:
r#"[limits]
head_timeout = 10s
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: string values must be quoted
 --> edge.toml:2:16
  |
2 | head_timeout = 10s
  |                ^^^
  |
  = help: write head_timeout = "10s"

1 error, 0 warnings
"#;
    a_windows_path:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "C:\certs\server.pem"
private_key = "k"
"#
=> r#"error: this is not TOML: a backslash in double quotes begins an escape
 --> edge.toml:6:19
  |
6 | certificate = "C:\certs\server.pem"
  |                   ^
  |
  = help: write certificate = 'C:\certs\server.pem'

1 error, 0 warnings
"#;
    a_header_that_is_not_closed:
r#"[log
level = "info"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: unclosed table, expected `]`
 --> edge.toml:1:5
  |
1 | [log
  |     ^
  |
  = help: write [log]

1 error, 0 warnings
"#;
    a_secret_without_quotes:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = hunter2 }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: string values must be quoted
 --> edge.toml:4:17
  |
4 | headers = { * = ******* }
  |                 ^^^^^^^
  |
  = help: write the value in double quotes

1 error, 0 warnings
"#;
    a_secret_in_typographic_quotes:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = “hunter2” }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: string values must be quoted
 --> edge.toml:4:17
  |
4 | headers = { * = ************* }
  |                 ^^^^^^^^^^^^^
  |
  = help: write the value in double quotes

1 error, 0 warnings
"#;
    a_value_missing:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
header_profile =
"#
=> r#"error: this is not TOML: the value is missing
 --> edge.toml:8:17
  |
8 | header_profile =
  |                 ^
  |
  = help: write a value behind it, such as header_profile = "auth0"

1 error, 0 warnings
"#;
}
