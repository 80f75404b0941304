//! Tests of the settings that valid configurations result in, of the schema, and of help for invalid values.

mod choices;
mod design;
mod every_credential;
mod file;
mod forms;
mod include;
mod shipped;
mod suggest;
mod variables;

use super::testing;
use crate::tls::ClientAuth;

#[test]
fn a_minimal_file_gets_the_defaults() {
    let (settings, problems, _) = testing::edge(testing::MINIMAL);
    let settings = settings.unwrap();
    assert_eq!(problems, []);
    assert_eq!(settings.listen.https[0].value.to_string(), "0.0.0.0:8443");
    assert_eq!(settings.listen.admin.value, "127.0.0.1:9443".parse().ok());
    assert!(settings.trust.applications.value.is_absolute());
    let domain = &settings.domains[0];
    assert_eq!((domain.name.value.as_str(), domain.upstream), ("m.example", 0));
    assert_eq!(domain.header_profile.value, "auth0");
    assert_eq!(domain.tls.client_auth, ClientAuth::Required);
    assert_eq!(domain.routes.len(), 2);
}
