//! Proof of possession: the only thing that the handshake checks about a client's certificate.

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

/// Accepts any certificate whose key the peer proves to hold (RFC 8446 section 4.4.3).
///
/// Whether the certificate means anything is judged after the handshake, at every request, since rustls does
/// not call a verifier on resumption. The signature is checked with the certificate's public key alone:
/// webpki would refuse the X.509 v1 certificates that `openssl x509 -req` makes.
#[derive(Debug)]
pub(super) struct Possession {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) mandatory: bool,
    pub(super) hints: Vec<DistinguishedName>,
}

fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'a>, Error> {
    let leaf = Leaf::of(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(SubjectPublicKeyInfoDer::from(leaf.public_key))
}

/// Why a signature was not accepted: the key may be one by which none ever is.
fn refused(spki: &[u8], error: Error) -> Error {
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
        tickets::certificate_shown(end_entity, now.into());
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
            .map_err(|_| refused(&spki, CertificateError::BadEncoding.into()))?;
        // In TLS 1.2 an ECDSA scheme does not tell the curve: every algorithm of the scheme is tried.
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
        Err(refused(&spki, CertificateError::BadSignature.into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = public_key(cert)?;
        verify_tls13_signature_with_raw_key(message, &spki, dss, &self.algorithms)
            .map_err(|error| refused(&spki, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
