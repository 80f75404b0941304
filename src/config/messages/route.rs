//! `[[domain.route]]`: paths and methods.

use super::edge_messages;

messages! { edge_messages:
    a_path_without_slash:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "oauth"
"#
=> r#"error: domain.route.path: found "oauth", expected a path that starts with /
 --> edge.toml:9:8
  |
9 | path = "oauth"
  |        ^^^^^^^
  |
  = help: write "/oauth"

1 error, 0 warnings
"#;
    a_path_with_a_star:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a*b"
"#
=> r#"error: domain.route.path: found "/a*b", expected a path with a * only as a trailing /*
 --> edge.toml:9:8
  |
9 | path = "/a*b"
  |        ^^^^^^
  |
  = help: write /oauth/* for all that is under /oauth/

1 error, 0 warnings
"#;
    a_path_with_a_query:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a?b"
"#
=> r#"error: domain.route.path: found "/a?b", expected a path without ?: a query is no part of it
 --> edge.toml:9:8
  |
9 | path = "/a?b"
  |        ^^^^^^

1 error, 0 warnings
"#;
    a_path_with_a_needless_escape:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/%74"
"#
=> r#"error: domain.route.path: found "/%74", expected a path in its plain form
 --> edge.toml:9:8
  |
9 | path = "/%74"
  |        ^^^^^^
  |
  = help: write t for %74

1 error, 0 warnings
"#;
    a_path_with_an_escaped_slash:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a%2Fb"
"#
=> r#"error: domain.route.path: found "/a%2Fb", expected a path without %2F and %5C: servers differ in what they make of them
 --> edge.toml:9:8
  |
9 | path = "/a%2Fb"
  |        ^^^^^^^^

1 error, 0 warnings
"#;
    a_path_with_a_broken_escape:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a%2"
"#
=> r#"error: domain.route.path: found "/a%2", expected a path with two hexadecimal digits after each %
 --> edge.toml:9:8
  |
9 | path = "/a%2"
  |        ^^^^^^

1 error, 0 warnings
"#;
    a_path_with_two_slashes:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a//b"
"#
=> r#"error: domain.route.path: found "/a//b", expected a path without //
 --> edge.toml:9:8
  |
9 | path = "/a//b"
  |        ^^^^^^^
  |
  = help: write "/a/b"

1 error, 0 warnings
"#;
    a_path_with_dots:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/a/../b"
"#
=> r#"error: domain.route.path: found "/a/../b", expected a path without . and .. segments
 --> edge.toml:9:8
  |
9 | path = "/a/../b"
  |        ^^^^^^^^^

1 error, 0 warnings
"#;
    a_path_beyond_ascii:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/ä"
"#
=> r#"error: domain.route.path: found "/ä", expected a path as it is sent, in printable ASCII
 --> edge.toml:9:8
  |
9 | path = "/ä"
  |        ^^^^
  |
  = help: write %C3%A4 for 'ä'

1 error, 0 warnings
"#;
    a_lower_case_method:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
methods = ["post"]
"#
=> r#"error: domain.route.methods: found "post", expected a method in upper case
 --> edge.toml:9:12
  |
9 | methods = ["post"]
  |            ^^^^^^
  |
  = help: write "POST"

1 error, 0 warnings
"#;
    a_method_that_is_never_forwarded:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
methods = ["TRACE"]
"#
=> r#"error: domain.route.methods: found "TRACE", expected another method: the edge never forwards this one
 --> edge.toml:9:12
  |
9 | methods = ["TRACE"]
  |            ^^^^^^^

1 error, 0 warnings
"#;
    an_unknown_method:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
methods = ["PSOT"]
"#
=> r#"error: domain.route.methods: found "PSOT", expected a method
 --> edge.toml:9:12
  |
9 | methods = ["PSOT"]
  |            ^^^^^^
  |
  = help: did you mean "POST"?

1 error, 0 warnings
"#;
    one_method_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
methods = ["GET", "GET"]
"#
=> r#"error: domain.route.methods: found GET twice
 --> edge.toml:9:19
  |
9 | methods = ["GET", "GET"]
  |                   ^^^^^
  |
  = help: remove one of the two

1 error, 0 warnings
"#;
    one_route_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
[[domain.route]]
methods = ["GET", "POST"]
"#
=> r#"error: domain.route.path: found "/oauth/token" for POST a second time; the first is on line 8
 --> edge.toml:9:1
  |
9 | [[domain.route]]
  | ^^^^^^^^^^^^^^^^
  |
  = help: remove one of the two, or give them different methods

1 error, 0 warnings
"#;
    no_method:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
methods = []
"#
=> r#"error: domain.route.methods: found an empty list, expected at least one item
 --> edge.toml:9:11
  |
9 | methods = []
  |           ^^
  |
  = help: write methods = ["POST"]

1 error, 0 warnings
"#;
}
