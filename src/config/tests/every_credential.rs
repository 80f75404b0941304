//! The second example of the design document, "Every credential", value by value.

use std::{fs, path::Path};

use crate::{
    access_token::TokenType,
    clock::Timestamp,
    config::{
        Parsed, render,
        settings::{
            Application, Credential, Introspection, KeyFile, KeySetSource, Matcher, RequestKey, SecretSource,
            Settings, TokenIssuer, TokenVerification,
        },
        testing::{NO_PROBLEM, all_applications},
    },
    jose::Algorithm,
    outbound::Schedule,
    site::{Authenticate, SecurityProfile, SignedRequest, TokenRule},
    trust::{AuthMethod, UnknownApplications},
};

const EDGE: &str = r#"
[trust]
unknown_applications = "forward"        # | "refuse"

[[upstream]]
name = "auth-server"
urls = ["http://127.0.0.1:3000"]

[[domain]]
name = "mtls.auth.example.com"
certificate = "certs/server.pem"
private_key = "certs/server.key"
issuer = "https://auth.example.com/"    # `aud` of assertions and request objects, octet by octet
audiences = ["https://auth.example.com/oauth/token"]
profile = "fapi2"

[[domain.route]]
path = "/oauth/par"
authenticate = "client"
signed_request = "require"

[[domain.route]]
path = "/userinfo"
authenticate = "token"
token_issuer = "other"
allow_unbound = true

[[token_issuer]]
name = "as"
issuer = "https://auth.example.com/"
audience = ["https://api.example.com"]
jwks = { url = "https://auth.example.com/jwks", file = "state/jwks.json" }

[[token_issuer]]
name = "other"
issuer = "https://other.example.com"
introspection = { url = "https://other.example.com/introspect", client_id = "edge", secret = { file = "secrets/other" } }
"#;

const APPLICATIONS: &str = r#"
[[application]]
client_id = "reports"
auth_method = "private_key_jwt"
certificate_bound = true
require_signed_request = true
require_pushed_request = true
strict_request_objects = false
[[application.credential]]
name = "2026"
public_key = "keys/reports.pem"
alg = "PS256"                           # RS256 (default), RS384, PS256, ES256, EdDSA
kid = "2026"
expires_at = 2027-06-30T00:00:00Z       # on any kind
[[application.request_key]]
name = "jar"
public_key = "keys/reports-jar.jwk"

[[application]]
client_id = "fetched"
auth_method = "private_key_jwt"
jwks_uri = { url = "https://reports.example/jwks.json", file = "state/reports.json" }

[[application]]
client_id = "secret"
auth_method = "client_secret_basic"
[[application.credential]]
name = "a"
secret_sha256 = "2BB80D537B1DA3E38BD30361AA855686BDE0EACD7162FEF6A25FE97BF527A25B"
[[application.credential]]
name = "b"
secret_sha256 = "__________________________________________8"

[[application]]
client_id = "by-the-server"
auth_method = "client_secret_post"

[[application]]
client_id = "public"
auth_method = "none"

[[application]]
client_id = "pinned"
auth_method = "self_signed_tls_client_auth"
[[application.credential]]
name = "key"
public_key = "keys/pinned.pem"
"#;

fn read(folder: &Path) -> (Settings, Vec<Application>) {
    fs::write(folder.join("edge.toml"), EDGE).unwrap();
    fs::write(folder.join("applications.toml"), APPLICATIONS).unwrap();
    let Parsed { settings, problems, .. } = crate::config::settings(&folder.join("edge.toml").into());
    assert_eq!(render(&problems, false), NO_PROBLEM);
    let settings = settings.unwrap();
    let registry = &settings.trust.applications;
    let (applications, problems) = all_applications(&registry.value, &registry.span);
    assert_eq!(render(&problems, false), NO_PROBLEM);
    (settings, applications.unwrap())
}

