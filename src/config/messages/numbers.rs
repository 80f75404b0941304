//! Numbers and durations: without a unit, of another type, out of range.

use super::edge_messages;

messages! { edge_messages:
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
