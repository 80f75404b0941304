// The edge in front of Spring Authorization Server, whose filter reads the profile `nginx`.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { application, claims, edgeOrigin, pkce } from '../interop/support/application.mjs';
import { DOMAIN, LOGIN_DOMAIN, PAYMENTS_DN } from '../interop/support/certificates.mjs';
import { startEdge } from '../interop/support/edge.mjs';
import { makeKey, secretSha256 } from '../interop/support/keys.mjs';
import { ISSUER, certificateJwk } from '../interop/support/provider.mjs';
import { assertRefused } from '../interop/support/refusals.mjs';
import { prepare } from '../interop/support/suite.mjs';
import { PATHS, spring, startSpring } from './support/spring.mjs';

const SECRET = 's3cr:t +/%41&="~-_.*!';

describe('Spring Authorization Server', { skip: spring.skip, timeout: 240_000 }, async () => {
  if (spring.skip) return;
  const { binary, folder, certificates } = prepare();
  const keys = {};
  for (const algorithm of ['RS256', 'PS256', 'ES256']) keys[algorithm] = await makeKey(folder, algorithm.toLowerCase(), algorithm);
  const boundKey = await makeKey(folder, 'bound', 'PS256');
  const otherKey = await makeKey(folder, 'other', 'RS256');

  const signing = (clientId, key, more) => ({
    client_id: clientId,
    auth_method: 'private_key_jwt',
    ...more,
    credential: [{ name: 'key', public_key: `${key.name}.jwks`, alg: key.algorithm }],
  });
  const applications = [
    { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] },
    {
      client_id: 'billing',
      auth_method: 'self_signed_tls_client_auth',
      credential: [{ name: 'certificate', certificate: 'billing-1.pem' }],
    },
    ...Object.values(keys).map((key) => signing(key.name, key)),
    signing('bound', boundKey, { certificate_bound: true }),
    { client_id: 'basic', auth_method: 'client_secret_basic', credential: [{ name: 'secret', secret_sha256: secretSha256(SECRET) }] },
  ];

  let server;
  let edge;
  const open = [];
  before(async () => {
    const byClient = Object.fromEntries(Object.values(keys).map((key) => [key.name, key.jwk]));
    server = await startSpring({
      keys: { ...byClient, bound: boundKey.jwk, billing: certificateJwk(certificates.billing1) },
      clientCas: certificates.clientCas[0].certificateFile,
      secret: SECRET,
      // Java writes a subject without spaces, and in the same order.
      paymentsDn: PAYMENTS_DN,
    });
    const routes = [{ path: PATHS.token, authenticate: 'client' }, { path: PATHS.push, authenticate: 'client' }];
    edge = await startEdge({
      binary,
      folder,
      certificates,
      applications,
      profile: 'nginx',
      upstream: server.url,
      mtls: { client_auth: 'optional', issuer: ISSUER, routes },
      login: { client_auth: 'off', issuer: ISSUER, routes },
    });
  });
  after(async () => {
    await Promise.all(open.map((made) => made.close()));
    edge?.kill();
    server?.stop();
  });

  const app = ({ alone = false, certificate, ...client }) => {
    const made = application({
      serverCa: certificates.serverCa,
      certificate,
      paths: PATHS,
      origin: alone ? server.url : edgeOrigin(certificate ? DOMAIN : LOGIN_DOMAIN, edge.httpsPort),
      ...client,
    });
    open.push(made);
    return {
      token: () => made.token({ scope: 'read' }),
      push: async () => made.push({ ...(await pkce()).challenge, scope: 'read' }),
    };
  };

  const payments = { clientId: 'payments', method: 'tls_client_auth', certificate: certificates.payments1 };
  const billing = { clientId: 'billing', method: 'self_signed_tls_client_auth', certificate: certificates.billing1 };
  const byKey = Object.fromEntries(Object.entries(keys).map(
    ([algorithm, key]) => [algorithm, { clientId: key.name, method: 'private_key_jwt', key }],
  ));
  const bound = { clientId: 'bound', method: 'private_key_jwt', key: boundKey, certificate: certificates.payments1 };
  const basic = { clientId: 'basic', method: 'client_secret_basic', secret: SECRET };

  const accepted = [
    ['tls_client_auth', payments],
    ['self_signed_tls_client_auth', billing],
    ...Object.entries(byKey).map(([algorithm, client]) => [`private_key_jwt, ${algorithm}`, client]),
    ['client_secret_basic', basic],
  ];
  for (const [what, client] of accepted) {
    test(`a token by ${what}`, async () => {
      const { sub, cnf } = claims(await app(client).token());
      assert.equal(sub, client.clientId);
      assert.equal(cnf?.['x5t#S256'], client.certificate?.thumbprint);
    });

    test(`a pushed authorization request by ${what}`, async () => {
      const url = await app(client).push();
      assert.match(url.searchParams.get('request_uri'), /^urn:ietf:params:oauth:request_uri:.+/);
    });
  }

  // Spring Security 7.1 binds tokens only of clients that authenticate by the certificate itself: no `cnf` here.
  test('a token by private_key_jwt beside a certificate', async () => {
    assert.equal(claims(await app(bound).token()).sub, 'bound');
  });

  // Spring alone gives each of these a token.
  const laxer = [
    ['an assertion for two audiences', { ...byKey.RS256, change: (header, payload) => { payload.aud = [ISSUER, 'https://other.example']; } }],
    ['an assertion for the token endpoint', { ...byKey.RS256, change: (header, payload) => { payload.aud = ISSUER + PATHS.token; } }],
    ['an assertion that is valid for a day', { ...byKey.RS256, change: (header, payload) => { payload.exp = payload.iat + 86_400; } }],
    ['a bound application without its certificate', { ...bound, certificate: undefined }],
    ['an assertion without jti', { ...byKey.RS256, change: (header, payload) => { delete payload.jti; } }],
  ];
  for (const [what, client] of laxer) {
    test(`the edge refuses ${what}, which the server alone accepts`, async () => {
      assert.ok((await app({ ...client, alone: true }).token()).access_token);
      await assertRefused(app(client).token());
    });
  }

  test('an assertion is accepted once, though the server alone accepts it twice', async () => {
    const change = (header, payload) => { payload.jti = 'the same'; };
    const alone = app({ ...byKey.RS256, change, alone: true });
    await alone.token();
    await alone.token();
    const once = app({ ...byKey.RS256, change });
    await once.token();
    await assertRefused(once.token());
  });

  const refused = [
    ['an unregistered self-signed certificate', { ...billing, certificate: certificates.billingUnregistered }],
    ['a certificate of the right subject from another CA', { ...payments, certificate: certificates.paymentsOfAStrangerCa }],
    ['an assertion by another key', { ...byKey.RS256, key: otherKey }],
    ['a wrong secret', { ...basic, secret: 'another secret of thirty-two bytes' }],
    ['a secret in the body, registered for HTTP Basic', { ...basic, method: 'client_secret_post' }],
  ];
  for (const [what, client] of refused) {
    test(`the edge refuses ${what}`, () => assertRefused(app(client).token()));
  }
});
