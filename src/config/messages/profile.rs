//! `[[header_profile]]`.

use super::edge_messages;

messages! { edge_messages:
    a_profile_with_a_builtin_name:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[header_profile]]
name = "nginx"
headers = { x = "verdict" }
"#
=> r#"error: header_profile.name: found "nginx", which is the name of a built-in profile
 --> edge.toml:9:8
  |
9 | name = "nginx"
  |        ^^^^^^^
  |
  = help: choose another name

1 error, 0 warnings
"#;
    an_unknown_encoding:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[header_profile]]
name = "c"
headers = { x-hunter2 = "pem-ur" }
"#
=> r#"error: header_profile.headers: found "pem-ur", expected the name of an encoding
  --> edge.toml:10:25
   |
10 | headers = { ********* = "pem-ur" }
   |                         ^^^^^^^^
   |
   = help: did you mean "pem-url"?

1 error, 0 warnings
"#;
    a_profile_without_headers:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[header_profile]]
name = "c"
headers = {}
"#
=> r#"error: header_profile.headers: found no header, expected at least one
  --> edge.toml:10:11
   |
10 | headers = {}
   |           ^^
   |
   = help: write headers = { x-client-certificate = "pem-url" }

1 error, 0 warnings
"#;
    one_profile_name_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[header_profile]]
name = "c"
headers = { x = "verdict" }
[[header_profile]]
name = "c"
headers = { y = "verdict" }
"#
=> r#"error: header_profile.name: found "c" a second time; the first is on line 9
  --> edge.toml:12:8
   |
12 | name = "c"
   |        ^^^
   |
   = help: give each a name of its own

1 error, 0 warnings
"#;
    one_header_twice_in_a_profile:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[header_profile]]
name = "c"
headers = { x-hunter2 = "pem-url", X_Hunter2 = "verdict" }
"#
=> r#"error: header_profile.headers: found one header twice; the first is on line 10
  --> edge.toml:10:36
   |
10 | headers = { ********* = "pem-url", ********* = "verdict" }
   |                                    ^^^^^^^^^
   |
   = help: `-`, `_` and letter case do not tell header names apart

1 error, 0 warnings
"#;
}
