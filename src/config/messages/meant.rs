//! Values of another type, and words of other programs: the help has the operator's own value.

use super::edge_messages;

messages! { edge_messages:
    an_address_for_a_list:
r#"[listen]
https = "127.0.0.1:18443"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.https: found a string, expected a list of strings
 --> edge.toml:2:9
  |
2 | https = "127.0.0.1:18443"
  |         ^^^^^^^^^^^^^^^^^
  |
  = help: write https = ["127.0.0.1:18443"]

1 error, 0 warnings
"#;
    a_port_for_a_list:
r#"[listen]
https = 18443
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.https: found integer 18443, expected a list
 --> edge.toml:2:9
  |
2 | https = 18443
  |         ^^^^^
  |
  = help: write https = ["0.0.0.0:18443"]

1 error, 0 warnings
"#;
    a_port_for_an_address:
r#"[listen]
admin = 19443
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.admin: found integer 19443, expected an address
 --> edge.toml:2:9
  |
2 | admin = 19443
  |         ^^^^^
  |
  = help: write admin = "127.0.0.1:19443"

1 error, 0 warnings
"#;
    several_in_one_string:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
methods = "GET, POST"
"#
=> r#"error: domain.route.methods: found a string, expected a list of strings
 --> edge.toml:9:11
  |
9 | methods = "GET, POST"
  |           ^^^^^^^^^^^
  |
  = help: write methods = ["GET", "POST"]

1 error, 0 warnings
"#;
    a_url_for_a_list:
r#"[[upstream]]
name = "a"
urls = "http://127.0.0.1:1"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found a string, expected a list of strings
 --> edge.toml:3:8
  |
3 | urls = "http://127.0.0.1:1"
  |        ^^^^^^^^^^^^^^^^^^^^
  |
  = help: write urls = ["http://127.0.0.1:1"]

1 error, 0 warnings
"#;
    a_url_with_a_password_for_a_list:
r#"[[upstream]]
name = "a"
urls = "http://u:hunter2@127.0.0.1:1"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found a string, expected a list of strings
 --> edge.toml:3:8
  |
3 | urls = "****************************"
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write urls = ["https://auth.internal.example:8443"]

1 error, 0 warnings
"#;
    a_list_for_a_string:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = ["server.pem"]
private_key = "k"
"#
=> r#"error: domain.certificate: found a list, expected the path of a file
 --> edge.toml:6:15
  |
6 | certificate = ["server.pem"]
  |               ^^^^^^^^^^^^^^
  |
  = help: write certificate = "server.pem"

1 error, 0 warnings
"#;
    a_number_in_quotes:
r#"[limits]
connections = "20_000"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.connections: found string "20_000", expected a whole number from 1 to 1000000
 --> edge.toml:2:15
  |
2 | connections = "20_000"
  |               ^^^^^^^^
  |
  = help: write connections = 20000

1 error, 0 warnings
"#;
    a_number_with_a_fraction:
r#"[listen]
workers = 4.0
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.workers: found float 4.0, expected a whole number from 1 to 1024
 --> edge.toml:2:11
  |
2 | workers = 4.0
  |           ^^^
  |
  = help: write workers = 4

1 error, 0 warnings
"#;
    a_boolean_in_quotes:
r#"[listen]
proxy_protocol = "yes"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.proxy_protocol: found string "yes", expected true or false
 --> edge.toml:2:18
  |
2 | proxy_protocol = "yes"
  |                  ^^^^^
  |
  = help: write proxy_protocol = true

1 error, 0 warnings
"#;
    a_number_for_a_name:
r#"[[upstream]]
name = 1
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
upstream = "1"
"#
=> r#"error: upstream.name: found integer 1, expected a string
 --> edge.toml:2:8
  |
2 | name = 1
  |        ^
  |
  = help: write name = "1"

1 error, 0 warnings
"#;
    a_level_of_syslog:
r#"[log]
level = "warning"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: log.level: found "warning", expected a level or target=level
 --> edge.toml:2:9
  |
2 | level = "warning"
  |         ^^^^^^^^^
  |
  = help: did you mean "warn"?

1 error, 0 warnings
"#;
    a_level_of_syslog_for_a_target:
r#"[log]
level = "info,mtls_edge=critical"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: log.level: found "mtls_edge=critical", expected a level or target=level
 --> edge.toml:2:9
  |
2 | level = "info,mtls_edge=critical"
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean "error"?

1 error, 0 warnings
"#;
    sizes_and_durations_in_quotes:
r#"[limits]
body_bytes = "2MB"
header_bytes = "64k"
head_timeout = "15"
body_timeout = "15 parsecs"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: limits.body_bytes: found string "2MB", expected a whole number from 1024 to 1073741824
 --> edge.toml:2:14
  |
2 | body_bytes = "2MB"
  |              ^^^^^
  |
  = help: write body_bytes = 2097152

error: limits.header_bytes: found string "64k", expected a whole number from 8192 to 1048576
 --> edge.toml:3:16
  |
3 | header_bytes = "64k"
  |                ^^^^^
  |
  = help: write header_bytes = 65536

error: limits.head_timeout: found "15", expected a duration from 1ms to 1h
 --> edge.toml:4:16
  |
4 | head_timeout = "15"
  |                ^^^^
  |
  = help: write "15s"

error: limits.body_timeout: found "15 parsecs", expected a duration from 1ms to 1h
 --> edge.toml:5:16
  |
5 | body_timeout = "15 parsecs"
  |                ^^^^^^^^^^^^
  |
  = help: write it as "500ms", "10s" or "2m"

4 errors, 0 warnings
"#;
}
