// Access tokens of oidc-provider at routes that verify them: bound to a certificate, to a DPoP key, to nothing.

import assert from 'node:assert/strict';
import { generateKeyPair } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { LIBRARIES, claims, edgeOrigin } from './support/application.mjs';
import { DOMAIN, LOGIN_DOMAIN, PAYMENTS_DN } from './support/certificates.mjs';
import { http1 } from './support/connections.mjs';
import { secretSha256 } from './support/keys.mjs';
import { ISSUER, RESOURCE } from './support/provider.mjs';
import { prepare, startBoth, watch } from './support/suite.mjs';

const SECRET = 'the secret of an application, 1';
const EDGE_SECRET = 'the secret with which the edge introspects';

const { binary, folder, certificates } = prepare();
writeFileSync(join(folder, 'introspection'), EDGE_SECRET, { mode: 0o600 });

const clients = [
  { client_id: 'payments', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: PAYMENTS_DN },
  { client_id: 'basic', token_endpoint_auth_method: 'client_secret_basic', client_secret: SECRET },
  { client_id: 'edge', token_endpoint_auth_method: 'client_secret_basic', client_secret: EDGE_SECRET },
];
const applications = [
  { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] },
  { client_id: 'basic', auth_method: 'client_secret_basic', credential: [{ name: 'secret', secret_sha256: secretSha256(SECRET) }] },
];
const issuers = ({ url }) => [
  { name: 'signed', issuer: ISSUER, audience: [RESOURCE], jwks: { url: `${url}/jwks`, file: 'jwks.json' } },
  {
    name: 'opaque',
    issuer: ISSUER,
    introspection: { url: `${url}/token/introspection`, client_id: 'edge', secret: { file: 'introspection' } },
  },
];
const route = (path, keys) => ({ path, methods: ['GET'], authenticate: 'token', ...keys });
const resources = [
  route('/resource', { token_issuer: 'signed' }),
  route('/opaque', { token_issuer: 'opaque' }),
  route('/bearer', { token_issuer: 'signed', allow_unbound: true }),
];

describe('protected resources', { timeout: 60_000 }, () => {
  let both;
  const open = [];
  before(async () => {
    both = await startBoth({ binary, folder, certificates, clients, applications, issuers, resources });
  });
  after(async () => {
    await Promise.all(open.map((made) => made.close()));
    await both?.stop();
  });
  watch(() => both.provider);

  const { payments1, payments2, billing1 } = certificates;
  const payments = (library, certificate = payments1) => both.app({ library, clientId: 'payments', certificate });
  const mtls = (path) => edgeOrigin(DOMAIN, both.edge.httpsPort) + path;
  const plain = (path) => edgeOrigin(LOGIN_DOMAIN, both.edge.httpsPort) + path;

  /** GET `url` with `authorization`, over a connection that presents `certificate`. */
  const get = async (url, authorization, certificate) => {
    const made = http1({ serverCa: certificates.serverCa, certificate });
    open.push(made);
    return made.fetch(url, { headers: authorization ? { authorization } : {} });
  };
  const assertRefused = async (response, error = 'invalid_token') => {
    assert.equal(response.status, 401);
    if (error) assert.match(response.headers.get('www-authenticate'), new RegExp(`error="${error}"`));
    assert.ok(!both.provider.seen.some(({ path }) => resources.some((one) => one.path === path)), 'the resource saw the request');
  };

  for (const library of Object.keys(LIBRARIES)) {
    test(`${library}: a token is accepted with the certificate that it is bound to`, async () => {
      const app = payments(library);
      const token = await app.token();
      const response = await app.resource(token, mtls('/resource'));
      assert.deepEqual([response.status, await response.json()], [200, { resource: '/resource' }]);
    });

    test(`${library}: an opaque token is introspected, and accepted with its certificate`, async () => {
      const app = payments(library);
      const token = await app.token({});
      assert.equal(token.access_token.split('.').length, 1, 'the token is a JWT');
      assert.equal((await app.resource(token, mtls('/opaque'))).status, 200);
      await assertRefusedAfter(() => get(mtls('/opaque'), `Bearer ${token.access_token}`, payments2));
    });

    test(`${library}: a token is accepted with the DPoP key that it is bound to`, async () => {
      // As deployed, on port 443: oidc-provider compares `htu` with the address that it knows.
      const connections = http1({ serverCa: certificates.serverCa, port: both.edge.httpsPort });
      const app = both.app({ library, clientId: 'basic', method: 'client_secret_basic', secret: SECRET, origin: ISSUER, connections });
      const bound = app.dpop(await ecKeyPair());
      const token = await app.token(undefined, bound);
      assert.ok(claims(token).cnf.jkt);
      assert.equal((await app.resource(token, `${ISSUER}/resource`, bound)).status, 200);
      assert.equal((await app.resource(token, plain('/resource'), bound)).status, 200, 'with a port in the URL');

      await assertRefusedAfter(() => get(plain('/resource'), `Bearer ${token.access_token}`));
      await assertRefusedAfter(() => get(plain('/resource'), `DPoP ${token.access_token}`), null);
      // The library throws on a challenge.
      const other = app.dpop(await ecKeyPair());
      const { status } = await app.resource(token, `${ISSUER}/resource`, other).catch((error) => error);
      assert.equal(status, 401);
    });
  }

  /** Forgets what the resource saw until now. */
  const assertRefusedAfter = async (request, error) => {
    both.provider.seen.length = 0;
    await assertRefused(await request(), error);
  };

  test('a bound token is refused with another certificate, and without one', async () => {
    const { access_token: token } = await payments().token();
    for (const certificate of [payments2, billing1]) await assertRefused(await get(mtls('/resource'), `Bearer ${token}`, certificate));
    await assertRefused(await get(plain('/resource'), `Bearer ${token}`));
  });

  test('an unbound token is refused but where the route allows it', async () => {
    const { access_token: token } = await both.app({ clientId: 'basic', method: 'client_secret_basic', secret: SECRET }).token();
    await assertRefused(await get(plain('/resource'), `Bearer ${token}`));
    assert.equal((await get(plain('/bearer'), `Bearer ${token}`)).status, 200);
  });

  test('a changed token, and a request without one, are refused', async () => {
    const { access_token: token } = await payments().token();
    const [header, payload, signature] = token.split('.');
    const changed = JSON.parse(Buffer.from(payload, 'base64url'));
    changed.scope = 'write';
    const forged = [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
    await assertRefused(await get(mtls('/resource'), `Bearer ${forged}`, payments1));
    await assertRefused(await get(mtls('/resource'), undefined, payments1), null);
  });
});

async function ecKeyPair() {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const parameters = { name: 'ECDSA', namedCurve: 'P-256' };
  const { subtle } = globalThis.crypto;
  return {
    publicKey: await subtle.importKey('spki', publicKey.export({ format: 'der', type: 'spki' }), parameters, true, ['verify']),
    privateKey: await subtle.importKey('pkcs8', privateKey.export({ format: 'der', type: 'pkcs8' }), parameters, false, ['sign']),
  };
}
