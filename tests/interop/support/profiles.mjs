// How an authorization server reads each of the edge's header profiles.
//
// Written from the profiles' own documents, sharing nothing with the edge. `forge` is what an attacker
// would send to be taken for the certificate's holder.

import { X509Certificate } from 'node:crypto';

const escapedPem = (value) => new X509Certificate(decodeURIComponent(value));

export const PROFILES = {
  // RFC 9440 has no verdict: the server judges the chain for itself.
  rfc9440: {
    certificate(headers) {
      const [, base64] = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(headers['client-cert']) ?? [];
      if (!base64) throw new Error('Client-Cert is not an RFC 8941 byte sequence');
      return new X509Certificate(Buffer.from(base64, 'base64'));
    },
    certificateHeader: 'client-cert',
    forge: (certificate) => ({ 'Client-Cert': `:${certificate.x509.raw.toString('base64')}:` }),
  },

  nginx: {
    certificate: (headers) => escapedPem(headers['ssl-client-cert']),
    certificateHeader: 'ssl-client-cert',
    verdictHeader: 'ssl-client-verify',
    subjectHeader: 'ssl-client-subject-dn',
    forge: (certificate) => ({
      'SSL-Client-Cert': encodeURIComponent(certificate.pem),
      'SSL-Client-Verify': 'SUCCESS',
      ssl_client_verify: 'SUCCESS',
    }),
  },

  auth0: {
    certificate: (headers) => escapedPem(headers['client-certificate']),
    certificateHeader: 'client-certificate',
    verdictHeader: 'client-certificate-ca-verified',
    apiKeyHeader: 'cname-api-key',
    forge: (certificate) => ({
      'Client-Certificate': encodeURIComponent(certificate.pem),
      'Client-Certificate-CA-Verified': 'SUCCESS',
      client_certificate_ca_verified: 'SUCCESS',
    }),
  },
};
