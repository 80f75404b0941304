//! Files of another format than TOML, and what is carried over from them.

use super::edge_messages;

messages! { edge_messages:
    a_list_of_yaml:
r#"listen:
  https:
    - 0.0.0.0:8443
"#
=> r#"error: this is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
 --> edge.toml:1:7
  |
1 | listen:
  |       ^
  |
  = help: write [listen]

error: this is not TOML: key with no value, expected `=`
 --> edge.toml:2:9
  |
2 |   https:
  |         ^
  |
  = help: write a value behind it, such as https = ["0.0.0.0:8443"]

error: this is not TOML: key with no value, expected `=`
 --> edge.toml:3:7
  |
3 |     - 0.0.0.0:8443
  |       ^
  |
  = help: write a key as name = "value", and [name] above the keys of a table

3 errors, 0 warnings
"#;
    a_block_of_nginx:
r#"server {
  listen 443 ssl;
}
"#
=> r#"error: this is not TOML: key with no value, expected `=`
 --> edge.toml:1:8
  |
1 | server {
  |        ^
  |
  = help: write a key as name = "value", and [name] above the keys of a table

error: this is not TOML: key with no value, expected `=`
 --> edge.toml:2:10
  |
2 |   listen 443 ssl;
  |          ^
  |
  = help: write a key as name = "value", and [name] above the keys of a table

error: this is not TOML: invalid key-value pair, expected key
 --> edge.toml:3:1
  |
3 | }
  | ^
  |
  = help: write a key as name = "value", and [name] above the keys of a table

3 errors, 0 warnings
"#;
    a_comment_of_ini:
r#"; edge
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
 --> edge.toml:1:1
  |
1 | ; edge
  | ^
  |
  = help: write # before a comment

1 error, 0 warnings
"#;
    a_comment_of_javascript:
r#"// edge
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
 --> edge.toml:1:1
  |
1 | // edge
  | ^^
  |
  = help: write # before a comment

1 error, 0 warnings
"#;
    a_comma_missing_in_a_list:
r#"[listen]
https = [
  "0.0.0.0:8443"
  "0.0.0.0:9443"
]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: missing comma between array elements, expected `,`
 --> edge.toml:4:3
  |
4 |   "0.0.0.0:9443"
  |   ^
  |
  = help: write a comma behind the item before

1 error, 0 warnings
"#;
    two_equals_signs:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth == "off"
"#
=> r#"error: this is not TOML: extra `=`
 --> edge.toml:8:14
  |
8 | client_auth == "off"
  |              ^
  |
  = help: write client_auth = "off"

1 error, 0 warnings
"#;
    a_semicolon_at_the_end:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "off";
"#
=> r#"error: this is not TOML: unexpected key or value, expected newline, `#`
 --> edge.toml:8:20
  |
8 | client_auth = "off";
  |                    ^
  |
  = help: write client_auth = "off"

1 error, 0 warnings
"#;
    a_value_of_null:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = null
"#
=> r#"error: this is not TOML: there is no null
 --> edge.toml:8:15
  |
8 | client_auth = null
  |               ^^^^
  |
  = help: leave the key out: then it has its default

1 error, 0 warnings
"#;
    a_table_in_two_forms:
r#"listen.workers = 1
[listen]
admin = "127.0.0.1:9443"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: duplicate key
 --> edge.toml:2:2
  |
2 | [listen]
  |  ^^^^^^
  |
  = help: write all keys of a table in one place

1 error, 0 warnings
"#;
    two_keys_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a"
path = "/b"
[domain.route]
path = "/c"
"#
=> r#"error: this is not TOML: duplicate key
  --> edge.toml:10:1
   |
10 | path = "/b"
   | ^^^^
   |
   = help: path is on line 9 already: remove one of the two

error: this is not TOML: duplicate key
  --> edge.toml:11:9
   |
11 | [domain.route]
   |         ^^^^^
   |
   = help: write [[domain.route]] in double brackets, here and on line 8

2 errors, 0 warnings
"#;
}
