// Certificates as operators and applications make them: by the `openssl` command.

import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The name that asks for a client certificate, and the one that doesn't, where browsers go. */
export const DOMAIN = 'mtls.localhost';
export const LOGIN_DOMAIN = 'auth.localhost';
export const PAYMENTS_DN = 'CN=payments,O=Example Bank,C=DE';

const PAYMENTS_SUBJECT = '/C=DE/O=Example Bank/CN=payments';
const BILLING_SUBJECT = '/C=DE/O=Example Billing/CN=billing';

/** Makes every certificate of the suite in `folder`, where the edge's configuration finds them as `<name>.pem`; valid for so many days. */
export function makeCertificates(folder, days = 2) {
  // Our own configuration, so that the machine's openssl.cnf adds no extensions.
  const config = join(folder, 'openssl.cnf');
  writeFileSync(config, '[req]\ndistinguished_name = dn\n[dn]\n');

  const make = (name, subject, extensions, issuer) => {
    const certificateFile = join(folder, `${name}.pem`);
    const keyFile = join(folder, `${name}.key`);
    const args = [
      'req', '-config', config, '-x509', '-days', String(days), '-subj', subject,
      '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile, '-out', certificateFile,
      ...extensions.flatMap((extension) => ['-addext', extension]),
      ...(issuer ? ['-CA', issuer.certificateFile, '-CAkey', issuer.keyFile] : []),
    ];
    openssl(args);
    return read(certificateFile, keyFile);
  };

  const ca = (name, subject) => make(name, subject, [
    'basicConstraints=critical,CA:TRUE',
    'keyUsage=critical,keyCertSign,cRLSign',
    'subjectKeyIdentifier=hash',
  ]);
  const leaf = (name, subject, issuer, purpose, ...more) => make(name, subject, [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    `extendedKeyUsage=${purpose}`,
    ...more,
  ], issuer);
  // `openssl req -x509` with its stock configuration marks what it makes as a CA.
  const selfSigned = (name, subject) => make(name, subject, ['basicConstraints=critical,CA:TRUE']);

  const serverCa = ca('server-ca', '/CN=Interop Server CA');
  const clientCa1 = ca('client-ca-1', '/O=Example Trust/CN=Client CA 1');
  const clientCa2 = ca('client-ca-2', '/O=Example Trust/CN=Client CA 2');
  // It issues to the edge alone, so that its certificates mean "this is the edge".
  const edgeCa = ca('edge-ca', '/CN=Interop Edge CA');
  const strangerCa = ca('stranger-ca', '/O=Example Trust/CN=Client CA 1');

  return {
    serverCa,
    clientCas: [clientCa1, clientCa2],
    server: leaf('server', `/CN=${DOMAIN}`, serverCa, 'serverAuth', `subjectAltName=DNS:${DOMAIN},DNS:${LOGIN_DOMAIN}`),
    /** For a server that demands the edge's certificate: its own, the CA of the edge's, and the edge's. */
    upstream: leaf('upstream', '/CN=localhost', serverCa, 'serverAuth', 'subjectAltName=DNS:localhost,IP:127.0.0.1'),
    edgeCa,
    edge: leaf('edge', '/CN=edge', edgeCa, 'clientAuth'),
    payments1: leaf('payments-1', PAYMENTS_SUBJECT, clientCa1, 'clientAuth'),
    payments2: leaf('payments-2', PAYMENTS_SUBJECT, clientCa2, 'clientAuth'),
    billing1: selfSigned('billing-1', BILLING_SUBJECT),
    billing2: selfSigned('billing-2', BILLING_SUBJECT),
    // Nobody registered these, however much they look like those above.
    paymentsOfAStrangerCa: leaf('payments-stranger', PAYMENTS_SUBJECT, strangerCa, 'clientAuth'),
    paymentsOfAnotherSubject: leaf('payments-other', `${PAYMENTS_SUBJECT} test`, clientCa1, 'clientAuth'),
    paymentsSelfSigned: selfSigned('payments-self-signed', PAYMENTS_SUBJECT),
    billingUnregistered: selfSigned('billing-unregistered', BILLING_SUBJECT),
  };
}

function read(certificateFile, keyFile) {
  const x509 = new X509Certificate(readFileSync(certificateFile));
  const digest = createHash('sha256').update(x509.raw);
  return {
    certificateFile,
    keyFile,
    x509,
    pem: x509.toString(),
    key: readFileSync(keyFile, 'utf8'),
    /** RFC 8705 section 3.1. Computed from the DER alone: neither side under test has a part in it. */
    thumbprint: digest.copy().digest('base64url'),
    hexThumbprint: digest.digest('hex'),
  };
}

export function openssl(args) {
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000 });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('the `openssl` command is missing: install it (Debian: apt-get install openssl)');
    throw new Error(`openssl ${args[0]} failed: ${error.stderr ?? error.message}`);
  }
}
