//! Common clients: curl and `openssl s_client`.

use tempfile::TempDir;

use crate::support::{
    Ca, Credentials, DOMAIN, Edge, EdgeBuilder, Upstream, certificates, self_signed,
    tool::openssl,
    tool::{Said, run_tool},
};

/// An edge with an application of each method, and a folder with the tools' files.
struct Setup {
    edge: Edge,
    upstream: Upstream,
    folder: TempDir,
}

impl Setup {
    async fn new() -> Self {
        let upstream = Upstream::start().await;
        let folder = TempDir::new().unwrap();
        let root = Ca::new("Corp Root CA");
        let (own, issued) =
            (self_signed("own"), root.intermediate("Corp CA", |_| {}).issue("issued", |_| {}));
        own.write(folder.path(), "own");
        issued.write(folder.path(), "issued");
        self_signed("own").write(folder.path(), "stranger");
        openssl(folder.path(), &["genpkey", "-algorithm", "RSA", "-out", "rsa.key"]);
        openssl(
            folder.path(),
            &["req", "-x509", "-key", "rsa.key", "-subj", "/CN=rsa", "-days", "3", "-out", "rsa.pem"],
        );
        let rsa = Credentials::read(&folder.path().join("rsa.pem"), &folder.path().join("rsa.key"));
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("root", &root.pem())
            .self_signed_application("own", &[own.thumbprint()])
            .self_signed_application("rsa", &[rsa.thumbprint()])
            .ca_application("issued", "subject_dn = \"CN=issued,O=Example Bank,C=DE\"")
            .start();
        std::fs::write(folder.path().join("server-ca.pem"), certificates::pem(&edge.server_ca)).unwrap();
        Self { edge, upstream, folder }
    }

    /// Sends a token request with curl; `certificate` is the file name of a certificate and of its key.
    async fn curl(&self, options: &[&str], certificate: Option<&str>, client_id: &str) -> Said {
        let port = self.edge.https.port();
        let (resolve, url) =
            (format!("{DOMAIN}:{port}:127.0.0.1"), format!("https://{DOMAIN}:{port}/oauth/token"));
        let form = format!("grant_type=client_credentials&client_id={client_id}");
        let (pem, key) = (
            format!("{}.pem", certificate.unwrap_or_default()),
            format!("{}.key", certificate.unwrap_or_default()),
        );
        let mut arguments = vec!["--disable", "--silent", "--show-error", "--verbose", "--noproxy", "*"];
        arguments.extend(["--max-time", "15", "--cacert", "server-ca.pem", "--resolve", &resolve]);
        arguments.extend(["--data", &form, "--write-out", "\n%{http_version} %{http_code}"]);
        if certificate.is_some() {
            arguments.extend(["--cert", &pem, "--key", &key]);
        }
        arguments.extend(options);
        arguments.push(&url);
        run_tool(self.folder.path(), "curl", &arguments, "").await
    }

    async fn s_client(&self, options: &[&str], certificate: Option<&str>, client_id: &str) -> Said {
        s_client(&self.edge, &self.folder, options, certificate, client_id).await
    }
}

/// Sends a token request with `openssl s_client`, which ends when the edge closes the connection.
async fn s_client(
    edge: &Edge,
    folder: &TempDir,
    options: &[&str],
    certificate: Option<&str>,
    client_id: &str,
) -> Said {
    std::fs::write(folder.path().join("server-ca.pem"), certificates::pem(&edge.server_ca)).unwrap();
    let form = format!("grant_type=client_credentials&client_id={client_id}");
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    let (address, pem, key) = (
        edge.https.to_string(),
        format!("{}.pem", certificate.unwrap_or_default()),
        format!("{}.key", certificate.unwrap_or_default()),
    );
    let mut arguments = vec!["s_client", "-connect", &address, "-servername", DOMAIN, "-ign_eof"];
    arguments.extend(["-CAfile", "server-ca.pem", "-verify_hostname", DOMAIN, "-verify_return_error"]);
    if certificate.is_some() {
        arguments.extend(["-cert", &pem, "-cert_chain", &pem, "-key", &key]);
    }
    arguments.extend(options);
    run_tool(folder.path(), "openssl", &arguments, request).await
}

const TLS: [(&[&str], &str); 2] = [(&["--tls-max", "1.2"], "TLSv1.2"), (&["--tlsv1.3"], "TLSv1.3")];
const HTTP: [(&str, &str); 2] = [("--http1.1", "1.1"), ("--http2", "2")];

