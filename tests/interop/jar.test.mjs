// Signed authorization requests (RFC 9101), at the authorization endpoint and pushed (RFC 9126).

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { LIBRARIES, edgeOrigin, pkce } from './support/application.mjs';
import { browse } from './support/browser.mjs';
import { LOGIN_DOMAIN } from './support/certificates.mjs';
import { http1 } from './support/connections.mjs';
import { makeKey } from './support/keys.mjs';
import { ISSUER, REDIRECT_URI } from './support/provider.mjs';
import { assertRefused } from './support/refusals.mjs';
import { prepare, startBoth, watch } from './support/suite.mjs';

const { binary, folder, certificates } = prepare();

const INVALID = { status: 400, error: 'invalid_request_object' };

const rules = {
  signing: { require_signed_request: true },
  strict: { strict_request_objects: true },
  pushing: { require_pushed_request: true },
  plain: {},
};

/** The keys of each application, which no other has. Those for request objects are apart from that for authentication. */
const keys = {};
for (const name of Object.keys(rules)) {
  keys[name] = {
    authentication: await makeKey(folder, `${name}-authentication`, 'ES256'),
    one: await makeKey(folder, `${name}-1`, 'PS256'),
    two: await makeKey(folder, `${name}-2`, 'EdDSA'),
  };
}

const clients = Object.entries(keys).map(([name, own]) => ({
  client_id: name,
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: Object.values(own).map(({ jwk }) => jwk) },
}));
const applications = Object.entries(rules).map(([name, rule]) => ({
  client_id: name,
  auth_method: 'private_key_jwt',
  ...rule,
  credential: [{ name: 'key', public_key: `${name}-authentication.pem`, alg: 'ES256' }],
  request_key: [
    { name: 'one', public_key: `${name}-1.jwk`, alg: 'PS256' },
    { name: 'two', public_key: `${name}-2.pem`, alg: 'EdDSA' },
  ],
}));

