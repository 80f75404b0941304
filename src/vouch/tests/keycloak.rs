//! Keycloak's providers decode the same certificates that were encoded in the headers.
//!
//! The providers' rules are described and written independently in `providers`, after keycloak/keycloak's
//! `services/src/main/java/org/keycloak/services/x509` (releases up to 26.7, and states of pull requests).

mod java;
mod providers;

use std::sync::LazyLock;

use http::HeaderMap;
use serde_json::Value;

use self::{
    java::Base64,
    providers::{Chain, Keycloak},
};
use super::fixture::{KEYS, certificate, facts, with_facts};
use crate::vouch::{Certificate, Evidence, Profile, Verdict};

/// A subject that would inject fields if it were not escaped.
const SUBJECT: &str = "/C=DE/O=a;Chain=\"b\", c=d;Hash=e/OU=x, Cert=\"y\\;URI=z/CN=say \"hi\";=,";

const SELF_SIGNED: Verdict = Verdict::NotVerified("self signed certificate");

/// The facts about an EC and an RSA leaf, each with 0, 1 and 2 intermediates. All tests have the same.
static CHAINS: LazyLock<Vec<(usize, Value)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, key: usize, subject: &str| certificate(folder.path(), name, KEYS[key].1, subject);
    let others = [make("one", 2, "/CN=one"), make("two", 0, "/CN=two")];
    let leaves = [make("rsa", 0, SUBJECT), make("ec", 2, SUBJECT)];
    let of = |leaf: &String, count: usize| {
        let files: Vec<_> = std::iter::once(leaf).chain(&others[..count]).cloned().collect();
        (count + 1, facts(&files, SELF_SIGNED))
    };
    leaves.iter().flat_map(|leaf| (0..=2).map(move |count| of(leaf, count))).collect()
});

