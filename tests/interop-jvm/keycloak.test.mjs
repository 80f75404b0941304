// The edge in front of Keycloak, which reads the certificate from the headers of RFC 9440.

import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { application, claims, edgeOrigin, pkce } from '../interop/support/application.mjs';
import { browse } from '../interop/support/browser.mjs';
import { DOMAIN, LOGIN_DOMAIN, PAYMENTS_DN } from '../interop/support/certificates.mjs';
import { http1 } from '../interop/support/connections.mjs';
import { requestDirectly } from '../interop/support/directly.mjs';
import { startEdge } from '../interop/support/edge.mjs';
import { makeKey, secretSha256 } from '../interop/support/keys.mjs';
import { assertRefused } from '../interop/support/refusals.mjs';
import { prepare } from '../interop/support/suite.mjs';
import { KEYCLOAK_ISSUER, PATHS, REALM_PATH, keycloak, startKeycloak } from './support/keycloak.mjs';

const SECRET = 's3cr:t +/%41&="~-_.*!';

describe('Keycloak', { skip: keycloak.skip, timeout: 240_000 }, async () => {
  if (keycloak.skip) return;
  const { binary, folder, certificates } = prepare();
  const keys = {};
  for (const algorithm of ['RS256', 'PS256', 'ES256', 'EdDSA']) keys[algorithm] = await makeKey(folder, algorithm.toLowerCase(), algorithm);
  const boundKey = await makeKey(folder, 'bound', 'PS256');
  // For the request objects of the application `rs256`.
  const requestKey = await makeKey(folder, 'request', 'PS256');

  const withKey = (key, algorithm) => ({
    clientAuthenticatorType: 'client-jwt',
    attributes: {
      'use.jwks.string': 'true',
      'jwks.string': JSON.stringify({ keys: [key, requestKey].map(({ jwk }) => ({ ...jwk, use: 'sig' })) }),
      'token.endpoint.auth.signing.alg': algorithm,
    },
  });
  const bound = { 'tls.client.certificate.bound.access.tokens': 'true' };
  const withSubject = (subject) => ({
    clientAuthenticatorType: 'client-x509',
    attributes: { 'x509.subjectdn': subject, 'x509.allow.regex.pattern.comparison': 'false', ...bound },
  });
  const jwt = withKey(boundKey, 'PS256');
  const clients = [
    { clientId: 'payments', ...withSubject(PAYMENTS_DN) },
    // Keycloak knows a client by its subject alone: that the certificate is the registered one, the edge verifies.
    { clientId: 'billing', ...withSubject('CN=billing,O=Example Billing,C=DE') },
    ...Object.entries(keys).map(([algorithm, key]) => ({ clientId: key.name, ...withKey(key, algorithm) })),
    { clientId: 'bound', ...jwt, attributes: { ...jwt.attributes, ...bound } },
    { clientId: 'basic', clientAuthenticatorType: 'client-secret', secret: SECRET },
    { clientId: 'post', clientAuthenticatorType: 'client-secret', secret: SECRET },
  ];
  const credential = ({ name }, alg) => [{ name: 'key', public_key: `${name}.pem`, alg }];
  const applications = [
    { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] },
    {
      client_id: 'billing',
      auth_method: 'self_signed_tls_client_auth',
      credential: [{ name: 'certificate', thumbprint: certificates.billing1.hexThumbprint }],
    },
    ...Object.entries(keys).map(([algorithm, key]) => ({
      client_id: key.name,
      auth_method: 'private_key_jwt',
      credential: credential(key, algorithm),
      request_key: algorithm === 'RS256' ? [{ name: 'request', public_key: 'request.pem', alg: 'PS256' }] : [],
    })),
    { client_id: 'bound', auth_method: 'private_key_jwt', certificate_bound: true, credential: credential(boundKey, 'PS256') },
    { client_id: 'basic', auth_method: 'client_secret_basic', credential: [{ name: 'secret', secret_sha256: secretSha256(SECRET) }] },
    { client_id: 'post', auth_method: 'client_secret_post' },
  ];

  let server;
  let edge;
  const open = [];
  before(async () => {
    server = await startKeycloak({ clients, certificates });
    const backChannel = [
      { path: REALM_PATH + PATHS.token, authenticate: 'client' },
      { path: REALM_PATH + PATHS.push, authenticate: 'client', signed_request: 'verify' },
    ];
    edge = await startEdge({
      binary,
      folder,
      certificates,
      applications,
      profile: 'rfc9440',
      upstream: server.url,
      mtls: { client_auth: 'optional', issuer: KEYCLOAK_ISSUER, routes: backChannel },
      login: {
        client_auth: 'off',
        issuer: KEYCLOAK_ISSUER,
        routes: [
          ...backChannel,
          { path: REALM_PATH + PATHS.authorize, methods: ['GET', 'POST'], authenticate: 'none', signed_request: 'verify' },
        ],
      },
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
      issuer: KEYCLOAK_ISSUER,
      paths: PATHS,
      origin: (alone ? server.url : edgeOrigin(certificate ? DOMAIN : LOGIN_DOMAIN, edge.httpsPort)) + REALM_PATH,
      ...client,
    });
    open.push(made);
    return {
      ...made,
      token: () => made.token({}),
      push: async () => made.push((await pkce()).challenge),
    };
  };

  const byKey = Object.fromEntries(Object.entries(keys).map(
    ([algorithm, key]) => [algorithm, { clientId: key.name, method: 'private_key_jwt', key }],
  ));
  // Keycloak calls the algorithm as RFC 8037 does, the client library as RFC 9864.
  byKey.EdDSA.change = (header) => { header.alg = 'EdDSA'; };
  const payments = { clientId: 'payments', method: 'tls_client_auth', certificate: certificates.payments1 };
  const billing = { clientId: 'billing', method: 'self_signed_tls_client_auth', certificate: certificates.billing1 };
  const basic = { clientId: 'basic', method: 'client_secret_basic', secret: SECRET };
  const boundClient = { clientId: 'bound', method: 'private_key_jwt', key: boundKey, certificate: certificates.billingUnregistered };

  const accepted = [
    ['client-x509, a certificate of a CA', payments],
    ['client-x509, a self-signed certificate', billing],
    ...Object.entries(byKey).map(([algorithm, client]) => [`client-jwt, ${algorithm}`, client]),
    ['client-jwt beside a certificate', boundClient],
    ['client-secret, by HTTP Basic', basic],
    ['client-secret, in the body', { clientId: 'post', method: 'client_secret_post', secret: SECRET }],
  ];
  for (const [what, client] of accepted) {
    test(`a token by ${what}`, async () => {
      const { azp, cnf } = claims(await app(client).token());
      assert.equal(azp, client.clientId);
      assert.equal(cnf?.['x5t#S256'], client.certificate?.thumbprint);
    });

    test(`a pushed authorization request by ${what}`, async () => {
      const url = await app(client).push();
      assert.match(url.searchParams.get('request_uri'), /^urn:ietf:params:oauth:request_uri:.+/);
    });
  }

  // Keycloak alone gives each of these a token.
  const laxer = [
    ['a secret in the body, registered for HTTP Basic', { ...basic, method: 'client_secret_post' }],
  ];
  for (const [what, client] of laxer) {
    test(`the edge refuses ${what}, which the server alone accepts`, async () => {
      assert.ok((await app({ ...client, alone: true }).token()).access_token);
      await assertRefused(app(client).token());
    });
  }

  const refused = [
    ['a self-signed certificate of the registered subject', { ...billing, certificate: certificates.billingUnregistered }],
    ['a certificate of the right subject from another CA', { ...payments, certificate: certificates.paymentsOfAStrangerCa }],
    ['an assertion by another key', { ...byKey.RS256, key: requestKey }],
    ['an assertion for two audiences', { ...byKey.RS256, change: (header, payload) => { payload.aud = [payload.aud, 'https://other.example']; } }],
    ['a wrong secret', { ...basic, secret: 'another secret of thirty-two bytes' }],
    ['a bound application without its certificate', { ...boundClient, certificate: undefined }],
  ];
  for (const [what, client] of refused) {
    test(`the edge refuses ${what}`, () => assertRefused(app(client).token()));
  }

  test('with https-client-auth=required nobody but the edge gets through', async () => {
    const { payments1, serverCa } = certificates;
    const direct = (certificate) => requestDirectly({
      url: server.mutualUrl + REALM_PATH + PATHS.token,
      serverCa,
      certificate,
      form: { grant_type: 'client_credentials', client_id: 'payments' },
      headers: { 'client-cert': `:${payments1.x509.raw.toString('base64')}:` },
    });
    for (const certificate of [undefined, payments1]) {
      await assert.rejects(direct(certificate), /alert|ECONNRESET|socket hang up/);
    }
    assert.equal((await direct(certificates.edge)).status, 200);

    // The folder with the certificates, for a second edge beside the first.
    const own = join(folder, 'mutual');
    mkdirSync(own);
    for (const name of ['server.pem', 'server.key', 'server-ca.pem', 'edge.pem', 'edge.key', ...Object.values(keys).map((key) => `${key.name}.pem`), 'bound.pem', 'request.pem']) {
      copyFileSync(join(folder, name), join(own, name));
    }
    const mutual = await startEdge({
      binary,
      folder: own,
      certificates,
      applications,
      profile: 'rfc9440',
      upstream: server.mutualUrl,
      upstreamKeys: { ca: 'server-ca.pem', client_certificate: 'edge.pem', private_key: 'edge.key' },
      mtls: { client_auth: 'required', issuer: KEYCLOAK_ISSUER, routes: [{ path: REALM_PATH + PATHS.token, authenticate: 'client' }] },
    });
    try {
      const client = app({ ...payments, origin: edgeOrigin(DOMAIN, mutual.httpsPort) + REALM_PATH });
      assert.equal(claims(await client.token()).cnf['x5t#S256'], payments1.thumbprint);
    } finally {
      mutual.kill();
    }
  });

  test('an assertion is accepted once', async () => {
    const once = app({ ...byKey.RS256, change: (header, payload) => { payload.jti = 'the same'; } });
    await once.token();
    await assertRefused(once.token());
  });

  test('a signed request reaches the login page, and one by another key does not reach Keycloak', async () => {
    const browser = http1({ serverCa: certificates.serverCa });
    open.push(browser);
    const client = app(byKey.RS256);
    const go = (url) => browse({ url, fetch: browser.fetch, origin: edgeOrigin(LOGIN_DOMAIN, edge.httpsPort) });

    const { response } = await go(await client.authorizationUrl((await pkce()).challenge, requestKey));
    assert.equal(response.status, 200);
    assert.match(await response.text(), /<form[^>]*login/);

    const { response: refusal } = await go(await client.authorizationUrl((await pkce()).challenge, keys.RS256));
    assert.equal(refusal.status, 400);
    assert.equal((await refusal.json()).error, 'invalid_request_object');
  });
});
