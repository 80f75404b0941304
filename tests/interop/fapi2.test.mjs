// `profile = "fapi2"`: each request is accepted by a lax oidc-provider alone, and refused by the edge in front of it.
//
// "Alone" is a proxy that terminates TLS and no more: the requests go to the server with the headers that such a one sets. What no
// configuration of oidc-provider accepts is NEVER in the list of requests.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';

import { edgeOrigin } from './support/application.mjs';
import { browse } from './support/browser.mjs';
import { DOMAIN, LOGIN_DOMAIN } from './support/certificates.mjs';
import { CLAUSES, CODE, CONFORMING, NEVER, PUSHED, RESOURCE, TOKEN, redirectUri } from './support/clauses.mjs';
import { http1 } from './support/connections.mjs';
import { AGAIN, LAX, laxApplications, laxClients, makeKeys } from './support/lax.mjs';
import { PROFILES } from './support/profiles.mjs';
import { ISSUER, REDIRECT_URI } from './support/provider.mjs';
import { prepare, startBoth, watch } from './support/suite.mjs';

const { binary, folder, certificates } = prepare();
const keys = await makeKeys(folder);
const CHACHA20 = ['TLS_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'];

const given = (parameters = {}) => new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined));

/** Sends a request by `fetch` to the place that `origin` names for it. */
function send({ path, query, form, headers }, { fetch, origin }) {
  const search = query ? `?${given(query)}` : '';
  return fetch(origin + path + search, { redirect: 'manual', headers, ...(form && { method: 'POST', body: given(form) }) });
}

