// The edge in front of Glewlwyd, a server that is written in C and shares nothing with oidc-provider.

import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { application, claims, edgeOrigin, pkce } from './support/application.mjs';
import { DOMAIN, LOGIN_DOMAIN, PAYMENTS_DN } from './support/certificates.mjs';
import { http1 } from './support/connections.mjs';
import { startEdge } from './support/edge.mjs';
import { CERTIFICATE_HEADER, GLEWLWYD_PATH, glewlwydMissing, startGlewlwyd } from './support/glewlwyd.mjs';
import { makeKey, secretSha256 } from './support/keys.mjs';
import { temporaryFolder } from './support/lifetime.mjs';
import { ISSUER, REDIRECT_URI, certificateJwk } from './support/provider.mjs';
import { assertRefused } from './support/refusals.mjs';
import { prepare } from './support/suite.mjs';

// Glewlwyd does not decode what RFC 6749 section 2.3.1 has clients encode: letters and digits only.
const SECRET = 'OneSecretOfThirtyTwoLettersOrMore';

const missing = glewlwydMissing();
const skip = missing && `NOT TRIED: no ${missing} (Debian: apt-get install glewlwyd)`;

describe('Glewlwyd', { skip, timeout: 60_000 }, async () => {
  if (skip) return;
  const { binary, folder, certificates } = prepare();
  const key = await makeKey(folder, 'key', 'RS256');
  const otherKey = await makeKey(folder, 'other', 'RS256');

  const clients = [
    { client_id: 'payments', token_endpoint_auth_method: ['tls_client_auth'], tls_client_auth_subject_dn: PAYMENTS_DN },
    {
      client_id: 'billing',
      token_endpoint_auth_method: ['self_signed_tls_client_auth'],
      jwks: { keys: [certificateJwk(certificates.billing1)] },
    },
    { client_id: 'reports', token_endpoint_auth_method: ['private_key_jwt'], jwks: { keys: [key.jwk] } },
    { client_id: 'basic', token_endpoint_auth_method: ['client_secret_basic', 'client_secret_post'], client_secret: SECRET },
    { client_id: 'post', token_endpoint_auth_method: ['client_secret_post'], client_secret: SECRET },
  ];
  const applications = [
    { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] },
    {
      client_id: 'billing',
      auth_method: 'self_signed_tls_client_auth',
      credential: [{ name: 'certificate', certificate: 'billing-1.pem' }],
    },
    { client_id: 'reports', auth_method: 'private_key_jwt', credential: [{ name: 'key', public_key: 'key.pem' }] },
    {
      client_id: 'basic', auth_method: 'client_secret_basic', credential: [{ name: 'secret', secret_sha256: secretSha256(SECRET) }],
    },
    { client_id: 'post', auth_method: 'client_secret_post' },
  ];

  let glewlwyd;
  let edge;
  let start;
  const open = [];
  before(async () => {
    glewlwyd = await startGlewlwyd({ folder, clients });
    const routes = [
      { path: `${GLEWLWYD_PATH}/token`, authenticate: 'client' },
      { path: `${GLEWLWYD_PATH}/par`, authenticate: 'client' },
    ];
    // Glewlwyd takes no assertion for its issuer, but for the endpoint that is called, by the address that it knows itself by.
    const audiences = routes.map(({ path }) => glewlwyd.url + path);
    start = (at, keys) => startEdge({
      binary,
      folder: at,
      certificates,
      applications,
      profile: 'glewlwyd',
      profiles: [{ name: 'glewlwyd', headers: { [CERTIFICATE_HEADER]: 'pem-spaces' } }],
      upstream: glewlwyd.url,
      mtls: { client_auth: 'optional', issuer: ISSUER, audiences, ...keys, routes },
      login: { client_auth: 'off', issuer: ISSUER, audiences, ...keys, routes },
    });
    edge = await start(folder);
  });
  after(async () => {
    await Promise.all(open.map((made) => made.close()));
    edge?.kill();
    glewlwyd?.stop();
  });

  const paths = { token: '/token', push: '/par', authorize: '/auth' };
  const app = ({ certificate, key: signing, change = () => {}, ...client }) => {
    const origin = `${edgeOrigin(certificate ? DOMAIN : LOGIN_DOMAIN, edge.httpsPort)}${GLEWLWYD_PATH}`;
    const made = (path) => {
      const one = application({
        serverCa: certificates.serverCa,
        certificate,
        origin,
        paths,
        key: signing,
        ...(signing && {
          change: (header, payload) => {
            payload.aud = glewlwyd.url + GLEWLWYD_PATH + path;
            change(header, payload);
          },
        }),
        ...client,
      });
      open.push(one);
      return one;
    };
    return {
      token: () => made(paths.token).token({ scope: 'read' }),
      push: async () => made(paths.push).push({ scope: 'read', ...(await pkce()).challenge }),
    };
  };
  const reports = { clientId: 'reports', method: 'private_key_jwt', key };

  const accepted = [
    { clientId: 'payments', method: 'tls_client_auth', certificate: certificates.payments1 },
    { clientId: 'billing', method: 'self_signed_tls_client_auth', certificate: certificates.billing1 },
    reports,
    { clientId: 'basic', method: 'client_secret_basic', secret: SECRET },
    { clientId: 'post', method: 'client_secret_post', secret: SECRET },
  ];
  for (const client of accepted) {
    test(`a token by ${client.method}`, async () => {
      const { client_id: owner, cnf } = claims(await app(client).token());
      assert.equal(owner, client.clientId);
      assert.equal(cnf?.['x5t#S256'], client.certificate?.thumbprint);
    });

    test(`a pushed authorization request by ${client.method}`, async () => {
      const url = await app(client).push();
      assert.match(url.searchParams.get('request_uri'), /^urn:ietf:params:oauth:request_uri:.+/);
    });
  }

  // Glewlwyd itself answers a refusal with 403 and nothing else: these are the edge's.
  const refused = [
    ['a certificate of the right subject from another CA', { ...accepted[0], certificate: certificates.paymentsOfAStrangerCa }],
    ['an unregistered self-signed certificate', { ...accepted[1], certificate: certificates.billingUnregistered }],
    ['an assertion by another key', { ...reports, key: otherKey }],
    ['a wrong secret', { ...accepted[3], secret: 'AnotherSecretOfThirtyTwoLetters' }],
    ['a secret in the body, which Glewlwyd allows this application', { ...accepted[3], method: 'client_secret_post' }],
    ['a secret of an application with a key', { clientId: 'reports', method: 'client_secret_basic', secret: SECRET }],
  ];
  for (const [what, client] of refused) {
    test(`the edge refuses ${what}`, () => assertRefused(app(client).token()));
  }

  test('an assertion is accepted once', async () => {
    const once = app({ ...reports, change: (header, payload) => { payload.jti = 'the same'; } });
    await once.token();
    await assertRefused(once.token());
  });

  // What no configuration of oidc-provider accepts (fapi2.test.mjs).
  test('FAPI 2.0: PKCE by plain, by name and by default, is refused, and accepted without the profile', async () => {
    const elsewhere = temporaryFolder().path;
    cpSync(folder, elsewhere, { recursive: true });
    const strict = await start(elsewhere, { profile: 'fapi2' });
    const connections = http1({ serverCa: certificates.serverCa, certificate: certificates.payments1 });
    open.push(connections);
    const push = async ({ httpsPort }, change) => {
      const { challenge } = await pkce();
      const parameters = { client_id: 'payments', response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'read', ...challenge, ...change };
      const body = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined));
      const response = await connections.fetch(`${edgeOrigin(DOMAIN, httpsPort)}${GLEWLWYD_PATH}/par`, { method: 'POST', body });
      const { error, error_description: description, request_uri: reference } = await response.json();
      return [response.status, error ?? typeof reference, description];
    };
    try {
      assert.deepEqual((await push(strict)).slice(0, 2), [201, 'string']);
      for (const code_challenge_method of ['plain', undefined]) {
        assert.deepEqual((await push(edge, { code_challenge_method })).slice(0, 2), [201, 'string']);
        const [status, error, description] = await push(strict, { code_challenge_method });
        assert.deepEqual([status, error], [400, 'invalid_request']);
        assert.match(description, /S256/);
      }
    } finally {
      await strict.stop();
    }
  });
});