#[tokio::test]
async fn curl_gets_a_token_by_each_method_over_each_tls_and_http() {
    let setup = Setup::new().await;
    for (tls, version) in TLS {
        for (http, http_version) in HTTP {
            for (name, verdict) in [
                ("own", "FAILED:self signed certificate"),
                ("rsa", "FAILED:self signed certificate"),
                ("issued", "SUCCESS"),
            ] {
                let result = setup.curl(&[tls, &[http]].concat(), Some(name), name).await.well();
                assert_eq!(result.out, format!("{{\"ok\":true}}\n{http_version} 200"), "{}", result.err);
                assert!(result.err.contains(&format!("SSL connection using {version} ")), "{}", result.err);
                let seen = setup.upstream.last();
                assert_eq!(seen.header("client-certificate-ca-verified"), verdict);
                assert_eq!(seen.body, format!("grant_type=client_credentials&client_id={name}"));
            }
        }
    }
    assert_eq!(setup.upstream.seen().len(), 12);
    setup.edge.stop();
}

#[tokio::test]
async fn curl_prints_each_refusal() {
    let setup = Setup::new().await;
    for (tls, _) in TLS {
        for (http, http_version) in HTTP {
            let result = setup.curl(&[tls, &[http]].concat(), Some("stranger"), "own").await.well();
            assert!(result.out.ends_with(&format!("\n{http_version} 401")), "{}", result.out);
            assert!(result.out.starts_with("{\"error\":\"invalid_client\","), "{}", result.out);
            let result = setup.curl(&[tls, &[http]].concat(), None, "own").await;
            assert_ne!(result.code, Some(0), "{}", result.out);
            assert!(result.err.contains("alert"), "{}", result.err);
        }
    }
    assert!(setup.upstream.seen().is_empty());
    setup.edge.stop();
}

const S_CLIENT: [(&str, &str); 2] = [("-tls1_2", "New, TLSv1.2, "), ("-tls1_3", "New, TLSv1.3, ")];

#[tokio::test]
async fn openssl_s_client_gets_a_token_by_each_method_over_each_tls() {
    let setup = Setup::new().await;
    for (tls, version) in S_CLIENT {
        for name in ["own", "rsa", "issued"] {
            let result = setup.s_client(&[tls, "-alpn", "http/1.1"], Some(name), name).await.well();
            let out = &result.out;
            assert!(out.contains(version), "{out}");
            assert!(out.contains("ALPN protocol: http/1.1"), "{out}");
            assert!(out.contains("Verify return code: 0 (ok)"), "{out}");
            assert!(out.contains("HTTP/1.1 200 OK\r\n"), "{out}");
            assert!(out.contains("{\"ok\":true}"), "{out}");
            assert!(out.contains("No client certificate CA names sent"), "{out}");
        }
        let result = setup.s_client(&[tls], Some("stranger"), "own").await;
        assert!(result.out.contains("HTTP/1.1 401 Unauthorized\r\n"), "{}", result.out);
        let result = setup.s_client(&[tls], None, "own").await;
        assert!(!result.out.contains("HTTP/1.1"), "{}", result.out);
        assert!(result.err.contains("alert"), "{}", result.err);
    }
    assert_eq!(setup.upstream.seen().len(), 6);
    setup.edge.stop();
}

#[tokio::test]
async fn ca_hints_are_omitted_for_self_signed_clients() {
    let upstream = Upstream::start().await;
    let folder = TempDir::new().unwrap();
    let (corp, partner) = (Ca::new("Corp CA"), Ca::new("Partner CA"));
    corp.issue("issued", |_| {}).write(folder.path(), "issued");
    let own = self_signed("own");
    let usual = || {
        EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("corp", &corp.pem())
            .trust("partner", &partner.pem())
            .ca_application("issued", "subject_dn = \"CN=issued,O=Example Bank,C=DE\"")
    };
    let (by_ca, both) =
        (usual().start(), usual().self_signed_application("own", &[own.thumbprint()]).start());
    for (tls, version) in S_CLIENT {
        let result = s_client(&by_ca, &folder, &[tls], Some("issued"), "issued").await.well();
        assert!(result.out.contains(version) && result.out.contains("HTTP/1.1 200 OK"), "{}", result.out);
        let (_, names) = result
            .out
            .split_once("Acceptable client certificate CA names\n")
            .unwrap_or_else(|| panic!("{}", result.out));
        let names: Vec<&str> = names.lines().take(2).collect();
        assert_eq!(names, ["CN = Corp CA", "CN = Partner CA"]);

        let result = s_client(&both, &folder, &[tls], Some("issued"), "issued").await.well();
        assert!(result.out.contains("HTTP/1.1 200 OK"), "{}", result.out);
        assert!(result.out.contains("No client certificate CA names sent"), "{}", result.out);
        assert!(!result.out.contains("Acceptable client certificate CA names"), "{}", result.out);
    }
    by_ca.stop();
    both.stop();
}
