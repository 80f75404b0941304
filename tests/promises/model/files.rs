//! The configuration files for the model's trust.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use super::{
    certificates::{CERTIFICATES, ISSUERS, Issuer, signed},
    trust::{Authenticate, Credential, Route, Trust},
};
use crate::support::{DOMAIN, Edge, EdgeBuilder, certificates::pem};

/// The contents of the files that change.
pub type Files = BTreeMap<String, String>;

/// The name of the registry sorts last, so that it is written after the other files.
pub const REGISTRY: &str = "registry.toml";

/// Starts an edge with this trust.
pub fn start(upstream: &str, trust: &Trust) -> Edge {
    let [cas, crls, stale, client_auth, token, other] = lines(trust);
    assert_eq!(cas, "client_ca = [\"corp.pem\", \"twin.pem\"]", "as the builder writes it");
    let route = |route: Route, authenticate: &str| {
        format!("[[domain.route]]\npath = \"{}\"\n{authenticate}\n", route.path())
    };
    let settings = format!(
        "header_profile = \"model\"\n{client_auth}\n{}{}",
        route(Route::Token, &token),
        route(Route::Other, &other)
    );
    let mut builder = EdgeBuilder::new(upstream)
        .domain(DOMAIN, &settings)
        .extra("[[header_profile]]\nname = \"model\"\nheaders = { x-model-thumbprint = \"thumbprint-hex\", x-model-verdict = \"verdict\" }")
        .trust("corp", &Issuer::Corp.ca().pem())
        .trust("twin", &Issuer::Twin.ca().pem())
        .file("intermediate.pem", pem(&Issuer::Intermediate.ca().der()))
        .trust_settings(&format!("{crls}\n{stale}"))
        .applications_file(REGISTRY)
        .environment("RUST_LOG", "mtls_edge=info");
    for certificate in CERTIFICATES {
        builder = builder.file(&format!("{certificate:?}.pem"), certificate.credentials().chain_pem());
    }
    // Later versions are derived from this `edge.toml`.
    for (name, text) in written("", trust, 0) {
        if name != "edge.toml" {
            builder = builder.file(&name, text);
        }
    }
    builder.start()
}

/// The `edge.toml` with which [`start`] started the edge.
pub fn first_configuration(edge: &Edge) -> String {
    fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap()
}

/// All files for this trust. `mark` names an application by which the log shows that this version is active.
pub fn written(first: &str, trust: &Trust, mark: u32) -> Files {
    let changes = lines(&Trust::first()).into_iter().zip(lines(trust));
    let configuration = changes.fold(first.to_owned(), |text, (from, to)| text.replace(&from, &to));
    let mut files = Files::from([("edge.toml".to_owned(), configuration)]);
    for issuer in ISSUERS.into_iter().filter(|issuer| trusted(trust, *issuer)) {
        files.insert(format!("{}.crl", issuer.file()), signed(issuer, &trust.lists[&issuer]));
    }
    files.insert(REGISTRY.to_owned(), registry(trust, mark));
    files
}

/// The client_id of the application that marks a version.
pub fn mark(mark: u32) -> String {
    format!("mark-{mark:06}")
}

fn trusted(trust: &Trust, issuer: Issuer) -> bool {
    issuer.path().iter().any(|ca| trust.authorities.contains(ca))
}

/// The lines of `edge.toml` that change. The CRL of a CA is only configured while the CA is trusted.
fn lines(trust: &Trust) -> [String; 6] {
    let list = |names: Vec<String>| names.join(", ");
    let cas = trust.authorities.iter().map(|ca| format!("\"{}.pem\"", ca.file())).collect();
    let crls = ISSUERS
        .iter()
        .filter(|issuer| trusted(trust, **issuer))
        .map(|ca| format!("\"{}.crl\"", ca.file()))
        .collect();
    let stale = if trust.judge_by_stale_lists { "report" } else { "refuse" };
    let client_auth = if trust.require_certificate { "required" } else { "optional" };
    let route = |route: Route| {
        let authenticate = match trust.routes[&route] {
            Authenticate::Client => "client",
            Authenticate::Certificate => "certificate",
            Authenticate::None => "none",
        };
        format!("authenticate = \"{authenticate}\" # {route:?}")
    };
    [
        format!("client_ca = [{}]", list(cas)),
        format!("crls = [{}]", list(crls)),
        format!("stale_crl = \"{stale}\""),
        format!("client_auth = \"{client_auth}\""),
        route(Route::Token),
        route(Route::Other),
    ]
}

fn registry(trust: &Trust, mark: u32) -> String {
    let mut text = if trust.unknown_key { "colour = \"red\"\n".to_owned() } else { String::new() };
    let _ = writeln!(
        text,
        "[[application]]\nclient_id = \"{}\"\n[[application.credential]]\nname = \"mark\"\nthumbprint = \"{mark:064x}\"",
        self::mark(mark)
    );
    for (application, credentials) in &trust.applications {
        let _ = writeln!(text, "[[application]]\nclient_id = \"{}\"", application.client_id());
        for (number, credential) in credentials.iter().enumerate() {
            let _ = writeln!(text, "[[application.credential]]\nname = \"c{number}\"\n{}", key(*credential));
        }
    }
    text
}

fn key(credential: Credential) -> String {
    let pin = |pin: Option<Issuer>| pin.map_or(String::new(), |ca| format!("\nca = \"{}.pem\"", ca.file()));
    match credential {
        Credential::Thumbprint(certificate) => format!("thumbprint = \"{}\"", certificate.thumbprint()),
        Credential::File(certificate) => format!("certificate = \"{certificate:?}.pem\""),
        Credential::Dn(name, ca) => {
            format!("subject_dn = \"CN={},O=Example Bank,C=DE\"{}", name.common(), pin(ca))
        }
        Credential::Dns(name, ca) => format!("san_dns = \"{}.example.com\"{}", name.common(), pin(ca)),
    }
}