#[test]
fn the_edge_example_of_every_credential_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, _) = read(folder.path());
    assert_eq!(settings.trust.unknown_applications.value, UnknownApplications::Forward);
    let [domain] = settings.domains.try_into().unwrap();
    assert_eq!(domain.issuer.unwrap().value, "https://auth.example.com/");
    let audiences: Vec<_> = domain.audiences.iter().map(|audience| audience.value.as_str()).collect();
    assert_eq!(audiences, ["https://auth.example.com/oauth/token"]);
    assert_eq!(domain.security_profile.unwrap().value, SecurityProfile::Fapi2);
    let [par, userinfo] = domain.routes.try_into().unwrap();
    assert_eq!(
        (par.spec.authenticate, par.spec.signed_request),
        (Authenticate::Client, SignedRequest::Require)
    );
    assert_eq!((par.authenticate.line(), par.signed_request.line()), (19, 20));
    let rule = TokenRule { issuer: 1, allow_unbound: true };
    assert_eq!(
        (userinfo.spec.authenticate, userinfo.spec.signed_request),
        (Authenticate::Token(rule), SignedRequest::Off)
    );
    let [jwks, introspected] = settings.token_issuers.try_into().unwrap();
    let TokenIssuer { name, issuer, audience, typ, verification } = jwks;
    assert_eq!((name.value.as_str(), issuer.value.as_str()), ("as", "https://auth.example.com/"));
    assert_eq!((audience, typ), (vec!["https://api.example.com".to_owned()], TokenType::AtJwt));
    let TokenVerification::KeySet(source) = verification else { panic!("{verification:?}") };
    check_source(&source, "https://auth.example.com/jwks", &folder.path().join("state/jwks.json"));
    assert!(introspected.audience.is_empty());
    let TokenVerification::Introspection(endpoint) = introspected.verification else { panic!() };
    let Introspection { url, client_id, secret, ca, timeout } = endpoint;
    assert_eq!(url.value.to_string(), "https://other.example.com/introspect");
    assert_eq!((client_id.value.as_str(), ca, timeout), ("edge", None, Introspection::TIMEOUT));
    assert_eq!(secret.value, SecretSource::File(folder.path().join("secrets/other")));
}

fn check_source(source: &KeySetSource, from: &str, cache: &Path) {
    let KeySetSource { url, file, schedule, ca } = source;
    assert_eq!((url.value.to_string().as_str(), file.value.as_path()), (from, cache));
    assert_eq!((*schedule, ca), (Schedule::default(), &None));
}

#[test]
fn the_applications_example_of_every_credential_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (_, applications) = read(folder.path());
    let methods: Vec<_> = applications.iter().map(|application| application.auth_method.value).collect();
    let expected = [
        AuthMethod::PrivateKeyJwt,
        AuthMethod::PrivateKeyJwt,
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::None,
        AuthMethod::SelfSignedTls,
    ];
    assert_eq!(methods, expected);
    let [reports, fetched, secret, by_the_server, public, pinned] = applications.try_into().unwrap();
    let rules = &reports.rules;
    let rules = [&rules.require_signed_request, &rules.require_pushed_request, &rules.strict_request_objects];
    assert_eq!(rules.map(|rule| rule.value), [true, true, false]);
    assert!(reports.certificate_bound.unwrap().certificates.is_empty() && reports.jwks_uri.is_none());
    let [Credential { matcher, expires_at, .. }] = reports.credentials.try_into().unwrap();
    let Matcher::PublicKey(KeyFile { file, alg, kid }) = matcher else { panic!("{matcher:?}") };
    assert_eq!(file.value, folder.path().join("keys/reports.pem"));
    assert_eq!((alg.unwrap().value, kid.unwrap().value.as_str()), (Algorithm::PS256, "2026"));
    assert_eq!(expires_at.unwrap().value, Timestamp::from_unix(1_814_313_600));
    let [RequestKey { name, key, expires_at }] = reports.request_keys.try_into().unwrap();
    assert_eq!((name.value.as_str(), key.alg, key.kid, expires_at), ("jar", None, None, None));
    assert_eq!(key.file.value, folder.path().join("keys/reports-jar.jwk"));

    assert!(fetched.credentials.is_empty() && fetched.certificate_bound.is_none());
    let cache = folder.path().join("state/reports.json");
    check_source(&fetched.jwks_uri.unwrap(), "https://reports.example/jwks.json", &cache);

    let hashes = secret.credentials.iter().map(|credential| match &credential.matcher {
        Matcher::SecretSha256(hash) => hash.value.0,
        other => panic!("{other:?}"),
    });
    assert_eq!(hashes.map(|hash| hash[0]).collect::<Vec<_>>(), [0x2b, 0xff]);
    assert!(by_the_server.credentials.is_empty() && public.credentials.is_empty());
    let Matcher::PublicKey(key) = &pinned.credentials[0].matcher else { panic!() };
    assert!(key.alg.is_none() && key.kid.is_none());
}
