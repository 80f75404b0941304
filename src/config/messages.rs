//! Every kind of mistake with the whole message that it gets.

// One form of literal for all messages: a new quote in one must not change the look of the case.
#![allow(clippy::needless_raw_string_hashes)]

use std::{fs, path::Path};

use proptest::prelude::*;

use super::{Problem, Severity, applications, render, settings, settings::Settings};

/// Writes a file and reads it; the folder's name is left out of the messages.
fn edge(text: impl AsRef<[u8]>) -> (Option<Settings>, Vec<Problem>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.toml");
    fs::write(&path, text).unwrap();
    let (settings, problems) = settings(&path);
    let rendered = render(&problems, false).replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(settings.is_some(), problems.iter().all(|p| p.severity == Severity::Warning));
    (settings, problems, rendered)
}

fn registry(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("applications.toml");
    fs::write(&path, text).unwrap();
    let (applications, problems) = applications(&path, &named_at());
    assert_eq!(applications.is_some(), problems.iter().all(|p| p.severity == Severity::Warning));
    render(&problems, false).replace(&format!("{}/", folder.path().display()), "")
}

fn named_at() -> super::Place {
    let text = "[trust]\napplications = \"a.toml\"\n".to_owned();
    let source = super::Source { path: "edge.toml".into(), text };
    super::Place { source: source.into(), span: 23..31 }
}