/// Runs a test on each of the chains, with either verdict, under every way in which Keycloak has decoded base64.
fn each(test: impl Fn(&Evidence<'_>, &[Vec<u8>], Base64)) {
    for (length, facts) in &*CHAINS {
        for verdict in [Verdict::Verified, SELF_SIGNED] {
            with_facts(facts, verdict, |evidence| {
                let chain: Vec<Vec<u8>> = std::iter::once(evidence.certificate.unwrap().leaf.to_vec())
                    .chain(evidence.intermediates().iter().map(|der| der.to_vec()))
                    .collect();
                assert_eq!(chain.len(), *length);
                for base64 in Base64::ALL {
                    test(evidence, &chain, base64);
                }
            });
        }
    }
}

/// The chain that a provider decodes from a profile's headers.
fn read(
    profile: &str,
    evidence: &Evidence<'_>,
    chain_length: usize,
    base64: Base64,
    provider: impl Fn(&Keycloak) -> Chain,
) -> Chain {
    let mut headers = HeaderMap::new();
    for (name, value) in Profile::built_in(profile).unwrap().headers(evidence).unwrap() {
        assert!(headers.insert(name, value).is_none());
    }
    provider(&Keycloak { headers, chain_length, base64 })
}

#[test]
fn keycloak_reads_nginx_headers() {
    each(|evidence, chain, base64| {
        assert_eq!(read("nginx", evidence, 1, base64, |it| it.nginx("ssl-client-cert")).unwrap(), chain[..1]);
        let trusted = read("nginx", evidence, 1, base64, Keycloak::nginx_trusted).unwrap();
        // Under `trust-proxy-verification` a client without a verified chain has no certificate.
        let expected = if evidence.client.verdict == Verdict::Verified { &chain[..1] } else { &[] };
        assert_eq!(trusted, expected);
    });
}

#[test]
fn keycloak_reads_haproxy_headers() {
    each(|evidence, chain, base64| {
        for length in 0..=3 {
            let reach = chain.len().min(length + 1);
            assert_eq!(read("haproxy", evidence, length, base64, Keycloak::haproxy).unwrap(), chain[..reach]);
            let found = read("haproxy-chain", evidence, length, base64, Keycloak::haproxy_chain).unwrap();
            assert_eq!(found, chain[..reach]);
        }
    });
}

#[test]
fn keycloak_reads_apache_headers() {
    each(|evidence, chain, base64| {
        let found = read("apache", evidence, 2, base64, Keycloak::apache);
        if base64 == Base64::Basic {
            assert_eq!(found, None, "this decoder accepts no spaces, not even Apache's");
        } else {
            assert_eq!(found.unwrap(), chain);
        }
    });
}

#[test]
fn keycloak_reads_envoy_headers() {
    each(|evidence, chain, base64| {
        assert_eq!(read("envoy-xfcc", evidence, 1, base64, Keycloak::envoy).unwrap(), chain);
        assert_eq!(read("envoy-xfcc", evidence, 1, base64, Keycloak::envoy_proposed).unwrap(), chain);
        let certificate = Certificate {
            san_uris: &["spiffe://a/b", "https://x/?Chain=1;Hash=2,y"],
            san_dns: &["a.example", "b.example"],
            ..evidence.certificate.unwrap()
        };
        let many = Evidence { certificate: Some(certificate), ..*evidence };
        assert_eq!(read("envoy-xfcc", &many, 1, base64, Keycloak::envoy).unwrap(), chain);
        // It does not accept several fields of the same kind, one per name, as Envoy writes them.
        assert_eq!(read("envoy-xfcc", &many, 1, base64, Keycloak::envoy_proposed), None);
    });
}

#[test]
fn keycloak_reads_traefik_headers() {
    each(|evidence, chain, base64| {
        for length in 0..=3 {
            let reach = chain.len().min(length + 1);
            assert_eq!(read("traefik", evidence, length, base64, Keycloak::traefik).unwrap(), chain[..reach]);
            let found =
                read("traefik-escaped", evidence, length, base64, Keycloak::traefik_decoding).unwrap();
            assert_eq!(found, chain[..reach]);
        }
        // Some providers can read only one of the two profiles.
        assert_ne!(read("traefik-escaped", evidence, 3, base64, Keycloak::traefik).as_deref(), Some(chain));
        let bundle = read("traefik-escaped", evidence, 3, base64, Keycloak::traefik_bundle);
        if chain.len() == 1 {
            assert_eq!(bundle.unwrap(), chain);
            let nginx = |it: &Keycloak| it.nginx("x-forwarded-tls-client-cert");
            assert_eq!(read("traefik-escaped", evidence, 1, base64, nginx).unwrap(), chain);
        } else {
            assert_ne!(bundle.as_deref(), Some(chain), "a bundle has end lines, Traefik's header has none");
        }
    });
}

#[test]
fn keycloak_reads_aws_alb_headers() {
    each(|evidence, chain, base64| {
        let found = read("aws-alb", evidence, 1, base64, |it| it.aws_alb("x-amzn-mtls-clientcert-leaf"));
        assert_eq!(found.unwrap(), chain[..1]);
        let found =
            read("aws-alb-passthrough", evidence, 1, base64, |it| it.aws_alb("x-amzn-mtls-clientcert"));
        // The provider takes the whole chain for one base64, where an ALB and we send several.
        let padded = |der: &Vec<u8>| !der.len().is_multiple_of(3);
        if base64 != Base64::Own && chain[..chain.len() - 1].iter().any(padded) {
            assert_eq!(found, None);
        } else {
            assert_eq!(found.unwrap(), chain[..1]);
        }
    });
}

#[test]
fn keycloak_reads_rfc9440_headers() {
    each(|evidence, chain, base64| {
        for length in 0..=3 {
            let found = read("rfc9440", evidence, length, base64, Keycloak::rfc9440);
            assert_eq!(found.as_deref(), (chain.len() <= length + 1).then_some(chain));
        }
    });
}

/// Both columns of the table under this heading of the deploy page: profiles, and Keycloak's provider.
fn recommended(heading: &str) -> Vec<(Vec<&'static str>, &'static str)> {
    const PAGE: &str = include_str!("../../../docs/deploy/keycloak/README.md");
    let quoted = |cell: &'static str| cell.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    let section = PAGE.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).skip(1);
    rows.map(|row| {
        let mut cells = row.split('|').skip(1);
        (quoted(cells.next().unwrap()), quoted(cells.next().unwrap())[0])
    })
    .collect()
}

#[test]
fn the_deploy_page_recommends_what_the_released_providers_read() {
    let recommended = recommended("## Other profiles");
    let profiles: Vec<_> = recommended.iter().flat_map(|(profiles, _)| profiles.clone()).collect();
    assert_eq!(
        profiles,
        ["rfc9440", "nginx", "haproxy", "haproxy-chain", "apache", "traefik", "envoy-xfcc"],
        "every profile has a modelled provider"
    );
    each(|evidence, chain, base64| {
        for (profiles, provider) in &recommended {
            for profile in profiles {
                let reader = |it: &Keycloak| match (*provider, *profile) {
                    ("rfc9440", _) => it.rfc9440(),
                    ("nginx", _) => it.nginx("ssl-client-cert"),
                    ("haproxy", "haproxy-chain") => it.haproxy_chain(),
                    ("haproxy", _) => it.haproxy(),
                    ("apache", _) => it.apache(),
                    ("traefik", _) => it.traefik(),
                    ("envoy", _) => it.envoy(),
                    other => panic!("no provider is modelled for {other:?}"),
                };
                // 26.5.0 accepts no spaces in a certificate, as docs/header-profiles.md says.
                if *provider == "apache" && base64 == Base64::Basic {
                    continue;
                }
                let found = read(profile, evidence, chain.len(), base64, reader).unwrap();
                let reach = if *provider == "nginx" { 1 } else { chain.len() };
                assert_eq!(found, chain[..reach], "{profile} for {provider}");
            }
        }
    });
}
