// Every way in which an application authenticates, by two client libraries, through the edge to oidc-provider.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { LIBRARIES, claims, edgeOrigin, pkce } from './support/application.mjs';
import { browse } from './support/browser.mjs';
import { LOGIN_DOMAIN, PAYMENTS_DN } from './support/certificates.mjs';
import { http1 } from './support/connections.mjs';
import { ALGORITHMS, makeKey, makeKeyCertificate, secretSha256 } from './support/keys.mjs';
import { ISSUER, certificateJwk } from './support/provider.mjs';
import { assertRefused } from './support/refusals.mjs';
import { prepare, startBoth, watch } from './support/suite.mjs';

// Every character of a secret has to survive the form encoding inside HTTP Basic (RFC 6749 section 2.3.1).
const SECRET = 's3cr:t +/%41&="~-_.*!';
const OTHER_SECRET = 'another secret of thirty-two bytes';

const { binary, folder, certificates } = prepare();

/** One application for each algorithm, each registered in another form of its public key. */
const jwtApplications = [];
for (const algorithm of Object.keys(ALGORITHMS)) {
  const key = await makeKey(folder, `jwt-${algorithm.toLowerCase()}`, algorithm);
  jwtApplications.push({ clientId: key.name, key, method: 'private_key_jwt' });
}
const registered = {
  RS256: ({ name }) => ({ public_key: `${name}.pem` }), // RS256 is the default
  RS384: (key) => ({ public_key: makeKeyCertificate(folder, key), alg: 'RS384' }),
  PS256: ({ name }) => ({ public_key: `${name}.jwk`, alg: 'PS256' }),
  ES256: ({ name, kid }) => ({ public_key: `${name}.jwks`, alg: 'ES256', kid }),
  EdDSA: ({ name }) => ({ public_key: `${name}.pem`, alg: 'EdDSA' }),
};
const boundKey = await makeKey(folder, 'bound', 'ES256');
const carelessKey = await makeKey(folder, 'careless', 'ES256');

const clients = [
  { client_id: 'basic.app', token_endpoint_auth_method: 'client_secret_basic', client_secret: SECRET },
  { client_id: 'post.app', token_endpoint_auth_method: 'client_secret_post', client_secret: SECRET },
  ...jwtApplications.map(({ clientId, key }) => ({
    client_id: clientId, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key.jwk] },
  })),
  { client_id: 'payments', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: PAYMENTS_DN },
  {
    client_id: 'billing',
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    jwks: { keys: [certificateJwk(certificates.billing1)] },
  },
  {
    client_id: 'bound',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [boundKey.jwk] },
    tls_client_certificate_bound_access_tokens: true,
  },
  { client_id: 'public', token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] },
  // The server asks for less than what the edge has registered.
  { client_id: 'careless', token_endpoint_auth_method: 'none', grant_types: ['authorization_code'] },
];

const applications = [
  // The edge verifies this secret ...
  {
    client_id: 'basic.app',
    auth_method: 'client_secret_basic',
    credential: [{ name: 'secret', secret_sha256: secretSha256(SECRET) }],
  },
  // ... and leaves this one to the server.
  { client_id: 'post.app', auth_method: 'client_secret_post' },
  ...jwtApplications.map(({ clientId, key }) => ({
    client_id: clientId, auth_method: 'private_key_jwt', credential: [{ name: 'key', ...registered[key.algorithm](key) }],
  })),
  { client_id: 'payments', auth_method: 'tls_client_auth', credential: [{ name: 'ca', subject_dn: PAYMENTS_DN }] },
  {
    client_id: 'billing',
    auth_method: 'self_signed_tls_client_auth',
    credential: [{ name: 'certificate', thumbprint: certificates.billing1.hexThumbprint }],
  },
  {
    client_id: 'bound',
    auth_method: 'private_key_jwt',
    certificate_bound: true,
    credential: [{ name: 'key', public_key: 'bound.pem', alg: 'ES256' }],
  },
  { client_id: 'public', auth_method: 'none' },
  {
    client_id: 'careless',
    auth_method: 'private_key_jwt',
    credential: [{ name: 'key', public_key: 'careless.pem', alg: 'ES256' }],
  },
];

