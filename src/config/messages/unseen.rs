//! Values with something that the eye does not see, and variables.

use super::edge_messages;

messages! { edge_messages:
    a_space_behind_a_name:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example "
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "m.example ", which ends with a space
 --> edge.toml:5:8
  |
5 | name = "m.example "
  |        ^^^^^^^^^^^^
  |
  = help: write "m.example"

1 error, 0 warnings
"#;
    a_space_before_a_choice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = " required"
"#
=> r#"error: domain.client_auth: found " required", which begins with a space
 --> edge.toml:8:15
  |
8 | client_auth = " required"
  |               ^^^^^^^^^^^
  |
  = help: write "required"

1 error, 0 warnings
"#;
    a_line_break_behind_a_url:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1\n"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found "http://127.0.0.1:1\n", which ends with a line break
 --> edge.toml:3:9
  |
3 | urls = ["http://127.0.0.1:1\n"]
  |         ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "http://127.0.0.1:1"

1 error, 0 warnings
"#;
    a_space_behind_a_path:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/oauth/token "
"#
=> r#"error: domain.route.path: found "/oauth/token ", which ends with a space
 --> edge.toml:9:8
  |
9 | path = "/oauth/token "
  |        ^^^^^^^^^^^^^^^
  |
  = help: write "/oauth/token"

1 error, 0 warnings
"#;
    a_variable_for_a_name:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "${DOMAIN}"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "${DOMAIN}": variables are not expanded
 --> edge.toml:5:8
  |
5 | name = "${DOMAIN}"
  |        ^^^^^^^^^^^
  |
  = help: write the value itself in place of ${DOMAIN}

1 error, 0 warnings
"#;
    a_variable_in_an_address:
r#"[listen]
https = ["0.0.0.0:$PORT"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.https: found "0.0.0.0:$PORT": variables are not expanded
 --> edge.toml:2:10
  |
2 | https = ["0.0.0.0:$PORT"]
  |          ^^^^^^^^^^^^^^^
  |
  = help: write the value itself in place of $PORT

1 error, 0 warnings
"#;
    a_template_in_a_url:
r#"[[upstream]]
name = "a"
urls = ["http://{{ .Values.host }}:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found "http://{{ .Values.host }}:1": variables are not expanded
 --> edge.toml:3:9
  |
3 | urls = ["http://{{ .Values.host }}:1"]
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write the value itself in place of {{ .Values.host }}

1 error, 0 warnings
"#;
    a_variable_for_a_number:
r#"[listen]
workers = "${WORKERS}"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.workers: found string "${WORKERS}", expected a whole number from 1 to 1024: variables are not expanded
 --> edge.toml:2:11
  |
2 | workers = "${WORKERS}"
  |           ^^^^^^^^^^^^
  |
  = help: write workers = 4

1 error, 0 warnings
"#;
}

#[test]
fn an_invisible_character() {
    let text = crate::config::testing::MINIMAL.replace("\"M.example.\"", "\"m\u{200b}.example\"");
    let printed = edge_messages(&text);
    let what = r#"domain.name: found "m\u{200b}.example", which has an invisible character in it (U+200B)"#;
    assert!(printed.contains(what) && printed.contains("= help: write \"m.example\"\n"), "{printed}");
}
