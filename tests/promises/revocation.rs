//! A revoked credential is refused at the next request, on every kind of connection.

use std::fs;

use rcgen::SerialNumber;

use crate::support::{
    Ca, Client, Connection, Credentials, Edge, EdgeBuilder, Held, Upstream,
    admin::status,
    certificates::{self_signed_with, time_from_now},
    client::token_request,
    self_signed,
};

const OTHER_DOMAIN: &str = "other.example.test";

/// The ways to withdraw trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Credential,
    Application,
    Authority,
    Serial,
}

/// An edge that trusts a client in the way that `removal` withdraws.
struct Trusted {
    edge: Edge,
    client: Credentials,
    removal: Removal,
    ca: Ca,
}

impl Trusted {
    fn start(upstream: &str, removal: Removal) -> Self {
        let ca = Ca::new("Client CA");
        let routes = "[[domain.route]]\npath = \"/oauth/token\"";
        let builder = EdgeBuilder::new(upstream)
            .domain(crate::support::DOMAIN, routes)
            .domain(OTHER_DOMAIN, routes)
            .trust("client-ca", &ca.pem())
            .file("client.crl", ca.crl(&[]))
            .trust_settings("crls = [\"client.crl\"]");
        let spare = format!("thumbprint = \"{}\"", self_signed("spare").thumbprint());
        let (client, builder) = match removal {
            Removal::Credential | Removal::Application => {
                let client = self_signed("client");
                let own = format!("thumbprint = \"{}\"", client.thumbprint());
                (client, builder.application("client", "self_signed_tls_client_auth", &[own, spare]))
            }
            Removal::Authority | Removal::Serial => {
                let client =
                    ca.issue("client", |params| params.serial_number = Some(SerialNumber::from(4711u64)));
                let own = "subject_dn = \"CN=client,O=Example Bank,C=DE\"";
                (client, builder.ca_application("client", own))
            }
        };
        Self { edge: builder.start(), client, removal, ca }
    }

    /// Withdraws the trust, and waits until that is in force.
    fn withdraw(&self) {
        let folder = self.edge.folder.path();
        let (file, text) = match self.removal {
            Removal::Credential => {
                let text = fs::read_to_string(folder.join("applications.toml")).unwrap();
                let own = format!(
                    "[[application.credential]]\nname = \"c0\"\nthumbprint = \"{}\"\n",
                    self.client.thumbprint()
                );
                assert!(text.contains(&own), "{text}");
                ("applications.toml", text.replace(&own, ""))
            }
            Removal::Application => ("applications.toml", "# nobody\n".to_owned()),
            Removal::Authority => ("client-ca.pem", Ca::new("Other CA").pem()),
            Removal::Serial => ("client.crl", self.ca.crl(&[4711])),
        };
        self.edge.reload(file, &text);
    }

    fn client(&self) -> Client {
        Client::with(&self.edge, &self.client)
    }
}

/// A connection on which one request was served.
async fn used(client: &Client) -> Connection {
    let mut connection = client.connect().await;
    assert_eq!(connection.token("client").await.status, 200);
    connection
}

/// Asserts that the next request is refused, and the connection is closed.
async fn assert_refused(mut connection: Connection) {
    connection.token("client").await.oauth_error(401, "invalid_client");
    connection.closed().await;
}

async fn every_connection_is_refused_after(removal: Removal) {
    let upstream = Upstream::start().await;
    let trusted = Trusted::start(&upstream.url(), removal);
    let http1 = used(&trusted.client()).await;
    let http2 = used(&trusted.client().http2()).await;
    let resuming: Vec<Client> = [&rustls::version::TLS12, &rustls::version::TLS13]
        .into_iter()
        .map(|version| Client::build(&trusted.edge, &[version], Some(&trusted.client)).resuming())
        .collect();
    for client in &resuming {
        drop(used(client).await);
        assert!(used(client).await.resumed, "{removal:?}");
    }
    let mut other = trusted.client().server_name(OTHER_DOMAIN).connect().await;
    let on_other = || {
        let mut request = token_request("client");
        request.headers_mut().insert("host", OTHER_DOMAIN.parse().unwrap());
        request
    };
    assert_eq!(other.send(on_other()).await.status, 200);
    let served = upstream.seen().len();

    trusted.withdraw();

    assert_refused(http1).await;
    assert_refused(http2).await;
    for client in &resuming {
        let connection = client.connect().await;
        assert!(connection.resumed, "{removal:?}");
        assert_refused(connection).await;
    }
    other.send(on_other()).await.oauth_error(401, "invalid_client");
    other.closed().await;
    assert_refused(trusted.client().connect().await).await;
    assert_eq!(upstream.seen().len(), served);
    trusted.edge.stop();
}

#[tokio::test]
async fn a_removed_credential_is_refused_on_every_connection() {
    every_connection_is_refused_after(Removal::Credential).await;
}

#[tokio::test]
async fn a_removed_application_is_refused_on_every_connection() {
    every_connection_is_refused_after(Removal::Application).await;
}

