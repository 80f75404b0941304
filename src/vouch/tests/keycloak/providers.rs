//! An independent implementation of Keycloak's providers: the rule of each, and the code for it.
//!
//! Each returns the chain that Keycloak uses, leaf first, or `None` if it fails the request.

use http::HeaderMap;

use super::java::{BEGIN, Base64, END, bundle, certificate, certificates, url_decode};

pub(super) type Chain = Option<Vec<Vec<u8>>>;

/// The settings and the version of Keycloak.
pub(super) struct Keycloak {
    pub(super) headers: HeaderMap,
    /// `certificate-chain-length`, by default 1.
    pub(super) chain_length: usize,
    pub(super) base64: Base64,
}

impl Keycloak {
    /// The first value of a header, without surrounding double quotes.
    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?.to_str().ok()?;
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Some(inner.unwrap_or(value)).filter(|value| !value.trim().is_empty())
    }

    /// Common to haproxy, apache, nginx and awsalb: the leaf in one header, then numbered headers `prefix_0` and so on, as many as
    /// the maximum chain length. Missing or invalid ones are skipped.
    fn numbered(&self, leaf: &str, prefix: &str, decode: impl Fn(&str) -> Option<Vec<u8>>) -> Chain {
        let Some(leaf) = self.header(leaf) else { return Some(vec![]) };
        let mut chain = vec![decode(leaf)?];
        let headers = (0..self.chain_length).filter_map(|index| self.header(&format!("{prefix}_{index}")));
        chain.extend(headers.filter_map(decode));
        Some(chain)
    }

    /// haproxy: the helper accepts base64 without boundaries.
    pub(super) fn haproxy(&self) -> Chain {
        self.numbered("ssl_client_cert", "ssl_client_chain", |text| certificate(text, self.base64))
    }

    /// haproxy with `ssl-cert-chain` set: one header with the concatenated DER of the chain in MIME base64, up to the maximum chain
    /// length. An invalid header is skipped.
    pub(super) fn haproxy_chain(&self) -> Chain {
        let Some(leaf) = self.header("ssl_client_cert") else { return Some(vec![]) };
        let mut chain = vec![certificate(leaf, self.base64)?];
        let der = self.header("client-cert-chain").and_then(|text| Base64::Mime.decode(text));
        let rest = der.and_then(|der| certificates(&der)).unwrap_or_default();
        chain.extend(rest.into_iter().take(self.chain_length));
        Some(chain)
    }

    /// Removes the boundaries by their exact text, independent of line ends, and calls the helper.
    fn without_boundaries(&self, text: &str) -> Option<Vec<u8>> {
        let body = if text.starts_with(BEGIN) {
            text.replace(BEGIN, "").replace(END, "").replace('\n', "")
        } else {
            text.to_owned()
        };
        certificate(body.trim(), self.base64)
    }

    /// apache: the boundaries are removed first, so the base64 decoder must accept the spaces between the lines.
    pub(super) fn apache(&self) -> Chain {
        self.numbered("ssl_client_cert", "ssl_client_chain", |text| self.without_boundaries(text))
    }

    /// nginx: URL-decoded, then like apache. Keycloak rebuilds the chain from its truststore; here it is only the leaf.
    pub(super) fn nginx(&self, header: &str) -> Chain {
        let Some(leaf) = self.header(header) else { return Some(vec![]) };
        Some(vec![self.without_boundaries(&url_decode(leaf)?)?])
    }

    /// nginx with `trust-proxy-verification`: no certificate unless the proxy sends exactly SUCCESS.
    pub(super) fn nginx_trusted(&self) -> Chain {
        let leaf =
            self.numbered("ssl-client-cert", "none", |text| certificate(&url_decode(text)?, self.base64))?;
        let verified = self.header("ssl-client-verify") == Some("SUCCESS");
        Some(if verified { leaf } else { vec![] })
    }

    /// awsalb, both modes (proposed, never released): plus signs are protected from the URL decoder, then the helper. One
    /// certificate.
    pub(super) fn aws_alb(&self, header: &str) -> Chain {
        self.numbered(header, "none", |text| {
            certificate(&url_decode(&text.replace('+', "%2B"))?, self.base64)
        })
    }

    /// envoy, as released (26.6): split at all semicolons; the key ends at the first equals sign; quotes around the value are
    /// removed; `Chain` ends the search, and `Cert` is used if no `Chain` follows.
    pub(super) fn envoy(&self) -> Chain {
        let mut found = vec![];
        for piece in self.header("x-forwarded-client-cert")?.split(';') {
            let Some((key, value)) = piece.split_once('=') else { continue };
            let value = value.trim();
            let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            match key.trim() {
                "Chain" => return bundle(&url_decode(inner)?, self.base64),
                "Cert" => found = bundle(&url_decode(inner)?, self.base64)?,
                _ => {}
            }
        }
        Some(found)
    }

    /// envoy, as proposed in 2020 (never released): split at semicolons, then at every equals sign, without empty ends; only pairs
    /// are used; a repeated key fails the request; line ends and quotes of `Chain` are removed, and it is split after every END
    /// boundary.
    ///
    /// The current helper cannot read PEM in one line, so the boundaries are removed by their text here, like for apache.
    pub(super) fn envoy_proposed(&self) -> Chain {
        let mut fields: Vec<(&str, &str)> = vec![];
        for piece in self.header("x-forwarded-client-cert")?.split(';') {
            let parts: Vec<&str> = piece.trim_end_matches('=').split('=').collect();
            let [key, value] = parts[..] else { continue };
            if fields.iter().any(|(earlier, _)| *earlier == key) {
                return None;
            }
            fields.push((key, value));
        }
        let (_, chain) = fields.iter().find(|(key, _)| *key == "Chain")?;
        let chain = url_decode(chain)?.replace(['"', '\r', '\n'], "");
        chain.split_inclusive(END).map(|one| self.without_boundaries(one)).collect()
    }

    /// traefik, as released (the same class in 26.6.0, 26.7.0 and 26.7.3): split at commas, each base64 without boundaries, not
    /// URL-decoded; the leaf and others up to the maximum chain length.
    pub(super) fn traefik(&self) -> Chain {
        self.traefik_pieces(self.header("x-forwarded-tls-client-cert")?)
    }

    /// traefik, as proposed: like the released one, after URL-decoding the header.
    pub(super) fn traefik_decoding(&self) -> Chain {
        self.traefik_pieces(&url_decode(self.header("x-forwarded-tls-client-cert")?)?)
    }

    fn traefik_pieces(&self, text: &str) -> Chain {
        text.split(',').take(self.chain_length + 1).map(|one| certificate(one, self.base64)).collect()
    }

    /// traefik, as first proposed: URL-decoded, then a PEM bundle, without a meaning of commas.
    pub(super) fn traefik_bundle(&self) -> Chain {
        bundle(&url_decode(self.header("x-forwarded-tls-client-cert")?)?, self.base64)
    }

    /// rfc9440: byte sequences between colons, MIME base64 in them. The leaf's header must occur once; the chain's list is split at
    /// commas and the spaces after them. More than the maximum chain length fails the request.
    pub(super) fn rfc9440(&self) -> Chain {
        let sequence = |text: &str| {
            let inner = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'))?;
            certificates(&Base64::Mime.decode(inner)?)?.into_iter().next()
        };
        if self.headers.get_all("client-cert").iter().count() > 1 {
            return None;
        }
        let Some(leaf) = self.header("client-cert") else { return Some(vec![]) };
        let mut chain = vec![sequence(leaf)?];
        let rest: Vec<&str> = self
            .header("client-cert-chain")
            .map(|list| list.split(',').map(str::trim_start).collect())
            .unwrap_or_default();
        if rest.len() > self.chain_length {
            return None;
        }
        chain.extend(rest.into_iter().map(sequence).collect::<Option<Vec<_>>>()?);
        Some(chain)
    }
}