describe('FAPI 2.0', { timeout: 120_000 }, () => {
  let both;
  const open = [];
  before(async () => {
    both = await startBoth({
      binary,
      folder,
      certificates,
      clients: laxClients(keys, certificates),
      applications: laxApplications(certificates),
      server: LAX,
      domain: { profile: 'fapi2', audiences: [`${ISSUER}/token`] },
      par: { signed_request: 'verify' },
      authorize: { signed_request: 'verify' },
      resources: [
        { path: '/me', methods: ['GET'], authenticate: 'none' },
        { path: `${AGAIN}/*`, methods: ['GET', 'POST'], authenticate: 'none' },
      ],
    });
  });
  after(async () => {
    await Promise.all(open.map((made) => made.close()));
    await both?.stop();
  });
  watch(() => both.provider);

  /** The server behind a proxy that only terminates TLS. */
  const alone = (certificate) => ({
    origin: both.provider.url,
    fetch: (url, options) => fetch(url, {
      ...options,
      headers: {
        ...options.headers,
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-Host': new URL(ISSUER).host,
        ...(certificate && PROFILES.rfc9440.forge(certificates[certificate])),
      },
    }),
    tokenEndpoint: `${ISSUER}/token`,
  });
  const edge = (certificate, path) => {
    const made = http1({ serverCa: certificates.serverCa, certificate: certificates[certificate] });
    open.push(made);
    const origin = edgeOrigin(path === '/auth' ? LOGIN_DOMAIN : DOMAIN, both.edge.httpsPort);
    return { origin, fetch: made.fetch };
  };

  /** What requests are made of; codes and references are had from the server alone. */
  const context = (tokenEndpoint) => {
    const code = async (clientId) => {
      const query = { client_id: clientId, response_type: 'code', redirect_uri: REDIRECT_URI, scope: 'openid' };
      const { callback } = await browse({ url: `${ISSUER}/auth?${given(query)}`, ...alone() });
      return callback.searchParams.get('code');
    };
    return {
      keys,
      tokenEndpoint,
      code,
      async userToken() {
        const form = { client_id: 'public', grant_type: 'authorization_code', code: await code('public'), redirect_uri: REDIRECT_URI };
        return (await (await send({ path: '/token', form }, alone())).json()).access_token;
      },
      async reference() {
        const [, request] = CONFORMING.find(([name]) => name === 'a pushed request by a certificate');
        const { request_uri: reference } = await (await send(request(), alone('billing1'))).json();
        return { client_id: 'mtls', request_uri: reference };
      },
    };
  };

  /** The browser, sent to the server by `url` or `form`, comes back to the application with a code or token. */
  const assertLeadsBack = async (request, place, until) => {
    const { callback, response } = await browse({ ...place, ...request, until });
    assert.ok(callback, response && `${response.status} ${await response.text()}`);
    const answer = new URLSearchParams(callback.search || callback.hash.slice(1));
    assert.ok(answer.get('code') ?? answer.get('access_token'), callback.href);
  };

  const assertAccepted = async (request, place, answer, loginPlace = place) => {
    const { path, query, form = {} } = request;
    if (answer === CODE) {
      const search = query ? `?${given(query)}` : '';
      return assertLeadsBack({ url: ISSUER + path + search, ...(request.form && { form: given(form) }) }, place);
    }
    const response = await send(request, place);
    const text = await response.text();
    assert.equal(response.status, { [TOKEN]: 200, [PUSHED]: 201, [RESOURCE]: 200 }[answer], text);
    const body = JSON.parse(text);
    if (answer === TOKEN) assert.ok(body.access_token);
    if (answer === RESOURCE) assert.equal(body.sub, 'user');
    if (answer === PUSHED) {
      const reference = { client_id: form.client_id, request_uri: body.request_uri };
      await assertLeadsBack({ url: `${ISSUER}/auth?${given(reference)}` }, loginPlace, redirectUri(form));
    }
    return undefined;
  };

  for (const [name, request, status, error, answer] of CLAUSES) {
    test(`refused by the edge, and by a lax server alone ${answer === NEVER ? 'too' : 'accepted'}: ${name}`, async () => {
      const made = await request(context(`${ISSUER}/token`));
      if (answer === NEVER) {
        assert.equal((await send(made, alone(made.certificate))).status, 400);
      } else {
        await assertAccepted(made, alone(made.certificate), answer);
      }

      const place = edge(made.certificate, made.path);
      const again = await request(context(`${place.origin}/token`));
      both.provider.seen.length = 0;
      const response = await send(again, place);
      const body = await response.json();
      assert.deepEqual({ status: response.status, error: body.error }, { status, error }, body.error_description);
      assert.equal(response.headers.get('location'), null);
      assert.deepEqual(both.provider.seen, [], 'the authorization server saw a request that the edge should have refused');
    });
  }

  for (const [name, request, answer] of CONFORMING) {
    test(`accepted by both: ${name}`, async () => {
      const made = await request(context(`${ISSUER}/token`));
      await assertAccepted(made, alone(made.certificate), answer);
      const place = edge(made.certificate, made.path);
      await assertAccepted(await request(context(`${place.origin}/token`)), place, answer, edge(undefined, '/auth'));
    });
  }

  test('no CORS at the authorization endpoint, and HSTS for browsers', async () => {
    const [, request] = CONFORMING.find(([, , answer]) => answer === CODE);
    const fields = async (place) => {
      const { headers } = await send(await request(context()), place);
      return [headers.get('access-control-allow-origin'), headers.get('strict-transport-security')];
    };
    assert.deepEqual(await fields(alone()), ['*', null]);
    assert.deepEqual(await fields(edge(undefined, '/auth')), [null, 'max-age=31536000']);
  });

  test('only suites with AES-GCM', async () => {
    const { key, pem } = certificates.server;
    // oidc-provider has no TLS of its own: node's, as applications with it have it.
    const server = createServer({ key, cert: pem }, (request, response) => response.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const handshake = async (port, suite) => {
      const version = suite.startsWith('TLS_') ? 'TLSv1.3' : 'TLSv1.2';
      const socket = connect({
        host: '127.0.0.1', port, servername: DOMAIN, ca: certificates.serverCa.pem, ciphers: suite, minVersion: version, maxVersion: version,
      });
      try {
        await once(socket, 'secureConnect');
        return socket.getCipher().name;
      } catch (error) {
        return error.code;
      } finally {
        socket.destroy();
      }
    };
    try {
      for (const suite of CHACHA20) {
        assert.equal(await handshake(server.address().port, suite), suite);
        assert.match(await handshake(both.edge.httpsPort, suite), /HANDSHAKE_FAILURE/);
      }
      for (const suite of ['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384']) {
        assert.equal(await handshake(both.edge.httpsPort, suite), suite);
      }
    } finally {
      server.close();
    }
  });

  test('docs/fapi2.md has the same requests and answers', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/fapi2.md'), 'utf8');
    const [, table] = page.split('| request | section | the edge | oidc-provider alone |\n');
    const lines = table.split('\n\n')[0].split('\n').slice(1);
    const rows = lines.map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()));
    const listed = rows.map(([name, , refusal, answer]) => [name, refusal, answer]);
    assert.deepEqual(listed, CLAUSES.map(([name, , status, error, answer]) => [name, `${status} \`${error}\``, answer]));
  });
});
