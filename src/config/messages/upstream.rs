//! `[[upstream]]`: names, URLs, `host`.

use super::edge_messages;

messages! { edge_messages:
    one_upstream_name_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
upstream = "a"
"#
=> r#"error: upstream.name: found "a" a second time; the first is on line 2
 --> edge.toml:5:8
  |
5 | name = "a"
  |        ^^^
  |
  = help: give each a name of its own

1 error, 0 warnings
"#;
    a_url_with_a_path:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1/x"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found "http://127.0.0.1:1/x", expected an origin such as https://auth.internal.example:8443 without a path: a request keeps its own
 --> edge.toml:3:9
  |
3 | urls = ["http://127.0.0.1:1/x"]
  |         ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "http://127.0.0.1:1"

1 error, 0 warnings
"#;
    a_url_with_a_password:
r#"[[upstream]]
name = "a"
urls = ["http://u:hunter2@127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found a URL with user information, expected an origin such as https://auth.internal.example:8443
 --> edge.toml:3:9
  |
3 | urls = ["****************************"]
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: set an authorization header with `headers = { authorization = { file = ".." } }`

1 error, 0 warnings
"#;
    a_url_without_scheme:
r#"[[upstream]]
name = "a"
urls = ["127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found "127.0.0.1:1", expected an origin such as https://auth.internal.example:8443
 --> edge.toml:3:9
  |
3 | urls = ["127.0.0.1:1"]
  |         ^^^^^^^^^^^^^
  |
  = help: write "http://127.0.0.1:1"

1 error, 0 warnings
"#;
    http_to_another_machine:
r#"[[upstream]]
name = "a"
urls = ["http://auth.example"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"warning: upstream.urls: http to auth.example: whoever can read or change that traffic sees the secrets and can pass for any client
 --> edge.toml:3:9
  |
3 | urls = ["http://auth.example"]
  |         ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: use https, or a network that nobody else is on

0 errors, 1 warning
"#;
    a_bad_host:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
host = "a b"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.host: found "a b", expected a host, or host:port: the host is no DNS name
 --> edge.toml:4:8
  |
4 | host = "a b"
  |        ^^^^^
  |
  = help: write it such as tenant.edge.example

1 error, 0 warnings
"#;
    a_url_with_a_query:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1?x=1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.urls: found a URL with a query, expected an origin such as https://auth.internal.example:8443 without one: a request keeps its own
 --> edge.toml:3:9
  |
3 | urls = ["********************=*"]
  |         ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "http://127.0.0.1:1"

1 error, 0 warnings
"#;
    a_url_for_a_host:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
host = "https://tenant.example/"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.host: found "https://tenant.example/", expected a host, or host:port without scheme
 --> edge.toml:4:8
  |
4 | host = "https://tenant.example/"
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "tenant.example"

1 error, 0 warnings
"#;
    a_server_name_without_tls:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
server_name = "auth.internal.example"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.server_name: found a server_name, and no URL of this upstream is https: without TLS nothing is proved
 --> edge.toml:4:15
  |
4 | server_name = "auth.internal.example"
  |               ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write https in urls, or remove server_name

1 error, 0 warnings
"#;
    a_server_name_with_a_port:
r#"[[upstream]]
name = "a"
urls = ["https://127.0.0.1:1"]
server_name = "auth.internal.example:443"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.server_name: found "auth.internal.example:443", expected the DNS name or the address in the upstream's certificate
 --> edge.toml:4:15
  |
4 | server_name = "auth.internal.example:443"
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write the name alone, without scheme and port, such as auth.internal.example

1 error, 0 warnings
"#;
    what_forwarded_for_has:
r#"[[upstream]]
name = "a"
urls = ["https://127.0.0.1:1"]
forwarded_for = "last"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.forwarded_for: found "last", expected "client" or "list"
 --> edge.toml:4:17
  |
4 | forwarded_for = "last"
  |                 ^^^^^^
  |
  = help: did you mean "list"?

1 error, 0 warnings
"#;
}
