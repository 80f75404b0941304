//! `[listen]` and `[log]`.

use super::edge_messages;

messages! { edge_messages:
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
    an_admin_host_with_a_port:
r#"[listen]
admin_hosts = ["edge.internal:9443"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.admin_hosts: found "edge.internal:9443", expected a host name without a port
 --> edge.toml:2:16
  |
2 | admin_hosts = ["edge.internal:9443"]
  |                ^^^^^^^^^^^^^^^^^^^^
  |
  = help: write "edge.internal"

1 error, 0 warnings
"#;
    an_admin_host_that_is_an_address:
r#"[listen]
admin_hosts = ["10.0.0.1"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.admin_hosts: found "10.0.0.1", expected a host name
 --> edge.toml:2:16
  |
2 | admin_hosts = ["10.0.0.1"]
  |                ^^^^^^^^^^
  |
  = help: leave it out: the admin address can be called by any IP address

1 error, 0 warnings
"#;
    an_admin_host_that_is_a_url:
r#"[listen]
admin_hosts = ["http://edge.internal/"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"error: listen.admin_hosts: found "http://edge.internal/", expected a host name
 --> edge.toml:2:16
  |
2 | admin_hosts = ["http://edge.internal/"]
  |                ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write a name such as edge.internal

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
}

#[test]
fn an_address_in_another_form_is_put_right() {
    for (written, help) in [
        ("8443", "write \"0.0.0.0:8443\""),
        ("443/tcp", "write \"0.0.0.0:443\""),
        ("*:8443", "write \"0.0.0.0:8443\""),
        ("[*]:8443", "write \"[::]:8443\""),
        ("localhost:443", "write \"127.0.0.1:443\""),
        ("https://10.0.0.1:8443/", "write \"10.0.0.1:8443\""),
        ("10.0.0.1", "write \"10.0.0.1:8443\""),
        ("::1", "write \"[::1]:8443\""),
        ("[::]", "write \"[::]:8443\""),
        ("::1:8443", "write \"[::1]:8443\""),
        ("0.0.0.0:99999", "write \"0.0.0.0:8443\", with the port of your choice"),
        ("unix:/run/edge.sock", "write \"0.0.0.0:8443\": Unix sockets are not supported"),
        (
            "edge.example:443",
            "write an IP address of this machine, or \"0.0.0.0:443\" for all: names are not looked up",
        ),
    ] {
        let text = format!("[listen]\nhttps = [{written:?}]\n{}", crate::config::testing::MINIMAL);
        let printed = edge_messages(&text);
        assert!(printed.contains(&format!("= help: {help}\n")), "{written}: {printed}");
    }
}