macro_rules! messages {
    ($read:ident: $($name:ident: $text:literal => $message:literal;)*) => {
        $(#[test] fn $name() { assert_eq!($read($text), $message); })*
    };
}

fn edge_messages(text: &str) -> String {
    let (_, problems, rendered) = edge(text);
    assert!(!rendered.contains("hunter2"), "{rendered}");
    assert!(problems.iter().all(|p| !p.to_string().contains("hunter2") && !p.to_string().contains('\n')));
    rendered
}

messages! { edge_messages:
    a_misspelt_choice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "requird"
"#
=> r#"error: domain.client_auth: found "requird", expected "required", "optional" or "off"
 --> edge.toml:8:15
  |
8 | client_auth = "requird"
  |               ^^^^^^^^^
  |
  = help: did you mean "required"?

1 error, 0 warnings
"#;
    an_unknown_key_with_a_near_name:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_aut = "off"
"#
=> r#"error: domain.client_aut: unknown key "client_aut"
 --> edge.toml:8:1
  |
8 | client_aut = "off"
  | ^^^^^^^^^^
  |
  = help: did you mean "client_auth"?

1 error, 0 warnings
"#;
    a_key_of_another_table:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_ca = ["x"]
"#
=> r#"error: domain.client_ca: unknown key "client_ca"
 --> edge.toml:8:1
  |
8 | client_ca = ["x"]
  | ^^^^^^^^^
  |
  = help: "client_ca" is a key of [trust]

1 error, 0 warnings
"#;
    an_unknown_table:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
[limit]
"#
=> r#"error: limit: unknown table [limit]
 --> edge.toml:8:2
  |
8 | [limit]
  |  ^^^^^
  |
  = help: did you mean "limits"?

1 error, 0 warnings
"#;
    no_domain:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
"#
=> r#"error: domain: missing: at least one [[domain]] is needed
 --> edge.toml:3:30
  |
3 | urls = ["http://127.0.0.1:1"]
  |                              ^
  |
  = help: write at least:
          [[domain]]
          name = "mtls.auth.example.com"
          certificate = "certs/server.pem"
          private_key = "certs/server.key"

1 error, 0 warnings
"#;
    no_upstream:
r#"[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream: missing: at least one [[upstream]] is needed
 --> edge.toml:4:18
  |
4 | private_key = "k"
  |                  ^
  |
  = help: write at least:
          [[upstream]]
          name = "auth-server"
          urls = ["http://127.0.0.1:3000"]

1 error, 0 warnings
"#;
    a_domain_without_its_names:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
"#
=> r#"error: domain.name: missing: [[domain]] must have "name"
 --> edge.toml:4:1
  |
4 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write name = "mtls.auth.example.com"

error: domain.certificate: missing: [[domain]] must have "certificate"
 --> edge.toml:4:1
  |
4 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write certificate = "certs/server.pem"

error: domain.private_key: missing: [[domain]] must have "private_key"
 --> edge.toml:4:1
  |
4 | [[domain]]
  | ^^^^^^^^^^
  |
  = help: write private_key = "certs/server.key"

3 errors, 0 warnings
"#;
    single_brackets:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[domain]
name = "m.example"
"#
=> r#"error: domain: found one table, expected a list of tables [[domain]]
 --> edge.toml:4:1
  |
4 | [domain]
  | ^^^^^^^^
  |
  = help: write [[domain]] with double brackets

1 error, 0 warnings
"#;
    double_brackets:
r#"[[listen]]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen: found a list, expected one table [listen]
 --> edge.toml:1:1
  |
1 | [[listen]]
  | ^^^^^^^^^^
  |
  = help: write [listen] with single brackets, and only once

1 error, 0 warnings
"#;
    a_wrong_type:
r#"[listen]
workers = "4"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.workers: found string "4", expected a whole number from 1 to 1024
 --> edge.toml:2:11
  |
2 | workers = "4"
  |           ^^^
  |
  = help: write workers = 4

1 error, 0 warnings
"#;
    a_string_for_a_list:
r#"[trust]
crls = "x"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.crls: found a string, expected a list of strings
 --> edge.toml:2:8
  |
2 | crls = "x"
  |        ^^^
  |
  = help: write crls = ["certs/client-ca.crl"]

1 error, 0 warnings
"#;
    an_empty_string:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
header_profile = ""
"#
=> r#"error: domain.header_profile: found an empty string, expected the name of a header profile
 --> edge.toml:8:18
  |
8 | header_profile = ""
  |                  ^^
  |
  = help: write header_profile = "auth0"

1 error, 0 warnings
"#;
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
    an_address_without_host:
r#"[listen]
https = [":8443"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.https: found ":8443", expected an address such as 0.0.0.0:8443 or [::]:8443
 --> edge.toml:2:10
  |
2 | https = [":8443"]
  |          ^^^^^^^
  |
  = help: write "0.0.0.0:8443"

1 error, 0 warnings
"#;
    one_address_twice:
r#"[listen]
https = ["0.0.0.0:8443", "127.0.0.1:8443"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.https: found 127.0.0.1:8443, but the list has 0.0.0.0:8443 already
 --> edge.toml:2:26
  |
2 | https = ["0.0.0.0:8443", "127.0.0.1:8443"]
  |                          ^^^^^^^^^^^^^^^^
  |
  = help: remove one of the two

1 error, 0 warnings
"#;
    no_address:
r#"[listen]
https = []
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.https: found an empty list, expected at least one item
 --> edge.toml:2:9
  |
2 | https = []
  |         ^^
  |
  = help: write https = ["0.0.0.0:8443"]

1 error, 0 warnings
"#;
    admin_on_the_https_port:
r#"[listen]
admin = "127.0.0.1:8443"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.admin: found 127.0.0.1:8443, which is taken by https = 0.0.0.0:8443
 --> edge.toml:2:9
  |
2 | admin = "127.0.0.1:8443"
  |         ^^^^^^^^^^^^^^^^
  |
  = help: give the admin address a port of its own

1 error, 0 warnings
"#;
    admin_open_to_others:
r#"[listen]
admin = "0.0.0.0:9443"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"warning: listen.admin: 0.0.0.0:9443 can be reached from other machines, without TLS
 --> edge.toml:2:9
  |
2 | admin = "0.0.0.0:9443"
  |         ^^^^^^^^^^^^^^
  |
  = help: write admin = "127.0.0.1:9443", or let only your monitoring reach it

0 errors, 1 warning
"#;
    too_many_workers:
r#"[listen]
workers = 1025
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.workers: found 1025, expected a whole number from 1 to 1024
 --> edge.toml:2:11
  |
2 | workers = 1025
  |           ^^^^

1 error, 0 warnings
"#;
    a_bad_network:
r#"[listen]
trusted_proxies = ["10.0.0.0/33"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.trusted_proxies: found "10.0.0.0/33", expected an address or a network such as 10.0.0.0/8
 --> edge.toml:2:20
  |
2 | trusted_proxies = ["10.0.0.0/33"]
  |                    ^^^^^^^^^^^^^

1 error, 0 warnings
"#;
    proxy_protocol_from_nobody:
r#"[listen]
proxy_protocol = true
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.proxy_protocol: found true, but trusted_proxies is empty: nobody could connect
 --> edge.toml:2:18
  |
2 | proxy_protocol = true
  |                  ^^^^
  |
  = help: write trusted_proxies = ["10.0.0.0/8"] with the addresses of your load balancer

1 error, 0 warnings
"#;
    a_misspelt_log_level:
r#"[log]
level = "inof"
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: log.level: found "inof", expected a level or target=level
 --> edge.toml:2:9
  |
2 | level = "inof"
  |         ^^^^^^
  |
  = help: did you mean "info"?

1 error, 0 warnings
"#;
    a_pem_for_a_path:
r#"[trust]
client_ca = ["-----BEGIN CERTIFICATE-----"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: trust.client_ca: found the text of a PEM file, expected the path of a file
 --> edge.toml:2:14
  |
2 | client_ca = ["-----BEGIN CERTIFICATE-----"]
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write client_ca = ["certs/client-ca.pem"]

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
    a_plain_secret:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { cname-api-key = "hunter2" }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.cname-api-key: found a string, expected where the value is: a secret does not stand in the configuration
 --> edge.toml:4:29
  |
4 | headers = { cname-api-key = "*******" }
  |                             ^^^^^^^^^
  |
  = help: write cname-api-key = { file = "secrets/cname-api-key" } or { env = "NAME" }

1 error, 0 warnings
"#;
    a_secret_from_two_places:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = { file = "f", env = "E" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.k: found both file and env, expected one of them
 --> edge.toml:4:17
  |
4 | headers = { k = { file = "f", env = "E" } }
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write k = { file = "secrets/k" } or { env = "NAME" }

1 error, 0 warnings
"#;
    a_secret_from_nowhere:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = { value = "hunter2" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.k: found neither file nor env, expected one of them
 --> edge.toml:4:17
  |
4 | headers = { k = { value = "*******" } }
  |                 ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write k = { file = "secrets/k" } or { env = "NAME" }

error: upstream.headers.value: unknown key "value"
 --> edge.toml:4:19
  |
4 | headers = { k = { value = "*******" } }
  |                   ^^^^^
  |
  = help: the keys of a secret's reference are file and env

2 errors, 0 warnings
"#;
    a_reserved_header:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { X_Forwarded_For = { env = "E" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.X_Forwarded_For: x-forwarded-for cannot be set here: the edge sets it on every request
 --> edge.toml:4:13
  |
4 | headers = { X_Forwarded_For = { env = "E" } }
  |             ^^^^^^^^^^^^^^^

1 error, 0 warnings
"#;
    one_header_twice:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { a-b = { env = "E" }, a_b = { env = "E" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers: found a_b a second time; the first is on line 4
 --> edge.toml:4:34
  |
4 | headers = { a-b = { env = "E" }, a_b = { env = "E" } }
  |                                  ^^^
  |
  = help: `-`, `_` and letter case do not tell header names apart

1 error, 0 warnings
"#;
    the_client_ip_header_taken:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { a-b = { env = "E" } }
client_ip_header = "a-b"
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.client_ip_header: found a-b, which `headers` sets on line 4
 --> edge.toml:5:20
  |
5 | client_ip_header = "a-b"
  |                    ^^^^^
  |
  = help: remove one of the two

1 error, 0 warnings
"#;
    a_bad_variable:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = { env = "hunter2-x" } }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: upstream.headers.env: found what is no name of an environment variable
 --> edge.toml:4:25
  |
4 | headers = { k = { env = "*********" } }
  |                         ^^^^^^^^^^^
  |
  = help: write env = "CNAME_API_KEY"

1 error, 0 warnings
"#;
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
    a_syntax_error:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = 
[listen
"#
=> r#"error: this is not TOML: string values must be quoted, expected literal string
 --> edge.toml:8:15
  |
8 | client_auth = 
  |               ^

error: this is not TOML: unclosed table, expected `]`
 --> edge.toml:9:8
  |
9 | [listen
  |        ^

2 errors, 0 warnings
"#;
    a_syntax_error_beside_a_secret:
r#"[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
headers = { k = "hunter2 }
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: this is not TOML: invalid basic string, expected `"`
 --> edge.toml:4:27
  |
4 | headers = { * = "******* }
  |                           ^

error: this is not TOML: missing key for inline table element, expected `,`
 --> edge.toml:5:1
  |
5 | [[domain]]
  | ^

error: this is not TOML: missing comma between key-value pairs, expected `,`
 --> edge.toml:6:1
  |
6 | name = "m.example"
  | ^

error: this is not TOML: missing comma between key-value pairs, expected `,`
 --> edge.toml:7:1
  |
7 | certificate = "*"
  | ^

error: this is not TOML: missing comma between key-value pairs, expected `,`
 --> edge.toml:8:1
  |
8 | private_key = "*"
  | ^

5 errors, 0 warnings
"#;
    an_empty_file:
r#" 
"#
=> r#"error: the file is empty
--> edge.toml
 = help: `mtls-edge init DIR` writes a configuration to start from

1 error, 0 warnings
"#;
    all_mistakes_at_once:
r#"[listen]
workers = 0
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
client_auth = "of"
header_profile = "x"
"#
=> r#"error: listen.workers: found 0, expected a whole number from 1 to 1024
 --> edge.toml:2:11
  |
2 | workers = 0
  |           ^

error: domain.client_auth: found "of", expected "required", "optional" or "off"
  --> edge.toml:10:15
   |
10 | client_auth = "of"
   |               ^^^^
   |
   = help: did you mean "off"?

error: domain.header_profile: found "x", expected the name of a header profile
  --> edge.toml:11:18
   |
11 | header_profile = "x"
   |                  ^^^
   |
   = help: the profiles are auth0, rfc9440, envoy-xfcc, nginx, haproxy, haproxy-chain, apache, traefik, traefik-escaped, aws-alb or aws-alb-passthrough

3 errors, 0 warnings
"#;
}

messages! { registry:
    no_application:
r#"# none
"#
=> r#"warning: application: no application is registered: every request that has to authenticate will be refused
 --> applications.toml:1:7
  |
1 | # none
  |       ^
  |
  = help: write [[application]] for each; `mtls-edge inspect CERT` prints a credential to paste

0 errors, 1 warning
"#;
    an_application_without_client_id:
r#"[[application]]
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.client_id: missing: [[application]] must have "client_id"
 --> applications.toml:1:1
  |
1 | [[application]]
  | ^^^^^^^^^^^^^^^
  |
  = help: write client_id = "billing"

1 error, 0 warnings
"#;
    a_client_id_that_is_not_ascii:
r#"[[application]]
client_id = "ü"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.client_id: found "ü" with 'ü' in it, expected printable ASCII (RFC 6749, appendix A.1)
 --> applications.toml:2:13
  |
2 | client_id = "ü"
  |             ^^^

1 error, 0 warnings
"#;
    one_client_id_twice:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.client_id: found "b" a second time; the first is on line 2
 --> applications.toml:7:13
  |
7 | client_id = "b"
  |             ^^^
  |
  = help: put both credentials under one [[application]]

1 error, 0 warnings
"#;
    a_method_not_served:
r#"[[application]]
client_id = "b"
auth_method = "private_key_jwt"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.auth_method: found "private_key_jwt", which the edge does not serve yet
 --> applications.toml:3:15
  |
3 | auth_method = "private_key_jwt"
  |               ^^^^^^^^^^^^^^^^^
  |
  = help: write "self_signed_tls_client_auth" or "tls_client_auth", or leave the application out

1 error, 0 warnings
"#;
    a_misspelt_auth_method:
r#"[[application]]
client_id = "b"
auth_method = "tls_client_aut"
[[application.credential]]
name = "n"
san_dns = "t"
"#
=> r#"error: application.auth_method: found "tls_client_aut", expected "self_signed_tls_client_auth" or "tls_client_auth"
 --> applications.toml:3:15
  |
3 | auth_method = "tls_client_aut"
  |               ^^^^^^^^^^^^^^^^
  |
  = help: did you mean "tls_client_auth"?

1 error, 0 warnings
"#;
    an_application_without_credential:
r#"[[application]]
client_id = "b"
"#
=> r#"error: application.credential: missing: an application needs at least one [[application.credential]]
 --> applications.toml:1:1
  |
1 | [[application]]
  | ^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints one to paste

1 error, 0 warnings
"#;
    three_credentials:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "1"
thumbprint = "t"
[[application.credential]]
name = "2"
thumbprint = "t"
[[application.credential]]
name = "3"
thumbprint = "t"
"#
=> r#"error: application.credential: found 3 credentials, expected at most two: one in use and its successor
 --> applications.toml:9:1
  |
9 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: remove the credential that is no longer in use

1 error, 0 warnings
"#;
    a_credential_without_matcher:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
"#
=> r#"error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:3:1
  |
3 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

1 error, 0 warnings
"#;
    a_credential_with_two_matchers:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
san_dns = "d"
"#
=> r#"error: application.credential: found thumbprint and san_dns, expected exactly one of them
 --> applications.toml:6:11
  |
6 | san_dns = "d"
  |           ^^^
  |
  = help: keep one; a second way in is a second credential

1 error, 0 warnings
"#;
    a_matcher_of_the_other_method:
r#"[[application]]
client_id = "b"
auth_method = "tls_client_auth"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.credential.thumbprint: thumbprint belongs to self_signed_tls_client_auth, but the application uses tls_client_auth (line 3)
 --> applications.toml:6:14
  |
6 | thumbprint = "t"
  |              ^^^
  |
  = help: write subject_dn or one of san_dns, san_uri, san_ip, san_email, or make it an application of its own

1 error, 0 warnings
"#;
    mixed_credentials:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application.credential]]
name = "o"
san_dns = "d"
"#
=> r#"error: application.credential.san_dns: san_dns belongs to tls_client_auth, but the application uses self_signed_tls_client_auth (line 4)
 --> applications.toml:8:11
  |
8 | san_dns = "d"
  |           ^^^
  |
  = help: write thumbprint or certificate, or make it an application of its own

1 error, 0 warnings
"#;
    a_pin_without_subject:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
ca = "c"
"#
=> r#"error: application.credential.ca: found a ca beside a thumbprint or certificate, which needs none: it names one certificate already
 --> applications.toml:6:6
  |
6 | ca = "c"
  |      ^^^
  |
  = help: remove ca

1 error, 0 warnings
"#;
    one_credential_name_twice:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumbprint = "t"
[[application.credential]]
name = "n"
thumbprint = "t"
"#
=> r#"error: application.credential.name: found "n" a second time; the first is on line 4
 --> applications.toml:7:8
  |
7 | name = "n"
  |        ^^^
  |
  = help: give each credential of an application a name of its own

1 error, 0 warnings
"#;
    a_misspelt_credential_key:
r#"[[application]]
client_id = "b"
[[application.credential]]
name = "n"
thumb_print = "t"
"#
=> r#"error: application.credential: missing: a credential needs one of thumbprint, certificate, subject_dn, san_dns, san_uri, san_ip or san_email
 --> applications.toml:3:1
  |
3 | [[application.credential]]
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `mtls-edge inspect CERT` prints a credential to paste

error: application.credential.thumb_print: unknown key "thumb_print"
 --> applications.toml:5:1
  |
5 | thumb_print = "t"
  | ^^^^^^^^^^^
  |
  = help: did you mean "thumbprint"?

2 errors, 0 warnings
"#;
}

const MINIMAL: &str = "[[upstream]]\nname = \"a\"\nurls = [\"http://127.0.0.1:1\"]\n[[domain]]\nname = \"M.example.\"\ncertificate = \"c\"\nprivate_key = \"k\"\n";

#[test]
fn a_minimal_file_leaves_the_rest_to_defaults() {
    let (settings, problems, _) = edge(MINIMAL);
    let settings = settings.unwrap();
    assert_eq!(problems, []);
    assert_eq!(settings.listen.https[0].value.to_string(), "0.0.0.0:8443");
    assert_eq!(settings.listen.admin.value.to_string(), "127.0.0.1:9443");
    assert_eq!((settings.limits.connections, settings.limits.header_bytes), (10_000, 32 * 1024));
    assert!(settings.trust.applications.value.is_absolute());
    let domain = &settings.domains[0];
    assert_eq!((domain.name.value.as_str(), domain.upstream), ("m.example", 0));
    assert_eq!(domain.header_profile.value, "auth0");
    assert_eq!(domain.client_auth, super::settings::ClientAuth::Required);
    assert_eq!(domain.routes.len(), 2);
}

#[test]
fn the_shipped_configuration_has_no_problem() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let (settings, problems) = settings(&folder.join("edge.toml"));
    assert_eq!(render(&problems, false), "0 errors, 0 warnings\n");
    let (registry, problems) = applications(&settings.unwrap().trust.applications.value, &named_at());
    assert_eq!(render(&problems, false), "0 errors, 0 warnings\n");
    assert_eq!(registry.unwrap().applications.len(), 2);
}

#[test]
fn a_file_that_is_no_text_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (_, problems) = applications(&folder.path().join("none.toml"), &named_at());
    let shown = problems[0].to_string().replace(&folder.path().display().to_string(), "");
    assert_eq!(shown, "edge.toml:2:16: trust.applications: /none.toml: there is no such file");
    let (_, problems) = settings(folder.path());
    assert_eq!(problems[0].what, "found a directory, expected a TOML file");
    let (_, problems, _) = edge(b"[listen]\nx = \"\xff\"\n");
    assert!(problems[0].to_string().ends_with(
        "edge.toml:2:6: found a byte that is not UTF-8, expected TOML in UTF-8; save the file as UTF-8"
    ));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".*", cut in 0..MINIMAL.len(), insert in "[\\[\\]{}=\"'.,#a-z0-9\\n ]{0,12}") {
        let _ = edge(&text);
        let _ = registry(&text);
        let mangled = format!("{}{insert}{}", &MINIMAL[..cut], &MINIMAL[cut..]);
        let _ = edge(&mangled);
    }
}
