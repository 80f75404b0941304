//! `[[domain]]`: names, what they refer to, and whether anybody can pass.

use super::edge_messages;

messages! { edge_messages:
    a_wildcard_domain:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "*.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "*.example", expected the DNS name that clients connect to without a wildcard
 --> edge.toml:5:8
  |
5 | name = "*.example"
  |        ^^^^^^^^^^^
  |
  = help: write one [[domain]] for each name

1 error, 0 warnings
"#;
    a_domain_with_a_port:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example:443"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "m.example:443", expected the DNS name that clients connect to without a port
 --> edge.toml:5:8
  |
5 | name = "m.example:443"
  |        ^^^^^^^^^^^^^^^
  |
  = help: write "m.example"; [listen] https has the port

1 error, 0 warnings
"#;
    an_address_for_a_domain:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "10.0.0.1"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "10.0.0.1", expected the DNS name that clients connect to, not an address: SNI carries names only
 --> edge.toml:5:8
  |
5 | name = "10.0.0.1"
  |        ^^^^^^^^^^
  |
  = help: write a name such as mtls.auth.example.com

1 error, 0 warnings
"#;
    one_domain_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain]]
name = "M.EXample"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "m.example" a second time; the first is on line 5
 --> edge.toml:9:8
  |
9 | name = "M.EXample"
  |        ^^^^^^^^^^^
  |
  = help: give each a name of its own

1 error, 0 warnings
"#;
    an_unknown_upstream:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
upstream = "aa"
"#
=> r#"error: domain.upstream: found "aa", expected the name of an [[upstream]]: "a"
 --> edge.toml:8:12
  |
8 | upstream = "aa"
  |            ^^^^

1 error, 0 warnings
"#;
    an_upstream_to_choose:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[upstream]]
name = "b"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.upstream: missing: with several [[upstream]] a domain must say which one it uses
 --> edge.toml:7:1
  |
7 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write upstream = "a" or "b"

1 error, 0 warnings
"#;
    an_unknown_profile:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
header_profile = "auth1"
"#
=> r#"error: domain.header_profile: found "auth1", expected the name of a header profile
 --> edge.toml:8:18
  |
8 | header_profile = "auth1"
  |                  ^^^^^^^
  |
  = help: did you mean "auth0"?

1 error, 0 warnings
"#;
    a_route_that_nobody_can_pass:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "off"
[[domain.route]]
"#
=> r#"error: domain.route.authenticate: the route asks for a certificate, but the domain has client_auth = "off": nobody could pass
 --> edge.toml:9:1
  |
9 | [[domain.route]]
  | ^^^^^^^^^^^^^^^^
  |
  = help: write authenticate = "none", or client_auth = "optional" for the domain

1 error, 0 warnings
"#;
    default_routes_that_nobody_can_pass:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "off"
"#
=> r#"error: domain.client_auth: found "off" and no [[domain.route]]: the default routes ask for a certificate, so nobody could pass
 --> edge.toml:8:15
  |
8 | client_auth = "off"
  |               ^^^^^
  |
  = help: write [[domain.route]] with authenticate = "none", or client_auth = "required"

1 error, 0 warnings
"#;
    an_open_route_behind_a_required_certificate:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[[domain.route]]
authenticate = "none"
"#
=> r#"warning: domain.route.authenticate: the route authenticates nobody, but the domain has client_auth = "required": without a certificate no client gets as far
 --> edge.toml:9:16
  |
9 | authenticate = "none"
  |                ^^^^^^
  |
  = help: write client_auth = "optional" for the domain

0 errors, 1 warning
"#;
    ca_hints_that_are_no_boolean:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
ca_hints = "off"
"#
=> r#"error: domain.ca_hints: found string "off", expected true or false
 --> edge.toml:8:12
  |
8 | ca_hints = "off"
  |            ^^^^^
  |
  = help: write ca_hints = false

1 error, 0 warnings
"#;
    a_url_for_a_domain:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "https://m.example:8443/oauth"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "https://m.example:8443/oauth", expected the DNS name that clients connect to without scheme
 --> edge.toml:5:8
  |
5 | name = "https://m.example:8443/oauth"
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "m.example"

1 error, 0 warnings
"#;
    a_path_behind_a_domain:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example/oauth/token"
certificate = "c"
private_key = "k"
"#
=> r#"error: domain.name: found "m.example/oauth/token", expected the DNS name that clients connect to without a path
 --> edge.toml:5:8
  |
5 | name = "m.example/oauth/token"
  |        ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "m.example"

1 error, 0 warnings
"#;
}