const confidential = [
  { clientId: 'basic.app', method: 'client_secret_basic', secret: SECRET },
  { clientId: 'post.app', method: 'client_secret_post', secret: SECRET },
  ...jwtApplications,
  { clientId: 'payments', method: 'tls_client_auth', certificate: certificates.payments1 },
  { clientId: 'billing', method: 'self_signed_tls_client_auth', certificate: certificates.billing1 },
];

describe('methods', { timeout: 120_000 }, async () => {
  let both;
  let login;
  before(async () => {
    both = await startBoth({ binary, folder, certificates, clients, applications });
    login = http1({ serverCa: certificates.serverCa });
  });
  after(async () => {
    await login?.close();
    await both?.stop();
  });
  watch(() => both.provider);

  /** The edge refuses what `client` sends, and the server sees none of it. */
  const assertRefusedByEdge = async (client, expected) => {
    await assertRefused(both.app(client).token(), expected);
    assert.deepEqual(both.provider.seen, [], 'the authorization server saw a request that the edge should have refused');
  };

  for (const library of Object.keys(LIBRARIES)) {
    for (const { clientId, method, ...credentials } of confidential) {
      const what = credentials.key ? `${method} with ${credentials.key.algorithm}` : method;
      const client = { library, clientId, method, ...credentials };

      test(`${library}: a token by ${what}`, async () => {
        const { client_id: owner, cnf } = claims(await both.app(client).token());
        assert.equal(owner, clientId);
        assert.equal(cnf?.['x5t#S256'], credentials.certificate?.thumbprint);
        assert.equal(both.provider.seen.length, 1);
      });

      test(`${library}: a pushed authorization request by ${what}`, async () => {
        const url = await both.app(client).push((await pkce()).challenge);
        assert.match(url.searchParams.get('request_uri'), /^urn:ietf:params:oauth:request_uri:.+/);
      });
    }

    test(`${library}: a public application redeems a code with PKCE`, async () => {
      const client = both.app({ library, clientId: 'public', method: 'none' });
      const { verifier, challenge } = await pkce();
      const { callback } = await browse({
        url: await client.authorizationUrl(challenge), fetch: login.fetch, origin: edgeOrigin(LOGIN_DOMAIN, both.edge.httpsPort),
      });
      assert.ok(callback?.searchParams.get('code'), `${callback}`);
      const tokens = await client.redeem(callback, verifier);
      assert.ok(tokens.id_token);
    });

    test(`${library}: private_key_jwt beside a certificate binds the token to it`, async () => {
      const certificate = certificates.billingUnregistered;
      const client = { library, clientId: 'bound', method: 'private_key_jwt', key: boundKey };
      const { cnf } = claims(await both.app({ ...client, certificate }).token());
      assert.deepEqual(cnf, { 'x5t#S256': certificate.thumbprint });
    });
  }

  test('an application whose tokens are bound is refused without a certificate', async () => {
    await assertRefusedByEdge({ clientId: 'bound', method: 'private_key_jwt', key: boundKey });
  });

  const rs256 = jwtApplications.find(({ key }) => key.algorithm === 'RS256');
  const rs384 = jwtApplications.find(({ key }) => key.algorithm === 'RS384');
  const asRs256 = await rs384.key.as('RS256');

  // Each of these gets a token from oidc-provider where the edge isn't in between.
  const laxer = [
    ['client_secret_post, registered for client_secret_basic', { clientId: 'basic.app', method: 'client_secret_post', secret: SECRET }],
    ['client_secret_basic, registered for client_secret_post', { clientId: 'post.app', method: 'client_secret_basic', secret: SECRET }],
    ['an assertion for the token endpoint', { ...rs256, change: (header, payload) => { payload.aud = `${both.provider.url}/token`; } }],
    ['an assertion for two audiences', { ...rs256, change: (header, payload) => { payload.aud = [ISSUER, 'https://other.example']; } }],
    ['an assertion that is valid for an hour', { ...rs256, change: (header, payload) => { payload.exp = payload.iat + 3600; } }],
    ['an assertion typed as an access token', { ...rs256, change: (header) => { header.typ = 'at+jwt'; } }],
    ['an assertion by another algorithm than the registered one', { ...rs384, key: asRs256 }],
  ];
  for (const [what, client] of laxer) {
    test(`the edge refuses ${what}, which the server alone accepts`, async () => {
      assert.ok((await both.app({ ...client, alone: true }).token()).access_token);
      both.provider.seen.length = 0;
      await assertRefusedByEdge(client);
    });
  }

  test('the edge refuses a request without the credential that the server forgets to ask for', async () => {
    const client = { clientId: 'careless', method: 'none' };
    const { challenge } = await pkce();
    assert.ok(await both.app({ ...client, alone: true }).push(challenge));
    both.provider.seen.length = 0;
    await assertRefused(both.app(client).push(challenge));
    assert.deepEqual(both.provider.seen, []);
  });

  // As other libraries send them: Authlib, MSAL for Python, Nimbus' SDK.
  const shapes = [
    ['typed as JWT', { change: (header) => { header.typ = 'JWT'; } }],
    ['with fractions of seconds', { change: (header, payload) => { payload.exp += 0.25; payload.iat += 0.25; } }],
    ['without nbf', { change: (header, payload) => { delete payload.nbf; } }],
    ['without client_id beside it', { changeBody: (body) => body.delete('client_id') }],
  ];
  for (const [what, change] of shapes) {
    test(`an assertion ${what} is accepted`, async () => {
      assert.equal(claims(await both.app({ ...rs256, ...change }).token()).client_id, rs256.clientId);
    });
  }

  test('an assertion is accepted once', async () => {
    const change = (header, payload) => { payload.jti = 'the same'; };
    await both.app({ ...rs256, change }).token();
    both.provider.seen.length = 0;
    await assertRefusedByEdge({ ...rs256, change });
    // Another application may use the same identifier.
    await both.app({ ...rs384, change }).token();
  });

  const wrong = [
    ['a wrong secret', { clientId: 'basic.app', method: 'client_secret_basic', secret: OTHER_SECRET }],
    ['an assertion by the key of another application', { ...rs256, key: rs384.key }],
    ['a secret for an application with a key', { clientId: rs256.clientId, method: 'client_secret_basic', secret: SECRET }],
    ['an assertion for an application with a secret', { clientId: 'basic.app', method: 'private_key_jwt', key: rs256.key }],
    ['an assertion for an application with a certificate', { clientId: 'payments', method: 'private_key_jwt', key: rs256.key, certificate: certificates.billing1 }],
    ['a certificate for an application with a key', { clientId: rs256.clientId, method: 'tls_client_auth', certificate: certificates.payments1 }],
    ['no credential of an application with a secret', { clientId: 'post.app', method: 'none' }],
    ['no credential of an application with a key', { clientId: rs256.clientId, method: 'none' }],
    ['a credential of a public application', { clientId: 'public', method: 'client_secret_basic', secret: SECRET }],
    ['an application that nobody registered', { clientId: 'unknown', method: 'client_secret_basic', secret: SECRET }],
  ];
  for (const [what, client] of wrong) {
    test(`the edge refuses ${what}`, () => assertRefusedByEdge(client));
  }

  test('two mechanisms at once are a bad request', async () => {
    const made = both.app({
      ...rs256, headers: { authorization: `Basic ${Buffer.from(`${rs256.clientId.replaceAll('-', '%2D')}:secret`).toString('base64')}` },
    });
    await assertRefused(made.token(), { status: 400, error: 'invalid_request' });
    assert.deepEqual(both.provider.seen, []);
  });

  test('a wrong secret that the edge does not know is refused by the server', async () => {
    await assertRefused(both.app({ clientId: 'post.app', method: 'client_secret_post', secret: OTHER_SECRET }).token());
    assert.equal(both.provider.seen.length, 1);
  });

  test('the log holds no secret and no assertion', async () => {
    assert.ok(!both.edge.log().includes(SECRET));
    assert.ok(!both.edge.log().includes(OTHER_SECRET));
    assert.ok(!/eyJ[A-Za-z0-9_-]+\.eyJ/.test(both.edge.log()));
  });
});
