//! `[listen] trusted_proxies` that trust too many.

use super::edge_messages;

messages! { edge_messages:
    proxies_anywhere:
r#"[listen]
trusted_proxies = ["0.0.0.0/0", "::/0"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"warning: listen.trusted_proxies: found 0.0.0.0/0, expected the addresses of load balancers: anyone who connects from there can forge the client address that the logs and the upstream see (by X-Forwarded-For or a PROXY header), and is exempt from connections_per_address
 --> edge.toml:2:20
  |
2 | trusted_proxies = ["0.0.0.0/0", "::/0"]
  |                    ^^^^^^^^^^^
  |
  = help: list only the addresses of your own load balancers, such as "10.0.0.5" or "10.0.0.0/24"

warning: listen.trusted_proxies: found ::/0, expected the addresses of load balancers: anyone who connects from there can forge the client address that the logs and the upstream see (by X-Forwarded-For or a PROXY header), and is exempt from connections_per_address
 --> edge.toml:2:33
  |
2 | trusted_proxies = ["0.0.0.0/0", "::/0"]
  |                                 ^^^^^^
  |
  = help: list only the addresses of your own load balancers, such as "10.0.0.5" or "10.0.0.0/24"

0 errors, 2 warnings
"#;
    proxies_in_both_halves_of_the_internet:
r#"[listen]
trusted_proxies = ["0.0.0.0/1", "128.0.0.0/1"]
[[upstream]]
name = "a"
urls = ["http://127.0.0.1:1"]
[[domain]]
name = "m.example"
certificate = "c"
private_key = "k"
"#
=> r#"warning: listen.trusted_proxies: found 0.0.0.0/1, expected the addresses of load balancers: anyone who connects from there can forge the client address that the logs and the upstream see (by X-Forwarded-For or a PROXY header), and is exempt from connections_per_address
 --> edge.toml:2:20
  |
2 | trusted_proxies = ["0.0.0.0/1", "128.0.0.0/1"]
  |                    ^^^^^^^^^^^
  |
  = help: list only the addresses of your own load balancers, such as "10.0.0.5" or "10.0.0.0/24"

warning: listen.trusted_proxies: found 128.0.0.0/1, expected the addresses of load balancers: anyone who connects from there can forge the client address that the logs and the upstream see (by X-Forwarded-For or a PROXY header), and is exempt from connections_per_address
 --> edge.toml:2:33
  |
2 | trusted_proxies = ["0.0.0.0/1", "128.0.0.0/1"]
  |                                 ^^^^^^^^^^^^^
  |
  = help: list only the addresses of your own load balancers, such as "10.0.0.5" or "10.0.0.0/24"

0 errors, 2 warnings
"#;
}

/// Whether trusting these networks is worth a warning.
fn warns(networks: &[String]) -> bool {
    let text = format!("[listen]\ntrusted_proxies = {networks:?}\n{}", crate::config::testing::MINIMAL);
    edge_messages(&text).contains("listen.trusted_proxies")
}

#[test]
fn trust_in_everybody_is_seen_however_it_is_split() {
    let one = |network: &str| vec![network.to_owned()];
    for wide in ["0.0.0.0/0", "::/0", "2000::/3", "::ffff:0:0/96", "128.0.0.0/1", "10.1.2.3/0", "8.0.0.0/7"] {
        assert!(warns(&one(wide)), "{wide}");
    }
    for fine in [
        "10.0.0.0/8",
        "192.168.0.0/16",
        "127.0.0.1",
        "::1",
        "fc00::/7",
        "fd00::/8",
        "2001:db8::/32",
        "::ffff:10.0.0.0/104",
    ] {
        assert!(!warns(&one(fine)), "{fine}");
    }
    let eighths: Vec<String> = (0..=255).map(|first| format!("{first}.0.0.0/8")).collect();
    assert!(warns(&eighths));
    let every_second: Vec<String> = (0..=255).step_by(2).map(|first| format!("{first}.0.0.0/8")).collect();
    assert!(warns(&every_second));
    let private = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
    ];
    assert!(!warns(&private.map(str::to_owned)));
    let sixteenths: Vec<String> = (0..=255).map(|second| format!("9.{second}.0.0/16")).collect();
    assert!(!warns(&sixteenths));
}

#[test]
fn a_network_in_another_form_is_put_right() {
    for (written, help) in [
        ("10.0.0.1:443", "write \"10.0.0.1\""),
        ("[2001:db8::1]:443", "write \"2001:db8::1\""),
        ("10.0.0.*", "write \"10.0.0.0/24\""),
        ("10.*.*.*", "write \"10.0.0.0/8\""),
        ("10.1.2.3/255.255.0.0", "write \"10.1.0.0/16\""),
        ("10.0.0.0 255.0.0.0", "write \"10.0.0.0/8\""),
        ("localhost", "write \"127.0.0.1\""),
        ("lb.example", "write IP addresses or networks: names are not looked up"),
        ("10.0.0.0/8 ", "write \"10.0.0.0/8\""),
    ] {
        let text = format!("[listen]\ntrusted_proxies = [{written:?}]\n{}", crate::config::testing::MINIMAL);
        let printed = edge_messages(&text);
        assert!(printed.contains(&format!("= help: {help}\n")), "{written}: {printed}");
    }
}