describe('signed requests', { timeout: 60_000 }, () => {
  let both;
  let browser;
  let origin;
  before(async () => {
    both = await startBoth({
      binary, folder, certificates, clients, applications,
      par: { signed_request: 'verify' }, authorize: { signed_request: 'verify' },
    });
    browser = http1({ serverCa: certificates.serverCa });
    origin = edgeOrigin(LOGIN_DOMAIN, both.edge.httpsPort);
  });
  after(async () => {
    await browser?.close();
    await both?.stop();
  });
  watch(() => both.provider);

  const app = (clientId, library) => both.app({
    clientId, library, method: 'private_key_jwt', key: keys[clientId].authentication,
  });

  /** Sends the browser to `url`, or posts the parameters that it has. */
  const go = (url, method = 'GET') => browse({
    ...(method === 'POST' ? { url: url.origin + url.pathname, form: url.searchParams } : { url }), fetch: browser.fetch, origin,
  });

  /** The edge answers, and neither redirects nor forwards. */
  const assertRefusedAtOnce = async (url, method = 'GET') => {
    const { response, callback } = await go(url, method);
    assert.equal(callback, undefined, 'the browser was sent to the application');
    const body = await response.json();
    assert.deepEqual({ status: response.status, error: body.error }, INVALID, body.error_description);
    assert.deepEqual(both.provider.seen, [], 'the authorization server saw a request that the edge should have refused');
  };

  for (const library of Object.keys(LIBRARIES)) {
    for (const method of ['GET', 'POST']) {
      test(`${library}: a signed request by ${method} leads to a code`, async () => {
        const client = app('signing', library);
        const { verifier, challenge } = await pkce();
        const url = await client.authorizationUrl(challenge, keys.signing.one);
        const { callback } = await go(url, method);
        assert.ok(callback?.searchParams.get('code'), `${callback}`);
        if (method === 'GET') assert.equal(both.provider.seen[0].path, url.pathname + url.search, 'it passed on as it came');
        assert.ok((await client.redeem(callback, verifier)).id_token);
      });
    }

    test(`${library}: a signed request is pushed, and leads to a code`, async () => {
      const client = app('signing', library);
      const { verifier, challenge } = await pkce();
      const { searchParams } = await client.authorizationUrl(challenge, keys.signing.two);
      const { callback } = await go(await client.push(Object.fromEntries(searchParams)));
      assert.ok(callback?.searchParams.get('code'), `${callback}`);
      assert.ok((await client.redeem(callback, verifier)).id_token);
    });

    test(`${library}: an unsigned request that has to be pushed leads to a code only then`, async () => {
      const client = app('pushing', library);
      const { verifier, challenge } = await pkce();
      const { callback } = await go(await client.push(challenge));
      assert.ok((await client.redeem(callback, verifier)).id_token);

      both.provider.seen.length = 0;
      await assertRefusedAtOnce(await client.authorizationUrl(challenge));
    });
  }

  test('an unsigned request of an application that signs is refused, and accepted of another', async () => {
    const { challenge } = await pkce();
    await assertRefusedAtOnce(await app('signing').authorizationUrl(challenge));
    await assertRefused(app('signing').push(challenge), INVALID);
    assert.deepEqual(both.provider.seen, []);

    const { callback } = await go(await app('plain').authorizationUrl(challenge));
    assert.ok(callback.searchParams.get('code'));
  });

  test('the key for authentication signs no requests', async () => {
    const url = await app('signing').authorizationUrl((await pkce()).challenge, keys.signing.authentication);
    await assertRefusedAtOnce(url);
    await assertRefusedAtOnce(url, 'POST');
    await assertRefused(app('signing').push(Object.fromEntries(url.searchParams)), INVALID);
    assert.deepEqual(both.provider.seen, []);
  });

  test('a request by a key of another application is refused', async () => {
    await assertRefusedAtOnce(await app('plain').authorizationUrl((await pkce()).challenge, keys.strict.one));
  });

  test('a request that is not signed, but looks like it, is refused', async () => {
    const { challenge } = await pkce();
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: 'plain', client_id: 'plain', aud: ISSUER, iat: now, nbf: now, exp: now + 60 };
    const parameters = { redirect_uri: REDIRECT_URI, response_type: 'code', scope: 'openid', ...challenge };
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const request = `${part({ alg: 'none', typ: 'oauth-authz-req+jwt' })}.${part({ ...claims, ...parameters })}.`;
    await assertRefusedAtOnce(new URL(`${ISSUER}/auth?${new URLSearchParams({ client_id: 'plain', request })}`));
  });

  test('what contradicts a request outside loses, and is refused where the application is strict', async () => {
    for (const [name, code] of [['plain', true], ['strict', false]]) {
      const url = await app(name).authorizationUrl((await pkce()).challenge, keys[name].one);
      url.searchParams.set('scope', 'openid email');
      if (code) assert.ok((await go(url)).callback.searchParams.get('code'));
      both.provider.seen.length = 0;
      if (!code) await assertRefusedAtOnce(url);
    }
  });

  test('another client_id or response_type outside is refused', async () => {
    const url = await app('plain').authorizationUrl((await pkce()).challenge, keys.plain.one);
    for (const [name, value] of [['client_id', 'strict'], ['response_type', 'id_token']]) {
      const other = new URL(url);
      other.searchParams.set(name, value);
      await assertRefusedAtOnce(other);
    }
  });

  test('a request_uri is one of those that the server gave', async () => {
    const url = new URL(`${ISSUER}/auth?${new URLSearchParams({ client_id: 'plain', request_uri: 'https://app.localhost/request.jwt' })}`);
    await assertRefusedAtOnce(url);
  });

  test('a request object authenticates nobody', async () => {
    const { searchParams } = await app('plain').authorizationUrl({ sub: 'plain', ...(await pkce()).challenge }, keys.plain.authentication);
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'plain',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: searchParams.get('request'),
    });
    const response = await browser.fetch(`${origin}/token`, { method: 'POST', body });
    assert.equal(response.status, 401);
    assert.equal((await response.json()).error, 'invalid_client');
    assert.deepEqual(both.provider.seen, []);
  });

  // Last: it changes the registry.
  test('a request by a key that was removed is refused from then on', async () => {
    const url = await app('plain').authorizationUrl((await pkce()).challenge, keys.plain.one);
    assert.ok((await go(url)).callback.searchParams.get('code'));
    await both.edge.register(applications.map((one) => ({ ...one, request_key: one.request_key.slice(1) })));
    both.provider.seen.length = 0;
    await assertRefusedAtOnce(url);
  });
});
