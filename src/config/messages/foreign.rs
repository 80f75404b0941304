//! Paths and upstreams as other servers' configurations have them.

use super::edge_messages;

messages! { edge_messages:
    a_regular_expression:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "^/oauth/.*"
"#
=> r#"error: domain.route.path: found "^/oauth/.*", expected a path as it is sent: regular expressions are not supported
 --> edge.toml:9:8
  |
9 | path = "^/oauth/.*"
  |        ^^^^^^^^^^^^
  |
  = help: write "/oauth/*"

1 error, 0 warnings
"#;
    a_regular_expression_of_one_path:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = '^/oauth/token$'
"#
=> r#"error: domain.route.path: found "^/oauth/token$", expected a path as it is sent: regular expressions are not supported
 --> edge.toml:9:8
  |
9 | path = '^/oauth/token$'
  |        ^^^^^^^^^^^^^^^^
  |
  = help: write "/oauth/token"

1 error, 0 warnings
"#;
    a_regular_expression_of_several_paths:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = '/oauth/(token|par)'
"#
=> r#"error: domain.route.path: found "/oauth/(token|par)", expected a path as it is sent: regular expressions are not supported
 --> edge.toml:9:8
  |
9 | path = '/oauth/(token|par)'
  |        ^^^^^^^^^^^^^^^^^^^^
  |
  = help: write an exact path such as "/oauth/token", or "/oauth/*" for all that is under /oauth/

1 error, 0 warnings
"#;
    a_location_of_nginx:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "~* ^/oauth/"
"#
=> r#"error: domain.route.path: found "~* ^/oauth/", expected a path as it is sent: regular expressions are not supported
 --> edge.toml:9:8
  |
9 | path = "~* ^/oauth/"
  |        ^^^^^^^^^^^^^
  |
  = help: write "/oauth/*"

1 error, 0 warnings
"#;
    an_exact_location_of_nginx:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "= /oauth/token"
"#
=> r#"error: domain.route.path: found "= /oauth/token", expected a path alone
 --> edge.toml:9:8
  |
9 | path = "= /oauth/token"
  |        ^^^^^^^^^^^^^^^^
  |
  = help: write "/oauth/token"

1 error, 0 warnings
"#;
    a_path_with_its_method:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "POST /oauth/token"
"#
=> r#"error: domain.route.path: found "POST /oauth/token", expected a path alone
 --> edge.toml:9:8
  |
9 | path = "POST /oauth/token"
  |        ^^^^^^^^^^^^^^^^^^^
  |
  = help: write path = "/oauth/token" and methods = ["POST"]

1 error, 0 warnings
"#;
    a_template:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/clients/{id}/keys"
"#
=> r#"error: domain.route.path: found "/clients/{id}/keys", expected a path as it is sent: placeholders are not supported
 --> edge.toml:9:8
  |
9 | path = "/clients/{id}/keys"
  |        ^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "/clients/*"

1 error, 0 warnings
"#;
    a_prefix_with_a_star:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/oauth*"
"#
=> r#"error: domain.route.path: found "/oauth*", expected a path with a * only as a trailing /*
 --> edge.toml:9:8
  |
9 | path = "/oauth*"
  |        ^^^^^^^^^
  |
  = help: write "/oauth/*"

1 error, 0 warnings
"#;
    two_stars:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/oauth/**"
"#
=> r#"error: domain.route.path: found "/oauth/**", expected a path with a * only as a trailing /*
 --> edge.toml:9:8
  |
9 | path = "/oauth/**"
  |        ^^^^^^^^^^^
  |
  = help: write "/oauth/*"

1 error, 0 warnings
"#;
    a_star_alone:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "*"
"#
=> r#"error: domain.route.path: found "*", expected a path with a * only as a trailing /*
 --> edge.toml:9:8
  |
9 | path = "*"
  |        ^^^
  |
  = help: write "/*"

1 error, 0 warnings
"#;
    a_url_for_a_path:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "https://m.example/oauth/token"
"#
=> r#"error: domain.route.path: found "https://m.example/oauth/token", expected a path alone
 --> edge.toml:9:8
  |
9 | path = "https://m.example/oauth/token"
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "/oauth/token"

1 error, 0 warnings
"#;
    a_dollar_at_the_end:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/oauth/token$"
"#
=> r#"warning: domain.route.path: found "/oauth/token$": a $ at the end is part of the path: regular expressions are not supported
 --> edge.toml:9:8
  |
9 | path = "/oauth/token$"
  |        ^^^^^^^^^^^^^^^
  |
  = help: write an exact path such as "/oauth/token", or "/oauth/*" for all that is under /oauth/

0 errors, 1 warning
"#;
    a_colon_before_a_name:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
path = "/clients/:id"
"#
=> r#"warning: domain.route.path: found "/clients/:id": a segment that begins with a colon is taken as it is: placeholders are not supported
 --> edge.toml:9:8
  |
9 | path = "/clients/:id"
  |        ^^^^^^^^^^^^^^
  |
  = help: write an exact path such as "/oauth/token", or "/oauth/*" for all that is under /oauth/

0 errors, 1 warning
"#;
    a_unix_socket:
r#"[[upstream]]
name = "a"
urls = ["unix:/run/kc.sock"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found the Unix socket "unix:/run/kc.sock", expected an origin such as https://auth.internal.example:8443
 --> edge.toml:3:9
  |
3 | urls = ["unix:/run/kc.sock"]
  |         ^^^^^^^^^^^^^^^^^^^
  |
  = help: Unix sockets are not supported: let the server listen on TCP, on this machine alone, and write such as "http://127.0.0.1:3000"

1 error, 0 warnings
"#;
    a_unix_socket_behind_a_scheme:
r#"[[upstream]]
name = "a"
urls = ["http://unix:/run/kc.sock:/"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found the Unix socket "http://unix:/run/kc.sock:/", expected an origin such as https://auth.internal.example:8443
 --> edge.toml:3:9
  |
3 | urls = ["http://unix:/run/kc.sock:/"]
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: Unix sockets are not supported: let the server listen on TCP, on this machine alone, and write such as "http://127.0.0.1:3000"

1 error, 0 warnings
"#;
    another_scheme:
r#"[[upstream]]
name = "a"
urls = ["h2c://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found "h2c://127.0.0.1:1", expected an origin such as https://auth.internal.example:8443: the scheme is http or https
 --> edge.toml:3:9
  |
3 | urls = ["h2c://127.0.0.1:1"]
  |         ^^^^^^^^^^^^^^^^^^^
  |
  = help: write "http://127.0.0.1:1"

1 error, 0 warnings
"#;
    a_scheme_with_one_slash:
r#"[[upstream]]
name = "a"
urls = ["https:/as.example"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found "https:/as.example", expected an origin such as https://auth.internal.example:8443
 --> edge.toml:3:9
  |
3 | urls = ["https:/as.example"]
  |         ^^^^^^^^^^^^^^^^^^^
  |
  = help: write "https://as.example"

1 error, 0 warnings
"#;
    a_path_for_an_upstream:
r#"[[upstream]]
name = "a"
urls = ["/run/kc.sock"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found the Unix socket "/run/kc.sock", expected an origin such as https://auth.internal.example:8443
 --> edge.toml:3:9
  |
3 | urls = ["/run/kc.sock"]
  |         ^^^^^^^^^^^^^^
  |
  = help: Unix sockets are not supported: let the server listen on TCP, on this machine alone, and write such as "http://127.0.0.1:3000"

1 error, 0 warnings
"#;
}
