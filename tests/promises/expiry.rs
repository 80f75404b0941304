//! What expires while the edge runs is logged: warnings in time, and one line at the end.

use mtls_edge::clock::Timestamp;
use serde_json::Value;
use time::OffsetDateTime;

use crate::support::{Ca, DOMAIN, Edge, EdgeBuilder, certificates::time_from_now, self_signed};

const DAY: i64 = 86_400;
/// Nothing listens on the reserved port 1 of loopback.
const UPSTREAM: &str = "https://127.0.0.1:1";

fn written(time: OffsetDateTime) -> String {
    Timestamp::from(time).to_string()
}

/// The lines about what expires, each as an object.
fn lines(edge: &Edge) -> Vec<Value> {
    let log = edge.log();
    let lines = log.lines().filter(|line| line.contains("\"target\":\"mtls_edge::expiry"));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn messages(lines: &[Value]) -> Vec<(&str, &str)> {
    let of = |line| {
        let line: &Value = line;
        (line["level"].as_str().unwrap(), line["message"].as_str().unwrap())
    };
    lines.iter().map(of).collect()
}

/// Registers an application with a credential that expires tomorrow by the edge's clock, and waits for its warning: everything has been
/// read again by then.
fn read_again(edge: &Edge, now: OffsetDateTime, name: &str) {
    let file = std::fs::read_to_string(edge.folder.path().join("applications.toml")).unwrap();
    let application = format!(
        "[[application]]\nclient_id = \"{name}\"\nauth_method = \"self_signed_tls_client_auth\"\n[[application.credential]]\nname = \"only\"\nthumbprint = \"{}\"\nexpires_at = {}\n",
        self_signed(name).thumbprint(),
        written(now + time::Duration::HOUR)
    );
    edge.reload("applications.toml", &format!("{file}\n{application}"));
    edge.wait_for_log(&format!("\"client_id\":\"{name}\",\"credential\":\"only\""));
}

/// An edge with one of everything that expires: from `first` seconds from now on, one each minute.
fn with_everything(first: i64, trust: &str) -> EdgeBuilder {
    let end = |number: i64| time_from_now(first + 60 * number);
    let ca = Ca::with("Client CA", |params| params.not_after = end(3));
    let builder = EdgeBuilder::new(UPSTREAM)
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .file("ca.crl", ca.crl_between(&[7], -3600, first + 240))
        .trust_settings(&format!("crls = [\"ca.crl\"]\n{trust}"))
        .file("upstream-ca.pem", Ca::new("Upstream CA").pem())
        .upstream("ca = \"upstream-ca.pem\"\nclient_certificate = \"edge.pem\"\nprivate_key = \"edge.key\"")
        .application(
            "payments",
            "tls_client_auth",
            &[format!("subject_dn = \"CN=payments,O=Example Bank,C=DE\"\nexpires_at = {}", written(end(5)))],
        )
        .extra("[admin]\ncertificate = \"admin.pem\"\nprivate_key = \"admin.key\"");
    let server =
        |name: &str, number| Ca::new("CA").server_with(&[name], |params| params.not_after = end(number));
    server(DOMAIN, 0).write(builder.path(), DOMAIN);
    server("localhost", 1).write(builder.path(), "admin");
    server("edge", 2).write(builder.path(), "edge");
    builder
}

#[test]
fn the_end_of_everything_is_logged_once() {
    let start = time_from_now(0);
    let mut edge = with_everything(600, "").clock(start).start();
    let warned = [
        "server certificate expires soon",
        "admin certificate expires soon",
        "upstream client certificate expires soon",
        "client CA expires soon",
        "credential expires soon",
    ];
    edge.wait_for_log(warned[4]);
    assert_eq!(messages(&lines(&edge)), warned.map(|message| ("WARN", message)), "no CRL lives for days");

    let over = start + time::Duration::hours(1);
    edge.set_clock(over);
    edge.wait_for_log("\"credential has expired\"");
    let all = lines(&edge);
    let ended = &all[warned.len()..];
    let expected = [
        "server certificate has expired",
        "admin certificate has expired",
        "upstream client certificate has expired",
        "client CA has expired",
        "CRL is stale",
        "credential has expired",
    ];
    assert_eq!(messages(ended), expected.map(|message| ("ERROR", message)));
    let names = [
        ("domain", DOMAIN),
        ("message", expected[1]),
        ("upstream", "as"),
        ("subject", "Client CA"),
        ("issuer", "Client CA"),
        ("client_id", "payments"),
    ];
    for (number, (line, (field, name))) in (0..).zip(ended.iter().zip(names)) {
        assert!(line[field].as_str().unwrap().contains(name), "{line}");
        let end = written(start + time::Duration::seconds(600 + 60 * number));
        assert_eq!(line["expires"], end.as_str(), "{line}");
        assert!(line["then"].is_string() && line["help"].is_string(), "{line}");
        assert!(line.get("days_left").is_none(), "{line}");
    }
    assert_eq!(ended[0]["then"], "clients abort handshakes with this domain");
    assert_eq!(ended[4]["then"], "the certificates of this CA are refused");
    assert_eq!(
        (&ended[5]["credential"], &ended[5]["table"]),
        (&"c0".into(), &"application.credential".into())
    );

    read_again(&edge, over, "another");
    assert_eq!(lines(&edge).len(), all.len() + 1, "each once: {:#?}", lines(&edge));
    edge.stop();
}

#[test]
fn a_renewed_certificate_is_not_reported_as_expired() {
    let start = time_from_now(0);
    let mut edge = with_everything(600, "stale_crl = \"report\"").clock(start).start();
    edge.wait_for_log("\"credential expires soon\"");
    let renewed = Ca::new("CA").server(&[DOMAIN]);
    renewed.write(edge.folder.path(), DOMAIN);
    edge.wait_for_log(&format!("changed TLS of domain {DOMAIN}"));
    let over = start + time::Duration::hours(1);
    edge.set_clock(over);
    edge.wait_for_log("\"credential has expired\"");
    let log = lines(&edge);
    assert!(!messages(&log).contains(&("ERROR", "server certificate has expired")), "{log:#?}");
    // Nothing is refused by this CRL.
    let crl = log.iter().find(|line| line["message"] == "CRL is stale").unwrap();
    assert_eq!(
        (&crl["level"], &crl["then"]),
        (&"WARN".into(), &"the certificates of this CA are judged by the stale CRL".into())
    );
    edge.stop();
}

#[test]
fn a_clock_that_is_set_back_hides_no_end() {
    let start = time_from_now(0);
    let mut edge = with_everything(600, "").clock(start).start();
    edge.set_clock(start + time::Duration::hours(2));
    edge.wait_for_log("\"credential has expired\"");
    edge.set_clock(start);
    read_again(&edge, start, "another");
    edge.set_clock(start + time::Duration::minutes(90));
    edge.wait_for_logs("\"credential has expired\"", 2);
    let all = lines(&edge);
    assert_eq!(all.last().unwrap()["client_id"], "another", "{all:#?}");
    edge.stop();
}

#[test]
fn certificates_are_warned_of_later_than_client_cas() {
    let start = time_from_now(0);
    let mut edge = with_everything(20 * DAY, "").clock(start).start();
    edge.wait_for_log("\"credential expires soon\"");
    let others = ["client CA expires soon", "credential expires soon"];
    assert_eq!(messages(&lines(&edge)), others.map(|message| ("WARN", message)));
    edge.set_clock(start + time::Duration::days(7));
    edge.wait_for_logs("\"credential expires soon\"", 2);
    let all = lines(&edge);
    let server = &all[2];
    assert_eq!(
        (&server["message"], &server["days_left"]),
        (&"server certificate expires soon".into(), &13.into())
    );
    assert_eq!(
        server["help"],
        "renew it, and replace the domain's files `certificate` and `private_key`; the edge reloads them"
    );
    assert!(server.get("then").is_none(), "{server}");
    assert_eq!(all.len(), 2 + 5, "{all:#?}");
    edge.stop();
}

#[test]
fn what_had_expired_before_the_start_is_reported_at_the_start() {
    let ca = Ca::with("Client CA", |params| params.not_after = time_from_now(-60));
    let edge = EdgeBuilder::new("http://127.0.0.1:1")
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .self_signed_application("billing", &[self_signed("billing").thumbprint()])
        .start();
    let line = edge.wait_for_log("\"WARN\"");
    assert!(line.contains("client CA \\\"CN=Client CA") && line.contains("expired"), "{line}");
    read_again(&edge, time_from_now(0), "another");
    assert_eq!(lines(&edge).len(), 1, "{:#?}", lines(&edge));
    edge.stop();
}

#[test]
fn of_many_credentials_that_end_at_once_a_hundred_are_named() {
    let start = time_from_now(0);
    let end = written(start + time::Duration::minutes(10));
    let registered = |number: usize| {
        format!(
            "[[application]]\nclient_id = \"app-{number}\"\nauth_method = \"self_signed_tls_client_auth\"\n[[application.credential]]\nname = \"only\"\nthumbprint = \"{number:064x}\"\nexpires_at = {end}\n"
        )
    };
    let mut edge = EdgeBuilder::new(UPSTREAM)
        .usual_domain("auth0")
        .applications_file("many.toml")
        .file("many.toml", (0..130).map(registered).collect::<String>())
        .clock(start)
        .start();
    edge.wait_for_log("\"other credentials expire soon\"");
    edge.set_clock(start + time::Duration::hours(1));
    edge.wait_for_log("\"other credentials have expired\"");
    let all = lines(&edge);
    assert_eq!(all.len(), 2 * (100 + 1), "{:#?}", messages(&all));
    for (lines, level, event) in [
        (&all[..101], "WARN", ["expires soon", "expire soon"]),
        (&all[101..], "ERROR", ["has expired", "have expired"]),
    ] {
        let [one, others] = [format!("credential {}", event[0]), format!("other credentials {}", event[1])];
        let (last, named) = lines.split_last().unwrap();
        assert!(messages(named).iter().all(|message| *message == (level, one.as_str())), "{named:#?}");
        assert_eq!(messages(std::slice::from_ref(last)), [(level, others.as_str())]);
        assert_eq!((&last["others"], &last["expires"]), (&30.into(), &end.as_str().into()), "{last}");
        assert!(last["help"].as_str().unwrap().contains("`mtls-edge status --expiring`"), "{last}");
    }
    edge.stop();
}
