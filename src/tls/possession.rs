//! Verifies that the client possesses its certificate's private key. The handshake checks nothing else about the certificate.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::{leaf::Leaf, tickets};
use crate::identity::unusable_key;

/// Accepts any certificate whose private key the peer proves to possess (RFC 8446 section 4.4.3).
///
/// The certificate is judged after the handshake, at every request, since rustls does not call a verifier on resumption. The
/// signature is verified with the public key alone: webpki would reject the X.509 v1 certificates that `openssl x509 -req` makes.
#[derive(Debug)]
pub(super) struct Possession {
    /// The accepted signature algorithms.
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// Whether the handshake fails without a certificate.
    pub(super) mandatory: bool,
    /// The CA names in the certificate request.
    pub(super) hints: Vec<DistinguishedName>,
}

fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'a>, Error> {
    let leaf = Leaf::of(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(SubjectPublicKeyInfoDer::from(leaf.public_key))
}

/// The error of a rejected signature. If no signature by such a key is ever accepted, it names the reason.
fn rejected(spki: &[u8], error: Error) -> Error {
    unusable_key(spki).map_or(error, |reason| CertificateError::Other(OtherError(Arc::new(reason))).into())
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        tickets::record_certificate(end_entity, now.into());
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = public_key(cert)?;
        let key = webpki::RawPublicKeyEntity::try_from(&spki)
            .map_err(|_| rejected(&spki, CertificateError::BadEncoding.into()))?;
        // In TLS 1.2 an ECDSA scheme does not name the curve, so each algorithm of the scheme is tried.
        let candidates = self
            .algorithms
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == dss.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter());
        for algorithm in candidates {
            if key.verify_signature(*algorithm, message, dss.signature()).is_ok() {
                return Ok(HandshakeSignatureValid::assertion());
            }
        }
        Err(rejected(&spki, CertificateError::BadSignature.into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = public_key(cert)?;
        verify_tls13_signature_with_raw_key(message, &spki, dss, &self.algorithms)
            .map_err(|error| rejected(&spki, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