#[tokio::test]
async fn a_removed_authority_is_refused_on_every_connection() {
    every_connection_is_refused_after(Removal::Authority).await;
}

#[tokio::test]
async fn a_serial_in_a_crl_is_refused_on_every_connection() {
    every_connection_is_refused_after(Removal::Serial).await;
}

#[tokio::test]
async fn streams_in_flight_finish_and_the_next_is_refused() {
    for removal in [Removal::Credential, Removal::Application, Removal::Authority, Removal::Serial] {
        let mut held = Held::start().await;
        let trusted = Trusted::start(&held.url(), removal);
        let mut connection = trusted.client().http2().connect().await;
        let in_flight = [connection.start_token("client"), connection.start_token("client")];
        for _ in &in_flight {
            held.arrived().await;
        }
        trusted.withdraw();
        connection.token("client").await.oauth_error(401, "invalid_client");
        held.release(2);
        for request in in_flight {
            assert_eq!(request.await.unwrap().status, 200, "{removal:?}");
        }
        connection.closed().await;
        trusted.edge.stop();
    }
}

#[tokio::test]
async fn a_certificate_expires_on_an_open_connection() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let end = time_from_now(600).replace_nanosecond(0).unwrap();
    let own = self_signed_with("own", |params| params.not_after = end);
    let issued = ca.issue("issued", |params| params.not_after = end);
    let intermediate = ca.intermediate("Ending", |params| params.not_after = end);
    let below = intermediate.issue("below", |_| {});
    let mut edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("client-ca", &ca.pem())
        .self_signed_application("own", &[own.thumbprint()])
        .ca_application("issued", "subject_dn = \"CN=issued,O=Example Bank,C=DE\"")
        .ca_application("below", "subject_dn = \"CN=below,O=Example Bank,C=DE\"")
        .clock(end)
        .start();
    let mut open = Vec::new();
    for (id, credentials) in [("own", &own), ("issued", &issued), ("below", &below)] {
        let client = Client::with(&edge, credentials);
        for client in [client.clone(), client.http2()] {
            let mut connection = client.connect().await;
            assert_eq!(connection.token(id).await.status, 200, "{id}");
            open.push((id, connection));
        }
    }
    edge.set_clock(end + time::Duration::SECOND);
    for (id, mut connection) in open {
        connection.token(id).await.oauth_error(401, "invalid_client");
        connection.closed().await;
    }
    assert_eq!(upstream.seen().len(), 6);
    edge.stop();
}

#[tokio::test]
async fn a_stricter_client_auth_applies_to_old_sessions() {
    let upstream = Upstream::start().await;
    let route = "[[domain.route]]\npath = \"/oauth/token\"\nauthenticate = \"none\"";
    let edge = EdgeBuilder::new(upstream.url())
        .domain(crate::support::DOMAIN, &format!("client_auth = \"optional\"\n{route}"))
        .start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = Client::build(&edge, &[version], None).resuming();
        drop(used(&client).await);
        assert!(used(&client).await.resumed);
        let open = used(&client).await;
        let text = fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
        edge.reload("edge.toml", &text.replace("\"optional\"", "\"required\""));
        assert_refused(open).await;
        client.refused().await;
        edge.reload("edge.toml", &text);
    }
    edge.stop();
}

#[tokio::test]
async fn a_crl_of_another_ca_does_not_replace_the_one_in_force() {
    let upstream = Upstream::start().await;
    let trusted = Trusted::start(&upstream.url(), Removal::Serial);
    trusted.withdraw();
    trusted.client().token("client").await.oauth_error(401, "invalid_client");

    let file = trusted.edge.folder.path().join("client.crl");
    fs::write(&file, Ca::new("Other CA").crl(&[])).unwrap();
    let line = trusted.edge.wait_for_log("client.crl does not contain the CRL of the client CA");
    assert!(line.contains("\"reload rejected; keeping the active configuration\""), "{line}");
    trusted.client().token("client").await.oauth_error(401, "invalid_client");
    let problem = &status(&trusted.edge, "").await["health"]["problems"][0];
    assert_eq!(problem["code"], "reload_rejected", "{problem}");

    // Its operator removes it on purpose.
    let config = fs::read_to_string(trusted.edge.folder.path().join("edge.toml")).unwrap();
    trusted.edge.reload("edge.toml", &config.replace("crls = [\"client.crl\"]", "crls = []"));
    assert_eq!(trusted.client().token("client").await.status, 200);
    assert_eq!(status(&trusted.edge, "").await["health"]["state"], "healthy");
}

#[tokio::test]
async fn the_only_crl_of_a_ca_applies_before_its_date() {
    let upstream = Upstream::start().await;
    let trusted = Trusted::start(&upstream.url(), Removal::Serial);
    trusted.withdraw();
    trusted.edge.reload("client.crl", &trusted.ca.crl_between(&[4711], 3600, 86_400));
    trusted.client().token("client").await.oauth_error(401, "invalid_client");
}
