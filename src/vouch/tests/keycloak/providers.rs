//! How each of Keycloak's providers reads its headers, in words of our own: a rule, then the code for it.
//!
//! Each gives the chain that Keycloak goes on with, leaf first, or nothing where it fails the request.

use http::HeaderMap;

use super::java::{BEGIN, Base64, END, bundle, certificate, certificates, url_decode};

pub(super) type Chain = Option<Vec<Vec<u8>>>;

/// What the operator sets, and which version it is.
pub(super) struct Keycloak {
    pub(super) headers: HeaderMap,
    /// `certificate-chain-length`, 1 unless set.
    pub(super) chain_length: usize,
    pub(super) base64: Base64,
}

impl Keycloak {
    /// The first value of a header, without double quotes around the whole of it.
    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?.to_str().ok()?;
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Some(inner.unwrap_or(value)).filter(|value| !value.trim().is_empty())
    }

    /// What haproxy, apache, nginx and awsalb share: the leaf from one header, then as many headers as the
    /// chain may have certificates, `prefix_0` and so on. A missing or unreadable one of these is skipped.
    fn numbered(&self, leaf: &str, prefix: &str, decode: impl Fn(&str) -> Option<Vec<u8>>) -> Chain {
        let Some(leaf) = self.header(leaf) else { return Some(vec![]) };
        let mut chain = vec![decode(leaf)?];
        let headers = (0..self.chain_length).filter_map(|index| self.header(&format!("{prefix}_{index}")));
        chain.extend(headers.filter_map(decode));
        Some(chain)
    }

    /// haproxy: a bare base64 is PEM enough for the helper.
    pub(super) fn haproxy(&self) -> Chain {
        self.numbered("ssl_client_cert", "ssl_client_chain", |text| certificate(text, self.base64))
    }

    /// haproxy with `ssl-cert-chain` set: one header with the DER of the chain run together, MIME base64. At
    /// most the set number is taken; an unreadable header is skipped.
    pub(super) fn haproxy_chain(&self) -> Chain {
        let Some(leaf) = self.header("ssl_client_cert") else { return Some(vec![]) };
        let mut chain = vec![certificate(leaf, self.base64)?];
        let der = self.header("client-cert-chain").and_then(|text| Base64::Mime.decode(text));
        let rest = der.and_then(|der| certificates(&der)).unwrap_or_default();
        chain.extend(rest.into_iter().take(self.chain_length));
        Some(chain)
    }

    /// The boundary lines go by their exact text, wherever the line ends are; then the helper.
    fn without_boundaries(&self, text: &str) -> Option<Vec<u8>> {
        let body = if text.starts_with(BEGIN) {
            text.replace(BEGIN, "").replace(END, "").replace('\n', "")
        } else {
            text.to_owned()
        };
        certificate(body.trim(), self.base64)
    }

    /// apache: the boundaries go first, so the blanks left between the lines are up to the base64 decoder.
    pub(super) fn apache(&self) -> Chain {
        self.numbered("ssl_client_cert", "ssl_client_chain", |text| self.without_boundaries(text))
    }

    /// nginx: URL-decoded, then as apache. The chain is rebuilt from the truststore: here the leaf only.
    pub(super) fn nginx(&self, header: &str) -> Chain {
        let Some(leaf) = self.header(header) else { return Some(vec![]) };
        Some(vec![self.without_boundaries(&url_decode(leaf)?)?])
    }

    /// nginx with `trust-proxy-verification`: nothing at all unless the proxy says SUCCESS, to the letter.
    pub(super) fn nginx_trusted(&self) -> Chain {
        let leaf =
            self.numbered("ssl-client-cert", "none", |text| certificate(&url_decode(text)?, self.base64))?;
        let verified = self.header("ssl-client-verify") == Some("SUCCESS");
        Some(if verified { leaf } else { vec![] })
    }

    /// awsalb, both of it (proposed, never released): plus signs are saved from the URL decoder, then the helper. One certificate.
    pub(super) fn aws_alb(&self, header: &str) -> Chain {
        self.numbered(header, "none", |text| {
            certificate(&url_decode(&text.replace('+', "%2B"))?, self.base64)
        })
    }

    /// envoy, as released (26.6): pieces between semicolons, wherever those stand; a key up to the first equals sign; quotes
    /// around the value go; `Chain` ends the search, `Cert` serves where no `Chain` follows.
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

    /// envoy, as once proposed (2020, never released): pieces between semicolons, each split at every equals sign (empty ends fall away);
    /// those of other than two parts are dropped; a key that comes twice fails the request; of `Chain` the
    /// line ends and quotes go, and it is cut behind every end line.
    ///
    /// The helper of today finds nothing in a PEM that is one line; so the boundaries go
    /// by their text here, as for apache.
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

    /// traefik, as released (the same class in 26.6.0, 26.7.0 and 26.7.3): pieces between commas, each bare base64, never URL-decoded; the leaf and at most the
    /// set number of others.
    pub(super) fn traefik(&self) -> Chain {
        self.traefik_pieces(self.header("x-forwarded-tls-client-cert")?)
    }

    /// traefik, as once proposed: the same after URL-decoding the whole.
    pub(super) fn traefik_decoding(&self) -> Chain {
        self.traefik_pieces(&url_decode(self.header("x-forwarded-tls-client-cert")?)?)
    }

    fn traefik_pieces(&self, text: &str) -> Chain {
        text.split(',').take(self.chain_length + 1).map(|one| certificate(one, self.base64)).collect()
    }

    /// traefik, as first proposed: URL-decoded, then a PEM bundle. Commas mean nothing to it.
    pub(super) fn traefik_bundle(&self) -> Chain {
        bundle(&url_decode(self.header("x-forwarded-tls-client-cert")?)?, self.base64)
    }

    /// rfc9440: byte sequences between colons, MIME base64 within. The leaf's header once; the chain's list cut at
    /// commas with the blanks behind them; more of them than the set number fail the request.
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
