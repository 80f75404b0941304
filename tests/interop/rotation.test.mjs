// Rotation while requests run, and revocation on connections that are open.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { edgeOrigin } from './support/application.mjs';
import { DOMAIN, LOGIN_DOMAIN, PAYMENTS_DN } from './support/certificates.mjs';
import { http1, http2 } from './support/connections.mjs';
import { makeKey, secretSha256 } from './support/keys.mjs';
import { assertRefused } from './support/refusals.mjs';
import { prepare, startBoth, watch } from './support/suite.mjs';

const REQUESTS_AT_ONCE = 4;
const REQUESTS_EACH = 10;
const SECRET = 'the secret of the application, 1';

const { binary, folder, certificates } = prepare();
const one = await makeKey(folder, 'one', 'PS256');
const two = await makeKey(folder, 'two', 'ES256');
const publishedOne = await makeKey(folder, 'published-one', 'RS256');
const publishedTwo = await makeKey(folder, 'published-two', 'ES256');
const [ca1, ca2] = certificates.clientCas.map(({ certificateFile }) => basename(certificateFile));

const clients = [
  { client_id: 'keys', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [one.jwk, two.jwk] } },
  {
    client_id: 'publishing',
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [publishedOne.jwk, publishedTwo.jwk] },
  },
  { client_id: 'secret', token_endpoint_auth_method: 'client_secret_basic', client_secret: SECRET },
  { client_id: 'payments', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: PAYMENTS_DN },
];

const credentialOne = { name: 'one', public_key: 'one.pem', alg: 'PS256' };
const credentialTwo = { name: 'two', public_key: 'two.jwk', alg: 'ES256' };
const secretOf = (secret) => ({ name: 'secret', secret_sha256: secretSha256(secret) });
const issuedBy = (ca) => ({ name: 'ca', subject_dn: PAYMENTS_DN, ca });

/** The key set that the application `publishing` publishes, at `url`. */
const published = { keys: [publishedOne.jwk], url: undefined };

/** The registry, with one list of credentials an application. */
const registry = ({ keys = [credentialOne], secret = [secretOf(SECRET)], payments = [issuedBy(ca1)] } = {}) => [
  { client_id: 'keys', auth_method: 'private_key_jwt', credential: keys },
  { client_id: 'secret', auth_method: 'client_secret_basic', credential: secret },
  { client_id: 'payments', auth_method: 'tls_client_auth', credential: payments },
  {
    client_id: 'publishing',
    auth_method: 'private_key_jwt',
    jwks_uri: { url: published.url, file: 'published.json', refresh: '200ms' },
  },
];

describe('rotation and revocation', { timeout: 60_000 }, () => {
  let both;
  const publisher = createServer((request, response) => {
    response.setHeader('content-type', 'application/jwk-set+json');
    response.end(JSON.stringify({ keys: published.keys }));
  });
  before(async () => {
    publisher.listen(0, '127.0.0.1');
    await once(publisher, 'listening');
    published.url = `http://127.0.0.1:${publisher.address().port}/jwks`;
    both = await startBoth({ binary, folder, certificates, clients, applications: registry() });
  });
  after(async () => {
    await both?.stop();
    publisher.closeAllConnections();
    publisher.close();
  });
  watch(() => both.provider);

  test('an application moves from key one to key two with no refusal', async () => {
    const byKey = new Map([one, two].map((key) => [key, both.app({ clientId: 'keys', method: 'private_key_jwt', key })]));
    let key = one;
    let running = true;
    let tokens = 0;
    const waiting = new Set();
    const worker = async () => {
      while (running) {
        await byKey.get(key).token();
        tokens += 1;
        for (const wake of waiting) wake();
      }
    };
    const workers = Array.from({ length: REQUESTS_AT_ONCE }, worker);
    /** Every worker has had more tokens since; fails with the first that was refused one. */
    const more = () => {
      const goal = tokens + REQUESTS_AT_ONCE * REQUESTS_EACH;
      const reached = new Promise((done) => {
        const wake = () => tokens >= goal && waiting.delete(wake) && done();
        waiting.add(wake);
      });
      return Promise.race([reached, ...workers]);
    };
    try {
      await more();
      await both.edge.register(registry({ keys: [credentialOne, credentialTwo] }));
      await more();
      key = two;
      await more();
      await both.edge.register(registry({ keys: [credentialTwo] }));
      await more();
    } finally {
      running = false;
      await Promise.all(workers);
    }
    await assertRefused(byKey.get(one).token());
    await byKey.get(two).token();
  });

  test('an application rotates the keys that it publishes, with no change at the edge', async () => {
    const [first, second] = [publishedOne, publishedTwo].map((key) => both.app({ clientId: 'publishing', method: 'private_key_jwt', key }));
    await first.token();
    await assertRefused(second.token());
    published.keys = [publishedOne.jwk, publishedTwo.jwk];
    await eventually(() => second.token());
    await first.token();
    published.keys = [publishedTwo.jwk];
    await eventually(() => assertRefused(first.token()));
    await second.token();
  });

  const revoked = [
    ['a key', { clientId: 'keys', method: 'private_key_jwt', key: one }, { keys: [credentialTwo] }],
    ['a secret', { clientId: 'secret', method: 'client_secret_basic', secret: SECRET }, { secret: [secretOf('another')] }],
    ['a certificate', { clientId: 'payments', certificate: certificates.payments1 }, { payments: [issuedBy(ca2)] }],
  ];
  const connections = {
    'a kept-alive connection': (options) => http1({ ...options, limit: 1 }),
    'an HTTP/2 connection': http2,
  };
  for (const [what, client, without] of revoked) {
    for (const [where, connect] of Object.entries(connections)) {
      test(`${what} is revoked on ${where}: its next request is refused`, async () => {
        await both.edge.register(registry());
        const { certificate } = client;
        const origin = edgeOrigin(certificate ? DOMAIN : LOGIN_DOMAIN, both.edge.httpsPort);
        const made = await connect({ origin, serverCa: certificates.serverCa, certificate });
        const app = both.app({ ...client, connections: made });
        await app.token();
        await app.token();
        await both.edge.register(registry(without));
        both.provider.seen.length = 0;
        await assertRefused(app.token());
        assert.deepEqual(both.provider.seen, [], 'the authorization server saw a request by a revoked credential');
        assert.equal(made.opened(), 1, 'the refusal came on another connection');
      });
    }
  }
});

/** Tries until `attempt` does not fail any more, within the time that a key set needs to be fetched once more. */
async function eventually(attempt) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(100);
    }
  }
}
