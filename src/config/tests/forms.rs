//! Values in an unsupported form: the help contains the corrected value.

use crate::config::testing::{MINIMAL, edge};

fn edge_messages(text: &str) -> String {
    edge(text).2
}

#[test]
fn help_corrects_an_address_in_another_form() {
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
        let text = format!("[listen]\nhttps = [{written:?}]\n{MINIMAL}");
        let printed = edge_messages(&text);
        assert!(printed.contains(&format!("= help: {help}\n")), "{written}: {printed}");
    }
}

/// Whether a warning is reported for these trusted networks.
fn warns(networks: &[String]) -> bool {
    let text = format!("[listen]\ntrusted_proxies = {networks:?}\n{MINIMAL}");
    edge_messages(&text).contains("listen.trusted_proxies")
}

#[test]
fn trusted_networks_that_are_too_wide_are_reported() {
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
fn help_corrects_a_network_in_another_form() {
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
        let text = format!("[listen]\ntrusted_proxies = [{written:?}]\n{MINIMAL}");
        let printed = edge_messages(&text);
        assert!(printed.contains(&format!("= help: {help}\n")), "{written}: {printed}");
    }
}

#[test]
fn an_invisible_character_is_named_and_removed() {
    let text = MINIMAL.replace("\"M.example.\"", "\"m\u{200b}.example\"");
    let printed = edge_messages(&text);
    let what = r#"domain.name: found "m\u{200b}.example", which contains an invisible character (U+200B)"#;
    assert!(printed.contains(what) && printed.contains("= help: write \"m.example\"\n"), "{printed}");
}

#[test]
fn a_suggested_line_is_valid_itself() {
    for (from, to, help) in [
        ("private_key", "client_auth = on\nprivate_key", "write client_auth = \"required\""),
        ("private_key", "client_auth = off\nprivate_key", "write client_auth = \"off\""),
        ("[[upstream]]", "[listen]\nproxy_protocol = on\n[[upstream]]", "write proxy_protocol = true"),
        ("[[upstream]]", "[listen]\nhttps = \":8643\"\n[[upstream]]", "write https = [\"0.0.0.0:8643\"]"),
        (
            "[[upstream]]",
            "[listen]\nhttps = \"*:1, [::1]:2\"\n[[upstream]]",
            "write https = [\"0.0.0.0:1\", \"[::1]:2\"]",
        ),
    ] {
        let printed = edge_messages(&MINIMAL.replacen(from, to, 1));
        assert!(printed.contains(&format!("= help: {help}\n")), "{to}: {printed}");
    }
}
