// Keys for assertions and request objects, made by the `openssl` command.

import { createHash, createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { openssl } from './certificates.mjs';

const RSA = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];

/** For each JWS algorithm: what openssl makes, and what WebCrypto calls it. */
export const ALGORITHMS = {
  RS256: { make: RSA, webcrypto: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } },
  RS384: { make: RSA, webcrypto: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' } },
  PS256: { make: RSA, webcrypto: { name: 'RSA-PSS', hash: 'SHA-256' } },
  ES256: { make: P256, webcrypto: { name: 'ECDSA', namedCurve: 'P-256' } },
  EdDSA: { make: ['-algorithm', 'ED25519'], webcrypto: { name: 'Ed25519' } },
};

/**
 * Makes a key in `folder`, with its public half in every form that an operator may register:
 * `<name>.pem` (SubjectPublicKeyInfo), `<name>.jwk` and `<name>.jwks`.
 *
 * `signing` is what a client library signs with; `jwk` what an authorization server registers.
 */
export async function makeKey(folder, name, algorithm, kid = name) {
  const keyFile = join(folder, `${name}.key`);
  openssl(['genpkey', ...ALGORITHMS[algorithm].make, '-out', keyFile]);
  const privateKey = createPrivateKey(readFileSync(keyFile));
  const publicKey = createPublicKey(privateKey);
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid };
  writeFileSync(join(folder, `${name}.pem`), publicKey.export({ format: 'pem', type: 'spki' }));
  writeFileSync(join(folder, `${name}.jwk`), JSON.stringify(jwk));
  writeFileSync(join(folder, `${name}.jwks`), JSON.stringify({ keys: [{ ...jwk, use: 'sig' }] }));
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  const signing = async (parameters) => ({ key: await webcrypto.subtle.importKey('pkcs8', pkcs8, parameters, false, ['sign']), kid });
  return {
    name,
    algorithm,
    keyFile,
    jwk,
    kid,
    signing: await signing(ALGORITHMS[algorithm].webcrypto),
    /** The same key, used with another algorithm of its kind. */
    as: async (other) => ({ name, algorithm: other, signing: await signing(ALGORITHMS[other].webcrypto) }),
  };
}

/** The file name of a certificate for `key`, which some registries want instead of a bare key. */
export function makeKeyCertificate(folder, key) {
  const file = `${key.name}.crt`;
  openssl([
    'req', '-config', join(folder, 'openssl.cnf'), '-x509', '-days', '2', '-subj', `/CN=${key.name}`, '-key', key.keyFile,
    '-out', join(folder, file),
  ]);
  return file;
}

/** `secret_sha256` of a secret. */
export function secretSha256(secret) {
  return createHash('sha256').update(secret).digest('hex');
}
